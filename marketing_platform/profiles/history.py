"""`profiles.history`: profiles as they were at the end of days of the past, built when asked for.

The same SQL as of today's profiles, with another clock: the tables between the facts and the
profile become parts of one query, so nothing that is built for today is touched.
"""

from __future__ import annotations

import datetime as dt

import sqlglot
from sqlglot import exp

from marketing_platform.contracts import contract_of
from marketing_platform.core.clock import end_of_day
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, DayTable, Part, Warehouse, sql_tables
from marketing_platform.warehouse.tables import tables_read

_NAME = "profiles.history"
_PROFILE = "profiles.customers"
_CLOCK = "core.clock"


def profiles_as_of(moment: dt.datetime, date: dt.date) -> str:
    """A select of all profiles as of a moment in UTC, and its day in the shop's time zone."""
    clock = f"select timestamp '{moment.isoformat(' ')}' as as_of, date '{date}' as as_of_date"
    parts = [f"{_past(_CLOCK)} as ({clock})"]
    tables = {name: sql_tables()[name].sql for name in _between()}
    parts += [f"{_past(name)} as ({_in_the_past(sql)})" for name, sql in tables.items()]
    names = ", ".join(contract_of(_PROFILE).columns)
    return (
        f"with {', '.join(parts)} select date '{date}' as as_of_date, {names}"  # noqa: S608
        f" from {_past(_PROFILE)}"
    )


def build_history(warehouse: Warehouse, settings: Settings, date: dt.date) -> Built:
    """Write the profiles of a day."""
    sql = profiles_as_of(end_of_day(date, settings.platform.shop.timezone), date)
    return warehouse.build(_NAME, sql, part=Part(date, date))


def _between() -> list[str]:
    """The tables that the clock decides on the way to a profile, in build order."""
    return [name for name in sql_tables() if name.startswith("profiles.") and _is_clocked(name)]


def _is_clocked(name: str) -> bool:
    return name == _CLOCK or any(
        _is_clocked(read)
        for read in (sql_tables()[name].reads if name in sql_tables() else ())
        if read.startswith("profiles.") or read == _CLOCK
    )


def _in_the_past(sql: str) -> str:
    tree = sqlglot.parse_one(sql, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        name = f"{table.db}.{table.name}"
        if table.db and _is_clocked(name):
            alias = table.alias or table.name
            table.replace(exp.to_table(_past(name)).as_(alias, table=True))
    return tree.sql(dialect="duckdb", comments=False)


def _past(name: str) -> str:
    return f"past_{name.replace('.', '_')}"


TABLES = (
    DayTable(
        TableName("profiles", "history"),
        "One row is a customer and a day: the profile as of the end of that day, from what was"
        " known then. Who is who, and what contacts say of themselves, is as it is known today."
        " Days are built when they are asked for, in a backfill; nothing that sends reads them.",
        tuple(
            sorted(
                {
                    read
                    for name in _between()
                    for read in tables_read(sql_tables()[name].sql)
                    if not _is_clocked(read)
                }
            )
        ),
        build_history,
    ),
)
