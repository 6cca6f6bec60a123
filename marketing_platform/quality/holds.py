"""Why nobody may be messaged now: failed checks, half a build, stale sources, another ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from marketing_platform.activation import TOLD, conservation, is_lost, tables_told
from marketing_platform.pipeline import all_tables, needed
from marketing_platform.quality.freshness import aged_sources, oldest_allowed
from marketing_platform.quality.results import (
    CheckResult,
    TableBuild,
    latest_builds,
    latest_checks,
)
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.staging import FILES

# The tables whose newest record tells how fresh the shop's data is.
WATCHED = ("core.orders", "core.events")
# What activation reads.
SENT_FROM = ("segments.memberships", "segments.sizes", "profiles.customers")
# And where a rule waits for an odd day.
_WAITED_FOR = ("quality.anomalies",)
MESSAGES = "activation.messages"
SUMS_ADD_UP = "sums_add_up"
_SHOWN = 3
_SENDING = "activation"
_BEFORE_SEGMENTS = ("raw", "staging", "core", "identity", "profiles", "predictions", "segments")


def find_holds(
    engine: sa.Engine, settings: Settings, *, now: dt.datetime | None = None
) -> list[str]:
    """The reasons to hold, one line each; none when activation may go on.

    A table that was not built again after one that it reads holds: the segments would come of old
    and new tables at once, whether a build is under way, failed or was killed. A table counts as
    stale when its newest record is older than `freshness.stale_hours`, and than any of its sources
    may be. A shop whose clock is not `now` (an export of the past) is never stale: its clock is its
    newest record.
    """
    moment = now or dt.datetime.now(dt.UTC)
    checks, builds = current_checks(engine, settings), latest_builds(engine)
    return [
        *lost_ledger(engine, settings),
        *_failed_checks(checks),
        *_half_built(builds, settings),
        *stale_tables(engine, builds, settings, moment),
        *_stale_sources(engine, settings, moment),
        *wrong_sums(engine, checks),
    ]


def current_checks(engine: sa.Engine, settings: Settings) -> list[CheckResult]:
    """The latest result of every check but those of tables that there are no more.

    Of a source that was taken out, and of a table that an earlier version had, nothing is built
    again that could pass.
    """
    known = _known(settings)
    return [check for check in latest_checks(engine) if not _is_gone(check.table_name, known)]


def is_gone(settings: Settings, table: str) -> bool:
    """Whether a table is one of a source, or of an earlier version, that is there no more."""
    return _is_gone(table, _known(settings))


def _is_gone(table: str, known: set[str]) -> bool:
    # Plans, messages and feeds are checked too, and nothing builds them.
    return table.partition(".")[0] != _SENDING and table not in known


def _known(settings: Settings) -> set[str]:
    """The tables that the settings have."""
    pulled = (s.raw_name(one.name) for s in active_sources(settings) for one in s.streams)
    taken_in = (f"raw.{FILES}_{stream}" for stream in settings.platform.sources.files)
    return {*all_tables(settings), *pulled, *taken_in}


def _failed_checks(checks: Sequence[CheckResult]) -> list[str]:
    return [
        f"{result.table_name}: check {result.check_name} failed: {result.detail}"
        for result in checks
        if result.is_blocking
        and not result.passed
        and result.table_name.partition(".")[0] in _BEFORE_SEGMENTS
    ]


def _half_built(builds: Sequence[TableBuild], settings: Settings) -> list[str]:
    built_at = {build.table_name: build.built_at for build in builds}
    tables = all_tables(settings)
    reasons = []
    rules = settings.platform.activations
    told = tables_told(name for rule in rules for name in rule.attributes)
    waited_for = _WAITED_FOR if any(rule.when for rule in rules) else ()
    for name in needed(settings, (*SENT_FROM, *sorted(told), *waited_for)):
        if name not in built_at:
            continue
        newer = [
            read
            for read in tables[name].reads
            if read in built_at and built_at[read] > built_at[name]
        ]
        if newer:
            shown = ", ".join(newer[:_SHOWN]) + (" and others" if len(newer) > _SHOWN else "")
            reasons.append(f"{name}: not built again since {shown} changed")
    # They stand in the order of a build: the first tell where it ended, the others follow.
    more = len(reasons) - _SHOWN
    words = f"{more} {'table' if more == 1 else 'tables'} after them: not built again either"
    return [*reasons[:_SHOWN], *([words] if more > 0 else [])]


def stale_tables(
    engine: sa.Engine, builds: Sequence[TableBuild], settings: Settings, now: dt.datetime
) -> list[str]:
    """The tables whose newest record is too old, a line each."""
    if settings.platform.clock != "now":
        return []
    learnt = oldest_allowed(engine)
    reasons = []
    for build in builds:
        if build.table_name not in WATCHED or build.newest_at is None:
            continue
        hours = (now - build.newest_at).total_seconds() / 3600
        entity = build.table_name.partition(".")[2]
        limit = max(settings.platform.freshness.stale_hours, learnt.get(entity, 0))
        if hours > limit:
            reasons.append(
                f"{build.table_name}: the newest record is {hours:.0f} hours old,"
                f" more than the {limit:.4g} allowed"
            )
    return reasons


def _stale_sources(engine: sa.Engine, settings: Settings, now: dt.datetime) -> list[str]:
    return [
        f"{one.source}: {one.entity} are stale: {one.line()}"
        for one in aged_sources(engine, settings, now)
        if one.is_stale
    ]


def lost_ledger(engine: sa.Engine, settings: Settings) -> list[str]:
    """That the ledger is not the one by which this shop has told people, where it is empty.

    Everybody would be told again, and who must not be written to would be.
    """
    if not is_lost(engine, settings.data_dir):
        return []
    return [
        f"{MESSAGES}: the ledger is empty, and this shop has told people by another one; set"
        " MARKETING_PLATFORM_STATE_URL as it was, or see: marketing-platform move-state. To begin"
        f" anew, delete {settings.data_dir / TOLD}"
    ]


def wrong_sums(engine: sa.Engine, checks: Sequence[CheckResult]) -> list[str]:
    """The plans that do not add up, counted anew: nothing runs that could pass the check again."""
    failed = any(
        (result.table_name, result.check_name, result.passed) == (MESSAGES, SUMS_ADD_UP, False)
        for result in checks
    )
    if not failed:
        return []
    return [
        f"{MESSAGES}: the sums of plan {balance.plan_id} ({balance.audience} to"
        f" {balance.destination}) do not add up"
        for balance in conservation(engine, only_broken=True)
    ]
