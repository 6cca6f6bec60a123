"""From feature rows to the numbers that the models see: logarithms, and nulls given a meaning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Labels = NDArray[np.int64]

_COUNTS = (
    "recency_days",
    "tenure_days",
    "order_days_count",
    "order_days_30d_count",
    "order_days_90d_count",
    "order_days_180d_count",
    "order_days_fading_15d",
    "order_days_fading_60d",
    "gross_amount_sum",
    "gross_amount_mean",
    "gross_amount_last",
    "gross_amount_90d_sum",
    "active_7d_days",
    "active_30d_days",
    "product_viewed_7d_count",
    "product_viewed_30d_count",
    "product_added_7d_count",
    "product_added_30d_count",
    "opened_30d_count",
    "opened_90d_count",
    "clicked_90d_count",
)
_GAPS = ("gap_mean_days", "gap_std_days", "gap_last_days")
# Rate of a buyer of whom little is known yet: as if watched a month longer.
_SHORTEST_WATCH_DAYS = 30
_SEEN_FADING_DAYS = 7
_ENGAGED_FADING_DAYS = 30

_DERIVED: dict[str, Callable[[], pl.Expr]] = {
    "has_one_order_day": lambda: pl.col("gap_mean_days").is_null().cast(pl.Float64),
    # How late the buyer is, by the buyer's own rhythm (before a second purchase: the time known).
    "recency_against_gap": lambda: (
        pl.col("recency_days").log1p()
        - pl.coalesce(pl.col("gap_mean_days"), pl.col("tenure_days")).cast(pl.Float64).log1p()
    ),
    "order_rate": lambda: (
        pl.col("order_days_count") / (pl.col("tenure_days") + _SHORTEST_WATCH_DAYS)
    ).log(),
    "orders_missed": lambda: (
        pl.col("recency_days") / (pl.col("tenure_days") + 1) * pl.col("order_days_count")
    ).log1p(),
    "seen_fading_7d": lambda: (
        (-pl.col("last_seen_days").cast(pl.Float64) / _SEEN_FADING_DAYS).exp().fill_null(0)
    ),
    "engaged_fading_30d": lambda: (
        (-pl.col("last_engaged_days").cast(pl.Float64) / _ENGAGED_FADING_DAYS).exp().fill_null(0)
    ),
}

PLAIN_COLUMNS = (*_COUNTS, *_GAPS, *_DERIVED)

# Where the effect of a column may bend, in the column's own unit, so that a curve is learned from
# straight pieces: a week, a month and a quarter mean the same in every shop.
_BENDS: dict[str, tuple[float, ...]] = {
    "recency_days": (7, 30, 90, 180),
    "order_days_count": (2, 4, 8),
    "order_days_fading_15d": (0.1, 0.5, 1.0),
    "order_days_fading_60d": (0.2, 0.7, 2.0),
}
_RATIO_BENDS = {"recency_against_gap": (-1.5, 0.0, 1.0)}
_KNOTS = {name: tuple(np.log1p(knots)) for name, knots in _BENDS.items()} | _RATIO_BENDS

COLUMNS = (*PLAIN_COLUMNS, *(f"{name}_bend" for name, knots in _KNOTS.items() for _ in knots))


def matrix(features: pl.DataFrame) -> Matrix:
    """The model's view of `features`: (rows, len(COLUMNS)) floats without NaN, rows in order.

    Counts, days and amounts become log(1 + x), because they span decades and what counts is their
    ratio. A gap that does not exist yet is 0, told apart by `has_one_order_day`. The columns after
    `PLAIN_COLUMNS` are max(0, column - knot).
    """
    columns = [pl.col(name).cast(pl.Float64).log1p().alias(name) for name in _COUNTS]
    columns += [pl.col(name).cast(pl.Float64).log1p().fill_null(0).alias(name) for name in _GAPS]
    columns += [make().alias(name) for name, make in _DERIVED.items()]
    plain = features.select(columns)
    bent = [
        (pl.col(name) - knot).clip(lower_bound=0).alias(f"{name}_{number}")
        for name, knots in _KNOTS.items()
        for number, knot in enumerate(knots)
    ]
    return np.ascontiguousarray(plain.with_columns(bent).to_numpy(), dtype=np.float64)


def labels(outcomes: pl.DataFrame) -> Labels:
    """`is_positive` as 0 and 1."""
    return outcomes["is_positive"].cast(pl.Int64).to_numpy()
