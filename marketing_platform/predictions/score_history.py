"""`predictions.score_history`: what that day's champion would have said, built when asked for."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.predictions import store
from marketing_platform.predictions.champion import earlier_models
from marketing_platform.predictions.parts import from_parts
from marketing_platform.predictions.past import features_of
from marketing_platform.predictions.scores import scored
from marketing_platform.predictions.tasks import SCORE_TABLES, Task
from marketing_platform.predictions.training import probabilities
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, Part, Warehouse

NAME: Final = "predictions.score_history"


def build_score_history(warehouse: Warehouse, settings: Settings, part: Part) -> Built:
    """Write the scores of the days of `part`, each in a transaction of its own."""
    models = earlier_models(warehouse)
    written = 0
    day = part.first
    while day <= part.last:
        built = warehouse.replace(
            NAME, _scores_of(warehouse, models, day, settings), part=Part(day, day)
        )
        written += built.written_count
        day += dt.timedelta(days=1)
    return Built(built.name, built.row_count, written, is_part=True)


def _scores_of(
    warehouse: Warehouse, models: pl.DataFrame, day: dt.date, settings: Settings
) -> pl.DataFrame:
    empty = CONTRACTS[NAME].empty()
    buyers = warehouse.query(f"{features_of(day)} order by customer_id")
    parts = [empty]
    for task in SCORE_TABLES:
        version = _reigning(models, task, day)
        if version is None or buyers.is_empty():
            continue
        try:
            scorer = from_parts(store.load(settings.models_dir, version))
        except InputError:
            # The file is gone: nobody knows any more what it would have said.
            continue
        active = pl.col("recency_days") <= settings.platform.predictions.active_days
        asked = buyers.filter(active) if task == "churn" else buyers
        frame = scored(asked, probabilities(scorer, asked)).with_columns(
            pl.lit(task).alias("task"), pl.lit(version).alias("model_version")
        )
        parts.append(frame.select(empty.columns))
    return pl.concat(parts)


def _reigning(models: pl.DataFrame, task: Task, day: dt.date) -> str | None:
    """The version that reigned over a task on a day: the newest of those that ever did."""
    found = models.filter(
        (pl.col("task") == task)
        & (pl.col("standing") != "challenger")
        & (pl.col("trained_as_of_date") <= day)
    ).sort("trained_as_of_date", "model_version")
    return None if found.is_empty() else str(found["model_version"][-1])
