"""The health page: each layer's freshness, checks and cost, what is wrong, and what is held."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import sqlalchemy as sa

from marketing_platform.activation import ledger_sums, reason_counts
from marketing_platform.names import LAYERS
from marketing_platform.quality.alerts import scrubbed
from marketing_platform.quality.holds import current_checks, find_holds
from marketing_platform.quality.incidents import Incident, open_incidents
from marketing_platform.quality.results import CheckResult, TableBuild, latest_builds
from marketing_platform.settings import Settings
from marketing_platform.wording import counted, minute

_SHOWN = 20
# A person reads that a message waits, not that it was planned.
_WAITING = {"planned": "waits", "deferred": "tried again"}


def health_page(engine: sa.Engine, settings: Settings, *, now: dt.datetime) -> str:
    """The page as Markdown; its first line alone says when it was written."""
    found = open_incidents(engine)
    holds = find_holds(engine, settings, now=now)
    parts = [
        f"As of {minute(now)}, as are all times here.",
        "",
        _headline(found, holds),
        "",
        *_layers(latest_builds(engine), current_checks(engine, settings)),
        "",
        "### Incidents",
        "",
        *_incidents(found),
        "",
        "### Holds",
        "",
        *([f"- {scrubbed(hold)}" for hold in holds] or ["Nothing is held."]),
        "",
        "### Messages",
        "",
        *_sums(engine),
        *_reasons(engine),
    ]
    return "\n".join(parts)


def _headline(found: list[Incident], holds: list[str]) -> str:
    critical = sum(one.severity == "critical" for one in found)
    counts = f"{counted(len(found), 'incident')} open, {critical} of them critical."
    if holds:
        return f"**Activation is held.** {counts}"
    if found:
        return f"**Activation runs.** {counts}"
    return "**All is well.**"


def _layers(builds: list[TableBuild], checks: list[CheckResult]) -> list[str]:
    built: dict[str, list[TableBuild]] = defaultdict(list)
    failed: dict[str, list[CheckResult]] = defaultdict(list)
    for build in builds:
        built[build.table_name.partition(".")[0]].append(build)
    for check in checks:
        if not check.passed:
            failed[check.table_name.partition(".")[0]].append(check)
    lines = [
        "| layer | tables | last built | oldest | newest record | failed checks | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for layer in LAYERS:
        if layer not in built:
            continue
        moments = [build.built_at for build in built[layer]]
        newest = [build.newest_at for build in built[layer] if build.newest_at]
        seconds = sum(build.seconds or 0 for build in built[layer])
        names = ", ".join(sorted({check.check_name for check in failed[layer]}))
        lines.append(
            f"| {layer} | {len(moments)} | {max(moments):%Y-%m-%d %H:%M} |"
            f" {min(moments):%Y-%m-%d %H:%M} | {f'{max(newest):%Y-%m-%d %H:%M}' if newest else ''}"
            f" | {f'{len(failed[layer])}: {names}' if failed[layer] else 'none'} |"
            f" {seconds:.1f} |"
        )
    return lines if len(lines) > 2 else ["Nothing was built yet."]


def _incidents(found: list[Incident]) -> list[str]:
    if not found:
        return ["None is open."]
    lines = ["| since | what | detail | holds | looked after by |", "|---|---|---|---|---|"]
    for one in found[:_SHOWN]:
        title = f"[{one.title}]({one.link})" if one.link else one.title
        mark = "**" if one.severity == "critical" else ""
        lines.append(
            f"| {one.opened_at:%Y-%m-%d %H:%M} | {mark}{title}{mark} | {_cell(one.detail)} |"
            f" {one.holds or ''} | {one.acknowledged_by or one.owner or ''} |"
        )
    if len(found) > _SHOWN:
        lines.append(f"| | and {len(found) - _SHOWN} more | | | |")
    return lines


def _sums(engine: sa.Engine) -> list[str]:
    sums = ledger_sums(engine)
    head = " | ".join(sums)
    return [f"| {head} |", "|---" * len(sums) + "|", f"| {' | '.join(map(str, sums.values()))} |"]


def _reasons(engine: sa.Engine) -> list[str]:
    """Why messages were not sent, or wait."""
    found = reason_counts(engine)
    if not found:
        return []
    head = ["", "| destination | state | why | messages |", "|---|---|---|---|"]
    lines = [
        f"| {one.destination} | {_WAITING.get(one.state, one.state)} | {_cell(one.reason)}"
        f" | {one.count} |"
        for one in found[:_SHOWN]
    ]
    more = [f"| | | and {len(found) - _SHOWN} more | |"] if len(found) > _SHOWN else []
    return [*head, *lines, *more]


def _cell(text: str) -> str:
    line = " ".join(scrubbed(text).split()).replace("|", "/")
    return line if len(line) <= 200 else f"{line[:197]}..."
