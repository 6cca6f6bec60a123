"""The model: a logistic regression and small boosted trees, averaged, then calibrated.

The regression is steady where data is thin; its curves of recency and frequency may bend. The trees
add what depends on two things at once; two ensembles that look at other columns each are averaged,
so that what one drew by chance weighs less. The settings of both were chosen on earlier as-of days
than the ones that figures are reported for, alike for every shop. The average of their log-odds
beats either alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from marketing_platform.predictions.matrix import COLUMNS, PLAIN_COLUMNS, Labels, Matrix, Vector

# Part of each model's fingerprint: count it up when the way of training changes.
RECIPE = 2
_FLOOR = 1e-6
# Newest training days that are predicted from the days before them, to calibrate on.
_CALIBRATION_DAYS = 2
_FEWEST_DAYS_BEFORE = 3
# Outside of this, a slope is noise of a small shop.
_SLOPE_RANGE = (0.6, 1.4)
_PLAIN = len(PLAIN_COLUMNS)
# OpenMP threads that share a core with other work wait for each other: measured ten times slower on
# a busy machine than one thread.
_THREADS = 1


@dataclass(frozen=True)
class Model:
    """A trained model: the two halves, and the slope that their mean log-odds are scaled by.

    `centre` is the log-odds of the base rate in training; scaling around it keeps the level.
    `columns` are those of the matrix that it was trained on.
    """

    linear: Pipeline
    trees: list[HistGradientBoostingClassifier]
    slope: float
    centre: float
    columns: tuple[str, ...] = COLUMNS

    def probabilities(self, features: Matrix) -> Vector:
        """Probability of each row of `features` (rows, columns), of shape (rows,)."""
        log_odds = _log_odds(self.linear, self.trees, features)
        return cast(Vector, expit(self.centre + self.slope * (log_odds - self.centre)))


def train(features: Matrix, outcomes: Labels, days: NDArray[np.int64]) -> Model:
    """Train on `features` (rows, columns), `outcomes` (0 or 1) and the as-of `days` of the rows.

    `outcomes` must hold both classes. The same input gives the same model.
    """
    slope = calibration_slope(features, outcomes, days)
    return retrain(features, outcomes, slope)


def retrain(features: Matrix, outcomes: Labels, slope: float) -> Model:
    """Train with a slope that is known already; `outcomes` must hold both classes."""
    linear, trees = _fit(features, outcomes)
    centre = float(logit(outcomes.mean()))
    return Model(linear, trees, slope, centre)


def calibration_slope(features: Matrix, outcomes: Labels, days: NDArray[np.int64]) -> float:
    """How much the log-odds should be spread, learned from days that training had not seen.

    Each of the newest days is predicted from the days before it. One regression of the outcomes on
    these predictions (Platt 1999) gives the slope; each day has a level of its own, because how
    much is bought differs by season, and the level of one past season says little of the next. 1.0
    where there are too few days.
    """
    unique = np.unique(days)
    held = unique[_FEWEST_DAYS_BEFORE:][-_CALIBRATION_DAYS:]
    log_odds, truths, levels = [], [], []
    for day in held:
        before, on = days < day, days == day
        if _has_both(outcomes[before]) and _has_both(outcomes[on]):
            log_odds.append(_log_odds(*_fit(features[before], outcomes[before]), features[on]))
            truths.append(outcomes[on])
            levels.append(np.full(int(on.sum()), day))
    if not log_odds:
        return 1.0
    level = np.concatenate(levels)
    dummies = (level[:, None] == np.unique(level)[None, 1:]).astype(np.float64)
    columns = np.column_stack([np.concatenate(log_odds), dummies])
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(columns, np.concatenate(truths))
    return float(np.clip(fitted.coef_[0][0], *_SLOPE_RANGE))


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
    with threadpool_limits(_THREADS):
        trees = [
            HistGradientBoostingClassifier(**{**TREE_SETTINGS, "random_state": seed})
            for seed in range(_ENSEMBLES)
        ]
        return linear.fit(features, outcomes), [one.fit(plain, outcomes) for one in trees]


def _log_odds(linear: Pipeline, trees: Trees, features: Matrix) -> Vector:
    plain = features[:, :_PLAIN]
    with threadpool_limits(_THREADS):
        grown = np.mean([_bounded(one.predict_proba(plain)) for one in trees], axis=0)
        return cast(Vector, (_bounded(linear.predict_proba(features)) + grown) / 2)


def _bounded(probabilities: Matrix) -> Vector:
    return cast(Vector, logit(np.clip(probabilities[:, 1], _FLOOR, 1 - _FLOOR)))
