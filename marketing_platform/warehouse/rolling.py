"""Which days of a rolled table are to be built again: those whose rows in the source changed.

Whenever a table is published from which others are rolled up, `rolled.days` notes a fingerprint of
each of its days. A table that is rolled up from it notes of which fingerprints it was made. Both
lie in the warehouse, so that they change with the tables or not at all.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import duckdb

from marketing_platform.contracts import CONTRACTS, Contract, Days, contract_of

# Rolled up together: few enough that the groups of a large shop fit into a processor's caches.
_MOST_ROWS = 1_000_000
# To begin another span costs as much as to roll up so many rows that did not change.
_BETWEEN_ROWS = 50_000

_SETUP = """
    create schema if not exists rolled;
    create table if not exists rolled.days (name varchar, day date, fingerprint varchar);
    create table if not exists rolled.made_of (name varchar, day date, fingerprint varchar);
"""
_CHANGED = """
    with
    now as (
        select day, concat_ws(' ', $digest, fingerprint) as fingerprint
        from rolled.days where name = $source
    ),
    before as (select day, fingerprint from rolled.made_of where name = $name)
    select
        day,
        coalesce(cast(split_part(now.fingerprint, ' ', 2) as bigint), 0) as row_count,
        now.fingerprint is distinct from before.fingerprint as is_changed
    from now full join before using (day)
    order by day
"""


def is_source(contract: Contract) -> bool:
    """Whether a table is rolled up from this one."""
    return any(
        other.rolled_from and other.rolled_from.table == str(contract.name)
        for other in CONTRACTS.values()
    )


def ensure_noted(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Note the days of a rolled table's source, where it was written before notes were taken."""
    connection.execute(_SETUP)
    source = contract_of(source_of(contract).table)
    row = connection.execute(
        "select count(*) from rolled.days where name = $name", {"name": str(source.name)}
    ).fetchone()
    if row and not row[0]:
        note_days(connection, source, str(source.name), None)


def note_days(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    rows: str,
    span: tuple[dt.date, dt.date] | None,
) -> None:
    """Note how the days of a table are now: all of them, or those of `span`, both ends included.

    `rows` is the table that holds the rows of these days.
    """
    connection.execute(_SETUP)
    first, last = span or (dt.date.min, dt.date.max)
    connection.execute(
        "delete from rolled.days where name = $name and day between $first and $last",
        {"name": str(contract.name), "first": first, "last": last},
    )
    fingerprint = f"concat_ws(' ', count(*), bit_xor(hash({', '.join(contract.columns)})))"
    connection.execute(
        "insert into rolled.days"  # noqa: S608 - names come from the contract
        f" select $name, {contract.partition_by}, {fingerprint} from {rows}"
        f" group by {contract.partition_by}",
        {"name": str(contract.name)},
    )


def changed_spans(
    connection: duckdb.DuckDBPyConnection, contract: Contract, sql: str
) -> list[tuple[dt.date, dt.date]]:
    """The spans, both ends included, of the days to be built again by this SQL.

    Those are new, different or gone since the table was built. Days between them that did not
    change are built again where that is cheaper than another span.
    """
    return spans(connection.execute(_CHANGED, _values(contract, sql)).fetchall())


def note_made_of(connection: duckdb.DuckDBPyConnection, contract: Contract, sql: str) -> None:
    """Note that the table is made of its source's days as they are now."""
    forget(connection, contract)
    connection.execute(
        "insert into rolled.made_of select $name, day, concat_ws(' ', $digest, fingerprint)"
        " from rolled.days where name = $source",
        _values(contract, sql),
    )


def forget(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Take every day as changed: the table is not there any more."""
    connection.execute(_SETUP)
    connection.execute(
        "delete from rolled.made_of where name = $name", {"name": str(contract.name)}
    )


def spans(days: list[tuple[dt.date, int, bool]]) -> list[tuple[dt.date, dt.date]]:
    """The spans to build, of days in their order with their rows and whether they changed."""
    found: list[tuple[dt.date, dt.date]] = []
    rows = between = 0
    for day, row_count, is_changed in days:
        if not is_changed:
            between += row_count
            continue
        joins = between <= _BETWEEN_ROWS and rows + between + row_count <= _MOST_ROWS
        if found and joins:
            found[-1] = (found[-1][0], day)
            rows += between + row_count
        else:
            found.append((day, day))
            rows = row_count
        between = 0
    return found


def _values(contract: Contract, sql: str) -> dict[str, str]:
    return {
        "name": str(contract.name),
        "source": source_of(contract).table,
        "digest": hashlib.md5(sql.encode(), usedforsecurity=False).hexdigest(),
    }


def source_of(contract: Contract) -> Days:
    """The table and day column that a rolled table is made of."""
    if contract.rolled_from is None or contract.partition_by is None:
        raise ValueError(f"{contract.name} is not rolled up by day")
    return contract.rolled_from
