"""Writes plans and messages into the ledger, and reads what it knows of an audience."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.diff import Diff
from marketing_platform.activation.frames import frame_of
from marketing_platform.lake import write_atomically
from marketing_platform.state import (
    CLAIMABLE,
    OPEN,
    PRESENT,
    SETTLED_STATES,
    UtcDateTime,
    messages,
    plans,
    reading,
)

# A file of the data folder.
TOLD = "has_told"
_CHUNK = 5_000
_SUPERSEDED = "superseded"
# As SQLAlchemy writes a moment.
_SQLITE_MOMENT = "%Y-%m-%d %H:%M:%S.%f"

_KNOWN = f"""
select customer_id, sequence, operation, state, reason, content_version, message_key, payload,
    may_have_arrived, created_at, settled_at
from messages
where destination = :destination and audience = :audience and {PRESENT}
"""  # noqa: S608 - a condition of our own

_INSERT_LISTS = sa.text("""
insert into messages (
    message_key, customer_id, sequence, payload, content_version, reason, operation, state,
    plan_id, destination, audience, channel, reaches_person, created_at, settled_at
)
select
    message_key, customer_id, sequence, payload, content_version, reason, operation, state,
    :plan_id, :destination, :audience, :channel, :reaches_person, :now,
    case state when 'suppressed' then :now end
from unnest(
    cast(:message_key as text[]), cast(:customer_id as text[]), cast(:sequence as int[]),
    cast(:payload as text[]), cast(:content_version as text[]), cast(:reason as text[]),
    cast(:operation as text[]), cast(:state as text[])
) as incoming (
    message_key, customer_id, sequence, payload, content_version, reason, operation, state
)
on conflict do nothing
""").bindparams(sa.bindparam("now", type_=UtcDateTime))

_SCHEMA: dict[str, Any] = {
    "customer_id": pl.String,
    "sequence": pl.Int64,
    "operation": pl.String,
    "state": pl.String,
    "reason": pl.String,
    "content_version": pl.String,
    "message_key": pl.String,
    "payload": pl.String,
    "may_have_arrived": pl.Boolean,
    "created_at": pl.Datetime("us"),
    "settled_at": pl.Datetime("us"),
}


def known_messages(
    engine: sa.Engine, destination: str, audience: str, customer_id: str | None = None
) -> pl.DataFrame:
    """The messages that say where each customer of an audience stands: all that are not past.

    With `customer_id` only those about that one.
    """
    text, values = _KNOWN, {"destination": destination, "audience": audience}
    if customer_id is not None:
        text += " and customer_id = :customer_id"
        values["customer_id"] = customer_id
    # A statement as text gives SQLite's moments as text, too.
    typed = sa.text(text).columns(
        may_have_arrived=sa.Boolean, created_at=sa.DateTime, settled_at=sa.DateTime
    )
    with reading(engine) as connection:
        return frame_of(connection, typed, _SCHEMA, values)


def note_telling(engine: sa.Engine, data_dir: Path) -> None:
    """Remember beside the data, before anything is sent, that this shop tells by a ledger."""
    if not _is_empty(engine) and not (mark := data_dir / TOLD).exists():
        write_atomically(mark, "While this file is here, nothing is sent by an empty ledger.\n")


def is_lost(engine: sa.Engine, data_dir: Path) -> bool:
    """Whether the ledger is empty although this shop has told people: by another one."""
    return (data_dir / TOLD).exists() and _is_empty(engine)


def _is_empty(engine: sa.Engine) -> bool:
    with reading(engine) as connection:
        return connection.execute(sa.select(messages.c.message_key).limit(1)).first() is None


def write_plan(connection: sa.Connection, plan: dict[str, Any]) -> int:
    """Write the row of a plan; gives its number."""
    inserted = connection.execute(sa.insert(plans).values(plan).returning(plans.c.plan_id))
    return int(inserted.scalar_one())


def write_messages(
    connection: sa.Connection, plan_id: int, names: dict[str, Any], diff: Diff, now: dt.datetime
) -> int:
    """Put the messages of a plan into the ledger; gives how many of them are its own.

    Open messages that are not wanted any more make room first. Where another planner was quicker,
    or a dispatcher has claimed the message meanwhile, the database lets the other row stand.
    """
    _supersede(connection, diff.superseded, now)
    fixed = {"plan_id": plan_id, **names}
    for part in diff.new.iter_slices(_CHUNK):
        _insert(connection, part, fixed, now)
    _pass_by(connection, diff.overtaken)
    counted = sa.select(sa.func.count()).where(messages.c.plan_id == plan_id)
    count = int(connection.execute(counted).scalar_one())
    connection.execute(
        sa.update(plans).where(plans.c.plan_id == plan_id).values(eligible_count=count)
    )
    close_plans(connection, now)
    return count


def close_plans(connection: sa.Connection, now: dt.datetime) -> None:
    """Mark the plans of which every message is settled as done, and write down their sums."""
    has_work = sa.select(messages.c.plan_id).where(sa.text(OPEN))
    ended = sa.select(plans.c.plan_id).where(
        plans.c.counted_at.is_(None), plans.c.status != "held", plans.c.plan_id.not_in(has_work)
    )
    for sums in connection.execute(settled_sums(ended)).mappings().all():
        values = {f"settled_{state}": sums[state] for state in SETTLED_STATES}
        connection.execute(
            sa.update(plans)
            # Not where a row was given another chance meanwhile.
            .where(plans.c.plan_id == sums["plan_id"], plans.c.plan_id.not_in(has_work))
            .values(status="done", counted_at=now, **values)
        )


def settled_sums(chosen: sa.Select[tuple[int]]) -> sa.Select[Any]:
    """For each of these plans, how many of its messages are in each of the settled states."""
    counts = [
        sa.func.count(sa.case((messages.c.state == state, 1))).label(state)
        for state in SETTLED_STATES
    ]
    return (
        sa.select(plans.c.plan_id, *counts)
        .outerjoin_from(plans, messages, messages.c.plan_id == plans.c.plan_id)
        .where(plans.c.plan_id.in_(chosen))
        .group_by(plans.c.plan_id)
    )


def _pass_by(connection: sa.Connection, keys: Sequence[str]) -> None:
    statement = (
        sa.update(messages)
        .where(messages.c.message_key == sa.bindparam("key"))
        .values(is_past=True)
    )
    for start in range(0, len(keys), _CHUNK):
        connection.execute(statement, [{"key": key} for key in keys[start : start + _CHUNK]])


def _supersede(connection: sa.Connection, keys: Sequence[str], now: dt.datetime) -> None:
    statement = (
        sa.update(messages)
        .where(messages.c.message_key == sa.bindparam("key"))
        .where(sa.text(CLAIMABLE))
        .values(state="suppressed", reason=_SUPERSEDED, settled_at=now, next_attempt_at=None)
    )
    for start in range(0, len(keys), _CHUNK):
        connection.execute(statement, [{"key": key} for key in keys[start : start + _CHUNK]])


def supersede_without_rule(
    connection: sa.Connection, destination: str, audiences: Collection[str], now: dt.datetime
) -> None:
    """Give up what waits for other audiences: no plan looks any more whether it should be told.

    Who was to be taken out of one is taken out.
    """
    connection.execute(
        sa.update(messages)
        .where(
            messages.c.destination == destination,
            sa.text(CLAIMABLE),
            messages.c.audience.not_in(audiences),
            messages.c.operation != "remove",
        )
        .values(state="suppressed", reason=_SUPERSEDED, settled_at=now, next_attempt_at=None)
    )


def _insert(
    connection: sa.Connection, rows: pl.DataFrame, fixed: dict[str, Any], now: dt.datetime
) -> None:
    if connection.dialect.name == "postgresql":
        # One statement for all rows: a statement a row is three times slower there.
        lists = {name: rows[name].to_list() for name in rows.columns}
        connection.execute(_INSERT_LISTS, {**lists, **fixed, "now": now})
        return
    # As tuples: to bind each value of each row by its type takes longer than to write it.
    moment = f"{now.astimezone(dt.UTC):{_SQLITE_MOMENT}}"
    whole = rows.with_columns(
        *(pl.lit(value).alias(name) for name, value in fixed.items()),
        created_at=pl.lit(moment),
        settled_at=pl.when(pl.col("state") == "suppressed").then(pl.lit(moment)),
    )
    names, marks = ", ".join(whole.columns), ", ".join("?" * whole.width)
    connection.exec_driver_sql(
        f"insert into messages ({names}) values ({marks}) on conflict do nothing",  # noqa: S608
        whole.rows(),
    )
