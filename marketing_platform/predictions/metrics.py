"""How good predicted probabilities are against what came true."""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from marketing_platform.predictions.matrix import Labels, Vector

Metrics = dict[str, float | None]
METRICS: Final = ("roc_auc", "average_precision", "lift_at_10", "log_loss", "brier", "ece")
_DIGITS = 6
_BINS = 10
_TOP_SHARE = 0.1
NO_METRICS: Final[Metrics] = dict.fromkeys(METRICS)


def measure(outcomes: Labels, probabilities: Vector, ranking: Vector | None = None) -> Metrics:
    """The six metrics of `probabilities` for `outcomes` (0 or 1), arrays of shape (rows,).

    The first three judge the order, taken from `ranking` where given (it may have any unit). They
    are None where all outcomes are alike, since then there is nothing to order; all are None for no
    rows.
    """
    if not len(outcomes):
        return dict(NO_METRICS)
    order = probabilities if ranking is None else ranking
    found: Metrics = dict(NO_METRICS)
    if 0 < outcomes.sum() < len(outcomes):
        found["roc_auc"] = float(roc_auc_score(outcomes, order))
        found["average_precision"] = float(average_precision_score(outcomes, order))
        found["lift_at_10"] = lift(outcomes, order)
    found["log_loss"] = float(log_loss(outcomes, probabilities, labels=[0, 1]))
    found["brier"] = float(brier_score_loss(outcomes, probabilities, pos_label=1))
    found["ece"] = expected_calibration_error(outcomes, probabilities)
    return {name: None if v is None else round(v, _DIGITS) for name, v in found.items()}


def lift(outcomes: Labels, ranking: Vector, top_share: float = _TOP_SHARE) -> float:
    """Share of positives in the best `top_share` of the rows, over their share in all rows.

    Rows that tie at the border count by the share of them that fits, so that the answer does not
    depend on the order of the rows.
    """
    wanted = max(1.0, len(outcomes) * top_share)
    _, group = np.unique(-ranking, return_inverse=True)
    sizes = np.bincount(group)
    before = np.cumsum(sizes) - sizes
    taken = np.clip((wanted - before) / sizes, 0, 1)
    hits = float(taken @ np.bincount(group, weights=outcomes))
    return hits / wanted / float(outcomes.mean())


def expected_calibration_error(outcomes: Labels, probabilities: Vector, bins: int = _BINS) -> float:
    """Mean gap between predicted and observed share over `bins` groups of equal size.

    Groups of equal size, not width: where few people buy, nearly all would lie in the lowest of
    equal widths. Equal probabilities are put in the same group.
    """
    ordered = np.sort(probabilities)
    edges = ordered[np.arange(1, bins) * len(ordered) // bins]
    group = np.searchsorted(edges, probabilities, side="right")
    gaps = np.bincount(group, weights=outcomes - probabilities, minlength=bins)
    return float(np.abs(gaps).sum() / len(outcomes))


def calibration_table(
    outcomes: Labels, probabilities: Vector, bins: int = _BINS
) -> list[dict[str, float]]:
    """Groups of equal size by probability: customers, and the mean predicted and observed share."""
    order = np.argsort(probabilities, kind="stable")
    return [
        {
            "customers": len(group),
            "predicted": round(float(probabilities[group].mean()), _DIGITS),
            "observed": round(float(outcomes[group].mean()), _DIGITS),
        }
        for group in np.array_split(order, bins)
        if len(group)
    ]


def curves(outcomes: Labels, probabilities: Vector, points: int = 20) -> dict[str, list[float]]:
    """How many positives, and how many others, are among the best of the customers.

    `reached` are shares of all customers, best first; `positives` and `others` the shares of those
    who did and did not that are among them. Lift is positives over reached; the ROC curve is
    positives over others. Nothing where all outcomes are alike.
    """
    positive, count = int(outcomes.sum()), len(outcomes)
    if not 0 < positive < count:
        return {}
    found = np.cumsum(outcomes[np.argsort(-probabilities, kind="stable")])
    ends = np.unique(np.round(np.linspace(0, count, points + 1)).astype(int))
    hits = np.concatenate([[0], found])[ends]
    return {
        "reached": np.round(ends / count, _DIGITS).tolist(),
        "positives": np.round(hits / positive, _DIGITS).tolist(),
        "others": np.round((ends - hits) / (count - positive), _DIGITS).tolist(),
    }


def base_rate_log_loss(outcomes: Labels, rate: float) -> float | None:
    """Log loss of giving every row the probability `rate`; None for no rows."""
    if not len(outcomes):
        return None
    found = log_loss(outcomes, np.full(len(outcomes), rate), labels=[0, 1])
    return round(float(found), _DIGITS)
