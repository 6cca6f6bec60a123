"""Which days of a rolled table are to be built again: those whose rows in the source changed.

`rolled.days` remembers, for each table and day, a fingerprint of the source's rows of that day, and of
the SQL that rolled them up. It lies in the warehouse, so that it changes with the table or not at all.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import pairwise

import duckdb
import sqlglot
from sqlglot import exp

from marketing_platform.contracts import Contract, Days, contract_of

_TABLE = "rolled.days"
# Rolled up together: few enough that the groups of a large shop fit into the caches of a processor.
_TOGETHER = 14


def changed_days(
    connection: duckdb.DuckDBPyConnection, contract: Contract, sql: str
) -> list[dt.date]:
    """The days that are new, different or gone since the table was built; remembers how they are."""
    source = _source_of(contract)
    connection.execute("create schema if not exists rolled")
    connection.execute(
        f"create table if not exists {_TABLE} (name varchar, day date, fingerprint varchar)"
    )
    connection.execute(f"create or replace temp table days_now as {_fingerprints(source, sql)}")
    connection.execute(
        "create or replace temp table days_before as"
        f" select day, fingerprint from {_TABLE} where name = $name",
        {"name": str(contract.name)},
    )
    rows = connection.execute(
        "select day from days_now as n full join days_before as b using (day)"
        " where n.fingerprint is distinct from b.fingerprint order by day"
    ).fetchall()
    connection.execute(f"delete from {_TABLE} where name = $name", {"name": str(contract.name)})
    connection.execute(
        f"insert into {_TABLE} select $name, day, fingerprint from days_now",
        {"name": str(contract.name)},
    )
    return [row[0] for row in rows]


def forget_days(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Take all days of a table as changed: it is not there any more."""
    tables = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'rolled' and table_name = 'days'"
    ).fetchone()
    if tables and tables[0]:
        connection.execute(f"delete from {_TABLE} where name = $name", {"name": str(contract.name)})


def spans(days: list[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Sorted days as spans, both ends included, of days that follow each other."""
    if not days:
        return []
    starts = [days[0]]
    ends = []
    for before, day in pairwise(days):
        if day - before > dt.timedelta(1) or day - starts[-1] >= dt.timedelta(_TOGETHER):
            ends.append(before)
            starts.append(day)
    return list(zip(starts, [*ends, days[-1]], strict=True))


def _source_of(contract: Contract) -> Days:
    if contract.rolled_from is None or contract.partition_by is None:
        raise ValueError(f"{contract.name} is not rolled up by day")
    return contract.rolled_from


def _fingerprints(source: Days, sql: str) -> str:
    """A select of day and fingerprint: of the columns that the SQL may read, and of itself."""
    named = {column.name for column in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Column)}
    read = ", ".join(name for name in contract_of(source.table).columns if name in named)
    digest = hashlib.md5(sql.encode(), usedforsecurity=False).hexdigest()
    return (
        f"select {source.column} as day,"
        f" concat_ws(' ', '{digest}', count(*), bit_xor(hash({read}))) as fingerprint"
        f" from {source.table} group by all"
    )
