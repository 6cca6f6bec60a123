"""Looks for features that know the future: computes those of a past day from that past alone.

A feature of a past day must be the same whether or not the rest has happened. So the features of
the newest past day are computed again from orders and activity up to that day; columns that differ
know something that nobody could have known.
"""

from __future__ import annotations

import datetime as dt

from marketing_platform.predictions.past import FEATURES, features_of
from marketing_platform.warehouse import Warehouse


def leaking_columns(
    warehouse: Warehouse, sql: str | None = None
) -> tuple[dt.date | None, list[str]]:
    """The day that was looked at, and the columns of `predictions.features` that know the future.

    `sql` is what built the table, if not its own file. No day where there is only one to score.
    """
    days = warehouse.query(
        "select max(as_of_date) from predictions.as_of_dates where role <> 'score'"
    )
    day = days.item()
    if day is None:
        return None, []
    # The SQL is our own, and the day a date.
    then = f"select * from ({features_of(day, sql)})"  # noqa: S608
    now = f"select * from {FEATURES} where as_of_date = date '{day}'"  # noqa: S608
    columns = warehouse.query(f"{now} limit 0").columns
    # Rows in no order: equal columns have equal sums of the digests of their cells.
    digests = ", ".join(
        f"sum(hash(customer_id, {name})::hugeint)::varchar as {name}" for name in columns
    )
    digest = "select {} from ({})"
    found = [warehouse.query(digest.format(digests, one)).row(0) for one in (then, now)]
    return day, [name for name, a, b in zip(columns, *found, strict=True) if a != b]
