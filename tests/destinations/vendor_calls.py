"""Sends batches to vendors that a test answers for, and holds each request to its description."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import discovery
import graphql
import httpx
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest
from shared_folder import find_shared_data

from marketing_platform.destinations.base import Answer, Batch, Row
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.settings import ActivationRule, Platform, Settings

ADA = {
    "customer_id": "c1",
    "source_contact_id": "s1",
    "email": "ada@example.com",
    "phone": "+491711234567",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "country": "DE",
    "city": "Berlin",
    "postcode": "10115",
    "language": "de",
    "order_count": 3,
    "lifetime_value_amount": "120.50",
    "is_buyer": True,
    "top_category": None,
    "cart_products": [
        {"product_id": "7", "sku": "M-7", "title": "Mug", "url": "https://shop.example/7",
         "image_url": None, "price": "12.50", "currency": "EUR", "quantity": 2, "due_date": None},
        {"product_id": "8", "sku": None, "title": "Cup", "url": None,
         "image_url": None, "price": None, "currency": None, "quantity": 1, "due_date": None},
    ],
}  # fmt: skip
BOB = {**ADA, "customer_id": "c2", "email": "bob@example.com", "phone": "+491717654321"}
ATTRIBUTES = tuple(name for name in ADA if name not in ("customer_id", "source_contact_id"))

Handler = Callable[[httpx.Request], httpx.Response]


def row(person: dict[str, Any], operation: str = "add", key: str = "") -> Row:
    """A row about a person."""
    return Row(key or f"key-{person['customer_id']}", operation, str(person["customer_id"]), person)


BOTH = (row(ADA), row(BOB))


class Vendor:
    """A destination of a shop with one rule, whose vendor `answer` stands in for."""

    def __init__(self, declared: dict[str, Any], answer: Handler, **rule: Any) -> None:
        self.asked: list[httpx.Request] = []
        self._answer = answer
        told = {"segment": "vip", "destination": "it", "attributes": ATTRIBUTES, **rule}
        self.rule = ActivationRule.model_validate(told)
        platform = Platform.model_validate(
            {"destinations": {"it": declared}, "activations": [self.rule]}
        )
        # Where tokens and files of the shop go; it ends with this.
        self._folder = TemporaryDirectory()
        self.destination = _made(platform, Path(self._folder.name))

    def send(self, *rows: Row) -> Answer:
        """Hand over one batch."""
        return asyncio.run(self._send(Batch("b1", "it", self.rule.name, rows)))

    async def _send(self, batch: Batch) -> Answer:
        self.destination.transport = httpx.MockTransport(self._handle)
        try:
            return await self.destination.send(batch)
        finally:
            await self.destination.close()

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self._answer(request)

    def bodies(self, path: str) -> list[Any]:
        """The JSON bodies that were posted to a path that ends so."""
        return [json.loads(r.content) for r in self.asked if r.url.path.endswith(path)]

    @property
    def paths(self) -> list[str]:
        """What was asked, in its order."""
        return [f"{request.method} {request.url.path}" for request in self.asked]


def _made(platform: Platform, folder: Path) -> HttpDestination:
    settings = Settings.model_construct(platform=platform, data_dir=folder, config_dir=folder)
    made = make_destination("it", settings)
    assert isinstance(made, HttpDestination)
    return made


def answers(*pairs: tuple[str, int, Any], **headers: str) -> Handler:
    """Answers by what a path holds: the first that fits."""

    def answer(request: httpx.Request) -> httpx.Response:
        for part, status, body in pairs:
            if part in f"{request.method} {request.url.path}":
                return httpx.Response(status, json=body, headers=headers)
        raise AssertionError(f"nobody answers {request.method} {request.url}")

    return answer


def statuses(answer: Answer, rows: Sequence[Row]) -> dict[str, str]:
    """What became of each person's row."""
    assert answer.kind == "accepted", answer
    return {r.customer_id: answer.rows[r.key].status if answer.rows else "ok" for r in rows}


def check_openapi(spec: str, request: httpx.Request) -> None:
    """Fail unless the description has this request, its body and nothing more."""
    described = MockRequest(
        f"{request.url.scheme}://{request.url.host}",
        request.method.lower(),
        request.url.path,
        args=dict(request.url.params),
        headers=dict(request.headers),
        data=request.content or None,
        content_type=request.headers.get("Content-Type", "application/json"),
    )
    found = _openapi(spec).unmarshal_request(described)
    found.raise_for_errors()
    unknown = set(request.url.params) - {*found.parameters.query}
    assert not unknown, f"nobody described {unknown}"


@cache
def _openapi(spec: str) -> OpenAPI:
    content = json.loads(find_shared_data(f"../specs/{spec}").read_text(encoding="utf-8"))
    for item in content["paths"].values():
        for operation in item.values():
            body = operation.get("requestBody") if isinstance(operation, dict) else None
            for media in (body or {}).get("content", {}).values():
                media["schema"] = _closed(media["schema"], content, ())
    return OpenAPI.from_dict(content, config=Config(spec_validator_cls=None))


def _closed(schema: Any, content: dict[str, Any], seen: tuple[str, ...]) -> Any:
    """A schema of a body in which unknown fields are mistakes; references are written out."""
    if isinstance(schema, list):
        return [_closed(one, content, seen) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(name := schema.get("$ref"), str):
        if name in seen:
            return schema
        found = content
        for part in name[2:].split("/"):
            found = found[part]
        return _closed(deepcopy(found), content, (*seen, name))
    closed = {key: _closed(value, content, seen) for key, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and closed["properties"]:
        closed.setdefault("additionalProperties", False)
    return closed


def check_discovery(document: str, schema: str, request: httpx.Request) -> None:
    """Fail unless the body is what Google describes."""
    discovery.check(document, schema, json.loads(request.content))


def check_graphql(request: httpx.Request) -> None:
    """Fail unless Shopify's schema has this query and takes these variables."""
    content = json.loads(request.content)
    schema = _shopify()
    document = graphql.parse(content["query"])
    assert graphql.validate(schema, document) == []
    [operation] = document.definitions
    assert isinstance(operation, graphql.OperationDefinitionNode)
    coerced = graphql.execution.values.get_variable_values(
        schema, operation.variable_definitions or (), content["variables"]
    )
    assert isinstance(coerced, dict), coerced


@cache
def _shopify() -> graphql.GraphQLSchema:
    path = find_shared_data("../specs/shopify/admin_2026-10.json.gz")
    content = json.loads(gzip.decompress(path.read_bytes()))
    return graphql.build_client_schema(content.get("data", content), assume_valid=True)
