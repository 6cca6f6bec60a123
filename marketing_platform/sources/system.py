"""A system that data comes from: its settings, how to talk to it, and its streams.

A folder `sources/<type>/` with a module `source.py` that defines `SYSTEM` is all there is to a
system, beside one staging `.sql` per entity in the same folder.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from marketing_platform.sources.stream import Stream

if TYPE_CHECKING:
    from marketing_platform.sources.client import Answer

FOLDER = Path(__file__).parent


class SystemSettings(BaseModel):
    """The settings that every system has under `sources.<name>` in `config/platform.yaml`.

    `type` is the folder, by default the name itself; two shops of one system have two names.
    `base_url` is the vendor's, but for a sandbox or a proxy. `streams` pulls only these. `every` is
    how often it is pulled, `history_start` the first day that a first load reaches back to.
    `customer_ids_of` is another source whose keys of customers this one uses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str
    base_url: str = ""
    streams: tuple[str, ...] = ()
    every: Literal["day", "hour"] = "day"
    history_start: dt.date | None = None
    customer_ids_of: str | None = None
    timeout_seconds: float = Field(default=60.0, gt=0)
    # Tries of one request, the pause before the second (it doubles), and the longest pause obeyed.
    attempts: int = Field(default=8, ge=1, le=50)
    retry_seconds: float = Field(default=1.0, ge=0)
    max_wait_seconds: float = Field(default=300.0, ge=0)

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/@\s]+(/\S*)?", url):
            raise ValueError("not an http(s) URL without a user name")
        return url.rstrip("/")


@dataclass(frozen=True)
class Rate:
    """At most `count` requests in `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Api:
    """How to talk to a system over HTTP. Each request has the `headers` and the `params`.

    `pause` reads from an answer how many seconds to wait before asking again, where the vendor says
    so in its own way (a body with `THROTTLED`, a header of its own); None where the answer is good.
    429 with or without `Retry-After`, 5xx and broken connections are waited for without it.
    `concurrency` is how many requests the vendor allows at a time.
    """

    base_url: str
    auth: httpx.Auth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    concurrency: int = 1
    pause: Callable[[Answer], float | None] = lambda answer: None


@dataclass(frozen=True)
class System:
    """A system: `name` is its folder, `title` the vendor's own name for it.

    `api` is None for systems that are not asked over HTTP. `probe` makes the cheapest call that
    proves the credentials and returns a few words on what it found (the shop's name, the scopes);
    it raises a `SourceError` that says what is missing. `streams_of` tells the streams where the
    settings declare them (a database's queries); `streams` is empty then. `staging` is the system
    whose staging files this one shares, where it has none of its own.
    """

    name: str
    title: str
    settings_model: type[SystemSettings]
    streams: tuple[Stream, ...]
    api: Callable[..., Api] | None = None
    probe: Callable[..., str] | None = None
    streams_of: Callable[..., tuple[Stream, ...]] | None = None
    staging: str = ""

    def all_streams(self, settings: SystemSettings) -> tuple[Stream, ...]:
        """All streams that there are with these settings."""
        return self.streams_of(settings) if self.streams_of else self.streams

    def stream(self, name: str) -> Stream:
        """The stream of this name."""
        return next(stream for stream in self.streams if stream.name == name)


@cache
def system_types() -> tuple[str, ...]:
    """The systems there are: the folders with a `source.py`."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/source.py")))


def find_system(type_name: str) -> System:
    """The system of this type; its module is imported only now."""
    module = importlib.import_module(f"marketing_platform.sources.{type_name}.source")
    system: System = module.SYSTEM
    return system
