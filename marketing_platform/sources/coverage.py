"""Of which time a stream was read, and what of a daily load is left to read.

A daily load covers the days of the stream that restates its figures longest, and of the source that
came last all its history. Every other stream reads of these days only what it has not read yet, and
those it looks back on itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from marketing_platform.sources.stream import Stream, Window

# Before any record of a shop.
_BEGINNING = dt.date(2000, 1, 1)


def first_moment(stream: Stream, history_start: dt.date) -> dt.datetime:
    """The moment from which a stream is read whose source has its history from a day on."""
    day = _BEGINNING if stream.is_state else history_start
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def covered(note: Mapping[str, Any], now: dt.datetime | None = None) -> Window | None:
    """The time without a gap that was read; None where nothing was.

    Days to come were read by a clock that was wrong. Nothing says at what time that was, but the
    newest record that came.
    """
    if not (told := note.get("covered")):
        return None
    first, end = map(dt.datetime.fromisoformat, told)
    over = _next_midnight(now or dt.datetime.now(dt.UTC))
    if end > over:
        newest = note.get("newest_record")
        known = dt.datetime.fromisoformat(newest).replace(tzinfo=dt.UTC) if newest else over
        end = max(first, min(over, _next_midnight(known)))
    return Window(first, end)


def _next_midnight(moment: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(moment.date() + dt.timedelta(days=1), dt.time(), dt.UTC)


def joined(before: Window | None, read: Window) -> Window:
    """What is covered after a read: a day far from the rest leaves a gap and does not count."""
    if before is None:
        return read
    if read.first > before.end or read.end < before.first:
        return before
    return Window(min(before.first, read.first), max(before.end, read.end))


def left_to_read(
    window: Window, stream: Stream, history_start: dt.date, before: Window | None
) -> Window:
    """What this stream has to read at a daily load of a window.

    Exports and other systems may reach further back: what they tell must not be told twice. A state
    that was not read from its beginning is, whatever the window.
    """
    begins = first_moment(stream, history_start)
    first = begins if stream.is_state or window.first < begins < window.end else window.first
    if before is None or before.first > first:
        return Window(first, window.end)
    day = min(before.end, window.end) - dt.timedelta(microseconds=1)
    midnight = dt.datetime.combine(day.date(), dt.time(), dt.UTC)
    return Window(
        max(window.first, midnight - dt.timedelta(days=stream.look_back_days)), window.end
    )
