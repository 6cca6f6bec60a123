"""The rule that takes a model's place where there is too little to learn from.

A buyer is expected back after a typical gap, the mean of the buyer's own gaps and, as one more, the
shop's mean gap; who has been silent for longer is expected after as long again as that silence.
Purchases come at the rate of one in that time, by chance (a Poisson process). How long the horizon
counts is such that the mean of the probabilities is the base rate: the share that came true on past
days, or, where no past day is known, what the shop's rate of purchases gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
from scipy.optimize import brentq

from marketing_platform.predictions.matrix import Vector
from marketing_platform.predictions.tasks import Task

# Mean gap of a shop in which nobody has bought twice.
_UNKNOWN_GAP_DAYS = 30.0
_FLOOR = 1e-3
# So many expected purchases are a purchase for certain, but for less than the floor.
_CERTAIN = 7.0


@dataclass(frozen=True)
class Rule:
    """The rule of one shop: its mean gap in days, and as how many days the horizon counts.

    These are fewer than it has where buyers fall silent.
    """

    task: Task
    gap_days: float
    counted_days: float

    def probabilities(self, features: pl.DataFrame) -> Vector:
        """Probability of each row, of shape (rows,)."""
        purchases = self.counted_days / expected_gaps(features, self.gap_days)
        return _of_task(self.task, -np.expm1(-purchases))


@dataclass(frozen=True)
class FadingRule(Rule):
    """The rule as earlier versions made it: interest fades as exp(-recency / typical gap).

    `counted_days` is what interest is multiplied by.
    """

    def probabilities(self, features: pl.DataFrame) -> Vector:
        """Probability of each row, of shape (rows,)."""
        interest = np.exp(-_recency(features) / _typical_gaps(features, self.gap_days))
        return _of_task(self.task, interest * self.counted_days)


def expected_gaps(features: pl.DataFrame, gap_days: float) -> Vector:
    """In how many days each buyer is expected to buy once, of shape (rows,)."""
    return cast(Vector, np.maximum(_typical_gaps(features, gap_days), _recency(features)))


def _typical_gaps(features: pl.DataFrame, gap_days: float) -> Vector:
    gaps = features["order_days_count"].cast(pl.Float64).to_numpy() - 1
    own = features["gap_mean_days"].fill_null(0).to_numpy()
    return cast(Vector, (gaps * own + gap_days) / (gaps + 1))


def _recency(features: pl.DataFrame) -> Vector:
    return features["recency_days"].cast(pl.Float64).to_numpy()


def _of_task(task: Task, buys: Vector) -> Vector:
    buys = np.clip(buys, _FLOOR, 1 - _FLOOR)
    return 1 - buys if task == "churn" else buys


def make_rule(
    task: Task, features: pl.DataFrame, base_rate: float | None, horizon_days: int
) -> Rule:
    """The rule for the buyers in `features` (there may be none).

    `base_rate` is the share of past rows that were positive, None where no past day is known.
    """
    gap = mean_gap(features)
    if features.is_empty():
        return Rule(task, gap, float(horizon_days))
    buying = chance_rate(features, horizon_days) if base_rate is None else base_rate
    if base_rate is not None and task == "churn":
        buying = 1 - base_rate
    level = float(np.clip(buying, _FLOOR, 1 - _FLOOR))
    gaps = expected_gaps(features, gap)
    counted = brentq(
        lambda days: np.mean(-np.expm1(-days / gaps)) - level, 0.0, _CERTAIN * gaps.max()
    )
    return Rule(task, gap, float(counted))


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
