"""Gamma-Gamma, the classic model of what an order is worth, as a baseline and a part of ours.

Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value". What a buyer spends on a day of
purchase varies around a mean of their own, z ~ gamma(p, nu), and nu ~ gamma(q, gamma). The expected
mean of a buyer is drawn towards the shop's the more, the fewer orders there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from marketing_platform.predictions.matrix import Vector

_LOG_BOUND = 12.0
_MAX_BUYERS = 50_000
# Below this many buyers every order is expected to be worth the shop's mean.
_FEWEST = 20


@dataclass(frozen=True)
class GammaGamma:
    """A fitted model. `q` of 0 stands for too few buyers: then `mean` is everybody's."""

    p: float
    q: float
    gamma: float
    mean: float

    def per_order(self, count: Vector, mean: Vector) -> Vector:
        """Expected amount of an order of buyers with `count` orders of `mean`: shape (buyers,)."""
        if self.q <= 1:
            return np.full(len(count), self.mean)
        found: Vector = self.p * (self.gamma + count * mean) / (self.p * count + self.q - 1)
        return found


def fit(count: Vector, mean: Vector) -> GammaGamma:
    """Fit by maximum likelihood to buyers with `count` orders of `mean`, arrays of (buyers,)."""
    total = float(count.sum())
    everybody = float(count @ mean / total) if total else 0.0
    known = (count >= 1) & (mean > 0)
    if known.sum() < _FEWEST:
        return GammaGamma(1.0, 0.0, 1.0, everybody)
    step = -(-int(known.sum()) // _MAX_BUYERS)
    x, z = count[known][::step], mean[known][::step]

    def loss(logs: Vector) -> float:
        p, q, gamma = np.exp(logs)
        values = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
        values += (p * x - 1) * np.log(z) + p * x * np.log(x)
        values -= (p * x + q) * np.log(gamma + x * z)
        return -float(values.mean())

    start = np.log([1.0, 3.0, max(float(z.mean()), 1e-3)])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-_LOG_BOUND, _LOG_BOUND)] * 3)
    p, q, gamma = (float(value) for value in np.exp(found.x))
    return GammaGamma(p, q, gamma, everybody)
