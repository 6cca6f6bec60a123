"""Who must not be written to, whatever a segment says, as the state database knows it.

What sources tell (consent, bounces, complaints) stands in the profiles; here is what people said to
us, what destinations answered, and how often somebody was written to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import NamedFromClause

from marketing_platform.activation.diff import Reach
from marketing_platform.identity.edges import identity_changes
from marketing_platform.identity.inherited import INHERITED
from marketing_platform.settings import ActivationRule, Channel, DestinationSettings, Fatigue
from marketing_platform.state import messages, reaching, reading, suppressions, utc_now, writing
from marketing_platform.warehouse import Warehouse

Reason = Literal["erased", "unsubscribed", "complaint", "hard_bounce"]
FATIGUE = "fatigue"
DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
# A run each day begins less than a day after that of the day before has sent its last message.
_LATE = dt.timedelta(hours=20)
# Customers of whom all or a part became another one, `other`, and when.
_CHANGES = sa.select(
    identity_changes.c.customer_id,
    identity_changes.c.other_customer_id.label("other"),
    identity_changes.c.changed_at,
)
_MERGES = _CHANGES.where(identity_changes.c.kind == "merged")
_OLD_ADDRESSES = """
select b.customer_id, b.channel, b.address
from barred as b
join profiles.customers as c using (customer_id)
where lower(b.address) <> lower(
    case b.channel
        when 'email' then c.email
        when 'sms' then c.phone
        when 'push' then c.push_token
    end
)
"""
_BECAME = {"customer_id": pl.String, "other_customer_id": pl.String}
_TOLD_AS: dict[str, Any] = {**_BECAME, "until_at": pl.Datetime("us")}


def reach_of(
    engine: sa.Engine, rule: ActivationRule, destination: DestinationSettings, fatigue: Fatigue
) -> Reach:
    """Whom a rule may reach at a destination, as of now."""
    now = utc_now()
    # An event starts a flow that writes to the person, where the destination has a channel.
    reaches = rule.mode in ("message", "event") and destination.reaches_by is not None
    found = _suppressed(engine, destination.reaches_by)
    if reaches:
        with reading(engine) as connection:
            tired = [row.customer_id for row in connection.execute(tired_customers(fatigue, now))]
        found = {**dict.fromkeys(tired, FATIGUE), **found}
    schema = {"customer_id": pl.String, "reason": pl.String}
    frame = pl.DataFrame(list(found.items()), schema=schema, orient="row")
    since = now - dt.timedelta(days=rule.repeat_after_days)
    # Only what is told once looks at whom the person was before; a shop has many merges.
    before = told_as(engine) if rule.is_once else pl.DataFrame(schema=_TOLD_AS)
    room = _room(engine, rule, now) if rule.per_day is not None else None
    return Reach(destination.reaches_by, reaches, frame, fatigue, since, before, room)


def _room(engine: sa.Engine, rule: ActivationRule, now: dt.datetime) -> int:
    """How many more the rule may tell: whoever was planned within 24 hours counts, and who was
    planned before, as after an outage, and still waits or was told of late.
    """
    statement = sa.select(sa.func.count()).where(
        messages.c.destination == rule.destination,
        messages.c.audience == rule.name,
        messages.c.state != "suppressed",
        sa.or_(
            messages.c.created_at > now - DAY,
            messages.c.settled_at > now - _LATE,
            messages.c.settled_at.is_(None),
        ),
    )
    with reading(engine) as connection:
        planned = int(connection.execute(statement).scalar_one())
    return max((rule.per_day or 0) - planned, 0)


def suppress(
    connection: sa.Connection,
    customers: Iterable[str],
    channel: Channel | Literal["all"],
    reason: Reason,
    *,
    told_by: str,
    now: dt.datetime,
    address: str | None = None,
) -> None:
    """Remember that people must not be written to; what was known before stays.

    What was said of a customer that became this one is now said of this one. With `address` it
    holds for as long as they have that one; what a person says holds whatever their address.
    """
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [
        {
            "customer_id": customer,
            "channel": channel,
            "reason": reason,
            "created_at": now,
            "told_by": told_by,
            "address": address,
        }
        for customer in customers
    ]
    statement = make(suppressions)
    names = ("reason", "created_at", "told_by", "address")
    said = {name: statement.excluded[name] for name in names}
    was_other = suppressions.c.told_by.startswith(INHERITED)
    was_of_address = suppressions.c.address.is_not(None)
    gives_way = sa.or_ if address is None else sa.and_
    again = statement.on_conflict_do_update(
        index_elements=[suppressions.c.customer_id, suppressions.c.channel],
        set_=said,
        where=gives_way(was_other, was_of_address),
    )
    if rows:
        connection.execute(again, rows)


def forget_old_addresses(warehouse: Warehouse, engine: sa.Engine) -> None:
    """Take back what destinations said of addresses that people have changed since."""
    columns = (suppressions.c.customer_id, suppressions.c.channel, suppressions.c.address)
    with reading(engine) as connection:
        rows = connection.execute(
            sa.select(*columns).where(suppressions.c.address.is_not(None))
        ).all()
    if not rows:
        return
    schema = {column.name: pl.String for column in columns}
    barred = pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
    with warehouse.connect() as connection:
        connection.register("barred", barred.to_arrow())
        old = connection.sql(_OLD_ADDRESSES).pl().to_dicts()
        connection.unregister("barred")
    same = (column == sa.bindparam(f"old_{column.name}") for column in columns)
    if old:
        with writing(engine) as connection:
            connection.execute(
                sa.delete(suppressions).where(*same),
                [{f"old_{name}": value for name, value in row.items()} for row in old],
            )


def forget_suppression(engine: sa.Engine, customer: str, channel: str) -> bool:
    """Take a suppression back; false if there was none."""
    with writing(engine) as connection:
        gone = connection.execute(
            sa.delete(suppressions).where(
                suppressions.c.customer_id == customer, suppressions.c.channel == channel
            )
        )
        return bool(gone.rowcount)


def is_suppressed() -> sa.ColumnElement[bool]:
    """Whether the person of a message must not be reached by its channel."""
    return _reasons().exists()


def reason_now() -> sa.ScalarSelect[str]:
    """Why the person of a message must not be reached by its channel."""
    # One of several; erasure before all else.
    first = sa.func.min(sa.case((suppressions.c.reason == "erased", "a"), else_="b"))
    told = _reasons().group_by(suppressions.c.reason).order_by(first, suppressions.c.reason)
    return told.limit(1).scalar_subquery()


def is_tired(fatigue: Fatigue, now: dt.datetime) -> sa.ColumnElement[bool]:
    """Whether the person of a message was written to as often as they may be, under any id."""
    other, former = messages.alias("other"), _former()
    # Two counts and no `or` between them, so that each finds its rows by an index.
    ids = (
        (other.c.customer_id == messages.c.customer_id,),
        (other.c.customer_id == former.c.customer_id, other.c.created_at <= former.c.until_at),
    )

    def reached(length: dt.timedelta) -> sa.ColumnElement[int]:
        own, before = (
            sa.select(sa.func.count())
            .where(*conditions, *_was_reached(other, now - length))
            .scalar_subquery()
            for conditions in ids
        )
        return own + before

    return sa.or_(reached(DAY) >= fatigue.per_day, reached(WEEK) >= fatigue.per_week)


def _former() -> sa.Subquery:
    """Of whom the person of a message is all or a part, each once, and until when they were that.

    As `_becoming`, but looked up for the one row of `messages` that it stands beside.
    """
    last, step = identity_changes.alias("last"), identity_changes.alias("step")
    moment = last.c.changed_at.label("until_at")
    known = (
        sa.select(last.c.customer_id, moment)
        .where(last.c.other_customer_id == messages.c.customer_id)
        .correlate(messages)
        .cte("known", recursive=True, nesting=True)
    )
    earlier = sa.select(step.c.customer_id, step.c.changed_at).where(
        step.c.other_customer_id == known.c.customer_id, step.c.changed_at <= known.c.until_at
    )
    known = known.union(earlier)
    until = sa.func.max(known.c.until_at, type_=known.c.until_at.type).label("until_at")
    return (
        sa.select(known.c.customer_id, until)
        .where(known.c.customer_id != messages.c.customer_id)
        .correlate(messages)
        .group_by(known.c.customer_id)
        .subquery("former")
    )


def _reasons() -> sa.Select[tuple[str]]:
    return sa.select(suppressions.c.reason).where(
        suppressions.c.customer_id == messages.c.customer_id,
        sa.or_(suppressions.c.channel == "all", suppressions.c.channel == messages.c.channel),
    )


def _suppressed(engine: sa.Engine, channel: Channel | None) -> dict[str, str]:
    """Why each suppressed person must not be reached by a channel; erasure before all else."""
    of_channel = suppressions.c.channel.in_([channel or "all", "all"])
    statement = sa.select(suppressions.c.customer_id, suppressions.c.reason).where(of_channel)
    with reading(engine) as connection:
        rows = connection.execute(statement.order_by(suppressions.c.reason.desc())).all()
    found = {row.customer_id: row.reason for row in rows}
    return found | {row.customer_id: row.reason for row in rows if row.reason == "erased"}


def became(engine: sa.Engine) -> pl.DataFrame:
    """Each customer that was merged, with every other one it has become, in one step or several."""
    became = _becoming(_MERGES)
    statement = sa.select(became.c.customer_id, became.c.other).distinct()
    with reading(engine) as connection:
        rows = connection.execute(statement).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=_BECAME, orient="row")


def told_as(engine: sa.Engine) -> pl.DataFrame:
    """Each customer of whom all or a part became another one, with every such other one.

    What the customer was told until then, `until_at`, the other one was told as well; what they are
    told later, as after a merge that was undone, they are told alone.
    """
    became = _becoming(_CHANGES)
    until = sa.func.max(became.c.until_at, type_=became.c.until_at.type)
    ids = (became.c.customer_id, became.c.other)
    with reading(engine) as connection:
        rows = connection.execute(sa.select(*ids, until).group_by(*ids)).all()
    told = [(old, other, moment.replace(tzinfo=None)) for old, other, moment in rows]
    return pl.DataFrame(told, schema=_TOLD_AS, orient="row")


def became_since(connection: sa.Connection, customer_id: str, moment: dt.datetime) -> list[str]:
    """Whom a customer, or a part of it, has become since a moment."""
    became = _becoming(_CHANGES.where(identity_changes.c.changed_at >= moment))
    statement = sa.select(became.c.other).where(became.c.customer_id == customer_id).distinct()
    return list(connection.execute(statement).scalars())


def former_ids(engine: sa.Engine, customer_id: str) -> tuple[str, ...]:
    """The ids of those who became this customer, in one step or several."""
    became = _becoming(_MERGES)
    statement = sa.select(became.c.customer_id).where(became.c.other == customer_id).distinct()
    with reading(engine) as connection:
        return tuple(sorted(connection.execute(statement).scalars()))


def _becoming(changes: sa.Select[tuple[str, str, dt.datetime]]) -> sa.Subquery:
    """Each customer with what it became, in one step or several, and when it took the first.

    A step that was taken before another one is not taken after it.
    """
    step, first = changes.subquery("step"), changes.subquery("first")
    known = sa.select(first.c.customer_id, first.c.other, first.c.changed_at.label("until_at")).cte(
        "known", recursive=True
    )
    further = sa.select(known.c.customer_id, step.c.other, known.c.until_at).where(
        step.c.customer_id == known.c.other, step.c.changed_at >= known.c.until_at
    )
    known = known.union(further)
    # A merge that was undone and made the other way round leads back.
    return sa.select(known).where(known.c.customer_id != known.c.other).subquery("became")


def tired_customers(fatigue: Fatigue, now: dt.datetime) -> sa.Select[tuple[str]]:
    """Who was written to as often as they may be, under their id and under those they had."""
    reached, became = _reached(now - WEEK), _becoming(_CHANGES)
    columns = (reached.c.message_key, reached.c.customer_id, reached.c.settled_at)
    as_now = sa.select(reached.c.message_key, became.c.other, reached.c.settled_at).where(
        reached.c.customer_id == became.c.customer_id, reached.c.created_at <= became.c.until_at
    )
    # A union, as somebody may have become the same one twice.
    counted = sa.select(*columns).union(as_now).subquery()
    of_day = sa.func.count().filter(
        sa.or_(counted.c.settled_at.is_(None), counted.c.settled_at > now - DAY)
    )
    return (
        sa.select(counted.c.customer_id)
        .group_by(counted.c.customer_id)
        .having(sa.or_(of_day >= fatigue.per_day, sa.func.count() >= fatigue.per_week))
    )


def _reached(since: dt.datetime) -> sa.CTE:
    """The messages that have written to somebody since, may have, or are about to (no moment)."""
    row = (messages.c.message_key, messages.c.customer_id, messages.c.created_at)
    # In two, so that each finds its rows by an index.
    done = sa.select(*row, messages.c.settled_at).where(
        reaching(messages), _has_arrived(messages, since)
    )
    going = sa.select(*row, messages.c.settled_at).where(
        reaching(messages), messages.c.settled_at.is_(None), messages.c.state == "in_flight"
    )
    return done.union_all(going).cte("reached")


def _was_reached(table: NamedFromClause, since: dt.datetime) -> list[sa.ColumnElement[bool]]:
    """The rows that have written to somebody since, may have, or are about to."""
    return [
        reaching(table),
        sa.or_(table.c.state == "in_flight", _has_arrived(table, since)),
    ]


def _has_arrived(table: NamedFromClause, since: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.or_(table.c.state == "sent", table.c.may_have_arrived), table.c.settled_at > since
    )
