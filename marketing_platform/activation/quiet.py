"""When people may be written to, by the clock where they live.

Laws on text messages go by the hour at the recipient's place: in the United States none before 8
and after 21 o'clock (47 CFR 64.1200(c)(1)). Where a country has several time zones the hour must
be right in all of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from marketing_platform.core.countries import country_of_phone, zones_of
from marketing_platform.settings import QuietHours
from marketing_platform.state import CLAIMABLE, messages
from marketing_platform.warehouse import Warehouse

REASON = "quiet_hours"
_STEP = dt.timedelta(minutes=15)
_FURTHEST = dt.timedelta(days=2)
_CHUNK = 5_000


@dataclass(frozen=True)
class Window:
    """Messages that may go out from `opens` on and before `closes`."""

    opens: dt.datetime
    closes: dt.datetime
    keys: Sequence[str]


def next_open(hours: QuietHours, zones: Sequence[str], now: dt.datetime) -> dt.datetime | None:
    """The first moment from `now` on that is quiet in none of the zones; None where there is none.

    To a quarter of an hour, as time zones are.
    """
    return _first(hours, zones, now, is_quiet=False)


def next_quiet(hours: QuietHours, zones: Sequence[str], now: dt.datetime) -> dt.datetime:
    """The first moment from `now` on that is quiet in one of the zones."""
    return _first(hours, zones, now, is_quiet=True) or now + _FURTHEST


def windows_of(
    warehouse: Warehouse, hours: QuietHours, waiting: pl.DataFrame, shop_zone: str, now: dt.datetime
) -> list[Window]:
    """When the messages that wait (`message_key`, `customer_id`) may go out.

    Of whom no country is known that of their phone counts; where there is none either, or the
    country has no hour that is right everywhere, the shop's own clock.
    """
    if waiting.is_empty():
        return []
    with warehouse.connect() as connection:
        connection.register("waiting", waiting.select("message_key", "customer_id").to_arrow())
        homes = connection.sql(
            "select w.message_key, c.country, case when c.country is null then c.phone end as phone"
            " from waiting as w left join profiles.customers as c using (customer_id)"
        ).pl()
        connection.unregister("waiting")
    of_phone = pl.col("phone").map_elements(country_of_phone, return_dtype=pl.String)
    homes = homes.with_columns(pl.coalesce("country", of_phone))
    found: dict[tuple[dt.datetime, dt.datetime], list[str]] = {}
    for (country,), rows in homes.group_by("country"):
        zones: Sequence[str] = zones_of(str(country)) if country else ()
        opens = next_open(hours, zones, now) if zones else None
        if opens is None:
            zones = [shop_zone]
            opens = next_open(hours, zones, now) or now
        window = opens, next_quiet(hours, zones, opens)
        found.setdefault(window, []).extend(rows["message_key"])
    return [Window(*window, sorted(keys)) for window, keys in sorted(found.items())]


def keep_to(connection: sa.Connection, windows: Sequence[Window], now: dt.datetime) -> None:
    """Let the messages that wait be claimed in their windows only."""
    for window in windows:
        values: dict[str, object] = {"not_after": window.closes}
        if window.opens > now:
            due = messages.c.next_attempt_at
            later = sa.or_(due.is_(None), due < window.opens)
            values["next_attempt_at"] = sa.case((later, window.opens), else_=due)
            values["reason"] = sa.func.coalesce(messages.c.reason, REASON)
        statement = (
            sa.update(messages)
            .where(messages.c.message_key == sa.bindparam("key"), sa.text(CLAIMABLE))
            .values(values)
        )
        for start in range(0, len(window.keys), _CHUNK):
            part = window.keys[start : start + _CHUNK]
            connection.execute(statement, [{"key": key} for key in part])


def forget_windows(connection: sa.Connection, destination: str, audience: str) -> None:
    """Let the messages that wait be claimed at any hour: there are no quiet hours any more."""
    connection.execute(
        sa.update(messages)
        .where(
            messages.c.destination == destination,
            messages.c.audience == audience,
            sa.text(CLAIMABLE),
            messages.c.not_after.is_not(None),
        )
        .values(not_after=None)
    )


def _first(
    hours: QuietHours, zones: Sequence[str], now: dt.datetime, *, is_quiet: bool
) -> dt.datetime | None:
    places = [ZoneInfo(zone) for zone in zones]
    moment = now
    while moment <= now + _FURTHEST:
        if any(hours.has(moment.astimezone(place).hour) for place in places) == is_quiet:
            return moment
        whole = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
        moment = whole + _STEP
    return None
