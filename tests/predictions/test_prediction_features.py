"""Features and outcomes: what is known at the end of a day, and what came after it."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
import sqlglot
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from predictions_shop import Activity, Order, day, warehouse_with

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions.dates import NAME, as_of_frame
from marketing_platform.warehouse import Warehouse, sql_tables

HORIZON, ACTIVE = 14, 40
AS_OF = [day(20), day(45), day(70)]


def build(warehouse: Warehouse, active_gaps: float | None = None) -> Warehouse:
    rows = [
        {
            "task": task,
            "as_of_date": date,
            "horizon_days": HORIZON,
            "active_days": ACTIVE,
            "active_gaps": active_gaps,
            "role": role,
        }
        for task in ("purchase", "churn")
        for date, role in zip(AS_OF, ("train", "test", "score"), strict=True)
    ]
    warehouse.replace(NAME, as_of_frame(rows, "UTC"))
    for table in ("predictions.features", "predictions.outcomes"):
        warehouse.build(table, sql_tables()[table].sql)
    return warehouse


def features(orders: list[Order], **more: Any) -> pl.DataFrame:
    warehouse = build(warehouse_with(orders, clock=day(90), **more))
    return warehouse.read("predictions.features").sort("as_of_date", "customer_id")


def slow_features(orders: list[Order], as_of: dt.date) -> dict[str, dict[str, float | None]]:
    """The order features in plain Python, one buyer after the other."""
    found: dict[str, dict[str, float | None]] = {}
    all_gaps: list[int] = []
    for customer in {name for name, _, _ in orders}:
        days: dict[dt.date, float] = {}
        for name, date, amount in orders:
            if name == customer and date <= as_of and amount > 0:
                days[date] = days.get(date, 0) + amount
        if not days:
            continue
        dates = sorted(days)
        ages = [(as_of - date).days for date in dates]
        gaps = [(b - a).days for a, b in pairwise(dates)]
        all_gaps += gaps
        found[customer] = {
            "recency_days": ages[-1],
            "tenure_days": ages[0],
            "order_days_count": len(dates),
            "order_days_30d_count": sum(age < 30 for age in ages),
            "order_days_90d_count": sum(age < 90 for age in ages),
            "order_days_180d_count": sum(age < 180 for age in ages),
            "order_days_fading_15d": sum(math.exp(-age / 15) for age in ages),
            "order_days_fading_60d": sum(math.exp(-age / 60) for age in ages),
            "gap_mean_days": statistics.fmean(gaps) if gaps else None,
            "gap_std_days": statistics.stdev(gaps) if len(gaps) > 1 else None,
            "gap_last_days": gaps[-1] if gaps else None,
            "gross_amount_sum": sum(days.values()),
            "gross_amount_mean": sum(days.values()) / len(days),
            "gross_amount_last": days[dates[-1]],
            "gross_amount_90d_sum": sum(
                days[date] for date, age in zip(dates, ages, strict=True) if age < 90
            ),
            "typical_gap_days": sum(gaps),
        }
    shop = statistics.fmean(all_gaps) if all_gaps else 30
    for row in found.values():
        row["typical_gap_days"] = (row["typical_gap_days"] + shop) / row["order_days_count"]
    return found


some_orders = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 95).map(day),
        st.integers(0, 20_000).map(lambda cents: cents / 100),
    ),
    max_size=25,
)


@given(some_orders)
@hypothesis_settings(max_examples=25, deadline=None)
def test_features_are_those_of_a_slow_reading_of_the_orders(orders: list[Order]) -> None:
    built = features(orders)
    for as_of in AS_OF:
        expected = slow_features(orders, as_of)
        rows = built.filter(pl.col("as_of_date") == as_of)
        assert set(rows["customer_id"]) == set(expected)
        for row in rows.to_dicts():
            for name, value in expected[row["customer_id"]].items():
                assert row[name] == (None if value is None else pytest.approx(value, abs=1e-4))


@given(some_orders, st.integers(0, 2))
@hypothesis_settings(max_examples=15, deadline=None)
def test_what_comes_after_the_as_of_day_changes_no_feature_row(
    orders: list[Order], which: int
) -> None:
    as_of = AS_OF[which]
    past = [order for order in orders if order[1] <= as_of]
    moved = [("b", date, amount + 1) for _, date, amount in orders if date > as_of]
    known = pl.col("as_of_date") == as_of
    as_it_was = features(orders).filter(known)
    assert as_it_was.equals(features(past).filter(known))
    assert as_it_was.equals(features(past + moved).filter(known))


def test_activity_after_the_as_of_day_is_not_seen() -> None:
    orders: list[Order] = [("ann", day(1), 10)]
    before: list[Activity] = [("shop:1", day(19), "product_viewed", 3)]
    after: list[Activity] = [("shop:1", day(21), "product_viewed", 5)]
    contacts = [("shop:1", "ann")]
    seen = features(orders, activity=before + after, contacts=contacts)
    alone = features(orders, activity=before, contacts=contacts)
    known = pl.col("as_of_date") == AS_OF[0]
    assert seen.filter(known).equals(alone.filter(known))
    assert not seen.filter(~known).equals(alone.filter(~known))


def test_activity_of_all_contacts_of_a_customer_counts_and_a_day_counts_once() -> None:
    found = features(
        [("ann", day(1), 10)],
        activity=[
            ("shop:1", day(19), "product_viewed", 3),
            ("mail:1", day(19), "product_added", 2),
            ("mail:1", day(10), "product_viewed", 1),
            ("anonymous:x", day(19), "product_viewed", 50),
        ],
        contacts=[("shop:1", "ann"), ("mail:1", "ann"), ("shop:2", "bob")],
    ).row(0, named=True)
    assert found["last_seen_days"] == 1
    assert (found["active_7d_days"], found["active_30d_days"]) == (1, 2)
    assert (found["product_viewed_7d_count"], found["product_viewed_30d_count"]) == (3, 4)
    assert (found["product_added_7d_count"], found["product_added_30d_count"]) == (2, 2)


def test_what_was_done_on_a_device_counts_while_it_is_known_to_be_theirs_alone() -> None:
    found = features(
        [("ann", day(1), 10)],
        activity=[
            ("shop:1", day(18), "product_viewed", 1),
            ("anonymous:phone", day(18), "product_viewed", 2),
            ("anonymous:phone", day(44), "product_viewed", 4),
            ("anonymous:phone", day(69), "product_viewed", 8),
            ("anonymous:later", day(17), "product_viewed", 16),
        ],
        contacts=[("shop:1", "ann")],
        devices=[
            ("anonymous:phone", "ann", day(18), day(60)), ("anonymous:later", "ann", day(40), None)
        ],
    )  # fmt: skip
    columns = ("product_viewed_7d_count", "active_30d_days", "last_seen_days")
    assert found.select(columns).rows() == [(3, 1, 2), (4, 3, 1), (0, 0, 52)]


def test_messages_of_all_contacts_count_from_the_day_on_which_they_were_opened() -> None:
    warehouse = warehouse_with(
        [("ann", day(1), 10), ("bob", day(1), 10)],
        clock=day(90),
        contacts=[("shop:1", "ann"), ("mail:1", "ann"), ("shop:2", "bob")],
    )
    told = [
        ("shop:1", day(5), "opened"), ("mail:1", day(18), "opened"), ("mail:1", day(18), "clicked"),
        ("mail:1", day(19), "sent"), ("shop:2", day(21), "opened"),
    ]  # fmt: skip
    empty = CONTRACTS["core.engagements"].empty()
    rows = [
        {**dict.fromkeys(empty.columns), "contact_id": contact, "engagement_date": date,
         "engagement": kind}
        for contact, date, kind in told
    ]  # fmt: skip
    with warehouse.connect() as connection:
        connection.register("told", pl.DataFrame(rows, schema=empty.schema).to_arrow())
        connection.execute("create or replace table core.engagements as select * from told")
    columns = ("last_engaged_days", "opened_30d_count", "opened_90d_count", "clicked_90d_count")
    found = build(warehouse).read("predictions.features")
    seen = {
        (name, date): values
        for name, date, *values in found.select("customer_id", "as_of_date", *columns).rows()
    }
    assert seen["ann", AS_OF[0]] == [2, 2, 2, 1]
    assert seen["ann", AS_OF[1]] == [27, 1, 2, 1]
    assert seen["bob", AS_OF[0]] == [None, 0, 0, 0]
    assert seen["bob", AS_OF[1]] == [24, 1, 1, 0]


def test_by_their_own_rhythm_who_buys_often_has_lapsed_before_who_buys_seldom() -> None:
    often = [("often", day(number), 10.0) for number in range(1, 31, 3)]
    seldom = [("seldom", day(number), 10.0) for number in (0, 30)]
    asked = {}
    for gaps in (None, 2.0):
        warehouse = build(warehouse_with([*often, *seldom], clock=day(90)), gaps)
        asked[gaps] = set(
            warehouse.query(
                "select customer_id from predictions.outcomes"
                " where task = 'churn' and as_of_date = $day",
                {"day": AS_OF[1]},
            )["customer_id"]
        )
    # After two weeks and more: five gaps of the one, half a gap of the other.
    assert asked == {None: {"often", "seldom"}, 2.0: {"seldom"}}


def test_refunds_change_no_feature() -> None:
    warehouse = warehouse_with([("ann", day(1), 10)], clock=day(90))
    before = build(warehouse).read("predictions.features").sort("as_of_date")
    orders = warehouse.read("profiles.orders").with_columns(
        pl.col("spent_amount").alias("refund_amount"),
        (pl.col("net_amount") * 0).alias("net_amount"),
    )
    warehouse.replace("profiles.orders", orders.cast(warehouse.read("profiles.orders").schema))
    after = build(warehouse).read("predictions.features").sort("as_of_date")
    assert after.equals(before)


def test_an_order_of_nothing_makes_no_buyer() -> None:
    assert features([("ann", day(1), 0)]).is_empty()


def outcomes(orders: list[Order], task: str) -> dict[tuple[str, dt.date], bool]:
    rows = build(warehouse_with(orders, clock=day(90))).read("predictions.outcomes")
    return {
        (row["customer_id"], row["as_of_date"]): row["is_positive"]
        for row in rows.filter(pl.col("task") == task).to_dicts()
    }


def test_a_purchase_counts_from_the_day_after_to_the_last_day_of_the_horizon() -> None:
    orders: list[Order] = [
        *((name, day(1), 5) for name in ("same_day", "next_day", "last_day", "too_late")),
        ("same_day", AS_OF[0], 5),
        ("next_day", AS_OF[0] + dt.timedelta(1), 5),
        ("last_day", AS_OF[0] + dt.timedelta(HORIZON), 5),
        ("too_late", AS_OF[0] + dt.timedelta(HORIZON + 1), 5),
    ]
    found = outcomes(orders, "purchase")
    assert {name for (name, date), positive in found.items() if date == AS_OF[0] and positive} == {
        "next_day",
        "last_day",
    }


def test_only_active_buyers_can_churn() -> None:
    orders: list[Order] = [
        ("gone", AS_OF[1] - dt.timedelta(ACTIVE + 1), 5),
        ("stays", AS_OF[1] - dt.timedelta(ACTIVE), 5),
        ("stays", AS_OF[1] + dt.timedelta(3), 5),
        ("leaves", AS_OF[1] - dt.timedelta(ACTIVE), 5),
    ]
    found = {
        name: positive for (name, d), positive in outcomes(orders, "churn").items() if d == AS_OF[1]
    }
    assert found == {"stays": False, "leaves": True}


def test_the_day_to_score_has_no_outcomes() -> None:
    orders: list[Order] = [("ann", day(1), 5)]
    assert {date for _, date in outcomes(orders, "purchase")} == set(AS_OF[:2])


@pytest.mark.parametrize("table", ["predictions.features", "predictions.outcomes"])
@pytest.mark.parametrize("dialect", ["spark", "snowflake", "bigquery"])
def test_the_sql_can_be_carried_to_other_engines(table: str, dialect: str) -> None:
    carried = sqlglot.transpile(
        sql_tables()[table].sql,
        read="duckdb",
        write=dialect,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    assert len(sqlglot.parse(carried[0], read=dialect)) == 1
