"""Why nobody may be messaged just now: failed blocking checks and stale sources."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from marketing_platform.quality.results import latest_builds, latest_checks
from marketing_platform.settings import Settings

# The tables whose newest record tells how fresh the shop's data is.
WATCHED = ("core.orders", "core.events")
_BEFORE_SEGMENTS = ("staging", "core", "identity", "profiles", "predictions", "segments")


def find_holds(
    engine: sa.Engine, settings: Settings, *, now: dt.datetime | None = None
) -> list[str]:
    """The reasons to hold, one line each; none when activation may go on.

    A table counts as stale when its newest record is older than `freshness.stale_hours`. A shop
    whose clock is not `now` (an export of the past) is never stale: its clock is its newest record.
    """
    moment = now or dt.datetime.now(dt.UTC)
    return [*_failed_checks(engine), *_stale_tables(engine, settings, moment)]


def _failed_checks(engine: sa.Engine) -> list[str]:
    return [
        f"{result.table_name}: check {result.check_name} failed: {result.detail}"
        for result in latest_checks(engine)
        if result.is_blocking
        and not result.passed
        and result.table_name.partition(".")[0] in _BEFORE_SEGMENTS
    ]


def _stale_tables(engine: sa.Engine, settings: Settings, now: dt.datetime) -> list[str]:
    if settings.platform.clock != "now":
        return []
    limit = settings.platform.freshness.stale_hours
    reasons = []
    for build in latest_builds(engine):
        if build.table_name not in WATCHED or build.newest_at is None:
            continue
        hours = (now - build.newest_at).total_seconds() / 3600
        if hours > limit:
            reasons.append(
                f"{build.table_name}: the newest record is {hours:.0f} hours old,"
                f" more than the {limit:g} allowed"
            )
    return reasons
