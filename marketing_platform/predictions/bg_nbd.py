"""BG/NBD, the classic model of repeat buying, as a baseline.

Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way: An Alternative to the
Pareto/NBD Model", Marketing Science 24(2). A buyer buys at a rate lambda ~ gamma(r, alpha) while
alive and dies after any purchase with the probability p ~ beta(a, b). A buyer's history is x repeat
purchases, t_x the time of the last and T the time watched, all since the first purchase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

_Vector = NDArray[np.float64]
# Four parameters are known well enough from this many buyers; more only cost time.
_MAX_BUYERS = 50_000
_LOG_BOUND = 12.0


@dataclass(frozen=True)
class BgNbd:
    """A fitted model: its parameters, in the unit of time that it was fitted in."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, x: _Vector, t_x: _Vector, t: _Vector) -> _Vector:
        """Probability that each buyer is alive at T, of shape (buyers,).

        Fader, Hardie and Lee (2008), "Computing P(alive) Using the BG/NBD Model".
        """
        odds = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        odds += (self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t_x))
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700))), 1.0)

    def buys_within(self, horizon: float, x: _Vector, t_x: _Vector, t: _Vector) -> _Vector:
        """Probability of at least one purchase in (T, T + horizon], of shape (buyers,).

        A buyer alive at T stays alive until the next purchase, and lambda of such a buyer is
        gamma(r + x, alpha + T). Integrating exp(-lambda * horizon) over it gives the closed form
        P(alive) * (1 - ((alpha + T) / (alpha + T + horizon)) ** (r + x)).
        """
        none = (self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t + horizon))
        return cast(_Vector, self.alive(x, t_x, t) * -np.expm1(none))

    def expected_orders(self, horizon: float, x: _Vector, t_x: _Vector, t: _Vector) -> _Vector:
        """Expected purchases in (T, T + horizon], of shape (buyers,): equation 10 of the paper.

        Written with Euler's transformation of the hypergeometric function, whose arguments then do
        not grow with x, so that long histories stay finite.
        """
        # The formula divides by a - 1; at 1 its limit is taken from beside it.
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        ratio = (self.alpha + t) / (self.alpha + t + horizon)
        series = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, 1 - ratio)
        with np.errstate(invalid="ignore", over="ignore"):
            living = (a + self.b + x - 1) / (a - 1) * (1 - ratio ** (a - 1) * series)
        # At the bounds of the parameters the series leaves the range of floats. Buyers then die at
        # once or never, and what is left is their rate over the horizon.
        rate = (self.r + x) / (self.alpha + t)
        living = np.where(np.isfinite(living), np.clip(living, 0, rate * horizon), rate * horizon)
        return self.alive(x, t_x, t) * living


def log_likelihood(
    parameters: tuple[float, float, float, float], x: _Vector, t_x: _Vector, t: _Vector
) -> _Vector:
    """Log-likelihood of each buyer under (r, alpha, a, b): equation 6 of the paper, in logarithms.

    The sum of its two terms is taken by `logaddexp`, so that long histories do not underflow.
    """
    r, alpha, a, b = parameters
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    alive = -(r + x) * np.log(alpha + t)
    dead = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    return cast(_Vector, common + np.where(x > 0, np.logaddexp(alive, dead), alive))


def fit(x: _Vector, t_x: _Vector, t: _Vector) -> BgNbd:
    """Fit by maximum likelihood; arrays of shape (buyers,), times in any one unit.

    Equal histories are counted once. Without anything to learn from (nobody bought again) the
    parameters end at their bounds, which stays finite. Raises `ValueError` for no buyers.
    """
    if not len(x):
        raise ValueError("no buyers to fit to")
    step = -(-len(x) // _MAX_BUYERS)
    histories, weights = np.unique(np.column_stack([x, t_x, t])[::step], axis=0, return_counts=True)
    columns = histories.T

    def loss(logs: _Vector) -> float:
        r, alpha, a, b = np.exp(logs)
        values = log_likelihood((r, alpha, a, b), columns[0], columns[1], columns[2])
        return float(-(weights @ values) / weights.sum())

    start = np.log([0.5, max(float(np.mean(t)) / 4, 1e-3), 1.0, 2.0])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-_LOG_BOUND, _LOG_BOUND)] * 4)
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BgNbd(r, alpha, a, b, -float(found.fun) * int(weights.sum()))
