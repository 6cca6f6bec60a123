"""What is predicted: the tasks, their horizons and the tables that hold their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

import polars as pl

from marketing_platform.contracts.predictions import TASKS
from marketing_platform.errors import InputError
from marketing_platform.settings import Predictions

Task = Literal["purchase", "churn"]

# The tables keep their names when the settings have another horizon; `predictions.models` says it.
SCORE_TABLES: Final[dict[Task, str]] = {
    "purchase": "predictions.purchase_14d",
    "churn": "predictions.churn_30d",
}


# Of the task `value`: days after a past day that it learns from, and how far back it is tested.
LEARNED_DAYS: Final = 30
TEST_DAYS: Final = 90


def parse_task(text: str, also: Sequence[str] = ()) -> Task:
    """Read the name of a task; `also` names others that may be meant. Raises `InputError`."""
    if text not in TASKS:
        known = ", ".join((*TASKS, *also))
        raise InputError(f"no such task: {text!r}", mend=f"Choose one of {known}")
    return cast(Task, text)


def is_active(days: int, gaps: float | None) -> pl.Expr:
    """Whether a buyer with these features can churn: by days, or by so many of their gaps."""
    most = pl.lit(days) if gaps is None else pl.col("typical_gap_days") * gaps
    return pl.col("recency_days") <= most


def horizon_days(task: Task, settings: Predictions) -> int:
    """Days that the settings look ahead for a task."""
    return settings.purchase_horizon_days if task == "purchase" else settings.churn_horizon_days
