"""Ways through the pages of a REST or GraphQL stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.stream import Checkpoint, Page, Window
from marketing_platform.sources.system import SystemSettings


class Paging(Protocol):
    """How the request for the next page follows from the last one and its answer."""

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The next request; None after the last page. `records` is the list on this page."""


@dataclass(frozen=True)
class OnePage:
    """Everything comes in one answer."""

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """Nothing follows."""
        return None


@dataclass(frozen=True)
class LinkHeader:
    """RFC 8288: `Link: <url>; rel="next"` (WooCommerce, Shopify's old REST)."""

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The URL of `rel="next"`."""
        links = _links(answer)
        return _at(request, links["next"]["url"]) if "next" in links else None


@dataclass(frozen=True)
class NextUrl:
    """The body has the URL of the next page (Klaviyo `$.links.next`, Salesforce)."""

    path: str

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The URL in the body."""
        url = find(answer.body, self.path)
        return _at(request, str(url)) if url else None


@dataclass(frozen=True)
class Cursor:
    """The body has a token for the next page, sent in `param`."""

    param: str
    path: str
    # Where the vendor says that there is no more although it gives a token.
    has_more: str = ""
    # Whether the token goes into the JSON body rather than the query: the keys on the way to it.
    body: tuple[str, ...] = ()

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The same request with the token of the body."""
        token = find(answer.body, self.path)
        if not token or (self.has_more and not find(answer.body, self.has_more)):
            return None
        if self.body:
            return dataclasses.replace(request, json=_with(request.json, self.body, token))
        return _with_params(request, {self.param: token})


@dataclass(frozen=True)
class LastId:
    """The next page starts after the last record's key (Stripe: `starting_after`, `has_more`)."""

    param: str
    has_more: str
    key: str = "id"

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The same request after the last record."""
        if not records or not find(answer.body, self.has_more):
            return None
        return _with_params(request, {self.param: records[-1][self.key]})


@dataclass(frozen=True)
class PageNumber:
    """Pages are numbered from `first`; the last one is short, or `total_pages` says so."""

    size: int
    param: str = "page"
    first: int = 1
    # A JSON path in the body or a header with the number of pages.
    total_pages: str = ""

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The same request for the next number."""
        number = int(request.params.get(self.param, self.first))
        if self.total_pages.startswith("$"):
            total = find(answer.body, self.total_pages)
        else:
            total = answer.headers.get(self.total_pages) if self.total_pages else None
        if total is not None:
            is_last = number - self.first + 1 >= int(total)
        else:
            is_last = len(records or ()) < self.size
        return None if is_last else _with_params(request, {self.param: number + 1})


@dataclass(frozen=True)
class Offset:
    """Pages are counted by records: `offset`, until a page is short."""

    size: int
    param: str = "offset"
    # Whether the offset goes into the JSON body, and as text (GA4).
    body: tuple[str, ...] = ()
    as_text: bool = False

    def following(self, request: Request, answer: Answer, records: Any) -> Request | None:
        """The same request, further on."""
        if len(records or ()) < self.size:
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

    `first` makes the request from the settings and the window; `records` is the JSON path of the
    list of records in an answer; `facts` what is put into each record under `_page`.
    """

    first: Callable[[Any, Window], Request]
    records: str
    paging: Paging = field(default_factory=OnePage)
    facts: Callable[[Answer], Mapping[str, Any]] = lambda answer: {}

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page, with the request that goes on after it."""
        request: Request | None = (
            Request(**checkpoint["request"]) if checkpoint else self.first(settings, window)
        )
        while request:
            answer = client.send(request)
            following = self.paging.following(request, answer, find(answer.body, self.records))
            page = Page(answer.content, self.records, extra=self.facts(answer))
            state = {"request": dataclasses.asdict(following)} if following else None
            # A vendor that sends the same page for ever would fill the disk.
            if following == request:
                state = following = None
            if answer.content or state is None:
                yield page, state
            request = following


def find(body: Any, path: str) -> Any:
    """The value at a JSON path of keys, indexes and `[*]` (`$.data`, `$.edges[*].node`)."""
    place, _, rest = path.partition("[*]")
    for key in filter(None, place.removeprefix("$").split(".")):
        name, _, index = key.partition("[")
        if name:
            body = body.get(name) if isinstance(body, Mapping) else None
        if index:
            number = int(index.rstrip("]"))
            body = body[number] if isinstance(body, list) and len(body) > number else None
    if "[*]" not in path:
        return body
    return [find(one, "$" + rest) for one in body] if isinstance(body, list) else None


def _links(answer: Answer) -> dict[str, dict[str, str]]:
    import httpx

    response = httpx.Response(answer.status, headers=answer.headers)
    return {str(rel): link for rel, link in response.links.items()}


def _at(request: Request, url: str) -> Request:
    return dataclasses.replace(request, path=url, params={})


def _with_params(request: Request, params: Mapping[str, Any]) -> Request:
    return dataclasses.replace(request, params={**request.params, **params})


def _with(body: Any, keys: tuple[str, ...], value: Any) -> Any:
    head, *rest = keys
    inner = body.get(head) if isinstance(body, Mapping) else None
    return {**(body or {}), head: _with(inner, tuple(rest), value) if rest else value}
