"""`predictions.models`: trains each task, keeps what scores it as a file, and writes its row."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl
import sklearn

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions import leads, product_affinity, store
from marketing_platform.predictions.matrix import COLUMNS, labels, matrix
from marketing_platform.predictions.model import RECIPE
from marketing_platform.predictions.parts import to_parts, value_to_parts
from marketing_platform.predictions.rows import Rows, read_rows
from marketing_platform.predictions.tasks import SCORE_TABLES, TEST_DAYS
from marketing_platform.predictions.training import Trained, train_and_test, with_all_days
from marketing_platform.predictions.value_training import (
    buyers_of,
    decision,
    test_as_of,
    train_as_of,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

NAME = "predictions.models"


def build_models(warehouse: Warehouse, settings: Settings) -> Built:
    """Build `predictions.models`: a row per task, and its scorer as a file in `models_dir`.

    The files are written first: a row never names a file that is not there.
    """
    rows = []
    for task in SCORE_TABLES:
        data = read_rows(warehouse, task)
        tested = train_and_test(data, settings.platform.predictions)
        trained = with_all_days(tested, data)
        version = model_version(data, trained.method, settings.platform.predictions)
        store.save(settings.models_dir, version, to_parts(trained.scorer))
        rows.append(_row(version, data, trained))
    rows += _value_rows(warehouse, settings)
    for described in (product_affinity.model_row, leads.model_row):
        rows.append(described(warehouse, data.score_date, settings.platform.predictions))
    return warehouse.replace(NAME, pl.DataFrame(rows, schema=CONTRACTS[NAME].empty().schema))


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


def _value_rows(warehouse: Warehouse, settings: Settings) -> list[dict[str, Any]]:
    """The row of the model of value, which is kept as a file; none where nobody has bought."""
    predictions = settings.platform.predictions
    days = warehouse.query(
        "select role, as_of_date from predictions.as_of_dates where task = 'value'"
    )
    score = days.filter(pl.col("role") == "score")["as_of_date"].item()
    model = train_as_of(warehouse, score, predictions)
    if model is None:
        return []
    tests = days.filter(pl.col("role") == "test")["as_of_date"].to_list()
    test = test_as_of(warehouse, tests[0], TEST_DAYS, predictions) if tests else None
    # What a model says of everybody tells it apart: the bytes of a file hold the time of day.
    said = model.forecast(buyers_of(warehouse, score), TEST_DAYS).to_numpy()
    digest = hashlib.sha256(repr(sklearn.__version__).encode() + said.tobytes()).hexdigest()
    version = f"value-{score.isoformat()}-{digest[:12]}"
    store.save(settings.models_dir, version, value_to_parts(model))
    decided = decision(model, test)
    return [
        {
            "model_version": version,
            "task": "value",
            "trained_as_of_date": score,
            "horizon_days": TEST_DAYS,
            "method": "rule" if model.learned is None else "model",
            "is_promoted": decided.is_promoted,
            "reason": decided.reason,
            "metrics": test.to_json() if test else "{}",
        }
    ]


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
