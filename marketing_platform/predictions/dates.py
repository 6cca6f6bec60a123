"""The days for which features are computed: to score now, to test on, and to train on.

Training and test days lie one horizon apart, so that no outcome is looked at twice and the outcomes
of the last training day end where the test begins. Those of the test end with the last day that is
over: what was bought by six in the morning is not what is bought in a day.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date, end_of_day
from marketing_platform.predictions.tasks import (
    LEARNED_DAYS,
    SCORE_TABLES,
    TEST_DAYS,
    Task,
    horizon_days,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

NAME = "predictions.as_of_dates"


def build_as_of_dates(warehouse: Warehouse, settings: Settings) -> Built:
    """Build `predictions.as_of_dates` from the clock, the first order and the settings."""
    clock, timezone = as_of_date(warehouse), settings.platform.shop.timezone
    as_of = warehouse.query("select as_of from core.clock").item()
    over = clock if as_of >= end_of_day(clock, timezone) else clock - dt.timedelta(days=1)
    rows = []
    first = order_span(warehouse)[0]
    for task in SCORE_TABLES:
        days = horizon_days(task, settings.platform.predictions)
        rows += as_of_rows(task, clock, first, days, settings.platform.predictions, over)
    rows += value_rows(clock, first, settings.platform.predictions, over)
    return warehouse.replace(NAME, as_of_frame(rows, timezone))


def order_span(warehouse: Warehouse) -> tuple[dt.date | None, dt.date | None]:
    """First and last day of purchase; (None, None) where nobody has bought."""
    span = warehouse.query(
        "select min(order_date) as first, max(order_date) as last"
        " from profiles.orders where spent_amount > 0"
    )
    return span["first"].item(), span["last"].item()


def as_of_rows(
    task: Task,
    clock: dt.date,
    first: dt.date | None,
    horizon: int,
    settings: Predictions,
    over: dt.date | None = None,
) -> list[dict[str, Any]]:
    """The as-of days of one task as rows of `predictions.as_of_dates`.

    `clock` is the day to score; `first` the first day of purchase, or None; `horizon` is in days;
    `over` the last day that is over, if not that of the clock.
    A day is tested or trained on only with `minimum_history_days` of purchases before it.
    """
    step = dt.timedelta(days=horizon)
    past = [(over or clock) - step * back for back in range(1, settings.training_origins + 2)]
    known = [day for day in past if first and (day - first).days >= settings.minimum_history_days]
    roles = [(clock, "score"), *((day, "train" if i else "test") for i, day in enumerate(known))]
    return [
        {
            "task": task,
            "as_of_date": day,
            "horizon_days": horizon,
            "active_days": settings.active_days,
            "active_gaps": settings.active_gaps,
            "role": role,
        }
        for day, role in roles
    ]


def value_rows(
    clock: dt.date, first: dt.date | None, settings: Predictions, over: dt.date | None = None
) -> list[dict[str, Any]]:
    """The as-of days of the task `value`, a month apart; it is tested three months back."""
    step = dt.timedelta(days=LEARNED_DAYS)
    last = over or clock
    test = last - dt.timedelta(days=TEST_DAYS)
    past = [last - step * back for back in range(1, settings.training_origins + 4)]
    known = [day for day in past if first and (day - first).days >= settings.minimum_history_days]
    roles = {day: "test" if day == test else "train" for day in known}
    return [
        {
            "task": "value",
            "as_of_date": day,
            "horizon_days": LEARNED_DAYS,
            "active_days": settings.active_days,
            "active_gaps": settings.active_gaps,
            "role": role,
        }
        for day, role in {clock: "score", **roles}.items()
    ]


def as_of_frame(rows: list[dict[str, Any]], timezone: str) -> pl.DataFrame:
    """Rows as a frame with the columns of the contract, also where there are none."""
    known = [{**row, "ends_at": end_of_day(row["as_of_date"], timezone)} for row in rows]
    return pl.DataFrame(known, schema=CONTRACTS[NAME].empty().schema)
