"""What the staging tables of a system make of its samples."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
from lake_records import LakeRecord, write_records

from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.paging import find
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import staging_tables
from marketing_platform.sources.stream import Stream

Rows = list[dict[str, Any]]


def stage(
    make_settings: Callable[..., Settings],
    system: str,
    given: Mapping[str, Any],
    samples: Mapping[str, list[dict[str, Any]]],
) -> Callable[..., Rows]:
    """A function from a staging table and some of its columns to its rows, by key and moment."""
    settings = make_settings(sources={system: dict(given)})
    (source,) = active_sources(settings)
    for stream in source.streams:
        records = [_record(stream, sample) for sample in samples.get(stream.name, [])]
        write_records(settings.lake_dir, source.name, stream.name, records)
    connection = duckdb.connect()
    create_views(connection, settings, source)
    connection.execute("create schema staging")
    # What belongs to another record is read beside it.
    tables = sorted(
        staging_tables(settings).items(), key=lambda one: "staging." in one[1].table.sql
    )
    for name, staged in tables:
        if staged.source == system:
            connection.execute(f"create table {name} as {staged.table.sql}")

    def rows(entity: str, *columns: str) -> Rows:
        found = connection.execute(
            f"select {', '.join(columns)} from staging.{system}_{entity} order by record_id"
        )
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    return rows


def _record(stream: Stream, sample: dict[str, Any]) -> LakeRecord:
    key = "/".join(str(find(sample, path)) for path in stream.record_keys)
    found = (find(sample, path) for path in stream.updated_at.paths)
    told = next((moment for moment in found if moment is not None), None)
    return LakeRecord(key, json.dumps(sample), _moment(stream.updated_at.kind, told))


def _moment(kind: str, told: Any) -> dt.datetime | None:
    if kind in ("seconds", "milliseconds"):
        scale = 1 if kind == "seconds" else 1000
        return dt.datetime.fromtimestamp(told / scale, dt.UTC).replace(tzinfo=None)
    try:
        return dt.datetime.fromisoformat(str(told)).astimezone(dt.UTC).replace(tzinfo=None)
    except ValueError:
        return None
