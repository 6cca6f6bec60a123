"""Training, promotion and scores of whole shops, from lively ones to empty ones."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from predictions_shop import (
    Order,
    build_predictions,
    day,
    lively_shop,
    settings_in,
    warehouse_with,
)

from marketing_platform.contracts.predictions import BANDS
from marketing_platform.predictions import store
from marketing_platform.predictions.dates import as_of_rows
from marketing_platform.predictions.tables import TABLES
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse, sql_tables
from marketing_platform.warehouse.tables import tables_read

SCORES = ("predictions.purchase_14d", "predictions.churn_30d")


def models_of(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    return {row["task"]: row for row in warehouse.read("predictions.models").to_dicts()}


def built(orders: list[Order], settings: Settings, clock: dt.date) -> Warehouse:
    warehouse = warehouse_with(orders, clock=clock)
    build_predictions(warehouse, settings)
    return warehouse


def test_days_lie_one_horizon_apart_and_have_history_before_them() -> None:
    rows = as_of_rows("purchase", day(120), day(0), 14, Predictions(training_origins=8))
    assert [(row["role"], row["as_of_date"]) for row in rows] == [
        ("score", day(120)),
        ("test", day(106)),
        ("train", day(92)),
        ("train", day(78)),
        ("train", day(64)),
    ]


def test_what_came_after_a_past_day_is_counted_to_the_end_of_a_day_that_is_over(
    settings: Settings,
) -> None:
    """At five in the morning hardly anybody has bought yet."""
    warehouse = warehouse_with([("ann", day(0), 5.0)], clock=day(299))
    moment = dt.datetime.combine(day(299), dt.time(5))
    clock = pl.DataFrame({"as_of": [moment], "as_of_date": [day(299)]})
    warehouse.replace("core.clock", clock.cast({"as_of": pl.Datetime("us")}))
    build_predictions(warehouse, settings, until="predictions.as_of_dates")
    days = warehouse.read("predictions.as_of_dates")
    score = days.filter(pl.col("role") == "score")
    assert score["as_of_date"].unique().to_list() == [day(299)]
    tests = days.filter(pl.col("role") == "test").sort("task")
    ends = [("churn", 298 - 30), ("purchase", 298 - 14), ("value", 298 - 90)]
    assert tests.select("task", "as_of_date").rows() == [(task, day(n)) for task, n in ends]
    known = days.filter(pl.col("role") == "train")
    assert known["as_of_date"].max() == day(298 - 28)


def test_no_more_days_are_trained_on_than_the_settings_say() -> None:
    rows = as_of_rows("purchase", day(900), day(0), 14, Predictions(training_origins=6))
    assert [row["role"] for row in rows].count("train") == 6


def test_a_shop_with_short_history_has_a_day_to_score_only() -> None:
    for first in (None, day(0)):
        rows = as_of_rows("purchase", day(50), first, 14, Predictions())
        assert [row["role"] for row in rows] == ["score"]


def test_a_lively_shop_gets_promoted_models_with_figures_and_a_reason(
    lively: tuple[Warehouse, Settings],
) -> None:
    models = models_of(lively[0])
    assert set(models) == {"purchase", "churn", "value", "affinity", "lead"}
    purchase = models["purchase"]
    metrics = json.loads(purchase["metrics"])
    assert purchase["method"] == "model"
    assert purchase["is_promoted"], purchase["reason"]
    assert "better than recency" in purchase["reason"]
    assert metrics["status"] == "measured"
    assert metrics["models"]["platform"]["roc_auc"] > metrics["models"]["recency"]["roc_auc"]
    assert set(metrics["models"]) == {"platform", "recency", "bg_nbd"}


def test_every_buyer_gets_one_purchase_score_with_percentile_and_band(
    lively: tuple[Warehouse, Settings],
) -> None:
    warehouse = lively[0]
    scores = warehouse.read("predictions.purchase_14d").sort("score")
    buyers = warehouse.query("select distinct customer_id from profiles.orders")
    assert sorted(scores["customer_id"]) == sorted(buyers["customer_id"])
    assert scores["score"].is_between(0, 1, closed="none").all()
    assert scores["percentile"].is_sorted()
    assert scores["percentile"][-1] == 1.0
    sizes = scores["band"].value_counts()
    assert set(sizes["band"]) == set(BANDS)
    assert sizes["count"].min() > 0.15 * scores.height
    assert scores["as_of_date"].unique().to_list() == [day(299)]


def test_only_active_buyers_get_a_churn_score(lively: tuple[Warehouse, Settings]) -> None:
    warehouse, settings = lively
    scored = warehouse.read("predictions.churn_30d")["customer_id"].to_list()
    active = warehouse.query(
        "select customer_id from profiles.orders group by 1 having max(order_date) >= $since",
        {"since": day(299 - settings.platform.predictions.active_days)},
    )
    assert sorted(scored) == sorted(active["customer_id"])


def test_by_their_own_rhythm_the_same_buyers_are_learned_from_and_scored(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, active_gaps=2)
    warehouse = warehouse_with(lively_shop(), clock=day(299))
    build_predictions(warehouse, settings, until="predictions.churn_30d")
    both = warehouse.query(
        "select f.as_of_date, f.customer_id, f.recency_days <= 2 * f.typical_gap_days as is_active,"
        " o.customer_id is not null or s.customer_id is not null as is_asked"
        " from predictions.features as f"
        " inner join predictions.as_of_dates as d"
        " on f.as_of_date = d.as_of_date and d.task = 'churn'"
        " left join predictions.outcomes as o"
        " on f.customer_id = o.customer_id and f.as_of_date = o.as_of_date and o.task = 'churn'"
        " left join predictions.churn_30d as s"
        " on f.customer_id = s.customer_id and f.as_of_date = s.as_of_date"
    )
    assert both["as_of_date"].n_unique() > 3
    assert 0 < both["is_active"].sum() < both.height
    assert both["is_active"].equals(both["is_asked"])


def test_a_customer_without_orders_gets_no_score(settings: Settings) -> None:
    warehouse = warehouse_with(
        [("ann", day(1), 5), ("nil", day(1), 0)], clock=day(99), contacts=[("shop:9", "zoe")]
    )
    build_predictions(warehouse, settings)
    assert warehouse.read("predictions.purchase_14d")["customer_id"].to_list() == ["ann"]


def test_scores_name_a_model_that_is_there(lively: tuple[Warehouse, Settings]) -> None:
    warehouse, settings = lively
    models = warehouse.read("predictions.models")
    for table in SCORES:
        scores = warehouse.read(table).join(models, on=["model_version", "is_promoted"])
        assert scores.height == warehouse.read(table).height > 0
    # Lists of products are made when they are learned: nothing is kept for later.
    for version in models.filter(pl.col("task") != "affinity")["model_version"]:
        assert store.path_of(settings.models_dir, version).exists()


def test_the_same_data_gives_the_same_models_metrics_and_scores(tmp_path: Path) -> None:
    orders = lively_shop(customers=250, days=200, seed=2)
    first, second = tmp_path / "first", tmp_path / "second"
    one = built(orders, settings_in(first, minimum_positives=20), day(199))
    two = built(orders[::-1], settings_in(second, minimum_positives=20), day(199))
    assert (
        one.read("predictions.models")
        .sort("task")
        .equals(two.read("predictions.models").sort("task"))
    )
    for table in SCORES:
        assert one.read(table).sort("customer_id").equals(two.read(table).sort("customer_id"))


def test_a_changed_order_gives_another_model_version(settings: Settings) -> None:
    orders: list[Order] = [("ann", day(1), 5), ("bob", day(40), 7)]
    one = models_of(built(orders, settings, day(99)))
    two = models_of(built([*orders, ("bob", day(60), 7)], settings, day(99)))
    assert one["purchase"]["model_version"] != two["purchase"]["model_version"]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([], "no purchases"),
        ([("ann", day(1), 5)], "1 customers to learn from"),
        ([("ann", day(98), 5)], "history is too short"),
        ([(f"c{i}", day(i % 60), 10) for i in range(300)], "0 positives to learn from"),
        (
            [(f"c{i}", day(d), 10) for i in range(210) for d in range(0, 200, 7)],
            "0 negatives to learn from",
        ),
    ],
    ids=["no orders", "one customer", "new shop", "nobody returns", "everybody returns"],
)
def test_a_shop_that_cannot_teach_a_model_gets_the_rule_and_is_told_why(
    orders: list[Order], reason: str, settings: Settings
) -> None:
    clock = max((date for _, date, _ in orders), default=day(99))
    warehouse = built(orders, settings, max(clock, day(99)))
    purchase = models_of(warehouse)["purchase"]
    assert purchase["method"] == "rule"
    assert not purchase["is_promoted"]
    assert reason in purchase["reason"]
    scores = warehouse.read("predictions.purchase_14d")
    assert scores.height == len({customer for customer, _, _ in orders})
    assert scores["score"].is_between(0, 1, closed="none").all()
    assert not scores["is_promoted"].any()


def test_one_class_in_the_test_leaves_metrics_empty_and_says_so(settings: Settings) -> None:
    lively = lively_shop(customers=300, days=200, seed=4)
    warehouse = built(lively, settings, day(240))
    purchase = models_of(warehouse)["purchase"]
    metrics = json.loads(purchase["metrics"])
    assert not purchase["is_promoted"]
    assert "one class only" in purchase["reason"]
    assert metrics["models"]["platform"]["roc_auc"] is None
    assert metrics["models"]["platform"]["log_loss"] is not None


def test_buyers_who_are_all_alike_are_scored_alike_and_not_promoted(settings: Settings) -> None:
    # All buy on the same days for the same money, so no feature tells anybody apart.
    orders: list[Order] = [(f"c{i:03}", day(d), 10) for i in range(250) for d in (0, 75, 130)]
    orders += [(f"c{i:03}", day(195), 10) for i in range(0, 250, 2)]
    warehouse = built(orders, settings, day(199))
    purchase = models_of(warehouse)["purchase"]
    assert (purchase["method"], purchase["is_promoted"]) == ("model", False), purchase
    assert "does not order better than recency" in purchase["reason"]
    assert warehouse.read("predictions.purchase_14d").height == 250


def test_equal_scores_put_everybody_into_the_middle_band(settings: Settings) -> None:
    warehouse = built([(f"c{i}", day(1), 10) for i in range(30)], settings, day(99))
    assert warehouse.read("predictions.purchase_14d")["band"].unique().to_list() == ["medium"]


def test_the_rule_is_calibrated_to_the_base_rate_and_prefers_who_is_due(
    settings: Settings,
) -> None:
    # 20 buyers, each every 20 days; half of them have stopped.
    orders: list[Order] = [
        (f"c{i:02}", day(start), 10)
        for i in range(20)
        for start in range(i, 200 if i % 2 else 100, 20)
    ]
    warehouse = built(orders, settings, day(199))
    scores = warehouse.read("predictions.purchase_14d").with_columns(
        (pl.col("customer_id").str.slice(1).cast(pl.Int64) % 2 == 1).alias("stays")
    )
    assert models_of(warehouse)["purchase"]["method"] == "rule"
    assert scores.filter("stays")["score"].min() > scores.filter(~pl.col("stays"))["score"].max()
    assert 0.2 < scores["score"].mean() < 0.6


def test_what_each_table_says_it_reads_is_enough_to_build_it(settings: Settings) -> None:
    full = built(lively_shop(customers=60, days=120), settings, day(119))
    for table in TABLES:
        alone = Warehouse(":memory:")
        for name in table.reads:
            alone.replace(name, full.read(name))
        table.build(alone, settings)
        assert alone.read(str(table.name)).height == full.read(str(table.name)).height


def test_the_sql_tables_read_no_refunds_and_nothing_from_the_future() -> None:
    assert sql_tables()["predictions.features"].reads == (
        "core.engagements",
        "identity.contact_customers",
        "predictions.as_of_dates",
        "profiles.active_days",
        "profiles.orders",
    )
    assert "predictions.features" in tables_read(sql_tables()["predictions.outcomes"].sql)


def test_every_score_has_reasons_in_words_that_agree_with_the_score(
    lively: tuple[Warehouse, Settings],
) -> None:
    scores = lively[0].read("predictions.purchase_14d").sort("score")
    assert scores["reason_1"].is_not_null().all()
    first, last = scores.head(20), scores.tail(20)
    assert first["reason_1"].str.ends_with("(lowers it)").mean() > 0.9
    assert last["reason_1"].str.ends_with("(raises it)").mean() > 0.9
    every = pl.concat([scores[f"reason_{n}"] for n in (1, 2, 3)]).drop_nulls()
    assert not every.str.contains(r"\b1 days|null|NaN|inf").any()
    assert every.str.contains(r"last purchase \d+ days? ago; usually every \d+").any()


def test_a_rule_gives_its_two_reasons(settings: Settings) -> None:
    warehouse = built([("ann", day(1), 5), ("ann", day(31), 5)], settings, day(99))
    (row,) = warehouse.read("predictions.purchase_14d").to_dicts()
    assert row["reason_1"] == "last purchase 68 days ago; usually every 30"
    assert row["reason_2"] == "2 days with a purchase in 98 days"
    assert row["reason_3"] is None
