"""What each buyer will order and spend: the classic models, and what past days teach, averaged.

Three estimates are joined by their geometric mean. BG/NBD times Gamma-Gamma knows how buying dies
down over a long time, from the orders alone. A regression and small trees learn from past days how
many orders, and how much, followed within 30 days; BG/NBD stretches that to the horizon. So a year
can be looked ahead by a shop that has watched its customers for half of one. Where there is too
little to learn from, the classic models stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import nbinom
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from marketing_platform.predictions import bg_nbd, gamma_gamma
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.classic import history_of
from marketing_platform.predictions.gamma_gamma import GammaGamma
from marketing_platform.predictions.matrix import PLAIN_COLUMNS, Matrix, Vector, matrix
from marketing_platform.predictions.model import TREE_SETTINGS, one_thread
from marketing_platform.predictions.tasks import LEARNED_DAYS

# Eight of ten lie between these quantiles.
LOW, HIGH = 0.1, 0.9
_PLAIN = len(PLAIN_COLUMNS)
_FLOOR = 1e-6


@dataclass(frozen=True)
class Learned:
    """Regressions of orders and of amounts within `LEARNED_DAYS`, in units of their mean."""

    orders_linear: Pipeline
    orders_trees: HistGradientBoostingRegressor
    orders_mean: float
    amount_linear: Pipeline
    amount_trees: HistGradientBoostingRegressor
    amount_mean: float

    def orders(self, features: Matrix) -> Vector:
        """Expected orders of each row, of shape (rows,)."""
        return _joined(self.orders_linear, self.orders_trees, features) * self.orders_mean

    def amount(self, features: Matrix) -> Vector:
        """Expected amount of each row, of shape (rows,)."""
        return _joined(self.amount_linear, self.amount_trees, features) * self.amount_mean


@dataclass(frozen=True)
class ValueModel:
    """The classic models of all buyers, and what was learned, where there was enough."""

    orders: BgNbd
    spending: GammaGamma
    learned: Learned | None

    def classic(self, features: pl.DataFrame, horizon_days: int) -> tuple[Vector, Vector]:
        """Orders and amount within the horizon by BG/NBD and Gamma-Gamma, each of shape (rows,)."""
        orders = self.orders.expected_orders(horizon_days, *history_of(features))
        return orders, orders * self._per_order(features)

    def forecast(self, features: pl.DataFrame, horizon_days: int) -> pl.DataFrame:
        """One row per row of `features`: orders, amount, low_amount and high_amount.

        Eight of ten buyers spend between low and high: quantiles of a negative binomial number of
        orders (or none, of who is gone), times what an order of theirs is worth.
        """
        orders, amount = self.classic(features, horizon_days)
        if self.learned is not None and features.height:
            near, _ = self.classic(features, LEARNED_DAYS)
            stretch = orders / np.maximum(near, _FLOOR)
            seen = matrix(features)
            learned = self.learned.orders(seen) * stretch
            spent = self.learned.amount(seen) * stretch
            amount = np.cbrt(amount * learned * self._per_order(features) * spent)
            orders = np.cbrt(orders * learned * learned)
        low, high = self._range(features, orders, amount)
        return pl.DataFrame(
            {"orders": orders, "amount": amount, "low_amount": low, "high_amount": high}
        )

    def _per_order(self, features: pl.DataFrame) -> Vector:
        count = features["order_days_count"].cast(pl.Float64).to_numpy()
        return self.spending.per_order(count, features["gross_amount_mean"].to_numpy())

    def _range(
        self, features: pl.DataFrame, orders: Vector, amount: Vector
    ) -> tuple[Vector, Vector]:
        x, t_x, t = history_of(features)
        alive = np.maximum(self.orders.alive(x, t_x, t), _FLOOR)
        shape = self.orders.r + x
        mean = np.maximum(orders, _FLOOR) / alive
        worth = amount / np.maximum(orders, _FLOOR)
        ends = []
        for quantile in (LOW, HIGH):
            living = np.clip((quantile - (1 - alive)) / alive, 0, 1)
            count = nbinom.ppf(living, shape, shape / (shape + mean))
            ends.append(np.maximum(np.nan_to_num(count), 0) * worth)
        return ends[0], ends[1]


def train(buyers: pl.DataFrame, known: pl.DataFrame | None) -> ValueModel:
    """Fit to the `buyers` of a day, and to the `known` feature rows of days before it.

    `known` has `order_count` and `amount` of the `LEARNED_DAYS` after each row's day; None or empty
    where there is too little to learn from. There must be buyers.
    """
    orders = bg_nbd.fit(*history_of(buyers))
    count = buyers["order_days_count"].cast(pl.Float64).to_numpy()
    spending = gamma_gamma.fit(count, buyers["gross_amount_mean"].to_numpy())
    if known is None or known.is_empty() or not known["amount"].sum():
        return ValueModel(orders, spending, None)
    features = matrix(known)
    count, amount = (known[name].cast(pl.Float64).to_numpy() for name in ("order_count", "amount"))
    with one_thread():
        learned = Learned(
            *_fit(features, count), float(count.mean()),
            *_fit(features, amount), float(amount.mean()),
        )  # fmt: skip
    return ValueModel(orders, spending, learned)


def _fit(features: Matrix, target: Vector) -> tuple[Pipeline, HistGradientBoostingRegressor]:
    scaled = target / target.mean()
    linear = make_pipeline(StandardScaler(), PoissonRegressor(alpha=0.01, max_iter=1000))
    trees = HistGradientBoostingRegressor(loss="poisson", **TREE_SETTINGS)
    return linear.fit(features, scaled), trees.fit(features[:, :_PLAIN], scaled)


def _joined(linear: Pipeline, trees: HistGradientBoostingRegressor, features: Matrix) -> Vector:
    with one_thread():
        halves = linear.predict(features), trees.predict(features[:, :_PLAIN])
    found: Vector = np.sqrt(np.maximum(halves[0], _FLOOR) * np.maximum(halves[1], _FLOOR))
    return found
