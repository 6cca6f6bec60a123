"""Shopify's Admin GraphQL API, version 2026-10, as far as a shop's data is read from it.

`POST /admin/api/2026-10/graphql.json` with `X-Shopify-Access-Token`. A query may ask for
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
import polars as pl
from graphql.language import ast
from polars.expr.whenthen import Then
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Order, Shelf, encode

VERSION = "2026-10"
SCOPES = ("read_customers", "read_orders", "read_products")

_MOST = 250
_BUCKET, _RESTORE = 2000.0, 100.0
_ORDERS: Mapping[str, Order] = {"UPDATED_AT": "updated_at", "CREATED_AT": "created_at"}
_TERM = re.compile(r"(\w+):(>=|<=|>|<)?'?([^'\s]+)'?")
_DAY = dt.timedelta(days=1)


def _gid(kind: str, column: str) -> pl.Expr:
    return f"gid://shopify/{kind}/" + pl.col(column).cast(pl.String)


def _time(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bag(column: str) -> pl.Expr:
    """An amount in the shop's currency."""
    amount = pl.col(column).cast(pl.String)
    return pl.struct(shopMoney=pl.struct(amount=amount, currencyCode=pl.lit("EUR")))


def _where(condition: pl.Expr, value: pl.Expr) -> Then:
    return pl.when(condition).then(value)


def _there(column: str, value: pl.Expr) -> Then:
    return _where(pl.col(column).is_not_null(), value)


def _rows(frame: pl.DataFrame, key: str, created_at: str, **payload: pl.Expr) -> pl.DataFrame:
    record = pl.struct([value.alias(name) for name, value in payload.items()])
    return encode(
        frame.select(key=key, updated_at="updated_at", created_at=created_at, payload=record)
    )


def _customers(facts: Facts) -> pl.DataFrame:
    return _rows(
        facts.accounts,
        "account_id",
        "created_at",
        id=_gid("Customer", "account_id"),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        firstName=pl.col("first_name"),
        lastName=pl.col("last_name"),
        locale=pl.col("language"),
        tags=pl.lit([], pl.List(pl.String)),
        state=pl.lit("ENABLED"),
        email=pl.col("email"),
        phone=pl.col("phone"),
        defaultEmailAddress=_there(
            "email",
            pl.struct(
                emailAddress=pl.col("email"),
                marketingState=_consent("has_email_consent"),
                marketingUpdatedAt=_time("updated_at"),
            ),
        ),
        defaultPhoneNumber=_there(
            "phone",
            pl.struct(
                phoneNumber=pl.col("phone").str.replace_all(" ", ""),
                marketingState=_consent("has_sms_consent"),
                smsMarketingConsent=pl.struct(
                    state=_consent("has_sms_consent"), updatedAt=_time("updated_at")
                ),
            ),
        ),
        defaultAddress=_address(),
    )


def _address() -> pl.Expr:
    return pl.struct(
        firstName=pl.col("first_name"),
        lastName=pl.col("last_name"),
        phone=pl.col("phone"),
        countryCodeV2=pl.col("country"),
    )


def _consent(column: str) -> pl.Expr:
    known = _where(pl.col(column), pl.lit("SUBSCRIBED")).otherwise(pl.lit("UNSUBSCRIBED"))
    return _where(pl.col(column).is_null(), pl.lit("NOT_SUBSCRIBED")).otherwise(known)


def _orders(facts: Facts) -> pl.DataFrame:
    lines = facts.order_lines.group_by("order_id").agg(lineItems=_line())
    orders = facts.orders.join(lines, on="order_id", how="left", maintain_order="left")
    orders = orders.join(
        _refunds(facts), on=["order_id", "updated_at"], how="left", maintain_order="left"
    )
    is_cancelled = pl.col("cancelled_at").is_not_null()
    delivery = pl.struct(
        id=_gid("Fulfillment", "order_id"),
        status=pl.lit("SUCCESS"),
        createdAt=_time("fulfilled_at"),
        updatedAt=_time("fulfilled_at"),
        deliveredAt=pl.lit(None, pl.String),
    )
    return _rows(
        orders,
        "order_id",
        "ordered_at",
        id=_gid("Order", "order_id"),
        name="#" + pl.col("number"),
        email=pl.col("email"),
        phone=pl.col("phone"),
        createdAt=_time("ordered_at"),
        processedAt=_time("ordered_at"),
        updatedAt=_time("updated_at"),
        cancelledAt=_time("cancelled_at"),
        cancelReason=_where(is_cancelled, pl.lit("CUSTOMER")),
        closedAt=_time("fulfilled_at"),
        test=pl.lit(False),
        sourceName=_where(pl.col("is_web"), pl.lit("web")).otherwise(pl.lit("phone")),
        currencyCode=pl.col("currency"),
        displayFinancialStatus=_financial_status(),
        displayFulfillmentStatus=_there("fulfilled_at", pl.lit("FULFILLED")).otherwise(
            pl.lit("UNFULFILLED")
        ),
        discountCodes=pl.concat_list("discount_code").list.drop_nulls(),
        tags=pl.lit([], pl.List(pl.String)),
        taxesIncluded=pl.lit(True),
        customer=_there("account_id", pl.struct(id=_gid("Customer", "account_id"))),
        billingAddress=_address(),
        shippingAddress=_address(),
        subtotalPriceSet=_bag("gross_amount"),
        totalDiscountsSet=_bag("discount_amount"),
        totalShippingPriceSet=_bag("shipping_amount"),
        totalTaxSet=_bag("tax_amount"),
        totalPriceSet=_bag("total_amount"),
        totalRefundedSet=_bag("refunded_amount"),
        fulfillments=pl.concat_list(_there("fulfilled_at", delivery)).list.drop_nulls(),
        refunds=pl.col("refunds").fill_null(pl.lit([], orders.schema["refunds"])),
        lineItems=pl.col("lineItems"),
    )


def _line() -> pl.Expr:
    return pl.struct(
        id=_gid("LineItem", "line_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        variantTitle=pl.lit(None, pl.String),
        quantity=pl.col("quantity"),
        isGiftCard=pl.lit(False),
        originalUnitPriceSet=_bag("price"),
        product=pl.struct(id=_gid("Product", "product_id")),
        variant=pl.struct(id=_gid("ProductVariant", "variant_id")),
    )


def _financial_status() -> pl.Expr:
    return (
        _where(pl.col("refunded_amount") >= pl.col("total_amount"), pl.lit("REFUNDED"))
        .when(pl.col("refunded_amount") > 0)
        .then(pl.lit("PARTIALLY_REFUNDED"))
        .when(pl.col("cancelled_at").is_not_null())
        .then(pl.lit("VOIDED"))
        .otherwise(pl.lit("PAID"))
    )


def _refunds(facts: Facts) -> pl.DataFrame:
    """The refunds of each version of an order."""
    versions = facts.orders.filter(pl.col("refunded_amount") > 0).select("order_id", "updated_at")
    lines = facts.order_lines.select("line_id", "product_id", "price")
    known = (
        versions.join(facts.refunds, on="order_id")
        .filter(pl.col("refunded_at") <= pl.col("updated_at"))
        .join(lines, on="line_id")
        .with_columns(pl.lit(0).cast(pl.Decimal(18, 2)).alias("no_tax"))
        .sort("order_id", "updated_at", "refund_id")
    )
    line = pl.struct(
        id=_gid("RefundLineItem", "refund_id"),
        quantity=pl.col("quantity"),
        restockType=pl.lit("RETURN"),
        lineItem=pl.struct(
            id=_gid("LineItem", "line_id"),
            product=pl.struct(id=_gid("Product", "product_id")),
        ),
        priceSet=_bag("price"),
        subtotalSet=_bag("amount"),
        totalTaxSet=_bag("no_tax"),
    )
    refund = pl.struct(
        id=_gid("Refund", "refund_id"),
        createdAt=_time("refunded_at"),
        processedAt=_time("refunded_at"),
        updatedAt=_time("refunded_at"),
        totalRefundedSet=_bag("amount"),
        refundLineItems=pl.concat_list(line),
    )
    return known.group_by("order_id", "updated_at", maintain_order=True).agg(refunds=refund)


def _products(facts: Facts) -> pl.DataFrame:
    stock = facts.variants.group_by("product_id").agg(pl.sum("inventory_quantity").alias("stock"))
    price = pl.struct(amount=pl.col("price").cast(pl.String), currencyCode=pl.col("currency"))
    return _rows(
        facts.products.join(stock, on="product_id", maintain_order="left"),
        "product_id",
        "created_at",
        id=_gid("Product", "product_id"),
        title=pl.col("title"),
        handle=pl.col("title").str.to_lowercase().str.replace_all(" ", "-"),
        vendor=pl.col("brand"),
        productType=pl.col("category"),
        status=_where(pl.col("is_active"), pl.lit("ACTIVE")).otherwise(pl.lit("ARCHIVED")),
        tags=pl.lit([], pl.List(pl.String)),
        totalInventory=pl.col("stock"),
        tracksInventory=pl.lit(True),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        publishedAt=_time("created_at"),
        onlineStoreUrl=pl.format("https://shop.example/products/{}", pl.col("product_id")),
        description=pl.format("{} by {}.", "title", "brand"),
        featuredMedia=pl.struct(preview=pl.struct(image=pl.struct(url=_picture()))),
        category=pl.struct(name=pl.col("category"), fullName=pl.col("category")),
        priceRangeV2=pl.struct(minVariantPrice=price, maxVariantPrice=price),
    )


def _picture() -> pl.Expr:
    return pl.format("https://shop.example/pictures/{}.jpg", pl.col("product_id"))


def _variants(facts: Facts) -> pl.DataFrame:
    price = pl.struct(amount=pl.col("price").cast(pl.String), currencyCode=pl.lit("EUR"))
    product = pl.struct(
        id=_gid("Product", "product_id"), priceRangeV2=pl.struct(minVariantPrice=price)
    )
    return _rows(
        facts.variants,
        "variant_id",
        "created_at",
        id=_gid("ProductVariant", "variant_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        price=pl.col("price").cast(pl.String),
        compareAtPrice=pl.lit(None, pl.String),
        barcode=pl.lit(None, pl.String),
        inventoryQuantity=pl.col("inventory_quantity"),
        availableForSale=pl.lit(True),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        inventoryItem=pl.struct(id=_gid("InventoryItem", "variant_id"), tracked=pl.lit(True)),
        product=product,
    )


def _checkouts(facts: Facts) -> pl.DataFrame:
    customer = pl.struct(
        id=_gid("Customer", "account_id"),
        defaultEmailAddress=pl.struct(emailAddress=pl.col("email")),
        defaultPhoneNumber=_there("phone", pl.struct(phoneNumber=pl.col("phone"))),
    )
    address = pl.struct(
        firstName=pl.lit(None, pl.String),
        lastName=pl.lit(None, pl.String),
        phone=pl.col("phone"),
        countryCodeV2=pl.col("country"),
    )
    line = pl.struct(
        id=_gid("AbandonedCheckoutLineItem", "cart_line_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        quantity=pl.col("quantity"),
        originalUnitPriceSet=_bag("price"),
        product=pl.struct(id=_gid("Product", "product_id")),
        variant=pl.struct(id=_gid("ProductVariant", "variant_id")),
    )
    lines = facts.cart_lines.group_by("cart_id").agg(lineItems=line)
    return _rows(
        facts.carts.join(lines, on="cart_id", how="left", maintain_order="left"),
        "cart_id",
        "created_at",
        id=_gid("AbandonedCheckout", "cart_id"),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        completedAt=_time("completed_at"),
        abandonedCheckoutUrl=pl.col("url"),
        discountCodes=pl.lit([], pl.List(pl.String)),
        lineItemsQuantity=pl.col("item_count"),
        customer=_there("account_id", customer),
        billingAddress=address,
        shippingAddress=address,
        subtotalPriceSet=_bag("amount"),
        totalPriceSet=_bag("amount"),
        lineItems=pl.col("lineItems"),
    )


def _deletions(facts: Facts) -> pl.DataFrame:
    """Nothing is ever deleted in this shop."""
    return _rows(
        facts.products.clear(),
        "product_id",
        "created_at",
        subjectId=_gid("Product", "product_id"),
        subjectType=pl.lit("PRODUCT"),
        occurredAt=_time("updated_at"),
    )


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
            "customers": shop.shelf(_customers(facts)),
            "orders": shop.shelf(_orders(facts)),
            "products": shop.shelf(_products(facts)),
            "productVariants": shop.shelf(_variants(facts)),
            "abandonedCheckouts": shop.shelf(_checkouts(facts)),
            "deletionEvents": shop.shelf(_deletions(facts)),
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

    return [Route(f"/admin/api/{VERSION}/graphql.json", ask, methods=["POST"])]


def _authorised(shop: Shop, request: Request) -> Response | None:
    if request.headers.get("x-shopify-access-token") == shop.credentials["access_token"]:
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
    credentials=("access_token",),
    settings={"shop": "sandbox"},
)
