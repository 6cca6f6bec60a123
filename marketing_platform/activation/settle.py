"""Settles the rows of a batch: what became of each, written in one transaction."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from marketing_platform.activation.became import became_since
from marketing_platform.activation.claims import Claim, Holder, close_batch, mark_doubtful, regroup
from marketing_platform.activation.suppression import suppress
from marketing_platform.destinations import Row, RowAnswer
from marketing_platform.identity.inherited import INHERITED
from marketing_platform.state import SETTLED_STATES, messages, writing

# The attribute that is a person's address by each channel.
_ADDRESS = {"email": "email", "sms": "phone", "push": "push_token"}


@dataclass(frozen=True)
class Outcome:
    """What became of a row: sent, failed or deferred, and why.

    `is_counted` is false for an attempt that says nothing about the row: it is given back. A row
    that is deferred after `fails_after` attempts fails instead.
    """

    state: str
    reason: str | None = None
    next_attempt_at: dt.datetime | None = None
    may_have_arrived: bool = False
    is_counted: bool = True
    fails_after: int | None = None


def settle(
    engine: sa.Engine,
    claimed: Claim,
    holder: Holder,
    default: Outcome | None,
    rows: Mapping[str, Outcome] | None = None,
    *,
    groups: Sequence[Sequence[Row]] = (),
    notes: Mapping[str, RowAnswer] | None = None,
    is_doubtful: bool = False,
) -> tuple[Counter[str], list[Claim]]:
    """Settle the rows of a batch; gives the number of rows by state, and the batches of `groups`.

    `rows` names the rows that differ from `default`. Rows of `groups` stay in flight, each group in
    a batch of its own; one transaction does both, so that no crash leaves a batch with other rows
    than it was sent with. A batch that another dispatcher has taken over is left to it. `notes` are
    answers with the destination's own id of a row, or a reason not to write to its person again.
    `is_doubtful`: any of the rows may have arrived, whatever is said of it now.
    """
    with writing(engine) as connection:
        done: Counter[str] = Counter()
        if not close_batch(connection, claimed, holder):
            return done, []
        if is_doubtful:
            mark_doubtful(connection, claimed.batch.batch_id)
        parts = [regroup(connection, claimed, group, holder) for group in groups if group]
        by_outcome: dict[Outcome, list[str]] = defaultdict(list)
        for key, outcome in (rows or {}).items():
            by_outcome[outcome].append(key)
        for told, keys in by_outcome.items():
            for outcome in _exhausted_first(told):
                done[outcome.state] += _settle_keys(connection, claimed, outcome, keys, holder.now)
        for outcome in _exhausted_first(default) if default else ():
            done[outcome.state] += _settle_rest(connection, claimed, outcome, holder.now)
        if notes:
            _note(connection, claimed, notes, holder.now)
        return done, parts


def _note(
    connection: sa.Connection, claimed: Claim, notes: Mapping[str, RowAnswer], now: dt.datetime
) -> None:
    ids = [{"key": key, "id": row.vendor_id} for key, row in notes.items() if row.vendor_id]
    if ids:
        connection.execute(
            sa.update(messages)
            .where(messages.c.message_key == sa.bindparam("key"))
            .values(vendor_id=sa.bindparam("id")),
            ids,
        )
    payloads = {row.key: row.payload for row in claimed.batch.rows}
    for key, row in notes.items():
        if row.suppresses is None:
            continue
        told = connection.execute(
            sa.select(messages.c.customer_id, messages.c.channel, messages.c.created_at).where(
                messages.c.message_key == key, messages.c.channel.is_not(None)
            )
        ).first()
        if told is None:
            continue
        address = None
        if row.suppresses == "hard_bounce":
            address = payloads[key].get(_ADDRESS[told.channel])
        # A build may have ended since the message was planned.
        others = became_since(connection, told.customer_id, told.created_at)
        for customers, told_by in (
            ([told.customer_id], claimed.batch.destination),
            (others, INHERITED + told.customer_id),
        ):
            suppress(
                connection,
                customers,
                told.channel,
                row.suppresses,
                told_by=told_by,
                now=now,
                address=address,
            )


def _settle_keys(
    connection: sa.Connection, claimed: Claim, outcome: Outcome, keys: list[str], now: dt.datetime
) -> int:
    statement = _settling(claimed, outcome, now).where(
        messages.c.message_key == sa.bindparam("key")
    )
    return int(connection.execute(statement, [{"key": key} for key in keys]).rowcount)


def _exhausted_first(outcome: Outcome) -> Iterator[Outcome]:
    if outcome.fails_after is not None:
        yield replace(outcome, state="failed", next_attempt_at=None)
    yield replace(outcome, fails_after=None)


def _settle_rest(
    connection: sa.Connection, claimed: Claim, outcome: Outcome, now: dt.datetime
) -> int:
    return int(connection.execute(_settling(claimed, outcome, now)).rowcount)


def _settling(claimed: Claim, outcome: Outcome, now: dt.datetime) -> sa.Update:
    values: dict[str, Any] = {
        "state": outcome.state,
        "reason": outcome.reason,
        "next_attempt_at": outcome.next_attempt_at,
        "settled_at": now if outcome.state in SETTLED_STATES else None,
    }
    # Once a row may have arrived, a later refusal does not undo that.
    if outcome.may_have_arrived:
        values["may_have_arrived"] = True
    if not outcome.is_counted:
        values["attempts"] = messages.c.attempts - 1
    statement = (
        sa.update(messages)
        .where(messages.c.batch_id == claimed.batch.batch_id, messages.c.state == "in_flight")
        .values(values)
    )
    if outcome.fails_after is not None:
        statement = statement.where(messages.c.attempts >= outcome.fails_after)
    return statement
