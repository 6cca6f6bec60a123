"""`predictions.models`: trains each task, keeps what scores it as a file, and writes its row."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sklearn

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.predictions import leads, product_affinity, store, value_training
from marketing_platform.predictions.champion import (
    KEPT,
    NAME,
    Champion,
    champion_of,
    contest,
    earlier_models,
    refused,
)
from marketing_platform.predictions.evaluation import MEASURED, evaluate
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.matrix import COLUMNS, PLAIN_COLUMNS, labels, matrix
from marketing_platform.predictions.model import RECIPE, Model
from marketing_platform.predictions.parts import to_parts
from marketing_platform.predictions.promotion import Decision, promotion, too_little
from marketing_platform.predictions.rows import Rows, read_rows
from marketing_platform.predictions.tasks import SCORE_TABLES, Task
from marketing_platform.predictions.training import (
    Trained,
    probabilities,
    train_and_test,
    with_all_days,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

# Tasks whose models are files; lists of products are learned where they are used.
_FILED = ("purchase", "churn", "value", "lead")
# The log loss of a model against that of one of the same day, tested on the same days.
_MOST_WORSE = 1.02
# Tasks without a contest, each with what trains it and describes its model.
_OTHERS: dict[str, Callable[[Warehouse, dt.date, Settings], dict[str, Any] | None]] = {
    "value": value_training.model_row,
    "affinity": product_affinity.model_row,
    "lead": leads.model_row,
}


def build_models(warehouse: Warehouse, settings: Settings) -> Built:
    """Build `predictions.models`: the model that reigns over each task, and those before it.

    Scorers are files in `models_dir`. They are written first: a row never names a file that is not
    there. A task whose model is younger than `retrain_days`, and trained in the same way, is left.
    Where the clock was set back, models of later days are forgotten: they know the future.
    """
    clock = as_of_date(warehouse)
    before = earlier_models(warehouse).filter(pl.col("trained_as_of_date") <= clock)
    rows: list[dict[str, Any]] = []
    for task in SCORE_TABLES:
        known = before.filter(pl.col("task") == task).to_dicts()
        if _is_fresh(known, clock, settings):
            rows += known
        else:
            rows += _scored_task(warehouse, task, known, before, settings)
    for other, describe in _OTHERS.items():
        known = before.filter(pl.col("task") == other).to_dicts()
        if _is_fresh(known, clock, settings):
            rows += known
        elif row := describe(warehouse, clock, settings):
            rows.append({**row, "standing": "champion", "recipe": recipe(settings)})
    return warehouse.replace(NAME, pl.DataFrame(rows, schema=CONTRACTS[NAME].empty().schema))


def recipe(settings: Settings) -> str:
    """A fingerprint of how models are trained; another one has them trained again."""
    told = settings.platform.predictions.model_dump_json(exclude={"pinned"})
    made = repr((RECIPE, sklearn.__version__, COLUMNS, told))
    return hashlib.sha256(made.encode()).hexdigest()[:12]


def _is_fresh(known: list[dict[str, Any]], clock: dt.date, settings: Settings) -> bool:
    """Whether the newest model of a task need not be trained again.

    On the day itself it is looked at again: an export, or how it is read, may have been mended.
    """
    rules = settings.platform.predictions
    if not known or any(row["task"] in rules.pinned for row in known):
        return False
    newest = max(known, key=lambda row: row["trained_as_of_date"])
    age = (clock - newest["trained_as_of_date"]).days
    return (
        # A rule looks for enough to learn from every day.
        newest["method"] == "model"
        and newest["recipe"] == recipe(settings)
        and 0 < age < rules.retrain_days
        and _is_there(newest, settings)
    )


def _is_there(row: dict[str, Any], settings: Settings) -> bool:
    if row["task"] not in _FILED:
        return True
    return store.path_of(settings.models_dir, row["model_version"]).exists()


def _scored_task(
    warehouse: Warehouse,
    task: Task,
    known: list[dict[str, Any]],
    before: pl.DataFrame,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Train a challenger; the rows of the task, with the model that reigns from now on."""
    data = read_rows(warehouse, task)
    method = "rule" if too_little(data, settings.platform.predictions) else "model"
    version = model_version(data, method, settings.platform.predictions)
    is_pinned = task in settings.platform.predictions.pinned
    if not is_pinned and any(
        row["model_version"] == version and _is_there(row, settings) for row in known
    ):
        return known
    tested = train_and_test(data, settings.platform.predictions)
    trained = with_all_days(tested, data)
    store.save(settings.models_dir, version, to_parts(trained.scorer))
    new = _row(version, data, trained) | {"standing": "champion", "recipe": recipe(settings)}
    champion = champion_of(before, task, settings)
    reigning = champion.row["model_version"] if champion else None
    others = [row for row in known if row["model_version"] not in (version, reigning)]
    others = sorted(others, key=lambda row: row["trained_as_of_date"])[-KEPT:]
    if champion is None or reigning == version:
        return [*map(_former, others), new]
    won, verdict = _judge(data, tested, champion)
    if won and not is_pinned:
        return [*map(_former, [*others, champion.row]), new]
    new |= {"standing": "challenger", "is_promoted": False}
    if not won:
        new["reason"] = verdict.refusal.reason
    stays = champion.row | {
        "standing": "champion",
        "is_promoted": verdict.champion.is_promoted,
        "reason": verdict.champion.reason,
        "metrics": verdict.metrics,
    }
    return [*map(_former, others), stays, new]


@dataclass(frozen=True)
class _Verdict:
    """What the champion reaches on the days of the test, and why the challenger did not win."""

    champion: Decision
    metrics: str
    refusal: Decision


def _judge(data: Rows, tested: Trained, champion: Champion) -> tuple[bool, _Verdict]:
    """Whether the challenger wins, on days that neither was trained to know."""
    told = champion.row
    kept = Decision(told["is_promoted"], told["reason"])
    if tested.evaluation.status != MEASURED or tested.method != "model":
        refusal = Decision(
            False, f"not comparable with the reigning model: {tested.decision.reason}"
        )
        return False, _Verdict(kept, told["metrics"], refusal)
    if told["trained_as_of_date"] == data.score_date:
        # It has learned from the days of the test by now, so its own test of then speaks for it.
        won, refusal = _own_tests(data, tested, told)
        return won, _Verdict(kept, told["metrics"], refusal)
    theirs = probabilities(champion.model, data.test)
    evaluation = evaluate(data, theirs)
    decided = promotion(evaluation)
    against = contest(labels(data.test), probabilities(tested.scorer, data.test), theirs)
    refusal = refused(against) if against.is_worse else tested.decision
    # Who may be used goes before who may not; among equals the reigning one yields to no worse.
    differ = tested.decision.is_promoted != decided.is_promoted
    won = tested.decision.is_promoted if differ else not against.is_worse
    return won, _Verdict(decided, evaluation.to_json(), refusal)


def _own_tests(data: Rows, tested: Trained, told: dict[str, Any]) -> tuple[bool, Decision]:
    """Whether the challenger wins over a model of the same day, by the figures of both tests.

    It was trained because data or settings were changed since: it wins unless it is clearly worse.
    """
    if tested.decision.is_promoted != told["is_promoted"]:
        return tested.decision.is_promoted, tested.decision
    if told["horizon_days"] != data.horizon_days:
        return True, tested.decision
    theirs = json.loads(told["metrics"]).get("models", {}).get("platform", {}).get("log_loss")
    ours = tested.evaluation.models["platform"]["log_loss"]
    if theirs is None or ours is None or ours <= theirs * _MOST_WORSE:
        return True, tested.decision
    return False, Decision(
        False,
        "kept, but worse than the reigning model of the same day: log loss"
        f" {ours:.4f} against {theirs:.4f}",
    )


def _former(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"standing": "former" if row["standing"] == "champion" else row["standing"]}


def model_version(rows: Rows, method: str, settings: Predictions) -> str:
    """Task, day and a fingerprint of all that the scorer was learned from."""
    learned = [rows.train, rows.test, *([rows.score] if method == "rule" else [])]
    digest = hashlib.sha256(
        repr((RECIPE, sklearn.__version__, method, rows.horizon_days, COLUMNS)).encode()
    )
    digest.update(settings.model_dump_json().encode())
    for frame in learned:
        digest.update(frame["customer_id"].str.join("\n").item().encode())
        digest.update(np.ascontiguousarray(matrix(frame)).tobytes())
        if "is_positive" in frame.columns:
            digest.update(labels(frame).tobytes())
    for column in ("order_days_count", "tenure_days", "recency_days"):
        digest.update(rows.histories[column].cast(pl.Int64).to_numpy().tobytes())
    return f"{rows.task}-{rows.score_date.isoformat()}-{digest.hexdigest()[:12]}"


def _row(version: str, rows: Rows, trained: Trained) -> dict[str, Any]:
    known = pl.concat([rows.train, rows.test])
    weights = trained.scorer.weights if isinstance(trained.scorer, Model) else None
    return {
        "model_version": version,
        "task": rows.task,
        "trained_as_of_date": rows.score_date,
        "horizon_days": rows.horizon_days,
        "method": trained.method,
        "is_promoted": trained.decision.is_promoted,
        "reason": trained.decision.reason,
        "metrics": trained.evaluation.to_json(),
        "learned_from": learned_from(
            known["as_of_date"], int(known["is_positive"].sum()), PLAIN_COLUMNS, weights=weights
        ),
    }
