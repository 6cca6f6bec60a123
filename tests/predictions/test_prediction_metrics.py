"""Metrics against answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from marketing_platform.predictions.metrics import (
    METRICS,
    base_rate_log_loss,
    expected_calibration_error,
    lift,
    measure,
)


def test_all_metrics_of_a_small_example_are_as_by_hand() -> None:
    found = measure(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    assert found["roc_auc"] == 1.0
    assert found["average_precision"] == 1.0
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.1225 + 0.04) / 4)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.4, 0.65, 0.8])), abs=1e-6)


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_only_leaves_the_ordering_metrics_empty(outcome: int) -> None:
    found = measure(np.full(5, outcome), np.full(5, 0.3))
    assert found["roc_auc"] is found["average_precision"] is found["lift_at_10"] is None
    assert found["log_loss"] is not None
    assert found["brier"] is not None


def test_no_rows_leave_every_metric_empty() -> None:
    found = measure(np.empty(0, dtype=np.int64), np.empty(0))
    assert list(found) == list(METRICS)
    assert set(found.values()) == {None}
    assert base_rate_log_loss(np.empty(0, dtype=np.int64), 0.5) is None


def test_lift_of_a_perfect_order_is_one_over_the_share_of_positives() -> None:
    outcomes = np.array([1] * 10 + [0] * 90)
    assert lift(outcomes, np.arange(100, 0, -1.0)) == pytest.approx(10)


def test_lift_does_not_depend_on_the_order_of_tied_rows() -> None:
    outcomes = np.array([1, 0] * 50)
    same = np.zeros(100)
    assert lift(outcomes, same) == pytest.approx(1)
    assert lift(np.sort(outcomes), same) == pytest.approx(1)


def test_calibration_error_is_zero_where_shares_are_as_predicted() -> None:
    probabilities = np.repeat([0.0, 0.5, 1.0], 100)
    outcomes = np.concatenate([np.zeros(100), np.tile([0, 1], 50), np.ones(100)]).astype(np.int64)
    assert expected_calibration_error(outcomes, probabilities) == pytest.approx(0)
    assert expected_calibration_error(outcomes, probabilities * 0) == pytest.approx(0.5)
