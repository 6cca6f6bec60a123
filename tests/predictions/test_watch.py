"""The watch over models: another population, and expectations that did not come true."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
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

from marketing_platform.predictions.watch import stability
from marketing_platform.quality.checks import model_is_sound
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

ORDERS = lively_shop()
SCORES = "predictions.purchase_14d"


def go_on(warehouse: Warehouse, settings: Settings, clock: int, orders: list[Order]) -> None:
    later = warehouse_with([o for o in orders if o[1] <= day(clock)], clock=day(clock))
    for name in ("core.clock", "profiles.orders"):
        warehouse.replace(name, later.read(name))
    build_predictions(warehouse, settings, until=SCORES)


def watched(warehouse: Warehouse, task: str = "purchase") -> dict[dt.date, dict[str, object]]:
    rows = warehouse.read("predictions.watch").filter(pl.col("task") == task).to_dicts()
    return {row["as_of_date"]: row for row in rows}


def test_the_index_is_that_of_a_small_example_by_hand_and_zero_for_the_same() -> None:
    then = np.arange(100) / 100
    assert stability(then, then) == pytest.approx(0, abs=1e-9)
    now = np.where(then < 0.5, 0.05, then)
    halves = stability(then, now, bins=2)
    assert halves == pytest.approx(0, abs=1e-9)
    moved = stability(then, np.full(100, 0.9), bins=2)
    assert moved == pytest.approx((1 - 0.5) * np.log(2) + (1e-4 - 0.5) * np.log(1e-4 / 0.5))
    assert stability(np.empty(0), then) == 0
    assert np.isfinite(stability(np.zeros(50), np.ones(50)))


def test_each_day_is_kept_and_scores_of_a_horizon_ago_are_judged(settings: Settings) -> None:
    warehouse = warehouse_with([o for o in ORDERS if o[1] <= day(270)], clock=day(270))
    build_predictions(warehouse, settings, until=SCORES)
    go_on(warehouse, settings, 284, ORDERS)
    rows = watched(warehouse)
    assert set(rows) == {day(270), day(284)}
    assert rows[day(270)]["judged_date"] is None
    assert "no model is old enough" in str(rows[day(270)]["finding"])
    judged = rows[day(284)]
    assert judged["judged_date"] == day(270)
    assert judged["is_sound"], judged["finding"]
    assert abs(judged["expected_share"] - judged["seen_share"]) < 0.06  # type: ignore[operator]
    result = model_is_sound(warehouse, "purchase")
    assert result.passed
    assert "were expected to buy, " in result.detail


def test_where_nobody_came_who_was_expected_scores_are_not_to_be_used(settings: Settings) -> None:
    warehouse = warehouse_with([o for o in ORDERS if o[1] <= day(270)], clock=day(270))
    build_predictions(warehouse, settings, until=SCORES)
    assert warehouse.read(SCORES)["is_promoted"].all()
    # The shop's till is broken: hardly an order arrives any more.
    few = [o for n, o in enumerate(ORDERS) if o[1] <= day(270) or n % 12 == 0]
    go_on(warehouse, settings, 284, few)
    row = watched(warehouse)[day(284)]
    assert not row["is_sound"]
    assert "were expected to buy, and" in str(row["finding"])
    assert not warehouse.read(SCORES)["is_promoted"].any()
    result = model_is_sound(warehouse, "purchase")
    assert (result.passed, result.is_blocking) == (False, False)


def test_a_model_of_another_horizon_is_not_judged_by_what_came_in_this_one(tmp_path: Path) -> None:
    warehouse = warehouse_with([o for o in ORDERS if o[1] <= day(262)], clock=day(262))
    build_predictions(warehouse, settings_in(tmp_path, purchase_horizon_days=7), until=SCORES)
    longer = settings_in(tmp_path, purchase_horizon_days=30)
    go_on(warehouse, longer, 280, ORDERS)
    go_on(warehouse, longer, 295, ORDERS)
    row = watched(warehouse)[day(295)]
    assert row["judged_date"] is None
    assert "were expected to buy, and" not in str(row["finding"])
    # Of churn those who came are not those who were expected.
    assert "were expected to buy nothing, " in str(watched(warehouse, "churn")[day(295)]["finding"])


def test_a_shop_without_a_model_is_not_watched_and_passes(settings: Settings) -> None:
    warehouse = warehouse_with([("ann", day(1), 5)], clock=day(99))
    build_predictions(warehouse, settings, until=SCORES)
    assert warehouse.read("predictions.watch").is_empty()
    assert model_is_sound(warehouse, "purchase").passed
