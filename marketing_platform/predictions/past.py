"""Features of any day of the past, from what had happened by its end alone."""

from __future__ import annotations

import datetime as dt

import sqlglot
from sqlglot import exp

from marketing_platform.warehouse import sql_tables

FEATURES = "predictions.features"
# What features are made of, and the column that says when it happened.
_DATED = {
    "core.engagements": "engagement_date",
    "profiles.active_days": "known_date",
    "profiles.orders": "order_date",
}


def features_of(day: dt.date, sql: str | None = None) -> str:
    """A select of the rows of `predictions.features` for one day; `sql` if not its own file."""
    tree = sqlglot.parse_one(sql or sql_tables()[FEATURES].sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        name = f"{table.db}.{table.name}"
        if name in _DATED:
            condition = f"{_DATED[name]} <= date '{day}'"
            known = exp.select("*").from_(name).where(condition, dialect="duckdb")
        elif name == "predictions.as_of_dates":
            known = exp.select(f"date '{day}' as as_of_date", dialect="duckdb")
        else:
            continue
        table.replace(known.subquery(table.alias or table.name))
    return tree.sql(dialect="duckdb", comments=False)
