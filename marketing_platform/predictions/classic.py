"""BG/NBD as a voice in the model: it knows how buying dies down, and needs no outcomes to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from marketing_platform.predictions import bg_nbd
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.matrix import COLUMNS, Matrix, Vector
from marketing_platform.predictions.tasks import Task

History = tuple[Vector, Vector, Vector]
_ORDERS, _TENURE, _RECENCY = (
    COLUMNS.index(name) for name in ("order_days_count", "tenure_days", "recency_days")
)


@dataclass(frozen=True)
class Classic:
    """A fitted BG/NBD, and what it is asked: who buys within `horizon_days`, or who does not."""

    repeat: BgNbd
    task: Task
    horizon_days: int

    def probabilities(self, history: History) -> Vector:
        """Probability of each buyer, of shape (buyers,)."""
        buys = self.repeat.buys_within(self.horizon_days, *history)
        return 1 - buys if self.task == "churn" else buys


def fit(buyers: pl.DataFrame, task: Task, horizon_days: int) -> Classic:
    """Fit to the feature rows of all buyers of a day; there must be some.

    For churn too: a model of dying cannot be fit on those who bought lately only.
    """
    return Classic(bg_nbd.fit(*history_of(buyers)), task, horizon_days)


def history_of(features: pl.DataFrame) -> History:
    """x, t_x and T of BG/NBD: repeat orders, the last of them and the time watched, in days."""
    orders = features["order_days_count"].cast(pl.Float64).to_numpy()
    watched = features["tenure_days"].cast(pl.Float64).to_numpy()
    return orders - 1, watched - features["recency_days"].cast(pl.Float64).to_numpy(), watched


def history_in(features: Matrix) -> History:
    """The same from the model's view of the features, whose columns are logarithms."""
    orders, watched, recency = (
        np.rint(np.expm1(features[:, column])) for column in (_ORDERS, _TENURE, _RECENCY)
    )
    return orders - 1, watched - recency, watched
