"""Claims rows for a request, and takes over what a dead dispatcher has left behind.

A claim puts rows into a batch in one transaction, before anything is sent. The batch, its rows and
their order stay as they are until it is settled, so that after a crash the same request goes out
again under the same key.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from marketing_platform.activation.diff import row_of
from marketing_platform.activation.owner import is_dead
from marketing_platform.activation.suppression import (
    FATIGUE,
    is_suppressed,
    is_tired,
    reason_now,
)
from marketing_platform.destinations import Batch, Destination, Row, may_repeat
from marketing_platform.settings import Fatigue
from marketing_platform.state import (
    CLAIMABLE,
    PRESENT,
    batches,
    messages,
    plans,
    reading,
    suppressions,
    writing,
)

REMOVALS = "operation = 'remove'"
OTHERS = "operation <> 'remove'"
# What a row for a destination is made of.
_OF_A_ROW = (
    messages.c.message_key,
    messages.c.operation,
    messages.c.customer_id,
    messages.c.payload,
    messages.c.not_after,
)
_NOT_NOW = "the run that had claimed it died, and it must not go out now"
# The lock under which messages to people are counted and claimed.
_ONE_COUNTS = 7_265_102


@dataclass(frozen=True)
class Holder:
    """A dispatcher in the ledger: its name, this moment, and when its leases end."""

    name: str
    now: dt.datetime
    expires_at: dt.datetime
    fatigue: Fatigue = field(default_factory=Fatigue)


@dataclass(frozen=True)
class Claim:
    """A batch that this dispatcher holds; `attempts` is that of its most tried row."""

    batch: Batch
    row_count: int
    attempts: int
    is_leftover: bool


def claim(
    engine: sa.Engine,
    destination: Destination,
    phase: str,
    holder: Holder,
    *,
    without: Collection[str] = (),
    audiences: Collection[str] | None = None,
) -> Claim | None:
    """Claim the next rows that are due, of one audience; None if there are none.

    `phase` is `REMOVALS` or `OTHERS`; the audiences of `without` are left alone. With `audiences`,
    those that have a rule, only a plan of one of these holds rows back. Another dispatcher never
    gets the same rows.
    """
    # Where a row must not be sent twice, a claim that a power cut forgets would do just that.
    with writing(engine, durable=not destination.is_idempotent) as connection:
        due = _due(destination.name, phase, holder.now)
        is_open = sa.and_(
            messages.c.audience.not_in(held_audiences(destination.name, audiences)),
            messages.c.audience.not_in(without),
        )
        next_row = (
            sa.select(messages.c.audience, messages.c.reaches_person).where(due, is_open).limit(1)
        )
        while row := connection.execute(next_row).first():
            barred = _barred(connection, row.reaches_person, holder)
            waiting = sa.and_(due, messages.c.audience == row.audience)
            bars = _bar(connection, waiting, barred, destination, holder)
            batch_id = _open_batch(connection, destination, row.audience, holder)
            if batch_id is None:
                return None
            free = sa.and_(waiting, *(~condition for condition in barred.values()))
            taken = _take(connection, batch_id, free, destination)
            if taken and destination.is_full_feed:
                return read_claim(connection, destination, batch_id, row.audience)
            if taken:
                rows = tuple(_row(one) for one in sorted(taken, key=_by_customer))
                batch = Batch(batch_id, destination.name, row.audience, rows)
                return Claim(batch, len(rows), max(one.attempts for one in taken), False)
            connection.execute(sa.delete(batches).where(batches.c.batch_id == batch_id))
            if not bars:
                return None
        return None


def claim_whole(
    engine: sa.Engine, destination: Destination, audience: str, holder: Holder
) -> Claim | None:
    """Claim a feed without new rows, to write it again; None if it is held or not planned yet."""
    latest = (
        sa.select(plans.c.status)
        .where(plans.c.destination == destination.name, plans.c.audience == audience)
        .order_by(plans.c.plan_id.desc())
        .limit(1)
    )
    with writing(engine) as connection:
        if connection.execute(latest).scalar() in (None, "held"):
            return None
        batch_id = _open_batch(connection, destination, audience, holder)
        return read_claim(connection, destination, batch_id, audience) if batch_id else None


def postpone(engine: sa.Engine, destination: Destination, until: dt.datetime) -> None:
    """Let nothing that waits for a destination be due before `until`."""
    due = messages.c.next_attempt_at
    with writing(engine) as connection:
        connection.execute(
            sa.update(messages)
            .where(messages.c.destination == destination.name, sa.text(CLAIMABLE))
            .where(sa.or_(due.is_(None), due < until))
            .values(next_attempt_at=until)
        )


def take_over(
    engine: sa.Engine, destination: Destination, holder: Holder, audiences: Collection[str]
) -> Claim | None:
    """Take a batch whose holder is dead or whose lease has ended; None if there is none.

    `audiences` are those that have a rule: nobody is told anything for another one.
    """
    waiting = sa.select(batches).where(
        batches.c.destination == destination.name,
        sa.text("closed_at is null"),
        batches.c.lease_owner != holder.name,
        batches.c.audience.not_in(held_audiences(destination.name, audiences)),
    )
    with reading(engine) as connection:
        candidates = connection.execute(waiting.order_by(batches.c.created_at)).all()
    dead = {name for name in {row.lease_owner for row in candidates} if is_dead(name)}
    for row in candidates:
        if row.lease_expires_at > holder.now and row.lease_owner not in dead:
            continue
        with writing(engine, durable=not destination.is_idempotent) as connection:
            # Two that see the same dead lease: the first changes the owner, the second finds it so.
            if not _change_owner(connection, row.batch_id, row.lease_owner, holder):
                continue
            connection.execute(
                sa.update(messages)
                .where(_in_flight(row.batch_id))
                .values(attempts=messages.c.attempts + 1)
            )
            # Nobody knows how far the dead dispatcher came.
            mark_doubtful(connection, row.batch_id)
            has_rule = row.audience in audiences
            batch_id = _without_barred(connection, destination, row, holder, has_rule)
            if batch_id is None:
                continue
            return read_claim(connection, destination, batch_id, row.audience, is_leftover=True)
    return None


def _without_barred(
    connection: sa.Connection,
    destination: Destination,
    batch: Any,
    holder: Holder,
    has_rule: bool,
) -> str | None:
    """The batch of those rows of a dead dispatcher's that may go out now; None if there are none.

    The others are put off, for a claim or a plan to say what becomes of them.
    """
    # What is not sent again tells nobody anything.
    if not may_repeat(destination, batch.audience):
        return str(batch.batch_id)
    is_late = sa.func.coalesce(messages.c.not_after <= holder.now, sa.false())
    may_not = sa.or_(is_late, is_suppressed()) if has_rule else sa.true()
    is_barred = sa.and_(messages.c.operation != "remove", may_not)
    put_off = connection.execute(
        sa.update(messages)
        .where(_in_flight(batch.batch_id), is_barred)
        .values(state="deferred", reason=_NOT_NOW, next_attempt_at=holder.now, batch_id=None)
    )
    if not put_off.rowcount or destination.is_full_feed:
        return str(batch.batch_id)
    # A request that comes again under its key has the same rows; this is another one.
    connection.execute(
        sa.update(batches).where(batches.c.batch_id == batch.batch_id).values(closed_at=holder.now)
    )
    batch_id = _open_batch(connection, destination, batch.audience, holder)
    left = connection.execute(
        sa.update(messages).where(_in_flight(batch.batch_id)).values(batch_id=batch_id)
    )
    if left.rowcount:
        return batch_id
    connection.execute(sa.delete(batches).where(batches.c.batch_id == batch_id))
    return None


def renew(engine: sa.Engine, holder: Holder) -> None:
    """Hold on to all open batches of this dispatcher."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(batches)
            .where(sa.text("closed_at is null"), batches.c.lease_owner == holder.name)
            .values(lease_expires_at=holder.expires_at)
        )


def release(engine: sa.Engine, holder: Holder) -> None:
    """Let go of what is still open, without a word on its outcome; the next run takes it over."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(batches)
            .where(sa.text("closed_at is null"), batches.c.lease_owner == holder.name)
            .values(lease_expires_at=holder.now)
        )


def close_batch(connection: sa.Connection, claimed: Claim, holder: Holder) -> bool:
    """Close a batch that is about to be settled; false if another dispatcher has taken it over."""
    closed = connection.execute(
        sa.update(batches)
        .where(batches.c.batch_id == claimed.batch.batch_id, batches.c.lease_owner == holder.name)
        .where(sa.text("closed_at is null"))
        .values(closed_at=holder.now)
    )
    return bool(closed.rowcount)


def mark_doubtful(connection: sa.Connection, batch_id: str) -> None:
    """Remember that the rows of a batch may have arrived; what comes later does not undo that."""
    connection.execute(
        sa.update(messages).where(_in_flight(batch_id)).values(may_have_arrived=True)
    )


def regroup(
    connection: sa.Connection, claimed: Claim, rows: Sequence[Row], holder: Holder
) -> Claim:
    """Move rows of a closed batch into a new one, which is stable from now on."""
    batch = Batch(uuid.uuid4().hex, claimed.batch.destination, claimed.batch.audience, rows)
    connection.execute(sa.insert(batches).values(_batch_row(batch, holder, is_exclusive=False)))
    connection.execute(
        sa.update(messages)
        .where(messages.c.message_key == sa.bindparam("key"))
        .values(batch_id=batch.batch_id),
        [{"key": row.key} for row in rows],
    )
    return Claim(batch, len(rows), claimed.attempts, claimed.is_leftover)


def held_audiences(
    destination: str, audiences: Collection[str] | None = None
) -> sa.Select[tuple[str]]:
    """The audiences whose latest plan is held; their waiting messages are not sent either.

    With `audiences` only of these: of one without a rule no plan is made any more that lets go.
    """
    latest = (
        sa.select(sa.func.max(plans.c.plan_id))
        .where(plans.c.destination == destination)
        .group_by(plans.c.audience)
    )
    held = sa.select(plans.c.audience).where(plans.c.plan_id.in_(latest), plans.c.status == "held")
    return held if audiences is None else held.where(plans.c.audience.in_(audiences))


def read_claim(
    connection: sa.Connection,
    destination: Destination,
    batch_id: str,
    audience: str,
    *,
    is_leftover: bool = False,
) -> Claim:
    """A batch with what its destination needs: its own rows, or for a feed the whole audience."""
    counted = connection.execute(
        sa.select(sa.func.count(), sa.func.max(messages.c.attempts)).where(_in_flight(batch_id))
    ).one()
    if destination.is_full_feed:
        chosen = _whole_audience(destination.name, audience, batch_id)
    else:
        chosen = sa.select(*_OF_A_ROW).where(_in_flight(batch_id))
    rows = tuple(_row(one) for one in sorted(connection.execute(chosen), key=_by_customer))
    batch = Batch(batch_id, destination.name, audience, rows)
    return Claim(batch, int(counted[0]), int(counted[1] or 0), is_leftover)


def _row(found: Any) -> Row:
    return row_of(
        found.message_key, found.operation, found.customer_id, found.payload, found.not_after
    )


def _by_customer(found: Any) -> str:
    """The order of the rows of a batch: it has one of each customer, so that it never changes."""
    return str(found.customer_id)


def _due(destination: str, phase: str, now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        messages.c.destination == destination,
        sa.text(CLAIMABLE),
        sa.text(phase),
        sa.or_(messages.c.next_attempt_at.is_(None), messages.c.next_attempt_at <= now),
        sa.or_(messages.c.not_after.is_(None), messages.c.not_after > now),
    )


def _in_flight(batch_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(messages.c.batch_id == batch_id, messages.c.state == "in_flight")


def _open_batch(
    connection: sa.Connection, destination: Destination, audience: str, holder: Holder
) -> str | None:
    """A new batch; None where the audience is a feed that another dispatcher is writing."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    batch = Batch(uuid.uuid4().hex, destination.name, audience, ())
    row = _batch_row(batch, holder, is_exclusive=destination.is_full_feed)
    inserted = connection.execute(make(batches).values(row).on_conflict_do_nothing())
    return batch.batch_id if inserted.rowcount else None


def _batch_row(batch: Batch, holder: Holder, *, is_exclusive: bool) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "destination": batch.destination,
        "audience": batch.audience,
        "is_exclusive": is_exclusive,
        "lease_owner": holder.name,
        "lease_expires_at": holder.expires_at,
        "created_at": holder.now,
    }


def _barred(
    connection: sa.Connection, reaches_person: bool, holder: Holder
) -> dict[str, sa.ColumnElement[bool]]:
    """Which rows must not go out at this moment, by the kind of reason."""
    barred: dict[str, sa.ColumnElement[bool]] = {}
    if connection.execute(sa.select(suppressions.c.customer_id).limit(1)).first():
        barred["suppressed"] = sa.and_(messages.c.operation != "remove", is_suppressed())
    if reaches_person:
        if connection.dialect.name == "postgresql":
            # Two destinations that claim at once would each see the other's message not yet there.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_COUNTS)))
        barred[FATIGUE] = is_tired(holder.fatigue, holder.now)
    return barred


def _bar(
    connection: sa.Connection,
    waiting: sa.ColumnElement[bool],
    barred: dict[str, sa.ColumnElement[bool]],
    destination: Destination,
    holder: Holder,
) -> int:
    """Suppress those of the next rows that must not go out any more; gives how many."""
    count = 0
    for kind, condition in barred.items():
        following = (
            sa.select(messages.c.message_key)
            .where(waiting)
            .order_by(messages.c.customer_id)
            .limit(destination.batch_size)
            .scalar_subquery()
        )
        done = connection.execute(
            sa.update(messages)
            .where(messages.c.message_key.in_(following), condition)
            .values(
                state="suppressed",
                reason=FATIGUE if kind == FATIGUE else reason_now(),
                settled_at=holder.now,
                next_attempt_at=None,
            )
        )
        count += int(done.rowcount)
    return count


def _take(
    connection: sa.Connection,
    batch_id: str,
    free: sa.ColumnElement[bool],
    destination: Destination,
) -> Sequence[Any]:
    """Put the next rows of an audience into a batch, and give them."""
    picked = (
        sa.select(messages.c.message_key)
        .where(free)
        .order_by(messages.c.customer_id)
        .limit(destination.batch_size)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return connection.execute(
        sa.update(messages)
        .where(messages.c.message_key.in_(picked))
        .values(
            state="in_flight",
            batch_id=batch_id,
            attempts=messages.c.attempts + 1,
            next_attempt_at=None,
            reason=None,
        )
        .returning(*_OF_A_ROW, messages.c.attempts)
    ).all()


def _change_owner(connection: sa.Connection, batch_id: str, old: str, holder: Holder) -> bool:
    changed = connection.execute(
        sa.update(batches)
        .where(batches.c.batch_id == batch_id, batches.c.lease_owner == old)
        .where(sa.text("closed_at is null"))
        .values(lease_owner=holder.name, lease_expires_at=holder.expires_at)
    )
    return bool(changed.rowcount)


def _whole_audience(destination: str, audience: str, batch_id: str) -> sa.Select[Any]:
    """The rows of everyone who is in the audience once this batch is written."""
    ranked = (
        sa.select(
            messages,
            sa.func.row_number()
            .over(partition_by=messages.c.customer_id, order_by=messages.c.sequence.desc())
            .label("rank"),
        )
        .where(messages.c.destination == destination, messages.c.audience == audience)
        .where(
            sa.text(PRESENT), sa.or_(messages.c.state == "sent", messages.c.batch_id == batch_id)
        )
        .subquery()
    )
    return sa.select(*(ranked.c[column.name] for column in _OF_A_ROW)).where(
        ranked.c.rank == 1, ranked.c.operation != "remove"
    )
