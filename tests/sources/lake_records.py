"""Records of a stream written into a lake as pulling leaves them there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RECEIVED = dt.datetime(2026, 2, 1, 4, 0)
_SCHEMA = pa.schema(
    {
        "record_key": pa.string(),
        "record_id": pa.string(),
        "record_updated_at": pa.timestamp("us"),
        "received_at": pa.timestamp("us"),
        "payload": pa.string(),
    }
)


@dataclass(frozen=True)
class LakeRecord:
    """A record of the lake; `payload` is its JSON text."""

    key: str | None
    payload: str
    updated_at: dt.datetime | None = dt.datetime(2026, 1, 31, 12, 0)
    received_at: dt.datetime = RECEIVED
    record_id: str = ""


def write_records(lake: Path, source: str, stream: str, records: Sequence[LakeRecord]) -> None:
    """Write each record into the file of the day on which it changed, or else was received."""
    by_day: dict[dt.date, list[LakeRecord]] = {}
    for record in records:
        day = (record.updated_at or record.received_at).date()
        by_day.setdefault(day, []).append(record)
    folder = lake / source / stream
    folder.mkdir(parents=True, exist_ok=True)
    for day, of_day in by_day.items():
        rows = [
            {
                "record_key": one.key,
                "record_id": one.record_id or f"{one.key}@{one.updated_at}",
                "record_updated_at": one.updated_at,
                "received_at": one.received_at,
                "payload": one.payload,
            }
            for one in of_day
        ]
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        pq.write_table(table, folder / f"{day.isoformat()}.parquet")
