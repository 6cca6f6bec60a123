"""`predictions.models`: trains each task, keeps what scores it as a file, and writes its row."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sklearn

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions import champion as champion_rules
from marketing_platform.predictions import leads, product_affinity, store
from marketing_platform.predictions.champion import (
    NAME,
    Champion,
    champion_of,
    contest,
    earlier_models,
    refused,
)
from marketing_platform.predictions.evaluation import MEASURED, evaluate
from marketing_platform.predictions.matrix import COLUMNS, labels, matrix
from marketing_platform.predictions.model import RECIPE
from marketing_platform.predictions.parts import to_parts, value_to_parts
from marketing_platform.predictions.promotion import Decision, promotion
from marketing_platform.predictions.rows import Rows, read_rows
from marketing_platform.predictions.tasks import SCORE_TABLES, TEST_DAYS, Task
from marketing_platform.predictions.training import (
    Trained,
    probabilities,
    train_and_test,
    with_all_days,
)
from marketing_platform.predictions.value_training import (
    buyers_of,
    decision,
    test_as_of,
    train_as_of,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

# Tasks whose models are files; the others are learned where they are used.
_FILED = ("purchase", "churn", "value")


def build_models(warehouse: Warehouse, settings: Settings) -> Built:
    """Build `predictions.models`: the model that reigns over each task, and those before it.

    Scorers are files in `models_dir`. They are written first: a row never names a file that is not
    there. A task whose model is younger than `retrain_days`, and trained in the same way, is left.
    """
    before = earlier_models(warehouse)
    clock = warehouse.query("select as_of_date from core.clock").item()
    rows: list[dict[str, Any]] = []
    for task in SCORE_TABLES:
        known = before.filter(pl.col("task") == task).to_dicts()
        if _is_fresh(known, clock, settings):
            rows += known
        else:
            rows += _scored_task(warehouse, task, known, before, settings)
    others = {"value": _value_row, "affinity": product_affinity.model_row, "lead": leads.model_row}
    for other, describe in others.items():
        known = before.filter(pl.col("task") == other).to_dicts()
        if _is_fresh(known, clock, settings):
            rows += known
        elif row := describe(warehouse, clock, settings):
            rows.append({**row, "standing": "champion", "recipe": recipe(settings)})
    return warehouse.replace(NAME, pl.DataFrame(rows, schema=CONTRACTS[NAME].empty().schema))


def recipe(settings: Settings) -> str:
    """A fingerprint of how models are trained; another one has them trained again."""
    told = settings.platform.predictions.model_dump_json(exclude={"pinned"})
    return hashlib.sha256(repr((RECIPE, sklearn.__version__, COLUMNS, told)).encode()).hexdigest()[
        :12
    ]


def _is_fresh(known: list[dict[str, Any]], clock: dt.date, settings: Settings) -> bool:
    """Whether the newest model of a task need not be trained again."""
    rules = settings.platform.predictions
    if not known or any(row["task"] in rules.pinned for row in known):
        return False
    newest = max(known, key=lambda row: row["trained_as_of_date"])
    age = (clock - newest["trained_as_of_date"]).days
    is_there = (
        newest["task"] not in _FILED
        or store.path_of(settings.models_dir, newest["model_version"]).exists()
    )
    # A rule looks for enough to learn from every day.
    is_model = newest["method"] == "model"
    return (
        is_there and is_model and 0 <= age < rules.retrain_days
        and newest["recipe"] == recipe(settings)
    )  # fmt: skip


def _scored_task(
    warehouse: Warehouse,
    task: Task,
    known: list[dict[str, Any]],
    before: pl.DataFrame,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Train a challenger; the rows of the task, with the model that reigns from now on."""
    data = read_rows(warehouse, task)
    tested = train_and_test(data, settings.platform.predictions)
    trained = with_all_days(tested, data)
    version = model_version(data, trained.method, settings.platform.predictions)
    store.save(settings.models_dir, version, to_parts(trained.scorer))
    new = _row(version, data, trained) | {"standing": "champion", "recipe": recipe(settings)}
    champion = champion_of(before, task, settings)
    others = [row for row in known if row["model_version"] != version]
    others = sorted(others, key=lambda row: row["trained_as_of_date"])[-champion_rules.KEPT :]
    if champion is None or champion.row["model_version"] == version:
        return [*(_former(row) for row in others), new]
    won, told = _judge(data, tested, champion)
    if won and task not in settings.platform.predictions.pinned:
        return [*(_former(row) for row in others), new]
    new |= {"standing": "challenger", "is_promoted": False}
    if not won:
        new["reason"] = told.refusal.reason
    kept = [
        row | {"standing": "champion", "is_promoted": told.champion.is_promoted,
               "reason": told.champion.reason, "metrics": told.metrics}
        if row["model_version"] == champion.row["model_version"] else _former(row)
        for row in others
    ]  # fmt: skip
    return [*kept, new]


@dataclass(frozen=True)
class _Told:
    """What the champion reaches on the days of the test, and why the challenger did not win."""

    champion: Decision
    metrics: str
    refusal: Decision


def _judge(data: Rows, tested: Trained, champion: Champion) -> tuple[bool, _Told]:
    """Whether the challenger wins, on days that neither was trained to know."""
    if tested.evaluation.status != MEASURED or tested.method != "model":
        told = champion.row
        kept = Decision(told["is_promoted"], told["reason"])
        refusal = Decision(
            False, f"not comparable with the reigning model: {tested.decision.reason}"
        )
        return False, _Told(kept, told["metrics"], refusal)
    theirs = probabilities(champion.model, data.test)
    evaluation = evaluate(data, theirs)
    decided = promotion(evaluation)
    against = contest(labels(data.test), probabilities(tested.scorer, data.test), theirs)
    refusal = refused(against) if against.is_worse else tested.decision
    won = not against.is_worse and (tested.decision.is_promoted or not decided.is_promoted)
    return won, _Told(decided, evaluation.to_json(), refusal)


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
    return f"{rows.task}-{rows.score_date.isoformat()}-{digest.hexdigest()[:12]}"


def _value_row(warehouse: Warehouse, score: dt.date, settings: Settings) -> dict[str, Any] | None:
    """The row of the model of value, which is kept as a file; None where nobody has bought."""
    predictions = settings.platform.predictions
    days = warehouse.query(
        "select role, as_of_date from predictions.as_of_dates where task = 'value'"
    )
    model = train_as_of(warehouse, score, predictions)
    if model is None:
        return None
    tests = days.filter(pl.col("role") == "test")["as_of_date"].to_list()
    test = test_as_of(warehouse, tests[0], TEST_DAYS, predictions) if tests else None
    # What a model says of everybody tells it apart: the bytes of a file hold the time of day.
    said = model.forecast(buyers_of(warehouse, score), TEST_DAYS).to_numpy()
    digest = hashlib.sha256(repr(sklearn.__version__).encode() + said.tobytes()).hexdigest()
    version = f"value-{score.isoformat()}-{digest[:12]}"
    store.save(settings.models_dir, version, value_to_parts(model))
    decided = decision(model, test)
    return {
        "model_version": version,
        "task": "value",
        "trained_as_of_date": score,
        "horizon_days": TEST_DAYS,
        "method": "rule" if model.learned is None else "model",
        "is_promoted": decided.is_promoted,
        "reason": decided.reason,
        "metrics": test.to_json() if test else "{}",
    }


def _row(version: str, rows: Rows, trained: Trained) -> dict[str, Any]:
    return {
        "model_version": version,
        "task": rows.task,
        "trained_as_of_date": rows.score_date,
        "horizon_days": rows.horizon_days,
        "method": trained.method,
        "is_promoted": trained.decision.is_promoted,
        "reason": trained.decision.reason,
        "metrics": trained.evaluation.to_json(),
    }
