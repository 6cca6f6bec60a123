"""Tries whether destinations let us in, beside each other, and sends nothing to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from marketing_platform.destinations.base import Answer, Destination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.settings import Settings


@dataclass(frozen=True)
class Tried:
    """What came of trying a destination; `is_well` is None where it cannot be tried."""

    destination: str
    kind: str
    is_well: bool | None
    found: str


def try_destinations(settings: Settings) -> Sequence[Tried]:
    """A finding per destination, in the order of the settings."""
    made = [make_destination(name, settings) for name in settings.platform.destinations]
    answers = asyncio.run(_try_all(made))
    kinds = [one.type for one in settings.platform.destinations.values()]
    return [
        _tried(destination.name, kind, answer)
        for destination, kind, answer in zip(made, kinds, answers, strict=True)
    ]


async def _try_all(destinations: Sequence[Destination]) -> list[Answer | None]:
    return list(await asyncio.gather(*(_try(one) for one in destinations)))


async def _try(destination: Destination) -> Answer | None:
    probe = getattr(destination, "probe", None)
    try:
        return await probe() if probe else None
    finally:
        await destination.close()


def _tried(name: str, kind: str, answer: Answer | None) -> Tried:
    if answer is None:
        return Tried(name, kind, None, "cannot be tried without sending")
    is_well = answer.kind == "accepted"
    return Tried(name, kind, is_well, "lets us in" if is_well else answer.reason)
