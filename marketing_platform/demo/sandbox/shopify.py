"""Shopify's Admin GraphQL API, version 2026-10, as far as a shop's data is read from it.

`POST /admin/oauth/access_token` gives an app's token for its client id and secret, and
`POST /admin/api/2026-10/graphql.json` wants it as `X-Shopify-Access-Token`. A query may ask for
`customers`, `orders`, `products`, `productVariants`, `abandonedCheckouts` and `deletionEvents`
(`first`, `after`, `reverse`, `sortKey` ID, CREATED_AT or UPDATED_AT, and a `query` of `updated_at`,
`created_at` and `id` terms), for `node(id)` of an order, for `shop` and `currentAppInstallation`.
Fields, aliases, fragments and lists within a record are answered as they are selected; a field that
the payloads lack is null. Customers are filtered by whole days, as Shopify does.

Points are counted as a bucket that refills; what a query costs is not Shopify's own formula.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import graphql
import orjson
from graphql.language import ast
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketing_platform.demo.sandbox import _shopify_records
from marketing_platform.demo.sandbox._oauth import CLIENT, access_token, token_route
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Order, Shelf

VERSION = "2026-10"
TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105
SCOPES = ("read_customers", "read_orders", "read_all_orders", "read_products")

_MOST = 250
_BUCKET, _RESTORE = 2000.0, 100.0
_ORDERS: Mapping[str, Order] = {"UPDATED_AT": "updated_at", "CREATED_AT": "created_at"}
_TERM = re.compile(r"(\w+):(>=|<=|>|<)?'?([^'\s]+)'?")
_DAY = dt.timedelta(days=1)


@dataclass
class _Points:
    """The bucket of points that queries are paid from."""

    left: float = _BUCKET
    at: float = field(default_factory=time.monotonic)

    def take(self, cost: float) -> bool:
        """Whether there was enough."""
        now = time.monotonic()
        self.left, self.at = min(_BUCKET, self.left + (now - self.at) * _RESTORE), now
        if cost > self.left:
            return False
        self.left -= cost
        return True

    def status(self) -> dict[str, float]:
        """As it stands in every answer."""
        return {
            "maximumAvailable": _BUCKET,
            "currentlyAvailable": int(self.left),
            "restoreRate": _RESTORE,
        }


class _QueryError(Exception):
    """A query that Shopify would refuse."""


class _Schema:
    """Answers queries from the shelves."""

    def __init__(self, shop: Shop) -> None:
        facts = shop.facts
        self.shelves: dict[str, Shelf] = {
            "customers": shop.shelf(_shopify_records.customers(facts)),
            "orders": shop.shelf(_shopify_records.orders(facts)),
            "products": shop.shelf(_shopify_records.products(facts)),
            "productVariants": shop.shelf(_shopify_records.variants(facts)),
            "abandonedCheckouts": shop.shelf(_shopify_records.checkouts(facts)),
            "deletionEvents": shop.shelf(_shopify_records.deletions(facts)),
        }
        self._parsed: dict[str, ast.DocumentNode] = {}

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The `data` of a query."""
        if query not in self._parsed:
            self._parsed[query] = graphql.parse(query)
        document = self._parsed[query]
        operation = next(
            node for node in document.definitions if isinstance(node, ast.OperationDefinitionNode)
        )
        fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, ast.FragmentDefinitionNode)
        }
        reader = _Reader(variables, fragments)
        return {
            reader.alias(chosen): self._root(chosen, reader)
            for chosen in reader.fields(operation.selection_set)
        }

    def _root(self, chosen: ast.FieldNode, reader: _Reader) -> Any:
        name, arguments = chosen.name.value, reader.arguments(chosen)
        if name in self.shelves:
            return self._connection(name, chosen, arguments, reader)
        if name == "node":
            return self._node(str(arguments.get("id")), chosen, reader)
        if name == "shop":
            return reader.pruned({"name": "Sandbox Shop", "currencyCode": "EUR"}, chosen)
        if name == "currentAppInstallation":
            scopes = [{"handle": scope} for scope in SCOPES]
            return reader.pruned({"accessScopes": scopes}, chosen)
        raise _QueryError(f"Field '{name}' doesn't exist on type 'QueryRoot'")

    def _node(self, gid: str, chosen: ast.FieldNode, reader: _Reader) -> Any:
        kind, _, number = gid.removeprefix("gid://shopify/").partition("/")
        shelf = {"Order": "orders", "Customer": "customers", "Product": "products"}.get(kind)
        found = self.shelves[shelf].get(int(number)) if shelf and number.isdecimal() else None
        return None if found is None else reader.pruned(orjson.loads(found), chosen)

    def _connection(
        self, name: str, chosen: ast.FieldNode, arguments: Mapping[str, Any], reader: _Reader
    ) -> dict[str, Any]:
        first = arguments.get("first")
        if not isinstance(first, int) or not 0 < first <= _MOST:
            raise _QueryError(f"'first' on {name} must be between 1 and {_MOST}")
        order = _ORDERS.get(str(arguments.get("sortKey")), "key")
        limits = _limits(str(arguments.get("query") or ""), has_whole_days=name == "customers")
        after: Any = _decoded(arguments["after"]) if arguments.get("after") else None
        if order == "key":
            after = max(filter(None, (after and after[1], limits.pop("above", 0))), default=None)
        else:
            limits.pop("above", None)
        found = self.shelves[name].select(
            **limits,
            after=after,
            order=order,
            descending=bool(arguments.get("reverse")),
            limit=first,
        )
        page = {
            "hasNextPage": found.has_more,
            "hasPreviousPage": after is not None,
            "endCursor": _encoded(found.last) if found.last else None,
        }
        places = list(zip(found.moments, found.keys, strict=True))
        return reader.connection(
            chosen, [orjson.loads(text) for text in found.payloads], page, places
        )


@dataclass(frozen=True)
class _Reader:
    """Reads selections with the query's variables and fragments."""

    variables: Mapping[str, Any]
    fragments: Mapping[str, ast.FragmentDefinitionNode]

    def fields(self, selections: ast.SelectionSetNode | None) -> list[ast.FieldNode]:
        """The fields of a selection, those of its fragments among them."""
        found: list[ast.FieldNode] = []
        for node in selections.selections if selections else ():
            if isinstance(node, ast.FieldNode):
                found.append(node)
            elif isinstance(node, ast.InlineFragmentNode):
                found.extend(self.fields(node.selection_set))
            elif isinstance(node, ast.FragmentSpreadNode):
                found.extend(self.fields(self.fragments[node.name.value].selection_set))
        return found

    def arguments(self, chosen: ast.FieldNode) -> dict[str, Any]:
        """The arguments by name."""
        return {
            argument.name.value: graphql.value_from_ast_untyped(
                argument.value, dict(self.variables)
            )
            for argument in chosen.arguments
        }

    def alias(self, chosen: ast.FieldNode) -> str:
        """What the field is called in the answer."""
        return chosen.alias.value if chosen.alias else chosen.name.value

    def pruned(self, value: Any, chosen: ast.FieldNode) -> Any:
        """The value with what was selected of it."""
        if chosen.selection_set is None or value is None:
            return value
        if isinstance(value, list):
            names = {one.name.value for one in self.fields(chosen.selection_set)}
            if names & {"nodes", "edges", "pageInfo"}:
                return self._slice(value, chosen)
            return [self.pruned(one, chosen) for one in value]
        return {
            self.alias(one): self.pruned(value.get(one.name.value), one)
            for one in self.fields(chosen.selection_set)
        }

    def connection(
        self,
        chosen: ast.FieldNode,
        records: list[Any],
        page: Mapping[str, Any],
        places: list[tuple[int, Any]],
    ) -> dict[str, Any]:
        """A page of records with what was selected of it."""
        answer: dict[str, Any] = {}
        for one in self.fields(chosen.selection_set):
            name = one.name.value
            if name == "nodes":
                answer[self.alias(one)] = [self.pruned(record, one) for record in records]
            elif name == "edges":
                edges = [
                    {"cursor": _encoded(place), "node": record}
                    for place, record in zip(places, records, strict=True)
                ]
                answer[self.alias(one)] = [self.pruned(edge, one) for edge in edges]
            elif name == "pageInfo":
                answer[self.alias(one)] = self.pruned(dict(page), one)
        return answer

    def _slice(self, records: list[Any], chosen: ast.FieldNode) -> dict[str, Any]:
        """A page of a list within a record; its cursors count places."""
        arguments = self.arguments(chosen)
        begin = _decoded(arguments["after"])[1] + 1 if arguments.get("after") else 0
        stop = begin + int(arguments.get("first") or 0)
        part = records[begin:stop]
        places = [(0, begin + place) for place in range(len(part))]
        page = {
            "hasNextPage": stop < len(records),
            "hasPreviousPage": begin > 0,
            "endCursor": _encoded(places[-1]) if places else None,
        }
        return self.connection(chosen, part, page, places)


def _limits(query: str, *, has_whole_days: bool) -> dict[str, Any]:
    """The terms of a search that are understood."""
    limits: dict[str, Any] = {}
    for name, sign, text in _TERM.findall(query):
        if name == "id" and sign == ">":
            limits["above"] = int(text)
            continue
        if name not in ("updated_at", "created_at", "occurred_at"):
            raise _QueryError(f"Invalid search field '{name}'")
        moment = dt.datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or dt.UTC)
        step = dt.timedelta(seconds=1)
        if has_whole_days:
            moment, step = moment.replace(hour=0, minute=0, second=0, microsecond=0), _DAY
        limits["first" if ">" in sign else "end"] = moment + step if sign in (">", "<=") else moment
        limits["by"] = "created_at" if name == "created_at" else "updated_at"
    return limits


def _encoded(place: tuple[int, Any]) -> str:
    return base64.b64encode(orjson.dumps(place)).decode()


def _decoded(cursor: str) -> tuple[int, Any]:
    try:
        moment, key = orjson.loads(base64.b64decode(cursor, validate=True))
    except (binascii.Error, orjson.JSONDecodeError, ValueError) as error:
        raise _QueryError(f"Invalid cursor: {cursor}") from error
    return int(moment), key


def _cost(variables: Mapping[str, Any]) -> int:
    """Points of a query: it grows with how many records are asked for."""
    first = variables.get("first")
    return 2 + (first // 10 if isinstance(first, int) else 1)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        {"X-Shopify-API-Version": VERSION},
        media_type="application/json",
    )


def _routes(shop: Shop) -> list[Route]:
    schema, points = _Schema(shop), _Points()

    async def ask(request: Request) -> Response:
        try:
            asked = orjson.loads(await request.body())
            query, variables = asked["query"], asked.get("variables") or {}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _json({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        requested = _cost(variables)
        is_affordable = points.take(requested) if shop.has_limits else True
        cost = {
            "requestedQueryCost": requested,
            "actualQueryCost": requested if is_affordable else None,
            "throttleStatus": points.status(),
        }
        if not is_affordable:
            throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return _json({"errors": [throttled], "extensions": {"cost": cost}})
        try:
            data = schema.answer(query, variables)
        except (_QueryError, graphql.GraphQLError, ValueError) as error:
            return _json({"errors": [{"message": str(error)}]})
        return _json({"data": data, "extensions": {"cost": cost}})

    return [
        token_route(shop, TOKEN_PATH, CLIENT, lifetime_seconds=86399),
        Route(f"/admin/api/{VERSION}/graphql.json", ask, methods=["POST"]),
    ]


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("x-shopify-access-token")
    if request.url.path.endswith(TOKEN_PATH) or given == access_token(shop):
        return None
    message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
    return _json({"errors": message}, 401)


def _error(status: int) -> Response:
    if status == 429:
        full = {"maximumAvailable": _BUCKET, "currentlyAvailable": _BUCKET, "restoreRate": _RESTORE}
        cost = {"requestedQueryCost": 1, "actualQueryCost": None, "throttleStatus": full}
        throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        return _json({"errors": [throttled], "extensions": {"cost": cost}})
    return Response("Internal Server Error", status, media_type="text/plain")


VENDOR = Vendor(
    "shopify",
    _routes,
    _authorised,
    _error,
    credentials=CLIENT,
    settings={"shop": "sandbox"},
)
