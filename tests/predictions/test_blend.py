"""How the voices of a model are joined: whom to listen to, and the level of what they say."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from predictions_shop import lively_shop, some_features, warehouse_with
from scipy.special import expit

from marketing_platform.predictions import blend, model
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.classic import Classic, history_in, history_of
from marketing_platform.predictions.dates import NAME, as_of_frame, as_of_rows
from marketing_platform.predictions.matrix import COLUMNS, matrix
from marketing_platform.settings import Predictions
from marketing_platform.warehouse import sql_tables

START = np.array([0.5, 0.5, 0.0])


def said(rows: int, levels: tuple[float, ...] = (0.0, 0.0)) -> tuple[np.ndarray, ...]:
    """Three voices of which only the second knows anything, on days of different levels."""
    voices = np.random.default_rng(1).normal(size=(rows, 3))
    days = np.arange(rows) % len(levels)
    truth = expit(voices[:, 1] + np.array(levels)[days])
    return voices, (np.random.default_rng(2).random(rows) < truth).astype(np.int64), days


def test_the_voice_that_knows_is_listened_to_and_the_others_are_not() -> None:
    found = blend.weights(*said(40_000), START)
    assert found == pytest.approx([0, 1, 0], abs=0.05)


def test_a_few_rows_hardly_move_the_weights() -> None:
    found = blend.weights(*said(20), START)
    assert found == pytest.approx(START, abs=0.1)


def test_days_on_which_more_or_less_is_bought_change_no_weight() -> None:
    voices, outcomes, days = said(40_000, levels=(-2.0, 1.0))
    assert blend.weights(voices, outcomes, days, START) == pytest.approx([0, 1, 0], abs=0.06)


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=50),
    st.data(),
)
def test_at_their_level_as_many_are_expected_as_came(
    said: list[float], data: st.DataObject
) -> None:
    count = len(said)
    outcomes = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    log_odds = np.array(said)
    expected = expit(log_odds + blend.level(log_odds, outcomes)).mean()
    assert expected == pytest.approx((outcomes.sum() + 0.5) / (count + 1), abs=1e-6)


def test_a_part_of_what_the_newest_day_was_off_is_expected_of_the_next() -> None:
    days = np.repeat(np.arange(5), 2_000)
    features = some_features(len(days))
    share = np.where(days == 4, 0.4, 0.2)
    outcomes = (np.random.default_rng(4).random(len(days)) < share).astype(np.int64)
    classic = Classic(BgNbd(0.5, 30.0, 0.8, 2.5, 0.0), "purchase", 14)
    trained = model.train(features, outcomes, days, lambda _: classic)
    assert outcomes.mean() + 0.02 < trained.probabilities(features).mean() < 0.35


def test_too_few_days_leave_the_weights_as_they_start() -> None:
    features, outcomes = np.zeros((40, len(COLUMNS))), np.tile([0, 1], 20)
    days = np.repeat([1, 2, 3], [10, 10, 20])

    def unasked(day: int) -> Classic:
        raise AssertionError(day)

    assert model.weights_of_voices(features, outcomes, days, unasked) == model.EVEN


def test_the_history_of_a_buyer_is_the_same_in_features_and_in_the_matrix() -> None:
    clock = dt.date(2024, 10, 1)
    warehouse = warehouse_with(lively_shop(customers=80, days=200), clock=clock)
    rows = as_of_rows("purchase", clock, dt.date(2024, 1, 1), 30, Predictions())
    warehouse.replace(NAME, as_of_frame(rows, "UTC"))
    warehouse.build("predictions.features", sql_tables()["predictions.features"].sql)
    features = warehouse.read("predictions.features")
    assert features.height > 200
    for plain, seen in zip(history_of(features), history_in(matrix(features)), strict=True):
        assert (plain == seen).all()
