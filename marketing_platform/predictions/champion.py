"""Champion and challenger: which model reigns, and whether another one is worse than it.

Worse means beyond noise: of the paired bootstrap samples of the customers (Efron 1979), 95 of 100
say so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.predictions import store
from marketing_platform.predictions.matrix import Labels, Vector
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.parts import from_parts
from marketing_platform.predictions.promotion import Decision
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

NAME: Final = "predictions.models"
_SAMPLES = 100
_CONFIDENCE = 0.95
_MOST_ROWS = 50_000
_FLOOR = 1e-12


@dataclass(frozen=True)
class Champion:
    """The row of the reigning model of a task, and the model."""

    row: dict[str, Any]
    model: Model


@dataclass(frozen=True)
class Contest:
    """How a challenger did against the champion: differences, and whether it is worse."""

    auc_difference: float
    log_loss_difference: float
    is_worse: bool

    @property
    def told(self) -> str:
        """Both differences, in words."""
        return (
            f"ROC AUC {self.auc_difference:+.4f} and log loss {self.log_loss_difference:+.4f}"
            " against the reigning model on the same days"
        )


def earlier_models(warehouse: Warehouse) -> pl.DataFrame:
    """The models that are known; none where the table is not there or is of another shape."""
    empty = CONTRACTS[NAME].empty()
    if not warehouse.exists(NAME):
        return empty
    found = warehouse.read(NAME)
    if "learned_from" not in found.columns:
        # Models of a version that did not write it down.
        found = found.with_columns(pl.lit("{}").alias("learned_from"))
    return found.select(empty.columns) if set(empty.columns) <= set(found.columns) else empty


def reigning_row(models: pl.DataFrame, task: str, settings: Settings) -> dict[str, Any] | None:
    """The row of the pinned model of a task, or of its champion; None where a rule takes its place.

    Raises `InputError` where a version is pinned that is not known.
    """
    pinned = next((v for t, v in settings.platform.predictions.pinned.items() if t == task), None)
    is_it = pl.col("model_version") == pinned if pinned else pl.col("standing") == "champion"
    rows = models.filter((pl.col("task") == task) & is_it).to_dicts()
    if pinned and not rows:
        known = models.filter(pl.col("task") == task)["model_version"].to_list()
        raise InputError(
            f"no model {pinned} of {task}",
            where="predictions.pinned",
            mend=f"Pin one of: {', '.join(known) or 'none is kept yet'}",
        )
    return rows[0] if rows and rows[0]["method"] == "model" else None


def champion_of(row: dict[str, Any] | None, settings: Settings) -> Champion | None:
    """The model behind the row of the reigning one; None where none can be used."""
    if row is None:
        return None
    try:
        model = from_parts(store.load(settings.models_dir, row["model_version"]))
    except InputError:
        # Without its file a model can neither reign nor be compared with.
        return None
    return Champion(row, model) if isinstance(model, Model) else None


def reigning_on(models: pl.DataFrame, task: str, day: dt.date) -> str | None:
    """The version that reigned over a task on a day: the newest by then of those that ever did."""
    found = models.filter(
        (pl.col("task") == task)
        & (pl.col("standing") != "challenger")
        & (pl.col("trained_as_of_date") <= day)
    )
    # Of two that were trained on the same day the later one is the one that still reigns, if any.
    found = found.sort("trained_as_of_date", pl.col("standing") == "champion", "model_version")
    return None if found.is_empty() else str(found["model_version"][-1])


def contest(outcomes: Labels, challenger: Vector, champion: Vector) -> Contest:
    """Compare two models on the same customers; `outcomes` has both classes."""
    step = -(-len(outcomes) // _MOST_ROWS)
    y, ours, theirs = outcomes[::step], challenger[::step], champion[::step]
    losses = _losses(y, ours) - _losses(y, theirs)
    auc_of_ours, auc_of_theirs = _Auc(y, ours), _Auc(y, theirs)
    aucs, means = [], []
    for times in _drawings(len(y)):
        means.append(float(losses @ times))
        if 0 < (y * times).sum() < len(y):
            aucs.append(auc_of_ours.of(times) - auc_of_theirs.of(times))
    worse = [np.mean(np.array(aucs) < 0), np.mean(np.array(means) > 0)]
    once = np.ones(len(y))
    return Contest(
        auc_of_ours.of(once) - auc_of_theirs.of(once),
        float(losses.mean()),
        bool(max(worse) >= _CONFIDENCE),
    )


def is_surely_worse(losses: Vector) -> bool:
    """Whether a model that loses so much more than another, row by row, is worse beyond noise."""
    means = [losses @ times for times in _drawings(len(losses))]
    return bool(np.mean(np.array(means) > 0) >= _CONFIDENCE)


def refused(told: str) -> Decision:
    """Why a challenger is kept but not promoted."""
    return Decision(False, f"kept, but worse than the reigning model beyond noise: {told}")


def _drawings(count: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each of `count` rows is in a bootstrap sample of them."""
    draw = np.random.default_rng(0)
    for _ in range(_SAMPLES):
        yield np.bincount(draw.integers(0, count, count), minlength=count)


def _losses(outcomes: Labels, probabilities: Vector) -> Vector:
    clipped = np.clip(probabilities, _FLOOR, 1 - _FLOOR)
    found: Vector = -np.where(outcomes > 0, np.log(clipped), np.log1p(-clipped))
    return found


class _Auc:
    """The area under the ROC curve of one score, for many drawings of the same customers.

    The order is found once; scikit-learn's function would sort at each drawing.
    """

    def __init__(self, outcomes: Labels, scores: Vector) -> None:
        self._order = np.argsort(scores, kind="stable")
        in_order = scores[self._order]
        self._ties = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
        self._is_positive = outcomes[self._order] > 0

    def of(self, times: npt.NDArray[Any]) -> float:
        """The area where each customer is there so many times; both classes must be."""
        weights = times[self._order]
        positives = np.add.reduceat(weights * self._is_positive, self._ties)
        others = np.add.reduceat(weights * ~self._is_positive, self._ties)
        below = np.cumsum(others) - others
        pairs = positives @ (below + others / 2)
        return float(pairs / (positives.sum() * others.sum()))
