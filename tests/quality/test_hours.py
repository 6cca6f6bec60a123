"""Odd hours are found while they last, and what was not pulled yet is no silence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.contracts import contract_of
from marketing_platform.pipeline import build_table
from marketing_platform.quality.checks import no_hour_is_odd
from marketing_platform.quality.hours import build_judged_hours, judged_hours
from marketing_platform.settings import Anomalies, Platform, Settings
from marketing_platform.warehouse import Warehouse

# Two weeks before the clocks of Berlin go forward, to one after.
FIRST = dt.datetime(2026, 1, 5)
NOW = dt.datetime(2026, 4, 6, 14)
HOURS = int((NOW - FIRST).total_seconds() / 3600)
BERLIN = "Europe/Berlin"
# By the hour in Berlin.
OF_DAY = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 11, 12, 11, 10, 10, 11, 13, 15, 16, 14, 10, 6, 3]
)


def quiet(level: float, seed: int = 1, slice_name: str = "all") -> pl.DataFrame:
    """Counts of a shop in Berlin, and nothing but chance: `level` at the usual hour."""
    hours = pl.Series("hour_at", [FIRST + dt.timedelta(hours=n) for n in range(HOURS)])
    local = hours.dt.replace_time_zone("UTC").dt.convert_time_zone(BERLIN).dt.hour().to_numpy()
    amounts = np.random.default_rng(seed).poisson(level * OF_DAY[local] / OF_DAY.mean())
    return pl.DataFrame(
        {
            "metric": "orders",
            "slice_kind": "all" if slice_name == "all" else "source",
            "slice": slice_name,
            "hour_at": hours.cast(pl.Datetime("us")),
            "amount": amounts.astype(float),
            "volume": pl.Series([None] * HOURS, dtype=pl.Float64),
            "told_until_at": pl.Series([NOW] * HOURS, dtype=pl.Datetime("us")),
        }
    ).filter(pl.col("amount") > 0)


def between(first: dt.datetime, last: dt.datetime) -> pl.Expr:
    return pl.col("hour_at").is_between(first, last, closed="left")


def scaled(series: pl.DataFrame, which: pl.Expr, factor: float) -> pl.DataFrame:
    amount = pl.when(which).then(pl.col("amount") * factor).otherwise(pl.col("amount"))
    return series.with_columns(amount.alias("amount")).filter(pl.col("amount") > 0)


def odd(series: pl.DataFrame, zone: str = BERLIN, **more: float) -> pl.DataFrame:
    found = judged_hours(series, Anomalies.model_validate(more), zone)
    return found.filter(pl.col("kind").is_not_null()).sort("hour_at")


def test_quiet_hours_are_left_in_peace_also_when_the_clocks_change() -> None:
    for seed in range(5):
        series = quiet(200, seed)
        assert odd(series).is_empty()
        assert odd(series, "UTC").height > 5, "an hour of UTC is another one in summer"


def test_an_outage_is_found_in_its_first_hours_and_teaches_nothing() -> None:
    began = dt.datetime(2026, 3, 20, 10)
    found = odd(scaled(quiet(80), between(began, began + dt.timedelta(hours=7)), 0))
    assert found["hour_at"][0] == began
    assert found["hour_at"][-1] == began + dt.timedelta(hours=6)
    assert found["kind"].to_list() == ["dip"] * 5 + ["level_shift"] * 2
    assert found["hour_count"].unique().to_list() == [1]


def test_where_an_hour_has_few_the_hours_up_to_it_are_judged_together() -> None:
    began = dt.datetime(2026, 3, 20, 10)
    found = odd(scaled(quiet(6), between(began, began + dt.timedelta(hours=7)), 0))
    assert found["hour_count"].unique().to_list() == [6]
    first = found["hour_at"][0]
    assert began < first < began + dt.timedelta(hours=7)
    assert odd(quiet(0.5)).is_empty(), "of a handful a day nothing is said"


def test_records_that_have_a_day_and_no_hour_are_of_no_hour() -> None:
    daily = quiet(80).filter(pl.col("hour_at").dt.hour() == 0)
    assert judged_hours(daily, Anomalies(), "UTC").is_empty()


class Shop:
    """A warehouse with the tables from which hourly series are made."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(":memory:")
        self.settings = Settings(
            config_dir=folder, data_dir=folder, state_url=SecretStr("x"),
            platform=Platform.model_validate({"shop": {"timezone": BERLIN}}),
        )  # fmt: skip
        for name in ("core.contacts", "core.events", "core.carts", "core.engagements"):
            self.warehouse.replace(name, contract_of(name).empty())

    def built(self, orders: pl.DataFrame) -> pl.DataFrame:
        """Judged hours of these orders: source, ordered_at."""
        clock = pl.DataFrame({"as_of": [NOW], "as_of_date": [NOW.date()]})
        self.warehouse.replace("core.clock", clock.cast({"as_of": pl.Datetime("us")}))
        number = pl.int_range(pl.len())
        wanted = {
            "order_id": pl.format("{}:{}", "source", number),
            "source_order_id": number.cast(pl.String),
            "order_date": pl.col("ordered_at").dt.date(),
            "item_count": pl.lit(1),
            "quantity": pl.lit(1),
            "gross_amount": pl.lit(20),
            "gross_reporting_amount": pl.lit(20),
            "currency": pl.lit("EUR"),
        }
        frame = orders.with_columns(value.alias(name) for name, value in wanted.items())
        columns = contract_of("core.orders").columns
        self.warehouse.replace(
            "core.orders",
            frame.select(
                (pl.col(name) if name in frame.columns else pl.lit(None))
                .cast(column.dtype).alias(name)
                for name, column in columns.items()
            ),
        )  # fmt: skip
        build_table(self.warehouse, self.settings, "quality.hourly_series")
        build_judged_hours(self.warehouse, self.settings)
        return self.warehouse.read("quality.judged_hours")


def orders_of(source: str, level: float, seed: int, until: dt.datetime = NOW) -> pl.DataFrame:
    """As many orders an hour as `quiet` says, spread over it; the last at `until`."""
    hours = quiet(level, seed).filter(pl.col("hour_at") < until)
    count = pl.col("amount").cast(pl.Int64)
    place = pl.int_range(pl.len()).over("hour_at")
    return (
        hours.select(pl.lit(source).alias("source"), "hour_at", pl.int_ranges(count).alias("n"))
        .explode("n")
        .with_columns(
            (pl.col("hour_at") + pl.duration(seconds=60 + place * 3500 // pl.len().over("hour_at")))
            .alias("ordered_at")
        )
        .select("source", "ordered_at")
    )  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_finding_says_what_moved_when_and_in_which_source(shop: Shop) -> None:
    one, other = orders_of("web", 60, 1), orders_of("app", 30, 2)
    began = NOW - dt.timedelta(hours=3)
    # Of the web shop one order came through, just now.
    quiet_web = pl.col("ordered_at") < began
    last = one.tail(1).with_columns((pl.lit(NOW) - pl.duration(seconds=1)).alias("ordered_at"))
    frame = pl.concat([one.filter(quiet_web), other, last.cast({"ordered_at": pl.Datetime("us")})])
    found = shop.built(frame).filter(pl.col("is_open"), pl.col("metric") == "orders")
    assert set(found["slice"]) == {"all", "web"}
    (finding,) = found.filter(pl.col("slice") == "all", pl.col("hour_at") == began)["finding"]
    # Noon in UTC is two in Berlin, in summer.
    assert finding.startswith("orders fell: ")
    assert "in the hour to 2026-04-06 14:00 Europe/Berlin" in finding
    assert "; most of it in source web (" in finding
    result = no_hour_is_odd(shop.warehouse)
    assert not result.passed
    assert not result.is_blocking
    assert result.detail.count("orders of web") == 1, "a series is told once"


def test_what_was_not_pulled_yet_is_no_silence(shop: Shop) -> None:
    pulled = NOW - dt.timedelta(hours=5)
    frame = pl.concat([orders_of("web", 60, 1), orders_of("app", 30, 2, until=pulled)])
    judged = shop.built(frame)
    assert not judged["is_open"].any()
    newest = judged.group_by("slice").agg(pl.col("hour_at").max())
    hours = dict(newest.iter_rows())
    assert hours["web"] > hours["app"]
    assert hours["all"] == hours["app"], "together they are known as far as the slower one"
    assert no_hour_is_odd(shop.warehouse).passed


def test_a_source_of_the_past_says_nothing_of_now(shop: Shop) -> None:
    long_ago = NOW - dt.timedelta(days=10)
    frame = pl.concat([orders_of("web", 60, 1), orders_of("old", 60, 2, until=long_ago)])
    judged = shop.built(frame)
    assert set(judged["slice"]) == {"all", "web"}
    assert not judged["is_open"].any()


def test_without_records_no_hour_is_odd(shop: Shop) -> None:
    assert shop.built(orders_of("web", 60, 1).clear()).is_empty()
    assert no_hour_is_odd(shop.warehouse).passed
