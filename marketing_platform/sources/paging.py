"""Ways through the pages of a REST or GraphQL stream."""

from __future__ import annotations

import dataclasses
import itertools
import re
import time
from abc import ABC, abstractmethod
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.stream import Checkpoint, Page, Window
from marketing_platform.sources.system import SystemSettings

# How often a page that repeats the one before, or has no list, is asked for.
_TRIES = 4
# Some vendors say so that nothing is there.
_NO_CONTENT = 204
_REFUSED = re.compile(r"answers (400|404|410|422)\b")
_STEP = re.compile(
    r"""\.?"(?P<double>(?:[^"\\]|\\.)*)"|\['(?P<single>(?:[^'\\]|\\.)*)'\]"""
    r"""|\["(?P<bracketed>(?:[^"\\]|\\.)*)"\]|\[(?P<index>\d+)\]|\[\*\]|\.?(?P<key>[^.\[\]"]+)"""
)


Records = Callable[[], Any]
"""Gives the list of records on a page; whoever does not ask does not wait for it to be read."""


class Paging(ABC):
    """How the request for the next page follows from the last one and its answer."""

    @abstractmethod
    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The next request; None after the last page."""

    def further(self, following: Request, answer: Answer) -> Iterator[Request]:
        """Those after the next one, as far as the answer already tells them."""
        return iter(())


@dataclass(frozen=True)
class OnePage(Paging):
    """Everything comes in one answer."""

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """Nothing follows."""
        return None


@dataclass(frozen=True)
class NextUrl(Paging):
    """The body has the URL of the next page (Klaviyo `$.links.next`, Salesforce)."""

    path: str

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The URL in the body."""
        url = find(answer.body, self.path)
        return _at(request, str(url)) if url else None


@dataclass(frozen=True)
class Cursor(Paging):
    """The body has a token for the next page, sent in `param`."""

    param: str
    path: str
    # Where the vendor says that there is no more although it gives a token.
    has_more: str = ""
    # Whether the token goes into the JSON body rather than the query: the keys on the way to it.
    body: tuple[str, ...] = ()

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request with the token of the body."""
        token = find(answer.body, self.path)
        if not token or (self.has_more and not find(answer.body, self.has_more)):
            return None
        if self.body:
            return dataclasses.replace(request, json=_with(request.json, self.body, token))
        return _with_params(request, {self.param: token})


@dataclass(frozen=True)
class LastId(Paging):
    """The next page starts after the last record's key (Stripe: `starting_after`, `has_more`)."""

    param: str
    has_more: str
    key: str = "id"

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request after the last record."""
        listed = records()
        if not listed or not find(answer.body, self.has_more):
            return None
        return _with_params(request, {self.param: listed[-1][self.key]})


@dataclass(frozen=True)
class FromKey(Paging):
    """The next page starts at the number after the last record's key; the last one is short.

    A record that leaves the list meanwhile moves no other one. How many records a full page has,
    the request says in `size_param` (BigCommerce: `min_id`, in the order of the keys).
    """

    size_param: str
    param: str
    key: str = "id"

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request above the last record."""
        listed = records()
        if len(listed or ()) < int(request.params[self.size_param]):
            return None
        return _with_params(request, {self.param: int(listed[-1][self.key]) + 1})


@dataclass(frozen=True)
class PageNumber(Paging):
    """Pages are numbered from `first`; the last one is short, or `total_pages` says so.

    How many records a full page has, the request says in `size_param`.
    """

    size_param: str
    param: str = "page"
    first: int = 1
    # A JSON path in the body or a header with the number of pages.
    total_pages: str = ""

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request for the next number."""
        number = int(request.params.get(self.param, self.first))
        last = self._last(answer)
        if last is None:
            is_last = len(records() or ()) < int(request.params[self.size_param])
        else:
            is_last = number >= last
        return None if is_last else _with_params(request, {self.param: number + 1})

    def further(self, following: Request, answer: Answer) -> Iterator[Request]:
        """The same request for the numbers up to the last one."""
        for number in range(following.params[self.param] + 1, (self._last(answer) or 0) + 1):
            yield _with_params(following, {self.param: number})

    def _last(self, answer: Answer) -> int | None:
        """The number of the last page, where the answer says how many there are."""
        if self.total_pages.startswith("$"):
            told = find(answer.body, self.total_pages)
        else:
            told = answer.headers.get(self.total_pages) if self.total_pages else None
        return self.first - 1 + int(told) if str(told).isdecimal() else None


@dataclass(frozen=True)
class Offset(Paging):
    """Pages are counted by records: `offset`, until a page is short."""

    size: int
    param: str = "offset"
    # Whether the offset goes into the JSON body, and as text (GA4).
    body: tuple[str, ...] = ()
    as_text: bool = False

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request, further on."""
        if len(records() or ()) < self.size:
            return None
        holder = request.json if self.body else request.params
        offset: Any = int(find(holder, "$." + ".".join(self.body or (self.param,))) or 0)
        offset += self.size
        offset = str(offset) if self.as_text else offset
        if self.body:
            return dataclasses.replace(request, json=_with(request.json, self.body, offset))
        return _with_params(request, {self.param: offset})


@dataclass(frozen=True)
class Rest:
    """The walk of most streams: a first request, and pages from there.

    Where the answer tells of more pages than the next one, as many are asked for at a time as the
    API allows. `first` makes the request from the settings and the window; `records` is the JSON
    path of the list of records in an answer; `facts` what is put into each record under `_page`.
    `total` reads how many records there are in all, where the vendor says so.
    """

    first: Callable[[Any, Window], Request]
    records: str
    paging: Paging = field(default_factory=OnePage)
    facts: Callable[[Answer], Mapping[str, Any]] = lambda answer: {}
    total: Callable[[Answer], int | None] = lambda answer: None

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page, with the request that goes on after it.

        Where the vendor knows the place of the checkpoint no more, as a cursor ended or a record
        is gone, the walk begins anew.
        """
        if checkpoint:
            rest = self._pages(client, settings, Request(**checkpoint["request"]))
            try:
                page = next(rest)
            except SourceError as error:
                if not _REFUSED.search(error.what):
                    raise
            else:
                yield page
                yield from rest
                return
        yield from self._pages(client, settings, self.first(settings, window))

    def _pages(
        self, client: Client, settings: SystemSettings, first: Request
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        coming: Iterator[Request] = iter([first])
        before: _Seen | None = None
        while True:
            asked, sent = itertools.tee(coming)
            for answer in client.send_all(sent):
                request = next(asked)
                seen = self._fresh(client, settings, request, answer, before)
                following = self.paging.following(request, seen.answer, seen.records)
                if following == request:
                    # Going on would never end; to stop here would lose records silently.
                    if seen.records():
                        raise _endless(request)
                    following = None
                yield self._page(seen), _checkpoint(following)
                if following is None:
                    return
                before, request = seen, following
            coming = itertools.chain([request], self.paging.further(request, seen.answer))

    def _page(self, seen: _Seen) -> Page:
        answer = seen.answer
        return Page(
            answer.content, self.records, extra=self.facts(answer), total=self.total(answer)
        )

    def _fresh(
        self,
        client: Client,
        settings: SystemSettings,
        request: Request,
        answer: Answer,
        before: _Seen | None,
    ) -> _Seen:
        """The answer, asked for again while it has no list or only repeats the page before."""
        seen = _Seen(answer, self.records)
        for attempt in range(_TRIES - 1):
            if seen.has_list() and (before is None or not seen.repeats(before)):
                return seen
            time.sleep(min(settings.retry_seconds * 2**attempt, settings.max_wait_seconds))
            seen = _Seen(client.send(request), self.records)
        if not seen.has_list():
            raise SourceError(
                f"{request.path.partition('?')[0]} gives no list of records",
                mend="Look what the address shows; then run again: it goes on where it stopped",
            )
        if before and seen.repeats(before) and self.total(seen.answer) is None:
            raise _endless(request)
        # Of pages that were asked for at the same time the one before may be the wrong one. Where
        # the vendor says how many records there are, their count tells that some are missing.
        return seen


@dataclass(frozen=True)
class _Seen:
    """An answer, and where its records are."""

    answer: Answer
    path: str

    def records(self) -> Any:
        """The list at the path; its answer is read only now."""
        return find(self.answer.body, self.path)

    def has_list(self) -> bool:
        """Whether it may have records: a page that says that a site is being mended has none.

        Only its first sign is looked at, for to read it takes long.
        """
        if self.answer.status == _NO_CONTENT:
            return True
        begin = self.answer.content.removeprefix(BOM_UTF8).lstrip()[:1]
        return self.answer.is_json and begin == (b"[" if self.path == "$" else b"{")

    def repeats(self, before: _Seen) -> bool:
        """Whether it is the page before once more, be it in another envelope."""
        if self.answer.content == before.answer.content:
            return True
        if self.path == "$":
            return False
        return bool(self.records()) and bool(self.records() == before.records())


def _checkpoint(following: Request | None) -> Checkpoint | None:
    return {"request": dataclasses.asdict(following)} if following else None


def _endless(request: Request) -> SourceError:
    path = request.path.partition("?")[0]
    return SourceError(
        f"{path} gives the same page again and again", mend="Run again; it goes on where it stopped"
    )


def find(body: Any, path: str) -> Any:
    """The value at a JSON path of keys, indexes and `[*]`.

    `$.data`, `$.edges[*].node`, `$."a.b"[0]`, `$['a']`.
    """
    return _value(body, _steps(path))


def _value(body: Any, steps: tuple[str | int | None, ...]) -> Any:
    for place, step in enumerate(steps):
        if step is None:
            rest = steps[place + 1 :]
            return [_value(one, rest) for one in body] if isinstance(body, list) else None
        if isinstance(step, int):
            body = body[step] if isinstance(body, list) and len(body) > step else None
        else:
            body = body.get(step) if isinstance(body, Mapping) else None
    return body


@cache
def _steps(path: str) -> tuple[str | int | None, ...]:
    """The keys and indexes of a JSON path; None for `[*]`."""
    steps: list[str | int | None] = []
    for match in _STEP.finditer(path.removeprefix("$")):
        quoted = next(
            (match[name] for name in ("double", "single", "bracketed") if match[name] is not None),
            None,
        )
        if quoted is not None:
            steps.append(re.sub(r"\\(.)", r"\1", quoted))
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["key"])
    return tuple(steps)


def _at(request: Request, url: str) -> Request:
    return dataclasses.replace(request, path=url, params={})


def _with_params(request: Request, params: Mapping[str, Any]) -> Request:
    return dataclasses.replace(request, params={**request.params, **params})


def _with(body: Any, keys: tuple[str, ...], value: Any) -> Any:
    head, *rest = keys
    inner = body.get(head) if isinstance(body, Mapping) else None
    return {**(body or {}), head: _with(inner, tuple(rest), value) if rest else value}
