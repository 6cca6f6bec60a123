"""One HTTP client under all sources: limits, retries, authorisation; see `Api` for what differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Request:
    """A request without secrets or base URL; plain data, so that a checkpoint can hold it.

    `path` is relative to the API's base URL, or a whole URL that the vendor gave for the next page
    (of the same host, or it is refused). At most one of `json` and `form` is the body.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    json: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A good answer (2xx): `content` as it came, `body` its JSON (None for 204 or another type)."""

    status: int
    headers: httpx.Headers
    content: bytes
    body: Any


class Client:
    """Sends requests to one system; made by `open_client(source)`, closed at the end of a pull.

    An answer that is not good is tried again as the API says; one that claims to be JSON and is
    not counts as a broken answer and is tried again too. In the end a `SourceError` says what the
    vendor said, without secrets.
    """

    def send(self, request: Request) -> Answer:
        """The answer to one request."""
        raise NotImplementedError

    def send_all(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers in the order of the requests, as many at a time as the API allows."""
        raise NotImplementedError
