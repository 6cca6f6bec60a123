"""The sums of the ledger, and what a person does about those that failed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from marketing_platform.activation.claims import held_audiences
from marketing_platform.activation.ledger import settled_sums
from marketing_platform.activation.verdict import UNKNOWN
from marketing_platform.settings import ActivationRule
from marketing_platform.state import (
    CLAIMABLE,
    OPEN,
    SETTLED_STATES,
    TRANSITIONS,
    batches,
    messages,
    plans,
    reading,
    utc_now,
    writing,
)


@dataclass(frozen=True)
class Balance:
    """A plan's sums. `eligible` was written with the plan, the others are counted from its rows.

    A row that is not settled yet, `planned` or `in_flight`, is work put off, as `deferred` is.
    """

    plan_id: int
    destination: str
    audience: str
    status: str
    created_at: dt.datetime
    eligible: int
    sent: int
    suppressed: int
    deferred: int
    failed: int
    planned: int
    in_flight: int

    @property
    def unsettled(self) -> int:
        """Rows that are still to be sent."""
        return self.deferred + self.planned + self.in_flight

    @property
    def adds_up(self) -> bool:
        """Whether every row that the plan made is accounted for."""
        return self.eligible == self.sent + self.suppressed + self.failed + self.unsettled


@dataclass(frozen=True)
class Failure:
    """A message that was given up, and the words of the one who refused it."""

    message_key: str
    destination: str
    audience: str
    customer_id: str
    operation: str
    reason: str
    attempts: int
    settled_at: dt.datetime


def conservation(engine: sa.Engine, *, only_broken: bool = False) -> list[Balance]:
    """The balance of every plan, oldest first; with `only_broken` those that do not add up.

    The rows of a plan with work are counted; of one without, what was written down when it ended,
    or when `count_again` counted it last.
    """
    statement = _balances().order_by(plans.c.plan_id)
    with reading(engine) as connection:
        balances = [Balance(**row) for row in connection.execute(statement).mappings()]
    return [balance for balance in balances if not (only_broken and balance.adds_up)]


def _balances() -> sa.Select[Any]:
    has_work = sa.select(plans.c.plan_id).where(plans.c.counted_at.is_(None))
    counted = (
        sa.select(
            messages.c.plan_id,
            *(
                sa.func.count(sa.case((messages.c.state == state, 1))).label(state)
                for state in TRANSITIONS
            ),
        )
        .where(messages.c.plan_id.in_(has_work))
        .group_by(messages.c.plan_id)
        .subquery()
    )
    settled = [
        sa.func.coalesce(plans.c[f"settled_{state}"], counted.c[state], 0).label(state)
        for state in SETTLED_STATES
    ]
    open_states = [state for state in TRANSITIONS if state not in SETTLED_STATES]
    return sa.select(
        plans.c.plan_id,
        plans.c.destination,
        plans.c.audience,
        plans.c.status,
        plans.c.created_at,
        plans.c.eligible_count.label("eligible"),
        *settled,
        *(sa.func.coalesce(counted.c[state], 0).label(state) for state in open_states),
    ).outerjoin_from(plans, counted, plans.c.plan_id == counted.c.plan_id)


def count_again(engine: sa.Engine, *, before: dt.datetime, now: dt.datetime) -> int:
    """Count the plans without work anew that were counted before a moment; gives how many.

    The database refuses what would change their sums. That it did is what this looks at.
    """
    old = sa.select(plans.c.plan_id).where(plans.c.counted_at < before)
    with reading(engine) as connection:
        found = connection.execute(settled_sums(old)).mappings().all()
    if not found:
        return 0
    statement = (
        sa.update(plans)
        # Not one that has work again by now, or was closed anew.
        .where(plans.c.plan_id == sa.bindparam("plan"), plans.c.counted_at < before)
        .values(
            counted_at=now,
            **{f"settled_{state}": sa.bindparam(state) for state in SETTLED_STATES},
        )
    )
    rows = [{"plan": row["plan_id"], **{s: row[s] for s in SETTLED_STATES}} for row in found]
    with writing(engine) as connection:
        connection.execute(statement, rows)
    return len(rows)


def ledger_sums(engine: sa.Engine) -> dict[str, int]:
    """The sums of the whole ledger: eligible = sent + suppressed + deferred + failed."""
    # By the database: a plan a rule and hour are a hundred thousand in a year.
    balances = _balances().subquery()
    unsettled = balances.c.deferred + balances.c.planned + balances.c.in_flight
    counted: dict[str, sa.ColumnElement[Any]] = {
        "eligible": balances.c.eligible,
        "sent": balances.c.sent,
        "suppressed": balances.c.suppressed,
        "deferred": unsettled,
        "failed": balances.c.failed,
    }
    total = (sa.func.coalesce(sa.func.sum(one), 0).label(name) for name, one in counted.items())
    with reading(engine) as connection:
        row = connection.execute(sa.select(*total)).mappings().one()
    return {name: int(count) for name, count in row.items()}


def sums_of(balances: Sequence[Balance]) -> dict[str, int]:
    """The sums of these plans.

    `deferred` counts every row that is not settled: put off, planned and not claimed yet, or in
    flight, be its dispatcher alive or dead.
    """
    return {
        "eligible": sum(balance.eligible for balance in balances),
        "sent": sum(balance.sent for balance in balances),
        "suppressed": sum(balance.suppressed for balance in balances),
        "deferred": sum(balance.unsettled for balance in balances),
        "failed": sum(balance.failed for balance in balances),
    }


def daily_sums(balances: Sequence[Balance], *, since: dt.datetime) -> dict[str, dict[dt.date, int]]:
    """By settled state, how many rows of the plans of each day (UTC) since a moment are in it."""
    found: dict[str, dict[dt.date, int]] = {}
    for balance in balances:
        if balance.created_at <= since:
            continue
        for state in SETTLED_STATES:
            if count := getattr(balance, state):
                days = found.setdefault(state, {})
                day = balance.created_at.date()
                days[day] = days.get(day, 0) + count
    return found


@dataclass(frozen=True)
class ReasonCount:
    """How many messages of a destination are in a state for a reason."""

    destination: str
    state: str
    reason: str
    count: int


def reason_counts(engine: sa.Engine) -> list[ReasonCount]:
    """Why messages were suppressed, deferred or failed, by destination; the most frequent first."""
    count = sa.func.count().label("count")
    statement = (
        sa.select(messages.c.destination, messages.c.state, messages.c.reason, count)
        .where(
            # Of those that are planned only who waits for something has a reason.
            messages.c.state.in_(("suppressed", "planned", "deferred", "failed")),
            messages.c.reason.is_not(None),
        )
        .group_by(messages.c.destination, messages.c.state, messages.c.reason)
        .order_by(messages.c.destination, count.desc(), messages.c.reason)
    )
    with reading(engine) as connection:
        return [ReasonCount(**row) for row in connection.execute(statement).mappings()]


@dataclass(frozen=True)
class HeldPlan:
    """The latest plan of an audience, which is held, and what it would do."""

    plan_id: int
    destination: str
    audience: str
    held_reason: str
    created_at: dt.datetime
    add_count: int
    update_count: int
    remove_count: int
    released_by: str | None


def held_plans(engine: sa.Engine, rules: Iterable[ActivationRule]) -> list[HeldPlan]:
    """The audiences of these rules that are held now: of others no plan is made any more."""
    latest = sa.select(sa.func.max(plans.c.plan_id)).group_by(plans.c.destination, plans.c.audience)
    columns = [plans.c[name] for name in HeldPlan.__dataclass_fields__]
    statement = (
        sa.select(*columns)
        .where(plans.c.plan_id.in_(latest), plans.c.status == "held")
        .order_by(plans.c.plan_id)
    )
    with reading(engine) as connection:
        found = [HeldPlan(**row) for row in connection.execute(statement).mappings()]
    named = {(rule.destination, rule.name) for rule in rules}
    return [plan for plan in found if (plan.destination, plan.audience) in named]


def failures(
    engine: sa.Engine, *, destination: str | None = None, limit: int | None = None
) -> list[Failure]:
    """The messages that failed, the latest first."""
    columns = [messages.c[name] for name in Failure.__dataclass_fields__]
    statement = sa.select(*columns).where(
        messages.c.state == "failed", messages.c.reason.is_not(None)
    )
    if destination:
        statement = statement.where(messages.c.destination == destination)
    statement = statement.order_by(messages.c.settled_at.desc(), messages.c.message_key)
    with reading(engine) as connection:
        return [Failure(**row) for row in connection.execute(statement.limit(limit)).mappings()]


def retry(
    engine: sa.Engine,
    *,
    destination: str | None = None,
    audience: str | None = None,
    keys: Iterable[str] | None = None,
    include_unknown: bool = False,
    now: dt.datetime | None = None,
) -> int:
    """Give failed messages another chance: they are deferred, and due at once. Gives how many.

    A message that a later one about the same customer has overtaken stays failed. One whose outcome
    is unknown may have been acted on: it is sent again only with `include_unknown`.
    """
    later = messages.alias("later")
    overtaken = sa.exists().where(
        later.c.destination == messages.c.destination,
        later.c.audience == messages.c.audience,
        later.c.customer_id == messages.c.customer_id,
        later.c.sequence > messages.c.sequence,
    )
    # A failure always has a reason; asked for, it is found by an index.
    chosen = [messages.c.state == "failed", messages.c.reason.is_not(None), ~overtaken]
    if destination:
        chosen.append(messages.c.destination == destination)
    if audience:
        chosen.append(messages.c.audience == audience)
    if keys is not None:
        chosen.append(messages.c.message_key.in_(list(keys)))
    if not include_unknown:
        chosen.append(~messages.c.reason.startswith(UNKNOWN, autoescape=True))
    with writing(engine) as connection:
        return _reopen(connection, chosen, now or utc_now())


def _reopen(
    connection: sa.Connection, chosen: Sequence[sa.ColumnElement[bool]], now: dt.datetime
) -> int:
    reopened = connection.execute(
        sa.update(messages)
        .where(*chosen)
        .values(state="deferred", attempts=0, next_attempt_at=now, settled_at=None)
    )
    # A plan with work again is not done.
    has_work = sa.exists().where(messages.c.plan_id == plans.c.plan_id, sa.text(CLAIMABLE))
    connection.execute(
        sa.update(plans).where(plans.c.status == "done", has_work).values(status="planned")
    )
    return int(reopened.rowcount)


def in_flight_count(engine: sa.Engine, destinations: Sequence[str]) -> int:
    """Rows of these destinations that are in a request right now."""
    statement = sa.select(sa.func.count()).where(
        # In these words, for SQLite to find them by the index of what is open.
        sa.text(OPEN),
        messages.c.state == "in_flight",
        messages.c.destination.in_(destinations),
    )
    with reading(engine) as connection:
        return int(connection.execute(statement).scalar_one())


def waiting_counts(engine: sa.Engine) -> dict[str, int]:
    """Rows that wait to be claimed, by destination."""
    statement = (
        sa.select(messages.c.destination, sa.func.count())
        .where(sa.text(CLAIMABLE))
        .group_by(messages.c.destination)
    )
    with reading(engine) as connection:
        return {str(name): int(count) for name, count in connection.execute(statement)}


def due_count(
    engine: sa.Engine,
    now: dt.datetime,
    destinations: Sequence[str],
    *,
    since: dt.datetime | None = None,
) -> int:
    """Rows of these destinations that a dispatch could send now.

    They were put off until `now` or earlier, were never tried, or were left in flight under a lease
    that has ended. Rows of a held audience wait on. With `since` only what became due after it.
    """
    statement = sa.select(sa.func.count()).select_from(messages)
    moment = sa.func.coalesce(messages.c.next_attempt_at, messages.c.created_at)
    waiting = statement.where(sa.text(CLAIMABLE), moment <= now)
    lost = statement.join(batches, messages.c.batch_id == batches.c.batch_id).where(
        # In these words, too: whoever asks does so every half a minute.
        sa.text(OPEN),
        messages.c.state == "in_flight",
        batches.c.lease_expires_at <= now,
    )
    if since:
        waiting = waiting.where(moment > since)
        lost = lost.where(batches.c.lease_expires_at > since)
    count = 0
    with reading(engine) as connection:
        for name in destinations:
            of_this = (
                messages.c.destination == name,
                messages.c.audience.not_in(held_audiences(name)),
            )
            for part in (waiting, lost):
                count += int(connection.execute(part.where(*of_this)).scalar_one())
    return count
