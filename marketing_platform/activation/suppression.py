"""Who must not be written to, whatever a segment says, as the state database knows it.

What sources tell (consent, bounces, complaints) stands in the profiles; here is what people said to
us, what destinations answered, and how often somebody was written to.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import NamedFromClause

from marketing_platform.activation.became import Became, former, told_as
from marketing_platform.activation.diff import Reach
from marketing_platform.identity.edges import identity_changes
from marketing_platform.identity.inherited import INHERITED
from marketing_platform.settings import ActivationRule, Channel, DestinationSettings, Fatigue
from marketing_platform.state import (
    messages,
    reaching,
    reading,
    suppressions,
    utc_now,
    without_zone,
    writing,
)
from marketing_platform.warehouse import Warehouse

Reason = Literal["erased", "unsubscribed", "complaint", "hard_bounce"]
FATIGUE = "fatigue"
DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
# A run each day begins less than a day after that of the day before has sent its last message.
_LATE = dt.timedelta(hours=20)
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
# By a word that a source tells of, later than a destination said that they had left; a word of a
# phone is of all who have it.
_CAME_BACK = """
with words as (
    select channel, occurred_at, contact_id
    from core.engagements
    where engagement = 'resubscribed'
),
-- Each way by itself: one condition with an `or` would hold every word against everybody.
people as (
    select m.customer_id, w.channel, w.occurred_at
    from words as w
    join identity.contact_customers as m using (contact_id)
    union all
    select c.customer_id, w.channel, w.occurred_at
    from words as w
    join core.contacts as t using (contact_id)
    join profiles.customers as c using (phone)
    where w.channel = 'sms'
),
latest as (
    select customer_id, channel, max(occurred_at) as came_at from people group by all
)
select b.customer_id, b.channel, b.created_at
from refused as b
join latest as l on b.customer_id = l.customer_id and b.channel = l.channel
semi join profiles.customers as c on b.customer_id = c.customer_id
where l.came_at > b.created_at
"""
# Who says so is no destination.
BY_COMMAND = "command"
_TOLD_AS: dict[str, Any] = {
    "customer_id": pl.String,
    "other_customer_id": pl.String,
    "until_at": pl.Datetime("us"),
}


def reach_of(
    engine: sa.Engine, rule: ActivationRule, destination: DestinationSettings, fatigue: Fatigue
) -> Reach:
    """Whom a rule may reach at a destination, as of now."""
    now = utc_now()
    # An event starts a flow that writes to the person, where the destination has a channel.
    reaches = rule.mode in ("message", "event") and destination.reaches_by is not None
    found = _suppressed(engine, destination.reaches_by)
    with reading(engine) as connection:
        # Only these look at whom the person was before; a shop has many merges.
        became = told_as(connection) if rule.is_once else {}
        tired = _tired_customers(connection, fatigue, now, became) if reaches else set()
    found = {**dict.fromkeys(tired, FATIGUE), **found}
    schema = {"customer_id": pl.String, "reason": pl.String}
    frame = pl.DataFrame(list(found.items()), schema=schema, orient="row")
    before = [
        (old, other, until.replace(tzinfo=None))
        for old, others in became.items()
        for other, until in others.items()
    ]
    known = pl.DataFrame(before, schema=_TOLD_AS, orient="row")
    room = _room(engine, rule, now) if rule.per_day is not None else None
    days = destination.refresh_days
    return Reach(
        destination.reaches_by,
        reaches,
        frame,
        fatigue,
        told_since=now - dt.timedelta(days=rule.repeat_after_days),
        told_as=known,
        remembers_since=None if days is None else now - dt.timedelta(days=days),
        room=room,
    )


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
    holds for as long as they have that one; what a person says holds whatever their address. That
    somebody is erased takes the place of all else.
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
    is_erased = sa.and_(statement.excluded.reason == "erased", suppressions.c.reason != "erased")
    again = statement.on_conflict_do_update(
        index_elements=[suppressions.c.customer_id, suppressions.c.channel],
        set_=said,
        where=sa.or_(gives_way(was_other, was_of_address), is_erased),
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


def forget_who_came_back(warehouse: Warehouse, engine: sa.Engine) -> None:
    """Take back that people had left by the word of a destination, where they came back since."""
    told_of = (suppressions.c.customer_id, suppressions.c.channel)
    statement = sa.select(*told_of, suppressions.c.created_at, suppressions.c.told_by).where(
        suppressions.c.reason == "unsubscribed"
    )
    with reading(engine) as connection:
        said = connection.execute(statement).all()
    told_by = {(row.customer_id, row.channel): row.told_by for row in said}
    rows = [
        (row.customer_id, row.channel, without_zone(row.created_at))
        for row in said
        if _first_told_by(told_by, row.customer_id, row.channel) not in (None, BY_COMMAND)
    ]
    tables = ("core.engagements", "core.contacts", "identity.contact_customers")
    if not rows or not all(warehouse.exists(table) for table in tables):
        return
    schema: dict[str, Any] = {
        "customer_id": pl.String,
        "channel": pl.String,
        "created_at": pl.Datetime("us"),
    }
    refused = pl.DataFrame(rows, schema=schema, orient="row")
    with warehouse.connect() as connection:
        connection.register("refused", refused.to_arrow())
        back = connection.sql(_CAME_BACK).pl()
        connection.unregister("refused")
    if back.is_empty():
        return
    same = (column == sa.bindparam(f"old_{column.name}") for column in told_of)
    with writing(engine) as connection:
        connection.execute(
            sa.delete(suppressions).where(*same),
            [
                {
                    "old_customer_id": customer,
                    "old_channel": channel,
                    "old_created_at": moment.replace(tzinfo=dt.UTC),
                }
                for customer, channel, moment in back.iter_rows()
            ],
        )


def _first_told_by(
    told_by: Mapping[tuple[str, str], str], customer: str, channel: str
) -> str | None:
    """Who said it of the customer of whom it was said first; None where that is not known."""
    seen: set[str] = set()
    word = told_by.get((customer, channel))
    while word and word.startswith(INHERITED):
        customer = word.removeprefix(INHERITED)
        if customer in seen:
            return None
        seen.add(customer)
        word = told_by.get((customer, channel))
    return word


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
    other, before = messages.alias("other"), former()
    is_another = other.c.message_key != messages.c.message_key
    # Two counts and no `or` between them, so that each finds its rows by an index.
    ids = (
        (other.c.customer_id == messages.c.customer_id,),
        (other.c.customer_id == before.c.customer_id, other.c.created_at <= before.c.until_at),
    )

    def reached(length: dt.timedelta) -> sa.ColumnElement[int]:
        own, others = (
            sa.select(sa.func.count())
            .where(*conditions, is_another, *_was_reached(other, now - length))
            .scalar_subquery()
            for conditions in ids
        )
        return own + others

    return sa.or_(reached(DAY) >= fatigue.per_day, reached(WEEK) >= fatigue.per_week)


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


def _tired_customers(
    connection: sa.Connection, fatigue: Fatigue, now: dt.datetime, became: Became
) -> set[str]:
    """Who was written to as often as they may be, under their id and under those they had."""
    reached = _reached(now - WEEK)
    of_day = sa.or_(reached.c.settled_at.is_(None), reached.c.settled_at > now - DAY)
    in_day, in_week = sa.func.count().filter(of_day), sa.func.count()
    by_id = (
        sa.select(reached.c.customer_id)
        .group_by(reached.c.customer_id)
        .having(sa.or_(in_day >= fatigue.per_day, in_week >= fatigue.per_week))
    )
    tired = set(connection.execute(by_id).scalars())
    # With those whom they became only for who is among the changes: these are few.
    changed = sa.select(identity_changes.c.customer_id).union(
        sa.select(identity_changes.c.other_customer_id)
    )
    rows = sa.select(reached.c.customer_id, reached.c.created_at, of_day).where(
        reached.c.customer_id.in_(changed)
    )
    day, week = Counter[str](), Counter[str]()
    for customer, created_at, is_of_day in connection.execute(rows) if became else ():
        others = became.get(customer, {})
        persons = [customer, *(other for other, until in others.items() if created_at <= until)]
        week.update(persons)
        day.update(persons if is_of_day else ())
    return tired | {
        customer
        for customer, count in week.items()
        if count >= fatigue.per_week or day[customer] >= fatigue.per_day
    }


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
    is_doubtful = sa.and_(table.c.settled_at.is_(None), table.c.may_have_arrived)
    return [
        reaching(table),
        sa.or_(table.c.state == "in_flight", is_doubtful, _has_arrived(table, since)),
    ]


def _has_arrived(table: NamedFromClause, since: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.or_(table.c.state == "sent", table.c.may_have_arrived), table.c.settled_at > since
    )
