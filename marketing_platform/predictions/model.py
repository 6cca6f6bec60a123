"""The model: a logistic regression, small boosted trees and BG/NBD, joined by their log-odds.

The regression is steady where data is thin; its curves of recency and frequency may bend. The trees
add what depends on two things at once; two ensembles that look at other columns each are averaged,
so that what one drew by chance weighs less. BG/NBD knows how buying dies down. How much each counts
is learned on days that training had not seen, and starts from half, half and nothing. The settings
were chosen on earlier as-of days than the ones that figures are reported for, alike for every shop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from marketing_platform.predictions import blend
from marketing_platform.predictions.classic import Classic, history_in
from marketing_platform.predictions.matrix import COLUMNS, PLAIN_COLUMNS, Labels, Matrix, Vector

# Part of each model's fingerprint: count it up when the way of training changes.
RECIPE = 4
_FLOOR = 1e-6
# Newest training days that are predicted from the days before them, to learn the weights on.
_HELD_DAYS = 2
_FEWEST_DAYS_BEFORE = 3
# Of the regression, the trees and BG/NBD.
EVEN: Final = (0.5, 0.5, 0.0)
# How much of what the newest day's level was off is expected of the next one. On 67 tests of days
# that end a month and a half and more before the ones that figures are told of, 0.35 was the best
# of 0 to 1, and 0.5 where each data set and horizon counts alike.
_CARRIED = 0.4
_PLAIN = len(PLAIN_COLUMNS)
# OpenMP threads that share a core with other work wait for each other: measured ten times slower on
# a busy machine than one thread. The controller looks for the libraries once: each look takes some
# milliseconds, and all that a model uses are loaded by the imports above.
_CONTROLLER: Final = ThreadpoolController()

Weights = tuple[float, float, float]
# The BG/NBD of a day, by its number: fitted to what was known of all buyers at its end.
ClassicOf = Callable[[int], Classic]


@dataclass(frozen=True)
class Model:
    """A trained model: its three voices, how much each counts, and what is added to their sum.

    `columns` are those of the matrix that it was trained on. Without a `classic` that voice is
    silent: so are models of earlier versions.
    """

    linear: Pipeline
    trees: list[HistGradientBoostingClassifier]
    classic: Classic | None
    weights: Weights
    level: float
    columns: tuple[str, ...] = COLUMNS

    def probabilities(self, features: Matrix) -> Vector:
        """Probability of each row of `features` (rows, columns), of shape (rows,)."""
        voices = _voices(self.linear, self.trees, self.classic, features)
        return cast(Vector, expit(self.level + voices @ np.array(self.weights)))


def one_thread() -> AbstractContextManager[object]:
    """Let scikit-learn compute in one thread, from `with` to the end of it."""
    return cast(AbstractContextManager[object], _CONTROLLER.limit(limits=1))


def train(
    features: Matrix, outcomes: Labels, days: NDArray[np.int64], classic_of: ClassicOf
) -> Model:
    """Train on `features` (rows, columns), `outcomes` (0 or 1) and the as-of `days` of the rows.

    `outcomes` must hold both classes. The same input gives the same model.
    """
    counted = weights_of_voices(features, outcomes, days, classic_of)
    return retrain(features, outcomes, days, classic_of, counted)


def retrain(
    features: Matrix,
    outcomes: Labels,
    days: NDArray[np.int64],
    classic_of: ClassicOf,
    weights: Weights,
) -> Model:
    """Train with weights that are known already; `outcomes` must hold both classes."""
    linear, trees = _fit(features, outcomes)
    newest = int(days.max())
    classic = classic_of(newest)
    log_odds = _voices(linear, trees, classic, features) @ np.array(weights)
    everywhere = blend.level(log_odds, outcomes)
    is_newest = days == newest
    lately = blend.level(log_odds[is_newest], outcomes[is_newest])
    level = everywhere + _CARRIED * (lately - everywhere)
    return Model(linear, trees, classic, weights, level)


def weights_of_voices(
    features: Matrix, outcomes: Labels, days: NDArray[np.int64], classic_of: ClassicOf
) -> Weights:
    """How much each voice counts, learned on the newest days, each from the days before it.

    `EVEN` where there are too few days.
    """
    unique = np.unique(days)
    voices, truths, of_day = [], [], []
    for day in unique[_FEWEST_DAYS_BEFORE:][-_HELD_DAYS:]:
        before, on = days < day, days == day
        if _has_both(outcomes[before]) and _has_both(outcomes[on]):
            fitted = _fit(features[before], outcomes[before])
            voices.append(_voices(*fitted, classic_of(int(days[before].max())), features[on]))
            truths.append(outcomes[on])
            of_day.append(days[on])
    if not voices:
        return EVEN
    found = blend.weights(
        np.concatenate(voices), np.concatenate(truths), np.concatenate(of_day), np.array(EVEN)
    )
    linear, trees, classic = (float(weight) for weight in found)
    return linear, trees, classic


def _has_both(outcomes: Labels) -> bool:
    return bool(0 < outcomes.sum() < len(outcomes))


# Of small trees that find bends by themselves; chosen once for all tasks.
TREE_SETTINGS: Final = {
    "max_iter": 60,
    "learning_rate": 0.08,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 100,
    "max_features": 0.4,
    "l2_regularization": 10,
    "early_stopping": False,
    "random_state": 0,
}
_ENSEMBLES = 2
Trees = list[HistGradientBoostingClassifier]


def _fit(features: Matrix, outcomes: Labels) -> tuple[Pipeline, Trees]:
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=1000))
    plain = features[:, :_PLAIN]
    with one_thread():
        trees = [
            HistGradientBoostingClassifier(**{**TREE_SETTINGS, "random_state": seed})
            for seed in range(_ENSEMBLES)
        ]
        return linear.fit(features, outcomes), [one.fit(plain, outcomes) for one in trees]


def _voices(linear: Pipeline, trees: Trees, classic: Classic | None, features: Matrix) -> Matrix:
    """What each voice says of each row, in log-odds, of shape (rows, 3)."""
    plain = features[:, :_PLAIN]
    with one_thread():
        straight = _bounded(linear.predict_proba(features)[:, 1])
        grown = np.mean([_bounded(one.predict_proba(plain)[:, 1]) for one in trees], axis=0)
    dying = (
        np.zeros(len(features))
        if classic is None
        else _bounded(classic.probabilities(history_in(features)))
    )
    return np.column_stack([straight, grown, dying])


def _bounded(probabilities: Vector) -> Vector:
    return cast(Vector, logit(np.clip(probabilities, _FLOOR, 1 - _FLOOR)))
