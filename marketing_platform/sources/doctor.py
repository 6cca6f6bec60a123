"""Whether each configured system can be used: reachable, authorised, on time, and how new."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from marketing_platform.errors import PlatformError
from marketing_platform.lake import Lake
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.client import GOES_ON, open_client
from marketing_platform.sources.staging import tables_of_source

# Filters by time, and signatures, go wrong when the clocks differ by more.
_SKEW_SECONDS = 120
_AT_A_TIME = 8
# A person waits for the answer; a pull has more patience.
_MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Finding:
    """One system: whether it can be used, and in a few words what was found."""

    source: str
    title: str
    is_well: bool
    found: str


def examine_sources(settings: Settings) -> Iterator[Finding]:
    """A finding per configured system, in the order of their names; asked beside each other."""
    sources = active_sources(settings)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        yield from pool.map(lambda source: _examine(settings, source), sources)


def _examine(settings: Settings, source: ActiveSource) -> Finding:
    newest = _newest_record(settings, source)
    try:
        # Before the vendor is asked: a choice of streams whose records could not be read.
        tables_of_source(source)
        found, skew = _probe(source)
    except PlatformError as error:
        # Which system it is, the line says; and nothing runs that could go on.
        mend = f". {error.mend}" if error.mend and error.mend != GOES_ON else ""
        return Finding(source.name, source.system.title, False, f"{error.what}{mend}; {newest}")
    words = [found] if found else []
    is_late = skew is not None and abs(skew) > _SKEW_SECONDS
    if skew is not None:
        words.append(
            f"clocks differ by {skew:+.0f} s: set this machine's clock" if is_late else "clock good"
        )
    return Finding(source.name, source.system.title, not is_late, "; ".join([*words, newest]))


def _probe(source: ActiveSource) -> tuple[str, float | None]:
    """What the probe found, and by how many seconds the vendor's clock is ahead of ours."""
    probe = source.system.probe
    attempts = min(source.settings.attempts, _MOST_ATTEMPTS)
    source = replace(source, settings=source.settings.model_copy(update={"attempts": attempts}))
    if source.system.api is None:
        return (probe(None, source.settings) if probe else ""), None
    with open_client(source) as client:
        found = probe(client, source.settings) if probe else ""
        return found, client.clock_skew_seconds


def _newest_record(settings: Settings, source: ActiveSource) -> str:
    lake = Lake(settings.lake_dir)
    days = [
        (max(found), stream.name)
        for stream in source.streams
        if (found := lake.stream(source.name, stream.name).days())
    ]
    if not days:
        return "nothing pulled yet"
    day, stream = max(days)
    age = (dt.datetime.now(dt.UTC).date() - day).days
    since = {0: "today", 1: "yesterday"}.get(age, f"{age} days ago")
    return f"newest record {day} ({stream}, {since})"
