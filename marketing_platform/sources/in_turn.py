"""A walk through several lists, one after another, as one stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.paging import OnePage, Paging, Rest, find
from marketing_platform.sources.stream import Checkpoint, Page, Window
from marketing_platform.sources.system import SystemSettings

# How often a page of another list is asked for again.
_TRIES = 4


@dataclass(frozen=True)
class Part:
    """One of the lists: its first request, and what is put into its records under `_page`."""

    request: Request
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class InTurn:
    """Reads the lists that `parts` names, each to its end.

    `parts` may ask the vendor which lists there are. The checkpoint holds those that are left, so
    that a pull goes on with the same ones. Without any, there is one empty page. `is_of` tells from
    a record and a list's facts whether it can be of that list: an answer that comes of another
    list, from a cache say, is asked for again. `total` reads how many records a list has, where the
    vendor says so; a page then has the sum of its list and those before.
    """

    parts: Callable[[Client, Any, Window], list[Part]]
    records: str
    paging: Paging = field(default_factory=OnePage)
    is_of: Callable[[Any, Mapping[str, Any]], bool] = lambda record, facts: True
    total: Callable[[Answer], int | None] = lambda answer: None

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page of each list, with the lists that are left after it."""
        if checkpoint:
            left = [Part(Request(**one["request"]), one["facts"]) for one in checkpoint["left"]]
        else:
            left = self.parts(client, settings, window)
        if not left:
            yield Page(b"[]"), None
        before = checkpoint.get("before", 0) if checkpoint else 0
        for place, part in enumerate(left):
            others = [dataclasses.asdict(other) for other in left[place + 1 :]]
            listed = before
            for page, state in self._part(client, settings, window, part):
                if page.total is not None:
                    listed = before + page.total
                    page = dataclasses.replace(page, total=listed)
                here = [{"request": state["request"], "facts": part.facts}] if state else []
                rest = [*here, *others]
                yield page, {"left": rest, "before": before if here else listed} if rest else None
            before = listed

    def _part(
        self, client: Client, settings: SystemSettings, window: Window, part: Part
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        walk = Rest(
            lambda *_: part.request, self.records, self.paging, lambda _: part.facts, self.total
        )
        asker = _Asker(client, lambda answer: self._is_of(answer, part))
        yield from walk.pages(asker, settings, window, None)

    def _is_of(self, answer: Answer, part: Part) -> bool:
        records = find(answer.body, self.records) or []
        return all(self.is_of(record, part.facts) for record in records)


class _Asker(Client):
    """Asks again until an answer is the right one."""

    def __init__(self, client: Client, is_right: Callable[[Answer], bool]) -> None:
        self._client, self._is_right = client, is_right

    def send(self, request: Request) -> Answer:
        for _ in range(_TRIES):
            answer = self._client.send(request)
            if self._is_right(answer):
                return answer
        path = request.path.partition("?")[0]
        raise SourceError(
            f"{path} gives records that were not asked for",
            mend="Run again; it goes on where it stopped",
        )
