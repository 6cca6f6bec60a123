"""The backtest: what it answers, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from predictions_shop import build_predictions, day, lively_shop, warehouse_with

from marketing_platform.commands.running import run_backtest
from marketing_platform.errors import InputError
from marketing_platform.predictions.backtest import backtest, summary_table
from marketing_platform.predictions.metrics import METRICS
from marketing_platform.settings import CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE, Settings
from marketing_platform.warehouse import Warehouse


@pytest.fixture(scope="module")
def shop() -> Warehouse:
    return warehouse_with(lively_shop(), clock=day(299))


def test_the_answer_has_task_day_counts_and_the_metrics_of_each_model(
    shop: Warehouse, settings: Settings
) -> None:
    found = backtest(shop, task="purchase", horizon_days=14, settings=settings)
    keys = ["task", "as_of", "horizon_days", "customers", "positives", "models", "calibration"]
    assert list(found) == keys
    assert sum(tenth["customers"] for tenth in found["calibration"]) == found["customers"]
    assert found["task"] == "purchase"
    assert found["as_of"] == day(299 - 14).isoformat()
    assert found["customers"] > found["positives"] > 0
    assert list(found["models"]) == ["platform", "recency", "bg_nbd"]
    assert all(tuple(metrics) == METRICS for metrics in found["models"].values())
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_backtest_of_a_file_needs_no_shop_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    lines = [f"c{n % 40},{day(7 * n % 200)},{5 + n % 9}" for n in range(400)]
    (tmp_path / "orders.csv").write_text("\n".join(["customer_id,date,amount", *lines]))
    found = run_backtest(Path("orders.csv"), "purchase", 14, None, [], None, None)
    assert found["customers"] == 40
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]


def test_the_backtest_of_today_is_the_test_of_the_platform(settings: Settings) -> None:
    warehouse = warehouse_with(lively_shop(), clock=day(299))
    build_predictions(warehouse, settings)
    tested = {
        row["task"]: json.loads(row["metrics"])
        for row in warehouse.read("predictions.models").to_dicts()
    }
    for task, horizon in (("purchase", 14), ("churn", 30)):
        found = backtest(warehouse, task=task, horizon_days=horizon, settings=settings)
        assert {name: tested[task][name] for name in found} == found


def test_a_past_day_is_tested_as_if_the_rest_had_not_happened(settings: Settings) -> None:
    orders = lively_shop()
    as_of = day(230)
    until = [order for order in orders if order[1] <= as_of + dt.timedelta(days=14)]
    answers = [
        backtest(
            warehouse_with(some, clock=day(299)),
            task="purchase",
            horizon_days=14,
            as_of=as_of,
            settings=settings,
        )
        for some in (orders, until)
    ]
    assert answers[0] == answers[1]


def test_what_happened_within_the_horizon_does_not_reach_the_scores(settings: Settings) -> None:
    # With nobody buying after the as-of day, all that may change is who was right.
    orders = lively_shop()
    as_of = day(299 - 14)
    silent = [order for order in orders if order[1] <= as_of] + [("new", day(299), 1.0)]
    full = backtest(
        warehouse_with(orders, clock=day(299)),
        task="purchase",
        horizon_days=14,
        as_of=as_of,
        settings=settings,
    )
    found = backtest(
        warehouse_with(silent, clock=day(299)),
        task="purchase",
        horizon_days=14,
        as_of=as_of,
        settings=settings,
    )
    assert found["customers"] == full["customers"]
    assert found["positives"] == 0
    assert found["models"]["platform"]["roc_auc"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon_days": 0}, "horizon is 0 days"),
        ({"horizon_days": -3}, "horizon is -3 days"),
        ({"horizon_days": 200}, "history is too short"),
        ({"as_of": day(298)}, "cannot be tested"),
        ({"as_of": day(10)}, "cannot be tested"),
        ({"as_of": dt.date(1990, 1, 1)}, "cannot be tested"),
        ({"task": "weather"}, "no such task"),
    ],
)
def test_options_that_cannot_be_tested_are_refused(
    shop: Warehouse, settings: Settings, options: dict[str, object], message: str
) -> None:
    given = {"task": "purchase", "horizon_days": 14, **options}
    with pytest.raises(InputError, match=message):
        backtest(shop, settings=settings, **given)  # type: ignore[arg-type]


def test_a_shop_without_orders_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match="no purchases"):
        backtest(warehouse_with([], clock=day(0)), task="churn", horizon_days=30, settings=settings)


def test_the_table_for_people_shows_each_model_and_a_dash_for_what_is_missing() -> None:
    metrics = dict.fromkeys(METRICS, 0.5)
    shown = summary_table(
        {
            "task": "purchase",
            "as_of": "2024-01-01",
            "horizon_days": 14,
            "customers": 1000,
            "positives": 10,
            "models": {"platform": metrics, "recency": {**metrics, "roc_auc": None}},
        }
    )
    assert "1,000 customers, 10 positives" in shown
    assert "0.5000" in shown
    assert shown.splitlines()[-1].split()[:2] == ["recency", "-"]


def test_figures_of_a_large_currency_do_not_run_into_each_other() -> None:
    figures = {"mae": 1_234_567.5, "spearman": 0.25, "bias": 4_567_890.125}
    shown = summary_table(
        {
            "task": "value", "as_of": "2024-06-01", "horizon_days": 90, "customers": 9,
            "positives": 2, "models": {"platform": figures, "spend_rate": dict.fromkeys(figures)},
        }
    )  # fmt: skip
    assert shown.splitlines()[2].split() == ["platform", "1234567.5000", "0.2500", "4567890.1250"]
