"""How well a task would have been predicted on a past day: the same SQL and training, then truth.

The tables of `core`, `identity` and `profiles` must be in the warehouse. Its
`predictions.as_of_dates`, `.features` and `.outcomes` are replaced, so a scratch warehouse
(`":memory:"`) is meant.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from marketing_platform.errors import InputError
from marketing_platform.predictions.dates import NAME, as_of_frame, as_of_rows, order_span
from marketing_platform.predictions.metrics import METRICS
from marketing_platform.predictions.rows import read_rows
from marketing_platform.predictions.tasks import parse_task
from marketing_platform.predictions.training import train_and_test
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse, sql_tables


def backtest(
    warehouse: Warehouse,
    *,
    task: str,
    horizon_days: int,
    as_of: dt.date | None = None,
    settings: Settings,
) -> dict[str, Any]:
    """Score everyone as known at the end of `as_of` and compare with the `horizon_days` after it.

    `as_of` is `horizon_days` before the last day of purchase unless given. Training sees days up to
    `as_of` only. The answer has task, as_of, horizon_days, customers, positives and models: the
    metrics of `platform`, `recency` and `bg_nbd`. A metric that cannot be had is None. Raises
    `InputError` for an unknown task, a horizon that is not positive, an `as_of` outside of the data
    or with too little history before it.
    """
    chosen = parse_task(task)
    predictions = settings.platform.predictions
    first, day = _test_day(warehouse, horizon_days, as_of, predictions)
    end = day + dt.timedelta(days=horizon_days)
    rows = as_of_rows(chosen, end, first, horizon_days, predictions)
    warehouse.replace(NAME, as_of_frame(rows))
    for table in ("predictions.features", "predictions.outcomes"):
        warehouse.build(table, sql_tables()[table].sql)
    return train_and_test(read_rows(warehouse, chosen), predictions).evaluation.to_dict()


def summary_table(result: dict[str, Any]) -> str:
    """The answer of `backtest` as a table for people."""
    head = (
        f"{result['task']} within {result['horizon_days']} days of {result['as_of']}: "
        f"{result['customers']:,} customers, {result['positives']:,} positives"
    )
    # Two blanks and the longest of name and figure: fits 80 columns.
    widths = {metric: max(len(metric), 6) + 2 for metric in METRICS}
    names = "".join(f"{metric:>{width}}" for metric, width in widths.items())
    lines = [
        f"{model:<10}"
        + "".join(f"{_shown(metrics[metric]):>{width}}" for metric, width in widths.items())
        for model, metrics in result["models"].items()
    ]
    return "\n".join([head, f"{'':<10}{names}", *lines])


def _shown(metric: float | None) -> str:
    return "-" if metric is None else f"{metric:.4f}"


def _test_day(
    warehouse: Warehouse, horizon_days: int, as_of: dt.date | None, settings: Predictions
) -> tuple[dt.date, dt.date]:
    """First day of purchase and the day to test on."""
    if horizon_days < 1:
        raise InputError(f"the horizon is {horizon_days} days", mend="Give 1 day or more")
    first, last = order_span(warehouse)
    if first is None or last is None:
        raise InputError("there are no purchases to test on", where="profiles.orders")
    horizon = dt.timedelta(days=horizon_days)
    latest = last - horizon
    earliest = first + dt.timedelta(days=settings.minimum_history_days) + horizon
    if earliest > latest:
        needed = settings.minimum_history_days + 2 * horizon_days
        raise InputError(
            f"history is too short: {first} to {last} is {(last - first).days} days, and a backtest"
            f" of {horizon_days} days needs {needed}",
            mend="Give more orders or a shorter horizon",
        )
    day = latest if as_of is None else as_of
    if not earliest <= day <= latest:
        raise InputError(
            f"{day} cannot be tested on the orders of {first} to {last}",
            where="as_of",
            mend=f"Choose a day from {earliest} to {latest}",
        )
    return first, day
