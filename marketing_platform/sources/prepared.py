"""Reports that a vendor prepares in its own time: asked for, waited for, then read.

Nothing is lost when a pull is interrupted meanwhile: the vendor's key of the report is in the
checkpoint, and a report that the vendor has forgotten since is asked for anew.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.stream import Checkpoint, Page, Window
from marketing_platform.sources.system import SystemSettings

Status = Literal["preparing", "ready", "failed"]

# An empty page: the checkpoint beside it is what counts.
_NOTHING = Page(b"[]")
_PATIENCE = 1.5
_LONGEST_PAUSE_SECONDS = 30.0
_ATTEMPTS = 3


class PreparedSettings(SystemSettings):
    """The settings of systems that prepare reports.

    `days_per_report` is how many days are asked for at a time, `throttled_seconds` the pause where
    the vendor says that it is asked too often and not for how long.
    """

    days_per_report: int = Field(default=31, ge=1, le=366)
    poll_seconds: float = Field(default=2.0, gt=0)
    throttled_seconds: float = Field(default=60.0, ge=0)
    longest_report_seconds: float = Field(default=3600.0, gt=0)


class Preparation(Protocol):
    """How a vendor is asked for a report, and how it is read."""

    def asking(self, settings: Any, first: dt.date, last: dt.date) -> Request:
        """The request for the report of these days."""

    def key(self, answer: Answer) -> str:
        """The vendor's key of the report that was asked for; empty where it gave none."""

    def polling(self, settings: Any, key: str) -> Request:
        """The question whether it is ready."""

    def status(self, answer: Answer) -> Status:
        """The answer to that."""

    def reading(
        self, client: Client, settings: Any, key: str, polled: Answer, place: Mapping[str, Any]
    ) -> Iterator[tuple[Page, Mapping[str, Any]]]:
        """The pages from `place` on, each with the place after it: empty at first and at last."""


@dataclass(frozen=True)
class Prepared:
    """The walk through prepared reports, one after another, until the window is covered."""

    preparation: Preparation

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page, with the day, the report and the place in it that go on after it."""
        assert isinstance(settings, PreparedSettings)  # noqa: S101 - tells the type checker
        state = dict(checkpoint or {"day": window.first_date.isoformat()})
        while state:
            first = dt.date.fromisoformat(state["day"])
            last = min(first + dt.timedelta(settings.days_per_report - 1), window.last_date)
            following = last + dt.timedelta(1)
            after = {"day": following.isoformat()} if last < window.last_date else {}
            key, polled = yield from self._ready(client, settings, first, last, state)
            place = state.get("place", {}) if key == state.get("key") else {}
            for page, there in self.preparation.reading(client, settings, key, polled, place):
                go_on = {"day": state["day"], "key": key, "place": dict(there)} if there else after
                yield page, go_on or None
            state = after

    def _ready(
        self,
        client: Client,
        settings: PreparedSettings,
        first: dt.date,
        last: dt.date,
        state: Mapping[str, Any],
    ) -> Any:
        """The key of a report that is ready, and the vendor's word on it."""
        key = state.get("key", "")
        if key and (polled := self._poll_known(client, settings, key)):
            return key, polled
        for _ in range(_ATTEMPTS):
            key = self.preparation.key(client.send(self.preparation.asking(settings, first, last)))
            yield _NOTHING, {"day": state["day"], "key": key}
            if key and (polled := self._poll(client, settings, key)):
                return key, polled
        raise SourceError(
            f"the vendor failed {_ATTEMPTS} times to prepare the report of {first} to {last}",
            mend="Ask for fewer days at a time: days_per_report",
        )

    def _poll_known(self, client: Client, settings: PreparedSettings, key: str) -> Answer | None:
        """Like `_poll`, of a report asked for by an earlier run; nothing if it is gone."""
        try:
            return self._poll(client, settings, key)
        except SourceError:
            return None

    def _poll(self, client: Client, settings: PreparedSettings, key: str) -> Answer | None:
        """The answer of a report that is ready, waited for; nothing if it failed."""
        pause = settings.poll_seconds
        deadline = time.monotonic() + settings.longest_report_seconds
        while True:
            answer = client.send(self.preparation.polling(settings, key))
            status = self.preparation.status(answer)
            if status != "preparing":
                return answer if status == "ready" else None
            if time.monotonic() + pause > deadline:
                raise SourceError(
                    f"a report was not ready after {settings.longest_report_seconds:.0f} s",
                    mend="Run again; it goes on where it stopped",
                )
            time.sleep(pause)
            pause = min(pause * _PATIENCE, max(settings.poll_seconds, _LONGEST_PAUSE_SECONDS))
