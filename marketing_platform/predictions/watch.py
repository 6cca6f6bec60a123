"""`predictions.watch`: whether models still hold: each day, what was expected against what came.

The population stability index compares the scores, and each feature, of today with those of one
horizon ago: the sum over tenths of (now - then) * ln(now / then). 0.25 and more is commonly taken
for another population (Siddiqi 2006, "Credit Risk Scorecards"). And the reigning model, or, where
it is younger, the newest one of a horizon ago, says again what it said of everybody then, for
nothing else is visible of that day; by now it is known what they did.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.errors import InputError
from marketing_platform.predictions import store
from marketing_platform.predictions.champion import champion_of, reigning_on, reigning_row
from marketing_platform.predictions.matrix import PLAIN_COLUMNS, Vector, labels, matrix
from marketing_platform.predictions.metrics import measure
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.parts import from_parts
from marketing_platform.predictions.rows import Rows, read_rows
from marketing_platform.predictions.tasks import SCORE_TABLES, Task
from marketing_platform.predictions.training import probabilities
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, Warehouse

NAME: Final = "predictions.watch"
MOST_PSI: Final = 0.25
# Expected and seen shares may be apart by this share of the larger one, and at least by two points.
_MOST_OFF, _LEAST_OFF = 0.5, 0.02
# What is expected of customers, and what they did.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "purchase": ("to buy", "bought"),
    "churn": ("to buy nothing", "bought nothing"),
}
_FEWEST = 200
_KEPT_DAYS = 730
_BINS = 10
_FLOOR = 1e-4
_MOST_ROWS = 100_000


def build_watch(warehouse: Warehouse, settings: Settings) -> Built:
    """Write today's row of each task that a model scores; earlier days stay."""
    models = warehouse.read("predictions.models")
    clock = as_of_date(warehouse)
    empty = CONTRACTS[NAME].empty()
    before = warehouse.read(NAME) if warehouse.exists(NAME) else empty
    kept = before.filter(
        (pl.col("as_of_date") < clock)
        & (pl.col("as_of_date") > clock - dt.timedelta(days=_KEPT_DAYS))
    )
    rows = [row for task in SCORE_TABLES if (row := _watched(warehouse, models, task, settings))]
    return warehouse.replace(NAME, pl.concat([kept, pl.DataFrame(rows, schema=empty.schema)]))


def stability(then: Vector, now: Vector, bins: int = _BINS) -> float:
    """Population stability index of `now` against `then`; 0 where either is empty."""
    if not len(then) or not len(now):
        return 0.0
    edges = np.unique(np.quantile(then, np.arange(1, bins) / bins))
    shares = []
    for values in (then, now):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(values), _FLOOR))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _sample(rows: pl.DataFrame) -> pl.DataFrame:
    """Of many rows every second, third, ...: enough to see what changed."""
    return rows[:: max(1, -(-rows.height // _MOST_ROWS))]


def _watched(
    warehouse: Warehouse, models: pl.DataFrame, task: Task, settings: Settings
) -> dict[str, Any] | None:
    champion = champion_of(reigning_row(models, task, settings), settings)
    if champion is None:
        return None
    data = read_rows(warehouse, task, is_training=False)
    data = replace(data, test=_sample(data.test), score=_sample(data.score))
    then, now = matrix(data.test), matrix(data.score)
    shifts = {
        name: stability(then[:, column], now[:, column])
        for column, name in enumerate(PLAIN_COLUMNS)
    }
    feature = max(shifts, key=lambda name: shifts[name])
    scores = stability(
        probabilities(champion.model, data.test), probabilities(champion.model, data.score)
    )
    row: dict[str, Any] = {
        "task": task,
        "as_of_date": data.score_date,
        "model_version": champion.row["model_version"],
        "score_psi": round(scores, 6),
        "feature_psi": round(shifts[feature], 6),
        "feature": feature,
        **_came_true(models, champion.row["model_version"], data, settings),
    }
    wrong = _wrong(row, min(data.test.height, data.score.height))
    return row | {"is_sound": not wrong, "finding": "; ".join(wrong) or _well(row)}


def _came_true(
    models: pl.DataFrame, reigning: str, data: Rows, settings: Settings
) -> dict[str, Any]:
    """What the reigning model, or the newest of that day, said of everybody, and what they did."""
    found: dict[str, Any] = dict.fromkeys(
        ("judged_date", "judged_version", "expected_share", "seen_share", "roc_auc", "ece")
    )
    if data.test_date is None or data.test.is_empty():
        return found
    # One of another horizon said nothing of these days. What reigned before another one was pinned
    # is not asked where that one was there.
    asked = (pl.col("method") == "model") & (pl.col("horizon_days") == data.horizon_days)
    known = models.filter(asked)
    version = reigning_on(
        known.filter(pl.col("model_version") == reigning), data.task, data.test_date
    ) or reigning_on(known, data.task, data.test_date)
    if version is None:
        return found
    try:
        model = from_parts(store.load(settings.models_dir, version))
    except InputError:
        return found
    assert isinstance(model, Model)  # noqa: S101 - the method of the row says so
    said, truth = probabilities(model, data.test), labels(data.test)
    metrics = measure(truth, said)
    return {
        "judged_date": data.test_date,
        "judged_version": version,
        "expected_share": round(float(said.mean()), 6),
        "seen_share": round(float(truth.mean()), 6),
        "roc_auc": metrics["roc_auc"],
        "ece": metrics["ece"],
    }


def _wrong(row: dict[str, Any], customers: int) -> list[str]:
    if customers < _FEWEST:
        return []
    wrong = []
    if row["score_psi"] > MOST_PSI:
        wrong.append(
            f"the scores of today are of another population than a horizon ago: stability index"
            f" {row['score_psi']:.2f}, more than {MOST_PSI}; most changed: {row['feature']}"
        )
    expected, seen = row["expected_share"], row["seen_share"]
    if expected is not None:
        most = max(_LEAST_OFF, _MOST_OFF * max(expected, seen))
        if abs(expected - seen) > most:
            wrong.append(
                f"of the customers of {row['judged_date']} {expected:.1%} were expected"
                f" {_WORDS[row['task']][0]}, and {seen:.1%} {_WORDS[row['task']][1]}"
            )
    return wrong


def _well(row: dict[str, Any]) -> str:
    told = f"stability index of the scores {row['score_psi']:.3f}"
    if row["expected_share"] is None:
        return f"{told}; no model is old enough to have come true"
    return (
        f"{told}; of the customers of {row['judged_date']} {row['expected_share']:.1%} were"
        f" expected {_WORDS[row['task']][0]}, {row['seen_share']:.1%} {_WORDS[row['task']][1]}"
    )
