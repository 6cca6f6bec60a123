"""Merges the records of a pull into the lake: one Parquet per day of their last change."""

# ruff: noqa: S608 - SQL is put together from declared paths and our own names, quoted

from __future__ import annotations

import datetime as dt
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from marketing_platform.lake import Stream as LakeStream
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.values import literal

# Threads, whatever the machine has: each takes memory of which there is little.
_PARTS = 2
COLUMNS = ("record_key", "record_id", "record_updated_at", "received_at", "payload")
_ID = """record_key || case
    when record_updated_at is null then ''
    else strftime(record_updated_at, '@%Y-%m-%dT%H:%M:%S.%fZ') end"""


@dataclass(frozen=True)
class Merged:
    """The records that came, the days whose files changed, and the newest moment."""

    record_count: int
    written_days: tuple[dt.date, ...]
    newest_record: dt.datetime | None


def merge(
    connection: duckdb.DuckDBPyConnection,
    target: LakeStream,
    stream: Stream,
    window: Window,
    received_at: dt.datetime,
) -> Merged:
    """Merge the records in `pulled`; a day that does not change is not written.

    Payloads are moved once, when they are written; all before is decided by keys and digests.
    """
    connection.execute(f"set threads = {_PARTS}")
    _key(connection)
    _load_old(connection, target)
    _place(connection, window, received_at)
    _keep(connection, stream, window)
    changed = _changed_days(connection)
    _write(connection, target, changed)
    row = connection.execute(
        "select (select count(*) from pulled), (select max(record_updated_at) from received)"
    ).fetchone()
    count, newest = row or (0, None)
    return Merged(count, tuple(changed), newest)


def _key(connection: duckdb.DuckDBPyConnection) -> None:
    """`keyed`: of each version of a record the copy that came last, `place` being its row."""
    connection.execute(f"""
        create or replace table keyed as
        select
            {_ID} as record_id,
            max(rowid) as place,
            any_value(record_key) as record_key,
            any_value(record_updated_at) as record_updated_at,
            arg_max(digest, rowid) as digest
        from pulled
        group by 1
    """)


def _load_old(connection: duckdb.DuckDBPyConnection, target: LakeStream) -> None:
    """`old`: what lies in the lake, by digest; the payloads stay there."""
    if target.days():
        connection.execute(f"""
            create or replace table old as
            select cast(parse_filename(filename, true) as date) as day, record_id,
                record_updated_at, received_at, hash(payload) as digest
            from read_parquet({literal(target.pattern)}, filename = true)
        """)
    else:
        connection.execute("""
            create or replace table old
            (day date, record_id varchar, record_updated_at timestamp, received_at timestamp,
            digest ubigint)
        """)


def _place(connection: duckdb.DuckDBPyConnection, window: Window, received_at: dt.datetime) -> None:
    """`received`: each record with its day. What has no moment and came before stays in place."""
    connection.execute(
        """
        create or replace table received as
        select
            coalesce(cast(k.record_updated_at as date), o.day, $last_date) as day,
            k.record_key, k.record_id, k.record_updated_at,
            coalesce(o.received_at, $received_at) as received_at,
            o.record_id is not null as is_known,
            k.digest, k.place
        from keyed as k
        left join old as o on k.record_id = o.record_id and k.digest = o.digest
        """,
        {"last_date": window.last_date, "received_at": received_at},
    )


def _keep(connection: duckdb.DuckDBPyConnection, stream: Stream, window: Window) -> None:
    """`kept`: the records of before that stay although they were not received now."""
    stays = {
        "changes": "true",
        "listing": "false",
        "report": "day not between $first_date and $last_date",
    }[stream.reads]
    days = {"first_date": window.first_date, "last_date": window.last_date}
    connection.execute(
        f"""
        create or replace table kept as
        select day, record_id from old
        where {stays} and record_id not in (select record_id from received)
        """,
        days if stream.reads == "report" else {},
    )


def _changed_days(connection: duckdb.DuckDBPyConnection) -> list[dt.date]:
    """The days that gain a record or lose one, also as the table `changed`."""
    connection.execute("""
        create or replace table changed as
        select distinct day from (
            select day from received where not is_known
            union all
            select o.day from old as o
            where not exists (
                select 1 from kept as k where k.record_id = o.record_id and k.day = o.day
            ) and not exists (
                select 1 from received as r
                where r.record_id = o.record_id and r.day = o.day and r.digest = o.digest
            )
        )
    """)
    return [day for (day,) in connection.execute("from changed order by day").fetchall()]


def _write(connection: duckdb.DuckDBPyConnection, target: LakeStream, days: list[dt.date]) -> None:
    if not days:
        return
    staging = target.folder / f".staged-{os.getpid()}"
    for left_behind in target.folder.glob(".staged-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _write_days(connection, target, days, staging)
        # A day whose last record is gone has no file.
        staged = {day: path for day in days if (path := _written(staging, day)).exists()}
        target.publish(staged, [day for day in days if day not in staged])
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    target: LakeStream,
    days: list[dt.date],
    staging: Path,
) -> None:
    """A file for each day: what was received for it, and what is kept of it.

    `placed` has a row for each of `pulled`, so that the payloads stream by it: a join or a sort
    would have to hold them all.
    """
    connection.execute("""
        create or replace table placed as
        select p.rowid as place, r.day, r.received_at
        from pulled as p
        left join received as r on p.rowid = r.place and r.day in (select day from changed)
        order by place
    """)
    there = set(target.days())
    old = ", ".join(literal(str(target.folder / f"{day}.parquet")) for day in days if day in there)
    kept = f"""
        union all
        select day, {", ".join(COLUMNS)}
        from (
            select *, cast(parse_filename(filename, true) as date) as day
            from read_parquet([{old}], filename = true)
        ) as o
        where exists (select 1 from kept as k where k.record_id = o.record_id and k.day = o.day)
    """

    def write(part: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"""
                copy (
                    select * from (
                        select day, record_key, {_ID} as record_id, record_updated_at,
                            received_at, payload
                        from placed positional join pulled
                        where if(place = pulled.rowid, day is not null, error('rows moved'))
                        {kept if old else ""}
                    )
                    where {_part_sql("day")} = {part}
                ) to {literal(str(staging / str(part)))}
                (format parquet, compression zstd, partition_by (day))
            """)

    # One thread writes one file a day, its records as they came; so two write different days.
    connection.execute("set threads = 1")
    # All at once: a day that is written in two turns has two files.
    connection.execute("set partitioned_write_flush_threshold = 1000000000000")
    with ThreadPoolExecutor(_PARTS) as pool:
        list(pool.map(write, sorted({_part(day) for day in days})))
    connection.execute(f"set threads = {_PARTS}")
    connection.execute("reset partitioned_write_flush_threshold")


def _part(day: dt.date) -> int:
    return day.toordinal() % _PARTS


def _part_sql(day: str) -> str:
    return f"(date_diff('day', date '0001-01-01', {day}) + 1) % {_PARTS}"


def _written(staging: Path, day: dt.date) -> Path:
    return staging / str(_part(day)) / f"day={day}" / "data_0.parquet"
