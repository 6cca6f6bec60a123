"""How people read counts and moments."""

from __future__ import annotations

import datetime as dt


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 message`, `2,310 messages`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def minute(moment: dt.datetime) -> str:
    """A moment as the state database and the warehouse keep it, with its time zone: UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
