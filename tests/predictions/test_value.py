"""Lifetime value and the next order: expected orders and amounts, ranges and dates."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from predictions_shop import Order, build_predictions, day, lively_shop, settings_in, warehouse_with

from marketing_platform.errors import InputError
from marketing_platform.predictions import gamma_gamma, next_order
from marketing_platform.predictions.backtest import backtest, summary_table
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

Lively = tuple[Warehouse, Settings]


def test_expected_orders_are_those_of_simulated_buyers_with_the_same_history() -> None:
    model = BgNbd(r=0.24, alpha=4.4, a=0.79, b=2.4, log_likelihood=0)
    x, t_x, t = (np.array([value]) for value in (3.0, 20.0, 30.0))
    draw = np.random.default_rng(1)
    size = 400_000
    rate = draw.gamma(model.r + 3, 1 / (model.alpha + 30), size)
    leaves = draw.beta(model.a, model.b + 3, size)
    count = np.zeros(size)
    now = draw.exponential(1 / rate)
    alive = np.ones(size, dtype=bool)
    while (going := alive & (now <= 39)).any():
        count += going
        alive &= ~(going & (draw.random(size) < leaves))
        now = np.where(going, now + draw.exponential(1 / rate), now)
    expected = float(model.alive(x, t_x, t)[0] * count.mean())
    assert model.expected_orders(39, x, t_x, t)[0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("a", [1.0, 1e-5, 5e4])
def test_expected_orders_stay_finite_at_the_bounds_and_for_long_histories(a: float) -> None:
    model = BgNbd(r=0.5, alpha=10.0, a=a, b=3.0, log_likelihood=0)
    x, t_x, t = np.array([0.0, 5.0, 50_000.0]), np.array([0.0, 90.0, 999.0]), np.full(3, 1000.0)
    found = model.expected_orders(365, x, t_x, t)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_what_an_order_is_worth_is_drawn_to_the_shops_mean_where_little_is_known() -> None:
    draw = np.random.default_rng(3)
    own = 50 / draw.gamma(4, 1, 3000)
    count = draw.integers(1, 9, 3000).astype(float)
    mean = np.array([draw.gamma(6, m / 6, int(n)).mean() for m, n in zip(own, count, strict=True)])
    model = gamma_gamma.fit(count, mean)
    assert model.q == pytest.approx(4, rel=0.15)
    one, many = model.per_order(np.array([1.0, 100.0]), np.array([80.0, 80.0]))
    everybody = float(count @ mean / count.sum())
    assert everybody < one < many < 80


def test_few_buyers_are_all_expected_to_spend_the_shops_mean() -> None:
    model = gamma_gamma.fit(np.array([1.0, 3.0]), np.array([10.0, 20.0]))
    assert model.per_order(np.array([1.0, 9.0]), np.array([1.0, 99.0])).tolist() == [17.5, 17.5]


def test_every_buyer_is_told_what_they_spent_and_are_expected_to(lively: Lively) -> None:
    warehouse = lively[0]
    value = warehouse.read("predictions.lifetime_value")
    spent = warehouse.query(
        "select customer_id, sum(gross_amount) as spent from profiles.orders group by 1"
    )
    both = value.join(spent, on="customer_id")
    assert both.height == spent.height == value.height
    assert (both["historic_amount"] == both["spent"]).all()
    for days in (90, 365):
        assert (value[f"low_{days}d_amount"] <= value[f"high_{days}d_amount"]).all()
    assert (value["expected_365d_amount"] >= value["expected_90d_amount"]).all()
    top = value.sort("percentile")[-1]
    assert top["expected_365d_amount"].item() == value["expected_365d_amount"].max()
    assert top["band"].item() == "very_high"
    # What is said of the best is what raises it, of the worst what lowers it.
    assert "(raises it)" in top["reason_1"].item()
    worst = value.sort("percentile")[0]
    assert "(lowers it)" in worst["reason_1"].item()
    assert value["reason_1"].n_unique() > 20
    (row,) = warehouse.query("select * from predictions.models where task = 'value'").to_dicts()
    assert row["method"] == "model"
    assert row["is_promoted"], row["reason"]


def test_a_small_shop_gets_the_classic_models_and_is_told(settings: Settings) -> None:
    warehouse = warehouse_with(lively_shop(customers=60), clock=day(299))
    build_predictions(warehouse, settings)
    (row,) = warehouse.query("select * from predictions.models where task = 'value'").to_dicts()
    assert row["method"] == "rule"
    value = warehouse.read("predictions.lifetime_value")
    assert value.height > 40
    assert value["reason_3"].str.starts_with("last purchase ").all()


@pytest.mark.parametrize(
    "orders",
    [
        [],
        [("ann", day(5), 10.0)],
        [("ann", day(number), 10.0) for number in range(90)],
        [(f"c{number}", day(90), 0.01) for number in range(300)],
        [("big", day(number % 250), 1e9) for number in range(50_000)],
    ],
    ids=["nobody", "one order", "every day", "all at once and for nearly nothing", "50,000 orders"],
)
def test_odd_shops_get_a_clear_status_and_no_crash(orders: list[Order], settings: Settings) -> None:
    warehouse = warehouse_with(orders, clock=day(299))
    build_predictions(warehouse, settings)
    buyers = len({customer for customer, _, _ in orders})
    value = warehouse.read("predictions.lifetime_value")
    assert value.height == warehouse.read("predictions.next_order").height == buyers
    assert not value["is_promoted"].any()
    assert value["expected_365d_amount"].is_not_null().all()


def test_the_next_order_comes_after_today_in_the_buyers_own_rhythm(settings: Settings) -> None:
    steady = [(f"s{n}", day(n + gap * 30), 10.0) for n in range(30) for gap in range(6)]
    quick = [(f"q{n}", day(100 + n + gap * 7), 10.0) for n in range(30) for gap in range(8)]
    gone: list[Order] = [("gone", day(0), 10.0), ("gone", day(1), 10.0)]
    clock = day(185)
    warehouse = warehouse_with([*steady, *quick, *gone], clock=clock)
    build_predictions(warehouse, settings)
    rows = {row["customer_id"]: row for row in warehouse.read("predictions.next_order").to_dicts()}
    assert rows["gone"]["expected_date"] is None
    assert rows["gone"]["reason_2"] == "last purchase 184 days ago"
    assert rows["gone"]["reason_3"].startswith("late: ")
    told = [rows["s29"][f"reason_{place}"] for place in (1, 2, 3)]
    assert told[0].endswith(", by 6 days with a purchase")
    assert told[1:] == ["last purchase 6 days ago", None]
    # Six orders a month apart, the last 6 days ago, in a shop whose mean gap is 18 days.
    assert abs((rows["s29"]["expected_date"] - day(29 + 180)).days) <= 7
    for row in rows.values():
        if row["expected_date"]:
            assert clock < row["earliest_date"] <= row["expected_date"] <= row["latest_date"]
    assert rows["q29"]["typical_gap_days"] < rows["s29"]["typical_gap_days"]


def test_next_orders_are_told_better_than_by_the_shops_mean_gap() -> None:
    draw = np.random.default_rng(5)
    orders: list[Order] = []
    later: dict[str, dt.date] = {}
    for number in range(400):
        gap = float(draw.uniform(5, 60))
        now = float(draw.uniform(0, gap))
        while now < 300:
            orders.append((f"c{number}", day(int(now)), 10.0))
            now += max(1.0, draw.normal(gap, gap / 6))
        later[f"c{number}"] = day(int(now))
    warehouse = warehouse_with(orders, clock=day(299))
    with warehouse.connect() as connection:
        connection.execute(
            "create or replace table predictions.as_of_dates as select 'purchase' as task,"
            " (select as_of_date from core.clock) as as_of_date, 14 as horizon_days,"
            " 90 as active_days, null::double as active_gaps, 'score' as role"
        )
    from marketing_platform.warehouse import sql_tables

    warehouse.build("predictions.features", sql_tables()["predictions.features"].sql)
    buyers = warehouse.read("predictions.features")
    found = next_order.expected_dates(buyers, warehouse.query(next_order.GAPS))
    known = found.filter(pl.col("expected_date").is_not_null())
    assert known.height > 0.95 * found.height
    true = [later[customer] for customer in known["customer_id"]]
    errors = [abs((a - b).days) for a, b in zip(known["expected_date"], true, strict=True)]
    mean = round(float(buyers["gap_mean_days"].mean() or 0))  # type: ignore[arg-type]
    naive = [
        abs((max(day(299) - dt.timedelta(days=r) + dt.timedelta(days=mean), day(300)) - b).days)
        for r, b in zip(buyers.sort("customer_id")["recency_days"],
                        [later[c] for c in buyers.sort("customer_id")["customer_id"]], strict=True)
    ]  # fmt: skip
    assert np.mean(errors) < 0.6 * np.mean(naive)


def test_the_backtest_of_value_compares_with_the_classic_models(settings: Settings) -> None:
    warehouse = warehouse_with(lively_shop(), clock=day(299))
    found = backtest(warehouse, task="value", horizon_days=60, settings=settings)
    assert set(found["models"]) == {"platform", "bg_nbd", "spend_rate"}
    assert found["models"]["platform"]["spearman"] > found["models"]["spend_rate"]["spearman"]
    assert found["customers"] > found["positives"] > 0
    assert "spearman" in summary_table(found)
    assert max(len(line) for line in summary_table(found).splitlines()) <= 80


def test_a_value_that_cannot_be_tested_is_refused(settings: Settings) -> None:
    warehouse = warehouse_with([("ann", day(1), 5), ("ann", day(30), 5)], clock=day(99))
    with pytest.raises(InputError, match="history is too short"):
        backtest(warehouse, task="value", horizon_days=90, settings=settings)


def test_what_comes_after_the_day_does_not_reach_the_expected_value(settings: Settings) -> None:
    orders = lively_shop()
    changed = [(who, date, amount * (7 if date > day(239) else 1)) for who, date, amount in orders]
    tables = []
    for shop in (orders, changed):
        warehouse = warehouse_with([o for o in shop if o[1] <= day(239)], clock=day(239))
        build_predictions(warehouse, settings_in(settings.data_dir / str(len(tables))))
        tables.append(warehouse.read("predictions.lifetime_value").sort("customer_id"))
    assert tables[0].equals(tables[1])
    assert isinstance(tables[0]["historic_amount"][0], Decimal)
