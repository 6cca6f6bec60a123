"""Trains the models of purchase and churn, and holds each against the one that reigns."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import numpy as np
import polars as pl
import sklearn

from marketing_platform.predictions import store
from marketing_platform.predictions.champion import champion_of, contest, refused
from marketing_platform.predictions.evaluation import MEASURED, evaluate
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.matrix import COLUMNS, PLAIN_COLUMNS, labels, matrix
from marketing_platform.predictions.model import RECIPE, Model
from marketing_platform.predictions.parts import to_parts
from marketing_platform.predictions.promotion import Decision, promotion, too_little
from marketing_platform.predictions.rows import Rows, read_rows
from marketing_platform.predictions.succession import (
    Judged,
    Newcomer,
    Row,
    Verdict,
    judge,
    own_test,
)
from marketing_platform.predictions.tasks import Task
from marketing_platform.predictions.training import (
    Trained,
    probabilities,
    train_and_test,
    with_all_days,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse

# The log loss of a model against that of one of the same day, tested on the same days.
_MOST_WORSE = 1.02


def train_scores(
    task: Task,
    warehouse: Warehouse,
    _day: dt.date,
    settings: Settings,
    known: list[Row],
    reigning: Row | None,
) -> Newcomer | None:
    """Train a model of `task`, and keep it as a file; None where it is known already."""
    rules = settings.platform.predictions
    data = read_rows(warehouse, task)
    method = "rule" if too_little(data, rules) else "model"
    version = model_version(data, method, rules)
    if task not in rules.pinned and any(row["model_version"] == version for row in known):
        return None
    tested = train_and_test(data, rules)
    trained = with_all_days(tested, data)
    store.save(settings.models_dir, version, to_parts(trained.scorer))
    return Newcomer(_row(version, data, trained), _verdict(data, tested, reigning, settings))


def _verdict(
    data: Rows, tested: Trained, reigning: Row | None, settings: Settings
) -> Verdict | None:
    champion = champion_of(reigning, settings)
    if champion is None:
        return None
    told = champion.row
    if told["horizon_days"] != data.horizon_days:
        # It says something else than what is asked by now, however well.
        return Verdict(True, own_test(told), tested.decision)
    if tested.evaluation.status != MEASURED or tested.method != "model":
        refusal = Decision(
            False, f"not comparable with the reigning model: {tested.decision.reason}"
        )
        return Verdict(False, own_test(told), refusal)
    if told["trained_as_of_date"] == data.score_date:
        # It has learned from the days of the test by now, so its own test of then speaks for it.
        won, refusal = _own_tests(data, tested, told)
        return Verdict(won, own_test(told), refusal)
    theirs = probabilities(champion.model, data.test)
    evaluation = evaluate(data, theirs)
    against = contest(labels(data.test), probabilities(tested.scorer, data.test), theirs)
    return judge(
        tested.decision,
        Judged(promotion(evaluation), evaluation.to_json()),
        refused(against.told) if against.is_worse else None,
    )


def _own_tests(data: Rows, tested: Trained, told: Row) -> tuple[bool, Decision]:
    """Whether the challenger wins over a model of the same day, by the figures of both tests.

    It was trained because data or settings were changed since: it wins unless it is clearly worse.
    """
    if tested.decision.is_promoted != told["is_promoted"]:
        return tested.decision.is_promoted, tested.decision
    theirs = json.loads(told["metrics"]).get("models", {}).get("platform", {}).get("log_loss")
    ours = tested.evaluation.models["platform"]["log_loss"]
    if theirs is None or ours is None or ours <= theirs * _MOST_WORSE:
        return True, tested.decision
    return False, Decision(
        False,
        "kept, but worse than the reigning model of the same day: log loss"
        f" {ours:.4f} against {theirs:.4f}",
    )


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


def _row(version: str, rows: Rows, trained: Trained) -> Row:
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
