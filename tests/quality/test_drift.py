"""A source that breaks is seen in its newest records, and holds; one that only changes is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS, contract_of
from marketing_platform.errors import ConfigError
from marketing_platform.quality.drift import (
    WATCHED,
    check_ignored,
    drift_checks,
    few_are_quarantined,
    newest_moved,
)
from marketing_platform.quality.results import CheckResult
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

DAYS, A_DAY = 60, 80
LAST = dt.datetime(2026, 6, 30, 20)
COUNTRIES = ["DE", "DE", "FR", "AT"]


class Shop:
    """The orders of a shop, and what the checks say of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.orders = orders()
        self.as_of = dt.datetime(2026, 6, 30, 23)
        self.sources: dict[str, object] = {"files": {"orders": {"path": "orders.csv"}}}
        self.settings = self.with_drift()

    def with_drift(self, **drift: object) -> Settings:
        self.settings = Settings(
            config_dir=self.folder,
            data_dir=self.folder,
            state_url=SecretStr(f"sqlite:///{self.folder / 'state.db'}"),
            platform=Platform.model_validate({"drift": drift, "sources": self.sources}),
        )
        return self.settings

    def checked(self) -> tuple[CheckResult, CheckResult]:
        day = self.as_of.date()
        clock = pl.DataFrame({"as_of": [self.as_of], "as_of_date": [day]})
        self.warehouse.replace("core.clock", clock.cast({"as_of": pl.Datetime("us")}))
        self.warehouse.replace("core.orders", self.orders)
        state = open_state(self.settings.state_url.get_secret_value())
        return drift_checks(self.warehouse, state, self.settings, "core.orders")

    def change_newest_day(self, **columns: pl.Expr) -> None:
        is_newest = pl.col("ordered_at") > LAST - dt.timedelta(days=1)
        self.orders = self.orders.with_columns(
            pl.when(is_newest).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in columns.items()
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def orders() -> pl.DataFrame:
    """Sixty days of as many orders; a tenth is of guests."""
    number = pl.int_range(DAYS * A_DAY, eager=True)
    frame = pl.DataFrame({"number": number}).with_columns(
        (pl.lit(LAST) - pl.duration(seconds=pl.col("number") * (86400 // A_DAY))).alias(
            "ordered_at"
        ),
        (10 + pl.col("number") * 7 % 90).cast(pl.Decimal(18, 2)).alias("gross_amount"),
        pl.col("number").cast(pl.String).alias("source_order_id"),
        pl.format("files:{}", "number").alias("order_id"),
        pl.when(pl.col("number") % 10 > 0)
        .then(pl.format("files:k{}", pl.col("number") % 500))
        .alias("contact_id"),
        pl.Series("country", COUNTRIES).gather(number % 4).alias("country"),
    )
    contract = contract_of("core.orders")
    wanted = {
        "source": pl.lit("files"),
        "currency": pl.lit("EUR"),
        "order_date": pl.col("ordered_at").dt.date(),
        "item_count": pl.lit(2),
        "quantity": pl.lit(3),
        "gross_reporting_amount": pl.col("gross_amount"),
    }
    frame = frame.with_columns(value.alias(name) for name, value in wanted.items())
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(column.dtype).alias(name)
        for name, column in contract.columns.items()
    )


def test_a_day_like_those_before_it_passes(shop: Shop) -> None:
    plausible, same = shop.checked()
    assert plausible.passed
    assert same.passed


def test_half_of_the_orders_of_a_day_is_a_broken_source(shop: Shop) -> None:
    is_newest = pl.col("ordered_at") > LAST - dt.timedelta(days=1)
    is_odd = pl.col("source_order_id").cast(pl.Int64) % 2 == 1
    shop.orders = shop.orders.filter(~(is_newest & is_odd))
    plausible, _ = shop.checked()
    assert not plausible.passed
    assert plausible.is_blocking
    assert "40 records in the newest day of files, 80 to 80" in plausible.detail


def test_a_day_that_is_not_over_is_no_half_day(shop: Shop) -> None:
    shop.orders = shop.orders.filter(pl.col("ordered_at") < dt.datetime(2026, 6, 30, 4))
    shop.as_of = dt.datetime(2026, 6, 30, 4)
    assert shop.checked()[0].passed


def test_the_costs_of_a_day_that_is_not_over_are_not_those_of_a_day(shop: Shop) -> None:
    contract = contract_of("core.ad_performance")
    today = LAST.date() + dt.timedelta(days=1)
    number = pl.int_range(DAYS * A_DAY, eager=True)
    day, ad = number // A_DAY, number % A_DAY
    wanted = {
        "ad_id": pl.format("google_ads:{}", ad),
        "performance_date": (pl.lit(today) - pl.duration(days=day)).cast(pl.Date),
        "campaign_id": "google_ads:1",
        "impression_count": 900, "click_count": 40, "conversions": 1, "conversion_value_amount": 9,
        # At six in the morning little is spent yet.
        "cost_amount": pl.when(day == 0).then(1).otherwise(20) + ad % 7,
        **dict.fromkeys(("source", "platform"), "google_ads"), "currency": "EUR",
    }  # fmt: skip
    columns = {name: wanted.get(name) for name in contract.columns}
    ads = pl.select(
        (value if isinstance(value, pl.Expr) else pl.repeat(value, len(number)))
        .cast(contract.columns[name].dtype)
        .alias(name)
        for name, value in columns.items()
    )
    broken = ads.with_columns(
        cost_amount=pl.when(pl.col("performance_date") == LAST.date())
        .then(pl.lit(1).cast(contract.columns["cost_amount"].dtype))
        .otherwise("cost_amount")
    )
    morning = dt.datetime.combine(today, dt.time(6))
    for frame, is_off in ((ads, False), (broken, True)):
        shop.warehouse.replace("core.ad_performance", frame)
        moved = newest_moved(shop.warehouse, shop.settings, "core.ad_performance", morning)
        assert any(one.is_gross for one in moved) == is_off


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("contact_id", pl.lit(None, pl.String), "contact_id is empty in 100% of the records"),
        ("contact_id", pl.lit("files:k1"), "contact_id is a value of its own in 1%"),
        ("gross_amount", pl.col("gross_amount") * 100, "gross_amount is "),
    ],
    ids=["nulls", "one-buyer", "cents"],
)
def test_a_column_that_people_are_chosen_by_holds_when_it_breaks(
    shop: Shop, column: str, value: pl.Expr, told: str
) -> None:
    shop.change_newest_day(**{column: value.cast(contract_of("core.orders").columns[column].dtype)})
    plausible, same = shop.checked()
    assert not plausible.passed
    assert told in plausible.detail
    assert not same.passed


def test_any_other_column_is_told_and_holds_nothing(shop: Shop) -> None:
    shop.change_newest_day(country=pl.lit("US"))
    plausible, same = shop.checked()
    assert plausible.passed
    assert not same.passed
    assert not same.is_blocking
    assert "country is US in 100% of the records" in same.detail


def test_what_is_nothing_in_half_of_the_orders_does_not_change_with_the_order_of_rows(
    shop: Shop,
) -> None:
    number = pl.col("source_order_id").cast(pl.Int64)
    shop.orders = shop.orders.with_columns(
        pl.when(number % 240 < 121).then(0).otherwise(4.9).cast(pl.Decimal(18, 2))
        .alias("shipping_amount")
    )  # fmt: skip
    for seed in range(6):
        shop.orders = shop.orders.sample(fraction=1, shuffle=True, seed=seed)
        _, same = shop.checked()
        assert same.passed, same.detail
    shop.orders = shop.orders.with_columns((pl.col("shipping_amount") * 3).cast(pl.Decimal(18, 2)))
    _, same = shop.checked()
    assert "shipping_amount is 14.7 at the median of files in all, 4.9 to 4.9" in same.detail


def test_columns_that_have_changed_for_good_can_be_left_out(shop: Shop) -> None:
    shop.change_newest_day(contact_id=pl.lit(None, pl.String))
    assert not shop.checked()[0].passed
    shop.with_drift(ignored=["core.orders.contact_id"])
    assert shop.checked()[0].passed


def test_a_name_that_leaves_out_nothing_is_refused_with_the_nearest(shop: Shop) -> None:
    check_ignored(shop.with_drift(ignored=["core.orders", "core.orders.country"]))
    with pytest.raises(ConfigError, match=r"core\.orders\.contry.*core\.orders\.country\?"):
        check_ignored(shop.with_drift(ignored=["core.orders.contry"]))
    check_ignored(shop.with_drift(ignored=["core.deals", "core.deals.contact_id"]))
    with pytest.raises(ConfigError, match=r"no table or column core\.deals\.title"):
        check_ignored(shop.with_drift(ignored=["core.deals.title"]))


def test_a_table_that_lost_half_of_all_is_broken_until_they_are_back(shop: Shop) -> None:
    assert shop.checked()[0].passed
    whole = shop.orders
    shop.orders = whole.filter(pl.col("ordered_at") > LAST - dt.timedelta(days=28))
    for _ in range(2):
        plausible, _ = shop.checked()
        assert not plausible.passed, "what is broken is not what is usual a moment later"
        assert "2240 records of files in all, 4800 before" in plausible.detail
    shop.orders = whole
    assert shop.checked()[0].passed


def test_a_table_that_stays_smaller_is_believed_after_two_weeks(shop: Shop) -> None:
    assert shop.checked()[0].passed
    shop.orders = shop.orders.filter(pl.col("ordered_at") > LAST - dt.timedelta(days=28))
    shop.as_of += dt.timedelta(days=13)
    assert not shop.checked()[0].passed
    shop.as_of += dt.timedelta(days=2)
    assert shop.checked()[0].passed


def test_of_few_records_nothing_is_said(shop: Shop) -> None:
    shop.with_drift(minimum_rows=81)
    shop.change_newest_day(contact_id=pl.lit(None, pl.String))
    assert shop.checked()[0].passed


def test_a_source_that_was_taken_out_of_the_settings_is_not_missed(shop: Shop) -> None:
    shop.orders = pl.concat([shop.orders, other_source(shop.orders)])
    assert shop.checked()[0].passed
    shop.orders = shop.orders.filter(pl.col("source") == "files")
    assert shop.checked()[0].passed


@pytest.mark.parametrize("files", [{}, {"contacts": {"path": "contacts.csv"}}])
def test_exports_that_a_shop_gave_up_are_not_missed(shop: Shop, files: dict[str, object]) -> None:
    shop.orders = pl.concat([shop.orders, other_source(shop.orders)])
    assert shop.checked()[0].passed
    shop.sources = {"files": files}
    shop.with_drift()
    shop.orders = shop.orders.filter(pl.col("source") == "old_shop")
    assert shop.checked()[0].passed


def other_source(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit("old_shop").alias("source"),
        pl.format("old_shop:{}", "source_order_id").alias("order_id"),
    )


def test_each_day_of_a_quiet_shop_would_have_passed(shop: Shop) -> None:
    shop.checked()
    for ago in range(20):
        as_of = shop.as_of - dt.timedelta(days=ago)
        assert not list(newest_moved(shop.warehouse, shop.settings, "core.orders", as_of))


@pytest.mark.parametrize(("broken", "passes"), [(0, True), (20, True), (45, False)])
def test_a_day_of_which_most_is_quarantined_is_a_broken_source(
    shop: Shop, broken: int, passes: bool
) -> None:
    table = "staging.files_order_lines"
    rows = [
        {
            "record_id": f"{day}-{line}",
            "received_date": dt.date(2026, 6, 1) + dt.timedelta(days=day),
            "outcome": "quarantined" if day == 9 and line < broken else "accepted",
        }
        for day in range(10)
        for line in range(50)
    ]
    empty = contract_of(table).empty()
    frame = pl.concat([empty, pl.DataFrame(rows)], how="diagonal").select(empty.columns)
    shop.warehouse.replace(table, frame)
    result = few_are_quarantined(shop.warehouse, shop.settings, table)
    assert result.passed is passes
    assert f"{broken * 2}% of 50 records since 2026-06-10" in result.detail


def test_a_day_that_has_just_begun_is_judged_with_the_one_before_it(shop: Shop) -> None:
    table = "staging.files_order_lines"
    broken = {9: 45, 10: 3}
    rows = [
        {
            "record_id": f"{day}-{line}",
            "received_date": dt.date(2026, 6, 1) + dt.timedelta(days=day),
            "outcome": "quarantined" if line < broken.get(day, 0) else "accepted",
        }
        for day in range(11)
        for line in range(3 if day == 10 else 50)
    ]
    empty = contract_of(table).empty()
    frame = pl.concat([empty, pl.DataFrame(rows)], how="diagonal").select(empty.columns)
    shop.warehouse.replace(table, frame)
    result = few_are_quarantined(shop.warehouse, shop.settings, table)
    assert not result.passed
    assert "91% of 53 records since 2026-06-10 are quarantined, 0% of a day before" in result.detail


def test_what_is_looked_at_is_in_the_contracts() -> None:
    for table, watch in WATCHED.items():
        columns = set(CONTRACTS[table].columns)
        assert {*watch.vital, *watch.categories, *([watch.time] if watch.time else [])} <= columns
