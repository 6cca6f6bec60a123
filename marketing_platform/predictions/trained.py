"""`predictions.models`: trains each task, keeps what scores it as a file, and writes its row."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl
import sklearn

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.errors import InputError
from marketing_platform.predictions import leads, product_affinity, store, value_training
from marketing_platform.predictions.champion import NAME, earlier_models, reigning_row
from marketing_platform.predictions.contested import train_scores
from marketing_platform.predictions.matrix import COLUMNS
from marketing_platform.predictions.model import RECIPE
from marketing_platform.predictions.succession import Newcomer, Row, succeed
from marketing_platform.predictions.tasks import SCORE_TABLES
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

# Of the warehouse, the clock and the settings, the models of the task that were trained today, and
# the row of the one that reigns: a new one, or None where there is nothing to learn.
Trainer = Callable[[Warehouse, dt.date, Settings, list[Row], Row | None], Newcomer | None]


@dataclass(frozen=True)
class _Task:
    """What trains the models of a task, and how many are kept to go back to, if not as always."""

    train: Trainer
    kept: int | None = None


_TASKS: Final[dict[str, _Task]] = {
    **{task: _Task(partial(train_scores, task)) for task in SCORE_TABLES},
    "value": _Task(value_training.train_value),
    # Large, as it says of each two products how they go together.
    "affinity": _Task(product_affinity.train_lists, kept=3),
    "lead": _Task(leads.train_leads),
}


def build_models(warehouse: Warehouse, settings: Settings) -> Built:
    """Build `predictions.models`: the model that reigns over each task, and those before it.

    Scorers are files in `models_dir`. They are written first, and removed last: a row never names a
    file that is not there. A task whose model is younger than `retrain_days`, and trained in the
    same way, is left. Where the clock was set back, models of later days are forgotten: they know
    the future.
    """
    clock = as_of_date(warehouse)
    before = earlier_models(warehouse).filter(pl.col("trained_as_of_date") <= clock)
    rows: list[Row] = []
    for name, task in _TASKS.items():
        known = before.filter(pl.col("task") == name).to_dicts()
        if not _is_fresh(known, clock, settings):
            reigning = reigning_row(before, name, settings)
            today = [row for row in known if row["trained_as_of_date"] == clock]
            there = [row for row in today if _is_there(row, settings)]
            newcomer = task.train(warehouse, clock, settings, there, reigning)
            if newcomer is not None:
                newcomer.row["recipe"] = recipe(settings)
                is_pinned = name in settings.platform.predictions.pinned
                known = succeed(known, newcomer, reigning, is_pinned=is_pinned, kept=task.kept)
        rows += known
    built = warehouse.replace(NAME, pl.DataFrame(rows, schema=CONTRACTS[NAME].empty().schema))
    store.remove_others(settings.models_dir, {row["model_version"] for row in rows})
    return built


def recipe(settings: Settings) -> str:
    """A fingerprint of how models are trained; another one has them trained again."""
    told = settings.platform.predictions.model_dump_json(exclude={"pinned"})
    made = repr((RECIPE, sklearn.__version__, COLUMNS, told))
    return hashlib.sha256(made.encode()).hexdigest()[:12]


def _is_fresh(known: list[Row], clock: dt.date, settings: Settings) -> bool:
    """Whether the newest model of a task need not be trained again.

    On the day itself it is looked at again: an export, or how it is read, may have been mended.
    """
    rules = settings.platform.predictions
    if not known or not _is_as_pinned(known, rules):
        return False
    newest = max(known, key=lambda row: row["trained_as_of_date"])
    age = (clock - newest["trained_as_of_date"]).days
    return (
        # A rule looks for enough to learn from every day.
        newest["method"] == "model"
        and newest["recipe"] == recipe(settings)
        and 0 < age < rules.retrain_days
        and all(
            _is_there(row, settings)
            for row in known
            if row is newest or row["standing"] == "champion"
        )
    )


def _is_as_pinned(known: list[Row], rules: Predictions) -> bool:
    """Whether the pinned model of a task reigns; true where none is pinned."""
    reigning = {row["model_version"] for row in known if row["standing"] == "champion"}
    return all(
        version in reigning for task, version in rules.pinned.items() if task == known[0]["task"]
    )


def _is_there(row: Row, settings: Settings) -> bool:
    """Whether the file of a model can be read."""
    try:
        store.load(settings.models_dir, row["model_version"])
    except InputError:
        return False
    return True
