"""Where the records of an export lie: the day of each, and which earlier records they replace."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import duckdb
from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.lake import Stream
from marketing_platform.sources.files.fields import StreamFields
from marketing_platform.sources.files.mapping import Column, timezone_of
from marketing_platform.sources.files.parsing import (
    EARLIEST,
    field_value,
    filled,
    literal,
    parsed,
)
from marketing_platform.warehouse import Part

_SILENCE_DAYS = 31


def assign_days(
    connection: duckdb.DuckDBPyConnection,
    fields: StreamFields,
    columns: dict[str, Column],
    timezone: str,
    where: Path,
) -> tuple[dt.date, dt.date]:
    """Make the table `records` of `incoming`; the days of its oldest and its newest record.

    A record has a `moment` (UTC) where it has a date that a shop can have seen, and a `day`.
    """
    moment = _moment(fields, columns, timezone)
    connection.execute(
        f"""
        create or replace temp table records as
        select line_number, payload, md5(payload) as fingerprint,
            row_number() over (partition by md5(payload) order by line_number) as occurrence,
            case
                when moment >= timestamp '{EARLIEST}'
                    and moment <= cast(timezone('UTC', current_timestamp) as timestamp)
                        + interval 1 day
                then moment
            end as moment
        from (select *, {moment.sql("duckdb")} as moment from incoming)
        """
    )
    row = connection.execute("select min(moment), max(moment) from records").fetchone()
    first, last = row or (None, None)
    if first is None:
        if any(group == (fields.clock,) for group in fields.required):
            raise InputError(
                f"no value of column {columns[fields.clock].name!r} can be read as a date from"
                f" {EARLIEST} until now",
                where=str(where),
                mend="Map another column, or give --date-format",
            )
        first = last = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    _find_stretches(connection, fields, timezone, last)
    return first.date(), last.date()


def write_days(
    connection: duckdb.DuckDBPyConnection, target: Stream, part: Part, last: dt.date, mapping: str
) -> None:
    """Put the `records` of the days of `part` into the lake, in place of those they replace."""
    inside = f"between date '{part.first.isoformat()}' and date '{part.last.isoformat()}'"
    undated = f"coalesce(cast(moment as date), date '{last.isoformat()}')"
    connection.execute(
        f"""
        create or replace temp table fresh as
        select fingerprint || '-' || cast(occurrence as varchar) as record_id,
            occurrence, line_number, payload,
            cast(timezone('UTC', current_timestamp) as timestamp) as received_at,
            {undated} as received_date, moment, '{mapping}' as mapping
        from records where {undated} {inside}
        """
    )
    _find_replaced(connection, target, inside)
    days = "select received_date from fresh union select received_date from replaced"
    touched = {day for (day,) in connection.execute(days).fetchall()}
    target.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staged-", dir=target.folder) as folder:
        staged = _copy(connection, target, Path(folder, "days"))
        target.publish(staged, emptied=touched - set(staged))


def mappings_used(connection: duckdb.DuckDBPyConnection, target: Stream) -> set[str]:
    """The keys of the mappings by which records of the lake are read."""
    if not target.days():
        return set()
    query = "select distinct mapping from read_parquet($pattern)"
    return {key for (key,) in connection.execute(query, {"pattern": target.pattern}).fetchall()}


def _moment(fields: StreamFields, columns: dict[str, Column], timezone: str) -> exp.Expression:
    clock = columns.get(fields.clock)
    if clock is None:
        return exp.Cast(this=exp.null(), to=exp.DataType.build("TIMESTAMP"))
    kind = next(field.kind for field in fields.fields if field.name == fields.clock)
    zone = timezone_of(clock, timezone)
    moment = parsed(kind, clock.parse, field_value(clock.pointer), zone)
    if clock.is_shared:
        moment = filled(moment, parsed("id", "", field_value(columns[fields.group].pointer), ""))
    return exp.Cast(this=moment, to=exp.DataType.build("TIMESTAMP"))


def _find_stretches(
    connection: duckdb.DuckDBPyConnection, fields: StreamFields, timezone: str, now: dt.datetime
) -> None:
    """Make the table `stretches`: the spans of time that the export covers."""
    kind = next(field.kind for field in fields.fields if field.name == fields.clock)
    local = exp.column("moment").sql("duckdb")
    if kind == "timestamp" and timezone != "UTC":
        zone = literal(timezone).sql("duckdb")
        local = f"timezone({zone}, timezone('UTC', moment))"
    connection.execute(
        f"""
        create or replace temp table stretches as
        with
        moments as (select distinct moment from records where moment is not null),
        -- An export that knows only days covers the last one to its end.
        grain as (
            select case
                when bool_and(cast({local} as time) = time '00:00:00')
                then interval 1 day - interval 1 microsecond else interval 0 second
            end as grain
            from moments
        ),
        steps as (
            select moment, coalesce(
                moment > lag(moment) over (order by moment) + interval {_SILENCE_DAYS} day, false
            ) as is_after_silence
            from moments
        ),
        -- A filter beside the window would take DuckDB a time that grows with the square.
        numbered as (
            select moment, count(case when is_after_silence then 1 end) over (order by moment) as n
            from steps
        )
        select min(moment) as first_at, max(moment) + any_value(grain) as last_at
        from numbered, grain group by n
        """
    )
    connection.execute(
        "insert into stretches select date_trunc('day', $now), $now"
        " where not exists (select 1 from stretches)",
        {"now": now},
    )


def _find_replaced(connection: duckdb.DuckDBPyConnection, target: Stream, inside: str) -> None:
    """Make the table `replaced`: the records of the lake that `fresh` takes the place of."""
    connection.execute(
        "create or replace temp table replaced (record_id varchar, received_date date)"
    )
    if not target.days():
        return
    connection.execute(
        f"""
        insert into replaced
        select o.record_id, o.received_date from read_parquet($pattern) as o
        where o.record_id in (select record_id from fresh)
            -- A list without any date has all that there is.
            or (
                o.moment is null
                and not exists (select 1 from records as r where r.moment is not null)
            )
            or (
                o.received_date {inside}
                and exists (
                    select 1 from stretches as s
                    where case
                        when o.moment is null
                        then o.received_date
                            between cast(s.first_at as date) and cast(s.last_at as date)
                        else o.moment between s.first_at and s.last_at
                    end
                )
            )
        """,
        {"pattern": target.pattern},
    )


def _copy(
    connection: duckdb.DuckDBPyConnection, target: Stream, folder: Path
) -> dict[dt.date, Path]:
    """Write a file for each day that `fresh` or `replaced` touches and that is not empty now."""
    kept = ""
    if target.days():
        kept = f"""
            union all
            select o.*, o.received_date as day
            from read_parquet({literal(target.pattern).sql("duckdb")}) as o
            where o.received_date in (
                select received_date from fresh union select received_date from replaced
            ) and o.record_id not in (select record_id from replaced)
            """
    # One thread writes one file per day; more would write several.
    connection.execute("set threads = 1")
    connection.execute(
        f"""
        copy (
            select * from (select *, received_date as day from fresh {kept})
            order by received_at, line_number
        ) to {literal(str(folder)).sql("duckdb")}
        (format parquet, partition_by (day), compression zstd)
        """
    )
    return {
        dt.date.fromisoformat(day.name.removeprefix("day=")): next(day.glob("*.parquet"))
        for day in folder.glob("day=*")
    }
