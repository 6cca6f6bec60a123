"""How several probabilities of the same thing are joined: weights, and the level of their sum."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from marketing_platform.predictions.matrix import Labels, Matrix, Vector

# As many rows' worth of doubt as the weights are drawn back to where they start from.
_DOUBT: Final = 30.0
_WIDEST = 40.0
_HALF_A_ROW: Final = 0.5


def weights(voices: Matrix, outcomes: Labels, days: Labels, start: Vector) -> Vector:
    """How much each voice counts, of shape (voices,): a logistic regression, drawn to `start`.

    `voices` are log-odds of shape (rows, voices) that were said of days which training had not seen
    (Wolpert 1992, "Stacked generalization"; with one voice, Platt 1999). Each of the `days` has a
    level of its own, because how much is bought differs by season, and the level of one past
    season says little of the next.
    """
    level_of = (days[:, None] == np.unique(days)[None, :]).astype(np.float64)
    columns = np.column_stack([voices, level_of])
    count = voices.shape[1]

    def loss(tried: Vector) -> tuple[float, Vector]:
        log_odds = columns @ tried
        apart = tried[:count] - start
        slope = columns.T @ (expit(log_odds) - outcomes)
        slope[:count] += _DOUBT * apart
        total = np.logaddexp(0, log_odds).sum() - outcomes @ log_odds
        return float(total + _DOUBT * (apart @ apart) / 2), slope

    begin = np.concatenate([start, np.zeros(level_of.shape[1])])
    return cast(Vector, minimize(loss, begin, jac=True, method="L-BFGS-B").x[:count])


def level(log_odds: Vector, outcomes: Labels) -> float:
    """What must be added to `log_odds` for their mean probability to be the share of positives."""
    share = (outcomes.sum() + _HALF_A_ROW) / (len(outcomes) + 2 * _HALF_A_ROW)
    around = logit(share) - float(np.median(log_odds))

    def off(shift: float) -> float:
        return float(expit(log_odds + shift).mean() - share)

    return float(brentq(off, around - _WIDEST, around + _WIDEST))
