"""What a person was told, and where they stand with each rule: for who asks why they got a message,
or why they did not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.balance import held_plans
from marketing_platform.activation.became import former_ids
from marketing_platform.activation.cause import cause_of
from marketing_platform.activation.diff import Diff, compare
from marketing_platform.activation.ledger import known_messages
from marketing_platform.activation.rules import check_rules
from marketing_platform.activation.suppression import reach_of
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import messages, plans, reading, suppressions
from marketing_platform.warehouse import Warehouse

_PLANNED = {
    "add": "to be told by the next activation",
    "update": "what changed is to be told by the next activation",
    "remove": "to be taken out by the next activation",
}


@dataclass(frozen=True)
class Said:
    """A row of the ledger about a person; `customer_id` is the id that they had then.

    `payload` is what was told, as JSON; null for who was not to be told.
    """

    destination: str
    audience: str
    operation: str
    state: str
    reason: str | None
    may_have_arrived: bool
    attempts: int
    created_at: dt.datetime
    settled_at: dt.datetime | None
    next_attempt_at: dt.datetime | None
    plan_id: int
    customer_id: str
    vendor_id: str | None
    payload: str | None


@dataclass(frozen=True)
class Bar:
    """Why a person must not be written to by a channel (`all`: by none), and who told so."""

    channel: str
    reason: str
    told_by: str
    created_at: dt.datetime


@dataclass(frozen=True)
class Standing:
    """Where a person stands with a rule, in words.

    `entered_at` is null for who is not in the segment, and where it is not known since when.
    `held_reason` is why the rule tells nobody anything at present.
    """

    audience: str
    destination: str
    is_member: bool
    entered_at: dt.datetime | None
    stands: str
    held_reason: str | None


@dataclass(frozen=True)
class Story:
    """All of it: the ids a person had before, their consent by channel, and the rest.

    `consents` is empty for who has no profile. `said` has the newest messages first.
    """

    customer_id: str
    former_ids: tuple[str, ...]
    consents: dict[str, bool]
    bars: tuple[Bar, ...]
    standings: tuple[Standing, ...]
    said: tuple[Said, ...]


def story_of(
    warehouse: Warehouse, engine: sa.Engine, settings: Settings, customer_id: str
) -> Story:
    """What is known of a customer's messages, by what the warehouse and the ledger say now."""
    rules = settings.platform.activations
    check_rules(warehouse, settings, rules)
    before = former_ids(engine, customer_id)
    held = {(one.destination, one.audience): one.held_reason for one in held_plans(engine, rules)}
    return Story(
        customer_id,
        before,
        _consents(warehouse, customer_id),
        bars_of(engine, customer_id),
        tuple(_standing(warehouse, engine, settings, rule, customer_id, held) for rule in rules),
        _said(engine, [customer_id, *before]),
    )


def _said(engine: sa.Engine, customers: Sequence[str]) -> tuple[Said, ...]:
    """All rows of the ledger about these customers, the newest first."""
    # Whom a message is about is in no index by itself, but beside the audience.
    audiences = sa.select(plans.c.destination, plans.c.audience).distinct().subquery()
    columns = [messages.c[name] for name in Said.__dataclass_fields__]
    statement = (
        sa.select(*columns)
        .join(
            audiences,
            sa.and_(
                messages.c.destination == audiences.c.destination,
                messages.c.audience == audiences.c.audience,
            ),
        )
        .where(messages.c.customer_id.in_(customers))
        .order_by(messages.c.created_at.desc(), messages.c.plan_id.desc(), messages.c.message_key)
    )
    with reading(engine) as connection:
        return tuple(Said(**row) for row in connection.execute(statement).mappings())


def bars_of(engine: sa.Engine, customer_id: str) -> tuple[Bar, ...]:
    """Why a customer must not be written to, by channel."""
    columns = [suppressions.c[name] for name in Bar.__dataclass_fields__]
    statement = sa.select(*columns).where(suppressions.c.customer_id == customer_id)
    with reading(engine) as connection:
        found = connection.execute(statement.order_by(suppressions.c.channel)).mappings()
        return tuple(Bar(**row) for row in found)


def _consents(warehouse: Warehouse, customer_id: str) -> dict[str, bool]:
    found = warehouse.query(
        """
        select
            coalesce(has_email_consent, false) as email,
            coalesce(has_sms_consent, false) as sms,
            nullif(push_token, '') is not null as push
        from profiles.customers
        where customer_id = $customer
        """,
        {"customer": customer_id},
    )
    return found.row(0, named=True) if found.height else {}


def _standing(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    rule: ActivationRule,
    customer_id: str,
    held: dict[tuple[str, str], str],
) -> Standing:
    destination = settings.platform.destinations[rule.destination]
    # How many a rule tells a day is no question of one person.
    reach = replace(reach_of(engine, rule, destination, settings.platform.fatigue), room=None)
    own = _known(engine, rule, customer_id)
    # What is told once was told to whom they were before, too.
    before = reach.told_as.filter(pl.col("other_customer_id") == customer_id)["customer_id"]
    known = [own, *(_known(engine, rule, one) for one in before)]
    member = warehouse.query(
        "select entered_at from segments.memberships"
        " where segment = $segment and customer_id = $customer",
        {"segment": rule.segment, "customer": customer_id},
    )["entered_at"].to_list()
    cause = cause_of(warehouse, rule)
    with warehouse.connect() as connection:
        diff = compare(
            connection, pl.concat(known), rule, destination, reach, cause, customer=customer_id
        )
    latest = own.sort("sequence").tail(1).to_dicts()
    entered = member[0].replace(tzinfo=dt.UTC) if member and member[0] else None
    absent = "" if member and cause.is_on else "not in the segment"
    is_judged = diff.counts.wanted_count or (latest and latest[0]["state"] == "suppressed")
    if rule.only and not absent and not is_judged:
        absent = "not named under only"
    stands = _in_words(diff, latest[0] if latest else None, absent)
    return Standing(
        rule.name,
        rule.destination,
        bool(member),
        entered,
        stands if cause.is_on else f"{stands}; the rule waits for its cause",
        held.get((rule.destination, rule.name)),
    )


def _known(engine: sa.Engine, rule: ActivationRule, customer_id: str) -> pl.DataFrame:
    return known_messages(engine, rule.destination, rule.name, customer_id)


def _in_words(diff: Diff, latest: dict[str, Any] | None, absent: str) -> str:
    """`absent` is why the rule does not count them as a member; empty where it does."""
    for new in diff.new.to_dicts():
        if new["state"] == "suppressed":
            return f"not told: {new['reason']}"
        return _PLANNED[new["operation"]]
    if latest is None:
        return absent or "nothing to tell"
    state, reason = latest["state"], latest["reason"]
    if state == "sent":
        done = "taken out" if latest["operation"] == "remove" else "told"
        when = f"{done} on {latest['settled_at']:%Y-%m-%d %H:%M} UTC"
        return f"{absent}; {when}" if absent else when
    if state == "suppressed":
        return absent or f"not told: {reason}"
    if state == "failed":
        return f"failed: {reason}"
    waiting = "being sent" if state == "in_flight" else "waits to be sent"
    return f"{waiting}: {reason}" if reason else waiting
