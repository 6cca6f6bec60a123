"""How well a task would have been predicted on a past day: the same SQL and training, then truth.

The tables of `core`, `identity` and `profiles` must be in the warehouse. Its
`predictions.as_of_dates`, `.features` and `.outcomes` are replaced, so a scratch warehouse
(`":memory:"`) is meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import product
from typing import Any

from marketing_platform.errors import InputError
from marketing_platform.predictions.affinity import evaluate, fit
from marketing_platform.predictions.dates import (
    NAME,
    as_of_frame,
    as_of_rows,
    order_span,
    value_rows,
)
from marketing_platform.predictions.product_affinity import BOUGHT
from marketing_platform.predictions.rows import read_rows
from marketing_platform.predictions.tasks import parse_task
from marketing_platform.predictions.training import train_and_test
from marketing_platform.predictions.value_training import test_as_of
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse, sql_tables
from marketing_platform.wording import counted

_RANK_METRICS = ("ndcg_at_10", "hit_rate_at_10")


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
    predictions = settings.platform.predictions
    if task in _OTHERS:
        return _OTHERS[task](warehouse, horizon_days, as_of, settings)
    chosen = parse_task(task, also=tuple(_OTHERS))
    first, _, day = _test_day(warehouse, horizon_days, as_of, predictions, horizon_days)
    end = day + dt.timedelta(days=horizon_days)
    rows = as_of_rows(chosen, end, first, horizon_days, predictions)
    warehouse.replace(NAME, as_of_frame(rows, settings.platform.shop.timezone))
    for table in ("predictions.features", "predictions.outcomes"):
        warehouse.build(table, sql_tables()[table].sql)
    return train_and_test(read_rows(warehouse, chosen), predictions).evaluation.to_dict()


def _backtest_value(
    warehouse: Warehouse, horizon_days: int, as_of: dt.date | None, settings: Settings
) -> dict[str, Any]:
    predictions = settings.platform.predictions
    first, _, day = _test_day(warehouse, horizon_days, as_of, predictions, 0)
    rows = value_rows(day, first, predictions)
    warehouse.replace(NAME, as_of_frame(rows, settings.platform.shop.timezone))
    for table in ("predictions.features", "predictions.outcomes"):
        warehouse.build(table, sql_tables()[table].sql)
    found = test_as_of(warehouse, day, horizon_days, predictions)
    if found is None:
        raise InputError(f"nobody had bought by {day}", where="as_of", mend="Give a later day")
    return found.to_dict()


def _backtest_affinity(
    warehouse: Warehouse, horizon_days: int, as_of: dt.date | None, settings: Settings
) -> dict[str, Any]:
    most_products = settings.platform.predictions.affinity_products
    _, last, day = _test_day(warehouse, horizon_days, as_of, settings.platform.predictions, 0)
    bought = warehouse.query(BOUGHT, {"day": last})
    if bought.is_empty():
        raise InputError(
            "no order says which products were bought",
            where="core.order_items",
            mend="Map the column of the product: --map product_id=COLUMN",
        )
    fitted = fit(bought, day, most_products)
    found = evaluate(bought, fitted, horizon_days, most_products)
    if found is None:
        raise InputError(
            f"nobody bought a product that was known on {day} within {horizon_days} days of it",
            where="as_of",
            mend="Give another day or a longer horizon",
        )
    told = dict(found.told)
    models = told.pop("models")
    return {
        "task": "affinity",
        "as_of": day.isoformat(),
        "horizon_days": horizon_days,
        **told,
        "models": {name: {"affinity": kinds} for name, kinds in models.items()},
    }


_OTHERS: dict[str, Callable[[Warehouse, int, dt.date | None, Settings], dict[str, Any]]] = {
    "value": _backtest_value,
    "affinity": _backtest_affinity,
}


def _affinity_table(result: dict[str, Any]) -> str:
    head = (
        f"affinity within {result['horizon_days']} days of {result['as_of']}:"
        f" {result['buyers']:,} of {result['customers']:,} customers bought,"
        f" {result['products']:,} products"
    )
    columns = [(kind, metric) for kind in ("new", "all") for metric in _RANK_METRICS]
    # Fits 80 columns.
    names = "".join(
        f"{kind:>9} {short}" for kind, short in product(("new", "all"), ("ndcg", "hits"))
    )
    lines = [
        f"{model:<20}"
        + "".join(
            f"{_shown(told['affinity'].get(kind, {}).get(metric)):>14}" for kind, metric in columns
        )
        for model, told in result["models"].items()
    ]
    told = "NDCG and share of hits of the ten best, of new products and of all:"
    return "\n".join([head, told, f"{'':<20}{names}", *lines])


def summary_table(result: dict[str, Any]) -> str:
    """The answer of `backtest` as a table for people."""
    if result["task"] == "affinity":
        return _affinity_table(result)
    head = (
        f"{result['task']} within {result['horizon_days']} days of {result['as_of']}: "
        f"{result['customers']:,} customers, {result['positives']:,} positives"
    )
    # Two blanks and the longest of name and figure: fits 80 columns.
    models = result["models"].values()
    widths = {
        metric: 2 + max(len(metric), *(len(_shown(metrics[metric])) for metrics in models))
        for metric in next(iter(models))
    }
    names = "".join(f"{metric:>{width}}" for metric, width in widths.items())
    lines = [
        f"{model:<12}"
        + "".join(f"{_shown(metrics[metric]):>{width}}" for metric, width in widths.items())
        for model, metrics in result["models"].items()
    ]
    table = [head, f"{'':<12}{names}", *lines]
    if result.get("calibration"):
        table += [
            "",
            "of the customers, by tenths of the score: expected and seen",
            *_tenths(result),
        ]
    return "\n".join(table)


def _tenths(result: dict[str, Any]) -> list[str]:
    rows = ("predicted", "observed")
    return [
        f"{row:<10}" + "".join(f"{group[row]:>7.3f}" for group in result["calibration"])
        for row in rows
    ]


def _shown(metric: float | None) -> str:
    return "-" if metric is None else f"{metric:.4f}"


def _test_day(
    warehouse: Warehouse,
    horizon_days: int,
    as_of: dt.date | None,
    settings: Predictions,
    training_days: int,
) -> tuple[dt.date, dt.date, dt.date]:
    """First and last day of purchase, and the day to test on.

    Before it lie the shortest history that there must be, and the `training_days` after that.
    """
    if horizon_days < 1:
        raise InputError(f"the horizon is {horizon_days} days", mend="Give 1 day or more")
    first, last = order_span(warehouse)
    if first is None or last is None:
        raise InputError("there are no purchases to test on", where="profiles.orders")
    before = settings.minimum_history_days + training_days
    earliest, latest = first + dt.timedelta(days=before), last - dt.timedelta(days=horizon_days)
    if earliest > latest:
        length = counted((last - first).days, "day")
        raise InputError(
            f"history is too short: {first} to {last} is {length}, and a backtest"
            f" of {horizon_days} days needs {before + horizon_days}",
            mend="Give more orders or a shorter horizon",
        )
    day = latest if as_of is None else as_of
    if not earliest <= day <= latest:
        raise InputError(
            f"{day} cannot be tested on the orders of {first} to {last}",
            where="as_of",
            mend=f"Choose a day from {earliest} to {latest}",
        )
    return first, last, day
