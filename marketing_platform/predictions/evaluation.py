"""The test of a model beside the baselines, on days that its training has not seen."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from marketing_platform.predictions.baselines import base_rate, bg_nbd_probabilities, fit_recency
from marketing_platform.predictions.matrix import Vector, labels
from marketing_platform.predictions.metrics import (
    METRICS,
    Metrics,
    base_rate_log_loss,
    calibration_table,
    curves,
    measure,
)
from marketing_platform.predictions.rows import Rows
from marketing_platform.predictions.tasks import Task

MEASURED = "measured"


@dataclass(frozen=True)
class Evaluation:
    """What a test found: how many, and the metrics of `platform`, `recency` and `bg_nbd`.

    `status` is `measured`, or says in plain words why metrics are missing. `base_log_loss` is the
    log loss of giving everyone the base rate of the training days. `calibration` and `curves` are
    those of `platform`: see `metrics`.
    """

    task: Task
    as_of: dt.date | None
    horizon_days: int
    customers: int
    positives: int
    status: str
    base_log_loss: float | None
    models: dict[str, Metrics]
    calibration: tuple[dict[str, float], ...] = ()
    curves: dict[str, list[float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Task, day, horizon, counts and metrics as plain values; missing metrics are None."""
        return {
            "task": self.task,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "horizon_days": self.horizon_days,
            "customers": self.customers,
            "positives": self.positives,
            "models": self.models,
            "calibration": list(self.calibration),
        }

    def to_json(self) -> str:
        """The same as JSON, with `status`, `base_log_loss` and the curves."""
        more = {"status": self.status, "base_log_loss": self.base_log_loss, "curves": self.curves}
        return json.dumps({**self.to_dict(), **more}, sort_keys=True, allow_nan=False)


def evaluate(rows: Rows, platform: Vector) -> Evaluation:
    """Compare `platform`, the probabilities of `rows.test`, with the baselines."""
    truth = labels(rows.test)
    recency = fit_recency(rows.task, rows.train, labels(rows.train))
    compared = {
        "platform": measure(truth, platform),
        "recency": measure(truth, recency.probabilities(rows.test), recency.ranking(rows.test)),
        "bg_nbd": measure(truth, _bg_nbd(rows)),
    }
    return Evaluation(
        task=rows.task,
        as_of=rows.test_date,
        horizon_days=rows.horizon_days,
        customers=len(truth),
        positives=int(truth.sum()),
        status=_status(rows),
        base_log_loss=base_rate_log_loss(truth, base_rate(labels(rows.train))),
        models={
            name: {metric: found[metric] for metric in METRICS} for name, found in compared.items()
        },
        calibration=tuple(calibration_table(truth, platform)),
        curves=curves(truth, platform),
    )


def _bg_nbd(rows: Rows) -> Vector:
    """BG/NBD is fit on all buyers of the day and judged on those whom the task asks about."""
    found = bg_nbd_probabilities(rows.task, rows.test_buyers, rows.horizon_days)
    scored = rows.test_buyers.select("customer_id").with_columns(pl.Series("score", found))
    joined = rows.test.select("customer_id").join(
        scored, on="customer_id", how="left", maintain_order="left"
    )
    return joined["score"].cast(pl.Float64).to_numpy()


def _status(rows: Rows) -> str:
    if rows.test_date is None:
        return "no past day has enough history before it to test on"
    if rows.test.is_empty():
        return f"nobody to test on as of {rows.test_date}"
    if rows.test["is_positive"].n_unique() == 1:
        every = "everybody" if rows.test["is_positive"][0] else "nobody"
        return f"the test has one class only ({every} was positive), so nothing can be ordered"
    return MEASURED
