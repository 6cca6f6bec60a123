"""The daily series: which days are over, in the shop's time zone and for each metric."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.contracts import contract_of
from marketing_platform.core.clock import end_of_day
from marketing_platform.pipeline import build_table
from marketing_platform.quality.anomalies import build_anomalies, build_judged
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

TODAY = dt.date(2026, 5, 2)
NEW_YORK, BERLIN, SYDNEY = "America/New_York", "Europe/Berlin", "Australia/Sydney"


class Shop:
    """A warehouse with the tables from which daily series are made."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(":memory:")
        self.settings = Settings(
            config_dir=folder, data_dir=folder, state_url=SecretStr("x"), platform=Platform()
        )
        for name in (
            *("core.orders", "core.contacts", "core.traffic", "core.engagements"),
            *("core.ad_performance", "identity.customers", "profiles.orders"),
            *("profiles.acquisition", "profiles.daily_visits", "segments.stays"),
        ):
            self.warehouse.replace(name, contract_of(name).empty())

    def fill(self, table: str, rows: list[dict[str, Any]]) -> None:
        empty = contract_of(table).empty()
        frame = pl.DataFrame(rows, schema_overrides={n: empty.schema[n] for n in rows[0]})
        self.warehouse.replace(table, pl.concat([empty, frame], how="diagonal"))

    def days(self, clock: dt.datetime, timezone: str) -> list[dt.date]:
        """The days of orders as of a moment (UTC), if there were orders every day up to it."""
        today = clock.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(timezone)).date()
        self.fill("core.clock", [{"as_of": clock, "as_of_date": today}])
        self.fill(
            "core.orders",
            [
                {
                    "order_id": f"s:{back}", "source": "s", "source_order_id": str(back),
                    "ordered_at": clock - dt.timedelta(days=back),
                    "order_date": today - dt.timedelta(days=back), "item_count": 1, "quantity": 1,
                    "gross_amount": 20, "gross_reporting_amount": 20, "currency": "EUR",
                }
                for back in range(5)
            ],
        )  # fmt: skip
        build_table(self.warehouse, self.settings, "quality.series")
        series = self.warehouse.read("quality.series")
        return series.filter(metric="orders", slice_kind="all")["series_date"].sort().to_list()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize("timezone", [NEW_YORK, BERLIN, SYDNEY, "UTC"])
@pytest.mark.parametrize("hour", [0, 6, 18, 22])
def test_a_day_that_is_not_over_where_the_shop_is_is_in_no_series(
    shop: Shop, timezone: str, hour: int
) -> None:
    local = dt.datetime.combine(TODAY, dt.time(hour, 30), tzinfo=ZoneInfo(timezone))
    days = shop.days(local.astimezone(dt.UTC).replace(tzinfo=None), timezone)
    assert TODAY not in days
    assert TODAY - dt.timedelta(days=2) in days


@pytest.mark.parametrize("timezone", [NEW_YORK, "UTC"])
def test_a_clock_at_the_end_of_a_day_has_that_day(shop: Shop, timezone: str) -> None:
    assert shop.days(end_of_day(TODAY, timezone), timezone)[-1] == TODAY


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Africa/Cairo", dt.date(2026, 10, 29)),
        ("America/Santiago", dt.date(2026, 4, 4)),
        ("Asia/Beirut", dt.date(2026, 10, 24)),
    ],
)
def test_a_day_whose_last_hour_comes_twice_ends_after_the_second_one(
    timezone: str, day: dt.date
) -> None:
    last = end_of_day(day, timezone).replace(tzinfo=dt.UTC)
    next_one = (last + dt.timedelta(microseconds=1)).astimezone(ZoneInfo(timezone))
    assert next_one == dt.datetime.combine(
        day + dt.timedelta(days=1), dt.time(), ZoneInfo(timezone)
    )


def test_an_odd_return_on_ad_spend_is_open_once_its_conversions_are_in(shop: Shop) -> None:
    clock = dt.datetime(2026, 5, 2, 9)
    newest = dt.date(2026, 4, 28)
    rows = []
    for back in range(100):
        day = TODAY - dt.timedelta(days=back)
        value = (200 if day == newest else 900) + 10 * (back * 7 % 11)
        rows.append(
            {
                "ad_id": "a", "source": "meta", "performance_date": day, "platform": "meta",
                "campaign_id": "meta:1", "impression_count": 9_000, "click_count": 400,
                "cost_amount": 300, "cost_reporting_amount": 300, "conversions": 60.0,
                "conversion_value_amount": value, "conversion_value_reporting_amount": value,
                "currency": "EUR",
            }
        )  # fmt: skip
    shop.fill("core.ad_performance", rows)
    shop.days(clock, BERLIN)
    build_judged(shop.warehouse, shop.settings)
    build_anomalies(shop.warehouse, shop.settings)
    found = shop.warehouse.read("quality.anomalies").filter(slice_kind="all")
    told = found.select("metric", "series_date", "kind", "is_open").rows()
    assert told == [("return_on_ad_spend", newest, "dip", True)]
