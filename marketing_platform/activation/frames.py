"""Rows of the state database as frames, read in parts.

A row in Python takes ten times what it takes in a frame, and a ledger has millions of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import sqlalchemy as sa

_PART = 20_000


def frames(
    connection: sa.Connection,
    statement: sa.Executable,
    schema: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> Iterator[pl.DataFrame]:
    """The rows of a statement, some at a time."""
    # A server, too, is asked for no more than a part at once.
    options = {"yield_per": _PART}
    rows = connection.execute(statement, dict(values or {}), execution_options=options)
    for part in rows.partitions(_PART):
        yield pl.DataFrame([tuple(row) for row in part], schema=schema, orient="row")


def frame_of(
    connection: sa.Connection,
    statement: sa.Executable,
    schema: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> pl.DataFrame:
    """All rows of a statement in one frame."""
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *frames(connection, statement, schema, values)])


def as_stream(parts: Iterator[pl.DataFrame], schema: Mapping[str, Any]) -> pa.RecordBatchReader:
    """Frames that DuckDB reads one after the other, once; no more than one of them is held."""
    kept = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    batches = (
        batch
        for part in parts
        for batch in part.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
    )
    return pa.RecordBatchReader.from_batches(kept, batches)
