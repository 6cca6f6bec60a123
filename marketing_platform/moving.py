"""Moves a SQLite state into PostgreSQL: ledger, checks, incidents, words of people, as they are.

Nobody writes to the file while it is copied, all of it arrives or nothing, and it is counted on
both sides before it counts. The file is set aside in the end, so that nobody sends by it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from marketing_platform.activation.owner import is_dead
from marketing_platform.errors import InputError
from marketing_platform.identity import edges
from marketing_platform.quality import drift, freshness, incidents, results
from marketing_platform.settings import Settings
from marketing_platform.state import (
    METADATA,
    batches,
    connect,
    create_tables,
    messages,
    open_state,
    utc_now,
    writing,
)

# They declare tables of the state, which are there once they are loaded.
_DECLARED_BY = (drift, edges, freshness, incidents, results)
_CHUNK = 5_000
_ASIDE = ".moved"


@dataclass(frozen=True)
class Moved:
    """How many rows of each table are in PostgreSQL now, and where the file lies."""

    row_counts: dict[str, int]
    aside: Path


def move_state(settings: Settings, file: Path) -> Moved:
    """Copy the SQLite state `file` into the PostgreSQL that the settings name, and set it aside."""
    url = sa.make_url(settings.state_url.get_secret_value())
    if url.get_backend_name() != "postgresql":
        raise InputError(
            "the state database is not PostgreSQL",
            where="MARKETING_PLATFORM_STATE_URL",
            mend="Set it to postgresql+psycopg://...",
        )
    if not file.is_file():
        raise InputError("no such file", where=str(file), mend="Name the SQLite state")
    source, target = open_state(f"sqlite:///{file}"), connect(settings.state_url.get_secret_value())
    try:
        # As a writer, who keeps all others out until the copy is whole.
        with writing(source) as kept:
            _refuse_what_is_under_way(kept, file)
            create_tables(target)
            with writing(target) as connection:
                counts = _copied(kept, connection, url)
    finally:
        source.dispose()
        target.dispose()
    aside = file.with_name(file.name + _ASIDE)
    file.rename(aside)
    return Moved(counts, aside)


def _refuse_what_is_under_way(kept: sa.Connection, file: Path) -> None:
    unknown = set(sa.inspect(kept).get_table_names()) - set(METADATA.tables) - {"sqlite_sequence"}
    if unknown:
        raise InputError(
            f"tables that are not of the state: {', '.join(sorted(unknown))}", where=str(file)
        )
    living = [
        owner
        for owner, until in kept.execute(
            sa.select(batches.c.lease_owner, batches.c.lease_expires_at).where(
                batches.c.closed_at.is_(None)
            )
        )
        if until > utc_now() and not is_dead(owner)
    ]
    if living:
        raise InputError(
            "an activation is sending", where=str(file), mend="Stop the services and try again"
        )


def _copied(kept: sa.Connection, connection: sa.Connection, url: sa.URL) -> dict[str, int]:
    filled = [
        table.name
        for table in METADATA.sorted_tables
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
    ]
    if filled:
        raise InputError(
            f"{', '.join(filled)} have rows already",
            where=url.render_as_string(hide_password=True),
            mend="Name a database without a state",
        )
    # A message starts as planned; those that are moved have a history.
    connection.exec_driver_sql("alter table messages disable trigger messages_start")
    for table in METADATA.sorted_tables:
        rows = kept.execution_options(yield_per=_CHUNK).execute(sa.select(table))
        for part in rows.mappings().partitions(_CHUNK):
            connection.execute(sa.insert(table), [dict(row) for row in part])
    connection.exec_driver_sql("alter table messages enable trigger messages_start")
    for table in METADATA.sorted_tables:
        _go_on_counting(connection, table)
    before, after = _sums(kept), _sums(connection)
    if before != after:
        odd = sorted(name for name in before if before[name] != after[name])
        raise InputError(f"not all of {', '.join(odd)} arrived; nothing was changed")
    return {name: count for name, count in after.items() if name in METADATA.tables}


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """Have numbers that the database gives out go on after those that were moved."""
    for column in table.primary_key.columns:
        if isinstance(column.type, sa.Integer) and column is table.autoincrement_column:
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            newest = sa.select(sa.func.max(column)).scalar_subquery()
            value = sa.func.setval(sequence, sa.func.coalesce(newest, 1), newest.is_not(None))
            connection.execute(sa.select(value))


def _sums(connection: sa.Connection) -> dict[str, int]:
    """The rows of each table, and of the messages of each plan in each state."""
    counts = {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in METADATA.sorted_tables
    }
    by_state = sa.select(messages.c.plan_id, messages.c.state, sa.func.count()).group_by(
        messages.c.plan_id, messages.c.state
    )
    for plan, state, count in connection.execute(by_state):
        counts[f"messages of plan {plan}, {state}"] = count
    return counts
