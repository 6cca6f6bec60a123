"""A client that holds each request against the vendor's own description, and answers by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from json_answers import json_answer
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest
from shared_folder import find_shared_data

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.stream import Checkpoint, Page, Walk, Window
from marketing_platform.sources.system import System, SystemSettings
from marketing_platform.tls import trusted


class SpecClient(Client):
    """`answer` gives the body for a path and its parameters; `asked` are the requests so far."""

    def __init__(
        self,
        system: System,
        settings: SystemSettings,
        answer: Callable[[str, dict[str, str]], Any],
        spec: str = "",
    ) -> None:
        assert system.api
        self._api = system.api(settings)
        self._answer = answer
        self._spec = spec
        self.asked: list[tuple[str, dict[str, str]]] = []

    def send(self, request: Request) -> Answer:
        base = self._api.base_url + "/"
        with httpx.Client(base_url=base, headers=self._api.headers, verify=trusted()) as client:
            built = client.build_request(
                request.method, request.path, params=dict(request.params) or None
            )
        if self._api.auth:
            built = next(self._api.auth.sync_auth_flow(built))
        params = dict(parse_qsl(urlsplit(str(built.url)).query, keep_blank_values=True))
        if self._spec:
            _check(self._spec, built, params)
        self.asked.append((built.url.path, params))
        body = self._answer(built.url.path, params)
        return json_answer(body)


def pages(
    walk: object,
    client: Client,
    settings: SystemSettings,
    window: Window,
    checkpoint: Checkpoint | None = None,
) -> Iterator[tuple[Page, Checkpoint | None]]:
    """The pages of a walk, with checkpoints that went through JSON."""
    typed: Walk = walk  # type: ignore[assignment]
    for page, state in typed.pages(client, settings, window, checkpoint):
        yield page, json.loads(json.dumps(state))


def _check(spec: str, request: httpx.Request, params: dict[str, str]) -> None:
    path = find_shared_data(f"../specs/{spec}")
    host = f"{request.url.scheme}://{request.url.host}"
    described = MockRequest(
        host, request.method.lower(), request.url.path, args=params, headers=dict(request.headers)
    )
    found = _openapi(path).unmarshal_request(described)
    found.raise_for_errors()
    # A parameter that nobody described is not a mistake to the library.
    assert set(params) <= {*found.parameters.query}, set(params) - {*found.parameters.query}


@cache
def _openapi(path: Path) -> OpenAPI:
    content = json.loads(path.read_text(encoding="utf-8"))
    return OpenAPI.from_dict(content, config=Config(spec_validator_cls=None))
