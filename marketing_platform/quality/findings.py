"""What is wrong now, as the state database tells: checks, stale sources, held plans, the ledger."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator

import sqlalchemy as sa

from marketing_platform.activation import held_plans
from marketing_platform.pipeline import all_tables
from marketing_platform.quality.freshness import aged_sources
from marketing_platform.quality.holds import (
    SENT_FROM,
    current_checks,
    lost_ledger,
    stale_tables,
    wrong_sums,
)
from marketing_platform.quality.incidents import Finding
from marketing_platform.quality.results import latest_builds, latest_checks
from marketing_platform.settings import Settings
from marketing_platform.state import CLAIMABLE, batches, messages, plans, reading

_ALL = "all activations"
# A destination that always sends: on so many of the days before, and on none of the last.
_USUAL_DAYS, _OF_DAYS, _SILENT_DAYS = 10, 14, 3
_SUPPRESSED_SHARE, _JUDGED_FROM = 0.9, 100
_OLDEST_WAIT = dt.timedelta(hours=24)
# Tables are built beside those of before, all of which may be written anew.
_LEAST_FREE_BYTES = 500_000_000


def find_all(engine: sa.Engine, settings: Settings, *, now: dt.datetime) -> list[Finding]:
    """Everything that is wrong now."""
    return [
        *_checks(engine, settings),
        *_stale(engine, settings, now),
        *_aged(engine, settings, now),
        *_held(engine, settings),
        *_sums(engine),
        *_lost(engine, settings),
        *_silent(engine, settings, now),
        *_suppressed(engine, settings),
        *_waiting(engine, now),
        *_room(settings),
    ]


def held_by(settings: Settings, table: str) -> str | None:
    """What a table that is not sound holds: whatever is sent from what is built on it."""
    tables = all_tables(settings)
    reached = {table}
    for name, one in tables.items():
        if reached & set(one.reads):
            reached.add(name)
    return _ALL if reached & set(SENT_FROM) else None


def _checks(engine: sa.Engine, settings: Settings) -> Iterator[Finding]:
    for check in current_checks(engine, settings):
        if check.passed:
            continue
        table = check.table_name
        holds = held_by(settings, table) if check.is_blocking else None
        yield Finding(
            f"check:{table}:{check.check_name}",
            f"{table}: {check.check_name} failed",
            check.detail,
            "critical" if check.is_blocking else "warning",
            holds=holds,
            link=f"/assets/{table.replace('.', '/')}?view=checks",
        )


def _stale(engine: sa.Engine, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    for line in stale_tables(engine, latest_builds(engine), settings, now):
        table, _, detail = line.partition(": ")
        yield Finding(
            f"stale:{table}",
            f"{table} is stale",
            detail,
            "critical",
            holds=held_by(settings, table),
            link=f"/assets/{table.replace('.', '/')}",
        )


def _aged(engine: sa.Engine, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    for one in aged_sources(engine, settings, now):
        yield Finding(
            f"source:{one.source}:{one.entity}",
            f"{one.entity} of {one.source} are {'stale' if one.is_stale else 'late'}",
            one.line(),
            "critical" if one.is_stale else "warning",
            holds=_ALL if one.is_stale else None,
            link="/assets/quality/freshness",
        )


def _held(engine: sa.Engine, settings: Settings) -> Iterator[Finding]:
    for plan in held_plans(engine, settings.platform.activations):
        yield Finding(
            f"plan:{plan.destination}:{plan.audience}",
            f"{plan.audience} -> {plan.destination} is held",
            f"plan {plan.plan_id}: {plan.held_reason}",
            holds=f"{plan.audience} -> {plan.destination}",
            link="/assets/activation/plans",
        )


def _sums(engine: sa.Engine) -> Iterator[Finding]:
    for line in wrong_sums(engine, latest_checks(engine)):
        yield Finding("ledger:sums", "the ledger does not add up", line, "critical", holds=_ALL)


def _lost(engine: sa.Engine, settings: Settings) -> Iterator[Finding]:
    for line in lost_ledger(engine, settings):
        yield Finding("ledger:lost", "the ledger is empty", line, "critical", holds=_ALL)


def _silent(engine: sa.Engine, settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    """Destinations to which something always goes, and to which nothing went of late."""
    start, since = (
        now - dt.timedelta(days=_OF_DAYS + _SILENT_DAYS),
        now - dt.timedelta(_SILENT_DAYS),
    )
    for name in settings.platform.destinations:
        with reading(engine) as connection:
            if _has_sent(connection, name, _next_day(since), now):
                continue
            sent = [
                day
                for day in (start + dt.timedelta(number) for number in range(_OF_DAYS + 1))
                if _has_sent(connection, name, max(_midnight(day), start), _next_day(day))
            ]
        if len(sent) >= _USUAL_DAYS:
            yield Finding(
                f"silent:{name}",
                f"nothing is sent to {name} any more",
                f"something went there on {len(sent)} of {_OF_DAYS} days, and nothing since"
                f" {max(sent).date()}",
                link="/assets/activation/messages",
            )


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_day(moment: dt.datetime) -> dt.datetime:
    return _midnight(moment) + dt.timedelta(days=1)


def _has_sent(
    connection: sa.Connection, destination: str, first: dt.datetime, end: dt.datetime
) -> bool:
    """Whether something went to a destination between two moments."""
    # The first batch of which something was sent tells; a shop may have a million in these days.
    statement = (
        sa.select(messages.c.message_key)
        .join(batches, messages.c.batch_id == batches.c.batch_id)
        .where(
            batches.c.destination == destination,
            batches.c.closed_at >= first,
            batches.c.closed_at < end,
            messages.c.state == "sent",
        )
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def _suppressed(engine: sa.Engine, settings: Settings) -> Iterator[Finding]:
    """Audiences of which nearly nobody may be told, whichever plan found it first."""
    latest = sa.select(sa.func.max(plans.c.plan_id)).group_by(plans.c.destination, plans.c.audience)
    # Of those whom the plan wants there, some are suppressed when they are sent.
    at_last = (
        sa.select(sa.func.count())
        .where(
            messages.c.plan_id == plans.c.plan_id,
            messages.c.state == "suppressed",
            messages.c.operation != "remove",
            messages.c.payload.is_not(None),
        )
        .scalar_subquery()
    )
    refused = sa.func.coalesce(plans.c.refused_count, 0)
    statement = sa.select(
        plans.c.destination,
        plans.c.audience,
        (plans.c.wanted_count + refused).label("people"),
        (refused + at_last).label("suppressed"),
    ).where(plans.c.plan_id.in_(latest))
    named = {(rule.destination, rule.name) for rule in settings.platform.activations}
    with reading(engine) as connection:
        for row in connection.execute(statement):
            is_most = row.suppressed >= max(_JUDGED_FROM, _SUPPRESSED_SHARE * row.people)
            if not is_most or (row.destination, row.audience) not in named:
                continue
            yield Finding(
                f"suppressed:{row.destination}:{row.audience}",
                f"nearly nobody of {row.audience} can be told to {row.destination}",
                f"{row.suppressed} of {row.people} are suppressed",
                link="/assets/activation/messages",
            )


def _waiting(engine: sa.Engine, now: dt.datetime) -> Iterator[Finding]:
    """Destinations whose rows have waited for a day."""
    oldest = sa.func.min(messages.c.created_at, type_=messages.c.created_at.type)
    statement = (
        sa.select(messages.c.destination, sa.func.count().label("count"), oldest.label("oldest"))
        .where(sa.text(CLAIMABLE))
        .group_by(messages.c.destination)
    )
    with reading(engine) as connection:
        for row in connection.execute(statement):
            if now - row.oldest > _OLDEST_WAIT:
                hours = (now - row.oldest).total_seconds() / 3600
                yield Finding(
                    f"waiting:{row.destination}",
                    f"messages for {row.destination} wait",
                    f"{row.count} rows, the oldest for {hours:.0f} hours",
                    link="/assets/activation/messages",
                )


def _room(settings: Settings) -> Iterator[Finding]:
    """A disk that may be full before the next build ends."""
    if not settings.data_dir.exists():
        return
    free = shutil.disk_usage(settings.data_dir).free
    built = settings.warehouse_path.stat().st_size if settings.warehouse_path.exists() else 0
    if free < max(_LEAST_FREE_BYTES, built):
        yield Finding(
            "disk",
            "the disk is nearly full",
            f"{free / 1e9:.1f} GB are free where the data lies; a build may need"
            f" {max(_LEAST_FREE_BYTES, built) / 1e9:.1f} GB",
            "critical",
        )
