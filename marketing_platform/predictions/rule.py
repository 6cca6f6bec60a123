"""The rule that takes a model's place where there is too little to learn from.

A buyer is expected back after a typical gap: the mean of the buyer's own gaps and, as one more,
the shop's mean gap. Interest fades as exp(-recency / typical gap). The probability of a purchase is
that interest, scaled so that its mean is the base rate: the share that came true on past days, or,
where no past day is known, what the shop's rate of purchases gives by chance (a Poisson process).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl

from marketing_platform.predictions.matrix import Vector
from marketing_platform.predictions.tasks import Task

# Mean gap of a shop in which nobody has bought twice.
_UNKNOWN_GAP_DAYS = 30.0
_FLOOR = 1e-3


@dataclass(frozen=True)
class Rule:
    """The rule of one shop: its mean gap in days, and what interest is multiplied by."""

    task: Task
    gap_days: float
    factor: float

    def probabilities(self, features: pl.DataFrame) -> Vector:
        """Probability of each row, of shape (rows,)."""
        buys = np.clip(interest(features, self.gap_days) * self.factor, _FLOOR, 1 - _FLOOR)
        return 1 - buys if self.task == "churn" else buys


def interest(features: pl.DataFrame, gap_days: float) -> Vector:
    """exp(-recency / typical gap) of each row, above 0 and at most 1."""
    gaps = features["order_days_count"].cast(pl.Float64).to_numpy() - 1
    own = features["gap_mean_days"].fill_null(0).to_numpy()
    typical = (gaps * own + gap_days) / (gaps + 1)
    recency = features["recency_days"].cast(pl.Float64).to_numpy()
    return cast(Vector, np.exp(-recency / typical))


def make_rule(
    task: Task, features: pl.DataFrame, base_rate: float | None, horizon_days: int
) -> Rule:
    """The rule for the buyers in `features` (there may be none).

    `base_rate` is the share of past rows that were positive, None where no past day is known.
    """
    gap = mean_gap(features)
    buying = chance_rate(features, horizon_days) if base_rate is None else base_rate
    if base_rate is not None and task == "churn":
        buying = 1 - base_rate
    level = float(np.mean(interest(features, gap))) if features.height else 1.0
    return Rule(task, gap, buying / max(level, _FLOOR))


def mean_gap(features: pl.DataFrame) -> float:
    """Mean gap in days over all gaps between days of purchase."""
    known = features.filter(pl.col("gap_mean_days").is_not_null())
    gaps = (known["order_days_count"] - 1).to_numpy()
    if not gaps.sum():
        return _UNKNOWN_GAP_DAYS
    return float(known["gap_mean_days"].to_numpy() @ gaps / gaps.sum())


def chance_rate(features: pl.DataFrame, horizon_days: int) -> float:
    """Probability of a purchase within the horizon if all buyers bought at one rate by chance.

    The first purchase is not counted: it is why the buyer is here.
    """
    if features.is_empty():
        return 0.0
    repeats = float((features["order_days_count"] - 1).sum())
    days = float((features["tenure_days"] + 1).sum())
    return float(-np.expm1(-horizon_days * repeats / days))
