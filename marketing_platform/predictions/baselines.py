"""What a model has to beat: the days since the last purchase, and BG/NBD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from marketing_platform.predictions.classic import fit, history_of
from marketing_platform.predictions.matrix import Labels, Vector
from marketing_platform.predictions.tasks import Task

_SMOOTHING = 0.5


@dataclass(frozen=True)
class Recency:
    """Who bought last buys next. The curve from days to probability is a logistic one."""

    task: Task
    curve: LogisticRegression | None
    base_rate: float

    def ranking(self, features: pl.DataFrame) -> Vector:
        """Order of the rows: fewer days rank higher for a purchase, more days for churn."""
        sign = 1.0 if self.task == "churn" else -1.0
        return sign * features["recency_days"].cast(pl.Float64).to_numpy()

    def probabilities(self, features: pl.DataFrame) -> Vector:
        """Probability of each row, of shape (rows,); the base rate where no curve could be fit."""
        if self.curve is None or features.is_empty():
            return np.full(features.height, self.base_rate)
        found: Vector = self.curve.predict_proba(_log_recency(features))[:, 1]
        return found


def fit_recency(task: Task, features: pl.DataFrame, outcomes: Labels) -> Recency:
    """Fit the curve on training rows; with one class only there is a base rate but no curve."""
    curve = None
    if 0 < outcomes.sum() < len(outcomes):
        curve = LogisticRegression().fit(_log_recency(features), outcomes)
    return Recency(task, curve, base_rate(outcomes))


def base_rate(outcomes: Labels) -> float:
    """Share of positives; half a row is added to each side, so that it is never quite 0 or 1."""
    return float((outcomes.sum() + _SMOOTHING) / (len(outcomes) + 2 * _SMOOTHING))


def bg_nbd_probabilities(task: Task, features: pl.DataFrame, horizon_days: int) -> Vector:
    """BG/NBD fitted on the histories in `features` themselves, which it needs no outcomes for.

    For churn all buyers are given, and the caller picks the active ones.
    """
    if features.is_empty():
        return np.empty(0)
    return fit(features, task, horizon_days).probabilities(history_of(features))


def _log_recency(features: pl.DataFrame) -> Vector:
    days: Vector = features["recency_days"].cast(pl.Float64).to_numpy()
    return np.log1p(days)[:, None]
