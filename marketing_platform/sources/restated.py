"""Reports whose figures the vendor changes for some days after they are first told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from marketing_platform.sources.stream import Stream


def restated(streams: tuple[Stream, ...]) -> Callable[[Any], tuple[Stream, ...]]:
    """The streams, read again for as many days as the settings' `look_back_days` says."""

    def of(settings: Any) -> tuple[Stream, ...]:
        days = settings.look_back_days
        return tuple(dataclasses.replace(stream, look_back_days=days) for stream in streams)

    return of
