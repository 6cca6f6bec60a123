"""Reads the rows of one task out of the warehouse: to train on, to test on and to score."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from marketing_platform.predictions.tasks import Task, is_active
from marketing_platform.warehouse import Warehouse

# More rows than this do not make the model better, only slower. Buyers are left out whole, by a
# hash of their id, so that the same buyers are chosen on every day.
MAX_TRAINING_ROWS = 400_000
# Of each day; the four parameters of BG/NBD are known well enough from so many.
MAX_HISTORIES = 50_000

_KNOWN = """
    select features.*, outcomes.is_positive
    from predictions.outcomes
    inner join predictions.features using (customer_id, as_of_date)
    inner join predictions.as_of_dates using (task, as_of_date)
    where task = $task and role = $role and hash(customer_id) % 1000 < $kept
    order by as_of_date, customer_id
"""
_BUYERS = """
    select features.*
    from predictions.features
    inner join predictions.as_of_dates using (as_of_date)
    where task = $task and role = $role
    order by customer_id
"""
_HISTORIES = """
    with days as (
        select as_of_date, count(*) as buyers
        from predictions.features
        inner join predictions.as_of_dates using (as_of_date)
        where task = $task and role in ('train', 'test')
        group by as_of_date
    )
    select as_of_date, order_days_count, tenure_days, recency_days
    from predictions.features
    inner join days using (as_of_date)
    where hash(customer_id) % days.buyers < $most
    order by as_of_date, customer_id
"""
_COUNT = """
    select count(*)
    from predictions.outcomes
    inner join predictions.as_of_dates using (task, as_of_date)
    where task = $task and role = 'train'
"""


@dataclass(frozen=True)
class Rows:
    """The rows of one task, ordered by day and buyer.

    `train` and `test` are feature rows with `is_positive`, `score` those of the buyers to score;
    `test_buyers` has all buyers of the test day, also those whom the task does not ask about;
    `histories` has, of each day that is trained or tested on, the orders, tenure and recency of its
    buyers, of many a sample.
    """

    task: Task
    horizon_days: int
    test_date: dt.date | None
    score_date: dt.date
    train: pl.DataFrame
    test: pl.DataFrame
    test_buyers: pl.DataFrame
    histories: pl.DataFrame
    score: pl.DataFrame


def read_rows(warehouse: Warehouse, task: Task, *, is_training: bool = True) -> Rows:
    """The rows of `task` from `predictions.as_of_dates`, `.features` and `.outcomes`.

    Without `is_training` those to train on, all buyers of the test day, and histories are left out.
    """
    dates = warehouse.query(
        "select * from predictions.as_of_dates where task = $task order by as_of_date",
        {"task": task},
    )
    by_role = {role: frame for (role,), frame in dates.group_by("role", maintain_order=True)}
    score = by_role["score"]
    test = by_role.get("test")
    return Rows(
        task=task,
        horizon_days=score["horizon_days"].item(),
        test_date=None if test is None else test["as_of_date"].item(),
        score_date=score["as_of_date"].item(),
        train=_known(warehouse, task, "train", _kept(warehouse, task) if is_training else 0),
        test=_known(warehouse, task, "test", 1000),
        test_buyers=_buyers(warehouse, task, "test" if is_training else "none"),
        histories=_histories(warehouse, task if is_training else None),
        score=buyers_to_score(warehouse, task),
    )


def buyers_to_score(warehouse: Warehouse, task: Task) -> pl.DataFrame:
    """The feature rows of the buyers to score: all for purchase, the active ones for churn."""
    buyers = _buyers(warehouse, task, "score")
    if task == "purchase":
        return buyers
    known = warehouse.query(
        "select active_days, active_gaps from predictions.as_of_dates"
        " where task = $task and role = 'score'",
        {"task": task},
    )
    return buyers.filter(is_active(*known.row(0)))


def _kept(warehouse: Warehouse, task: Task) -> int:
    """Thousandths of the buyers that training keeps."""
    count = int(warehouse.query(_COUNT, {"task": task}).item())
    return min(1000, max(1, MAX_TRAINING_ROWS * 1000 // max(count, 1)))


def _histories(warehouse: Warehouse, task: Task | None) -> pl.DataFrame:
    return warehouse.query(_HISTORIES, {"task": task, "most": MAX_HISTORIES})


def _known(warehouse: Warehouse, task: Task, role: str, kept: int) -> pl.DataFrame:
    return warehouse.query(_KNOWN, {"task": task, "role": role, "kept": kept})


def _buyers(warehouse: Warehouse, task: Task, role: str) -> pl.DataFrame:
    return warehouse.query(_BUYERS, {"task": task, "role": role})
