"""How old a source may be is learnt from its own past, and compared with now at any time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from marketing_platform.quality.checks import newest_record
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.freshness import aged_sources, build_freshness
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.results import record_build
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

NOW = dt.datetime(2026, 3, 1, 6, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Shop:
    """Two sources: one with an order every hour, one with an order every three days."""

    def __init__(self, folder: Path, **freshness: Any) -> None:
        self.warehouse = Warehouse(":memory:")
        for name in ("core.clock", "core.orders", "core.events", "core.engagements"):
            self.warehouse.ensure(name)
        self.settings = Settings(
            config_dir=folder,
            data_dir=folder,
            state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
            platform=Platform.model_validate(
                {
                    "freshness": freshness,
                    "sources": {"files": {"orders": {"path": "orders.csv"}}},
                }
            ),
        )
        self.state = open_state(self.settings.state_url.get_secret_value())
        with self.warehouse.connect() as connection:
            connection.execute(
                "insert into core.clock select $now::timestamp, $now::date",
                {"now": NOW.replace(tzinfo=None)},
            )
            for source, gap, count in (("busy", 1, 300), ("slow", 72, 18)):
                connection.execute(
                    "insert into core.orders by name select $source || i as order_id,"
                    " $source as source,"
                    " $now::timestamp - interval 30 minute - to_hours($gap * i) as ordered_at"
                    " from range($count) t(i)",
                    {
                        "source": source,
                        "now": NOW.replace(tzinfo=None),
                        "gap": gap,
                        "count": count,
                    },
                )
        build_freshness(self.warehouse, self.settings)

    def aged(self, hours: float) -> dict[str, bool]:
        """The sources that are late so many hours later, and whether they are stale."""
        found = aged_sources(self.state, self.settings, NOW + hours * HOUR)
        return {one.source: one.is_stale for one in found}


def test_a_busy_source_is_late_before_a_slow_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    # A day between loads, twice its gap of an hour, and two hours of grace.
    assert shop.aged(27) == {}
    assert shop.aged(29) == {"busy": False}
    assert shop.aged(57) == {"busy": True}
    assert shop.aged(24 + 2 * 72 + 3) == {"busy": True, "slow": False}


def test_a_late_source_is_told_and_a_stale_one_holds(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for hours, severity, holds in ((29, "warning", 0), (60, "critical", 1)):
        now = NOW + hours * HOUR
        [finding] = find_all(shop.state, shop.settings, now=now)
        assert (finding.key, finding.severity) == ("source:busy:orders", severity)
        assert len(find_holds(shop.state, shop.settings, now=now)) == holds


def test_the_newest_record_of_a_source_is_its_own_and_not_one_that_is_yet_to_come(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    with shop.warehouse.connect() as connection:
        connection.execute(
            "delete from core.orders where source = 'busy' and ordered_at > $since",
            {"since": NOW.replace(tzinfo=None) - 50 * HOUR},
        )
        # A mistyped year, and what the same source tells of something else.
        connection.execute(
            "insert into core.orders by name select 'x' as order_id, 'busy' as source,"
            " timestamp '2062-03-01' as ordered_at"
        )
        connection.execute(
            "insert into core.events by name select 'e' || i as event_id, 'busy' as source,"
            " $now::timestamp - to_hours(i) as occurred_at from range(200) t(i)",
            {"now": NOW.replace(tzinfo=None)},
        )
    build_freshness(shop.warehouse, shop.settings)
    [busy] = aged_sources(shop.state, shop.settings, NOW)
    assert (busy.source, busy.entity, busy.is_stale) == ("busy", "orders", False)
    assert busy.line() == "the newest is 50 hours old, more than the 28 it may be"
    [stale] = find_holds(shop.state, shop.settings, now=NOW + 7 * HOUR)
    assert stale == (
        "busy: orders are stale: the newest is 58 hours old, more than the 56 it may be"
    )


def test_a_source_that_is_pulled_each_hour_is_late_within_hours(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    orders = {"sql": "select * from orders", "record_id": "id"}
    database = {"type": "database", "url": "sqlite://", "queries": {"orders": orders}}
    for every, late in (("day", []), ("hour", ["busy"])):
        sources = {"busy": {**database, "every": every}, "slow": database}
        settings = shop.settings.model_copy(
            update={"platform": Platform.model_validate({"sources": sources})}
        )
        build_freshness(shop.warehouse, settings)
        # An hour between loads, twice the gap of an hour, and two hours of grace.
        assert [*aged_sources(shop.state, settings, NOW + 4.4 * HOUR)] == []
        found = aged_sources(shop.state, settings, NOW + 4.6 * HOUR)
        assert [one.source for one in found] == late


def test_how_it_was_months_ago_says_nothing_of_how_late_a_source_is(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.warehouse.connect() as connection:
        # Then it sold once in ten days.
        connection.execute(
            "insert into core.orders by name select 'old' || i as order_id, 'busy' as source,"
            " $now::timestamp - to_days(65 + 10 * i::integer) as ordered_at from range(9) t(i)",
            {"now": NOW.replace(tzinfo=None)},
        )
    build_freshness(shop.warehouse, shop.settings)
    assert shop.aged(29) == {"busy": False}


def test_what_the_settings_say_is_not_learnt(tmp_path: Path) -> None:
    shop = Shop(tmp_path, sources={"busy": {"late_hours": 3, "stale_hours": 6}})
    assert shop.aged(4) == {"busy": False}
    assert shop.aged(7) == {"busy": True}


def test_a_newsletter_of_each_month_is_not_stale_in_between(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.warehouse.connect() as connection:
        # Mails are opened for two days; then nothing happens for four weeks.
        connection.execute(
            "insert into core.engagements by name select 'e' || sent || hour as engagement_id,"
            " 'letters' as source,"
            " $now::timestamp - to_days(30 * sent::integer) - to_hours(hour) as occurred_at"
            " from range(3) s(sent), range(48) h(hour)",
            {"now": NOW.replace(tzinfo=None)},
        )
    build_freshness(shop.warehouse, shop.settings)
    assert "letters" not in shop.aged(24 * 27)
    assert shop.aged(24 * 70)["letters"] is False


def test_a_shop_that_sells_every_three_days_is_held_when_its_orders_are_late_for_it(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    with shop.warehouse.connect() as connection:
        connection.execute("delete from core.orders where source = 'busy'")
    build_freshness(shop.warehouse, shop.settings)
    record_build(shop.state, "core.orders", 18, newest_at=NOW - HOUR / 2)
    for hours, is_held in ((71, False), (300, False), (400, True)):
        now = NOW + hours * HOUR
        assert bool(find_holds(shop.state, shop.settings, now=now)) == is_held
        found = find_all(shop.state, shop.settings, now=now)
        assert ("critical" in {finding.severity for finding in found}) == is_held


def test_an_order_that_is_dated_ahead_does_not_keep_a_shop_fresh(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    newest = NOW - HOUR / 2
    assert newest_record(shop.warehouse, "core.orders") == newest
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into core.orders by name select 'ahead' as order_id, 'busy' as source,"
            " timestamp '2097-05-01 00:00:00' as ordered_at"
        )
    assert newest_record(shop.warehouse, "core.orders") == newest


@pytest.mark.parametrize("clock", ["newest_record", dt.date(2026, 3, 1)])
def test_an_export_of_the_past_is_never_stale(tmp_path: Path, clock: Any) -> None:
    shop = Shop(tmp_path)
    platform = shop.settings.platform.model_copy(update={"clock": clock})
    settings = shop.settings.model_copy(update={"platform": platform})
    assert list(aged_sources(shop.state, settings, NOW + 900 * HOUR)) == []
