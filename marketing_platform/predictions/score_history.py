"""`predictions.score_history`: what that day's champion would have said, built when asked for."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.predictions import store
from marketing_platform.predictions.champion import earlier_models, reigning_on
from marketing_platform.predictions.parts import from_parts
from marketing_platform.predictions.past import features_of
from marketing_platform.predictions.scores import scored
from marketing_platform.predictions.tasks import SCORE_TABLES, Task, is_active
from marketing_platform.predictions.training import probabilities
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, Part, Warehouse

NAME: Final = "predictions.score_history"
WATCH: Final = "predictions.watch"


def build_score_history(warehouse: Warehouse, settings: Settings, day: dt.date) -> Built:
    """Write the scores of a day."""
    found = _scores_of(warehouse, earlier_models(warehouse), day, settings)
    return warehouse.replace(NAME, found, part=Part(day, day))


def _scores_of(
    warehouse: Warehouse, models: pl.DataFrame, day: dt.date, settings: Settings
) -> pl.DataFrame:
    empty = CONTRACTS[NAME].empty()
    buyers = warehouse.query(f"{features_of(day)} order by customer_id")
    parts = [empty]
    rules = settings.platform.predictions
    for task in SCORE_TABLES:
        version = _watched(warehouse, task, day) or reigning_on(models, task, day)
        if version is None or buyers.is_empty():
            continue
        try:
            scorer = from_parts(store.load(settings.models_dir, version))
        except InputError:
            # The file is gone: nobody knows any more what it would have said.
            continue
        active = is_active(rules.active_days, rules.active_gaps)
        asked = buyers.filter(active) if task == "churn" else buyers
        frame = scored(asked, probabilities(scorer, asked)).with_columns(
            pl.lit(task).alias("task"), pl.lit(version).alias("model_version")
        )
        parts.append(frame.select(empty.columns))
    return pl.concat(parts)


def _watched(warehouse: Warehouse, task: Task, day: dt.date) -> str | None:
    """The version that reigned on a day as it was written down then: it may have been pinned."""
    if not warehouse.exists(WATCH):
        return None
    found = warehouse.query(
        f"select model_version from {WATCH} where task = $task and as_of_date = $day",  # noqa: S608
        {"task": task, "day": day},
    )
    return None if found.is_empty() else str(found.item())
