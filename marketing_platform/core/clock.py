"""`core.clock`: the one moment for which everything is computed."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from marketing_platform.errors import InputError
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.sources.staging import expand, staging_tables
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_READS = ("staging.orders", "staging.refunds", "staging.events")
_NEWEST = """
    select max(newest_at) from (
        select max(greatest(ordered_at, coalesce(updated_at, ordered_at))) as newest_at
        from staging.orders
        union all
        select max(refunded_at) from staging.refunds
        union all
        select max(occurred_at) from staging.events
    )
"""


def build_clock(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the clock: now, the newest accepted record, or the end of the configured day."""
    moment = _moment(warehouse, settings)
    local = moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(settings.platform.shop.timezone))
    frame = pl.DataFrame(
        {"as_of": [moment], "as_of_date": [local.date()]},
        schema={"as_of": pl.Datetime("us"), "as_of_date": pl.Date},
    )
    return warehouse.replace("core.clock", frame)


def end_of_day(date: dt.date, timezone: str) -> dt.datetime:
    """The last moment of a day in a time zone, in UTC without a zone."""
    # In Cairo and Santiago the clock is set back at midnight: the last hour comes twice.
    end = dt.datetime.combine(date, dt.time.max, tzinfo=ZoneInfo(timezone)).replace(fold=1)
    return end.astimezone(dt.UTC).replace(tzinfo=None)


def as_of_date(warehouse: Warehouse) -> dt.date:
    """The day of the clock. Raises `InputError` where it was not built."""
    clock = warehouse.query("select as_of_date from core.clock")
    if clock.is_empty():
        raise InputError("has no row", where="core.clock", mend="Build core.clock first")
    day: dt.date = clock.item()
    return day


def _moment(warehouse: Warehouse, settings: Settings) -> dt.datetime:
    clock = settings.platform.clock
    if isinstance(clock, dt.date):
        return end_of_day(clock, settings.platform.shop.timezone)
    if clock == "now":
        return dt.datetime.now(dt.UTC).replace(tzinfo=None)
    newest = warehouse.query(expand(_NEWEST, staging_tables(settings).values())).item()
    if not isinstance(newest, dt.datetime):
        raise InputError(
            "no accepted order or event, so there is no newest record to take as the clock",
            where="core.clock",
            mend="See why records were quarantined: marketing-platform quarantine list",
        )
    return newest


TABLES = (
    PythonTable(
        TableName("core", "clock"),
        "The one row is the moment for which everything is computed: now, the newest record of an"
        " export, or a day of the past.",
        _READS,
        build_clock,
    ),
)
