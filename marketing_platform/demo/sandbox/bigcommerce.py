"""BigCommerce: customers, refunds, products and reviews of v3, orders and their products of v2.

Carts that were left are orders of status 0; one that was completed is no order of its own here and
is listed no more. Prices are with tax, as the shop has none.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, Slice, encode

_STORE = "/stores/demo"
_ISO = "%Y-%m-%dT%H:%M:%SZ"
_RFC = "%a, %d %b %Y %H:%M:%S +0000"
_RESET = "X-Rate-Limit-Time-Reset-Ms"
_MOST = 250


def _money(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String) + "00"


def _customers(facts: Facts) -> pl.DataFrame:
    known = {"address1": "street", "city": "city", "postal_code": "postcode"}
    known |= {"state_or_province": "region", "country_code": "country", "phone": "phone"}
    address = pl.struct(pl.col(column).fill_null("").alias(name) for name, column in known.items())
    payload = pl.struct(
        pl.col("email", "first_name", "last_name", "phone").fill_null(""),
        id="account_id",
        addresses=pl.concat_list(address),
        date_created=pl.col("created_at").dt.to_string(_ISO),
        date_modified=pl.col("updated_at").dt.to_string(_ISO),
    )
    return encode(facts.accounts.select(key="account_id", updated_at="updated_at", payload=payload))


_BILL = {
    "first_name": "first_name",
    "last_name": "last_name",
    "street_1": "street",
    "city": "city",
    "zip": "postcode",
    "state": "region",
}


def _order(key: str, created: str, bill: Mapping[str, str], **own: pl.Expr) -> pl.Expr:
    """An order, or a cart; `bill` has what its address tells besides, with the columns of ours."""
    names = {"email": "email", "phone": "phone", "country_iso2": "country", **bill}
    address = [pl.col(column).fill_null("").alias(name) for name, column in names.items()]
    common = {
        "id": pl.col(key),
        "customer_id": pl.col("account_id").fill_null(0),
        "billing_address": pl.struct(address),
        "currency_code": pl.col("currency"),
        "date_created": pl.col(created).dt.to_string(_RFC),
        "date_modified": pl.col("updated_at").dt.to_string(_RFC),
        "products": pl.struct(resource=pl.format("/orders/{}/products", key)),
    }
    return pl.struct([value.alias(name) for name, value in {**common, **own}.items()])


def _orders(facts: Facts) -> pl.DataFrame:
    status = (
        pl.when(pl.col("cancelled_at").is_not_null())
        .then(5)
        .when(pl.col("fulfilled_at").is_not_null())
        .then(10)
        .otherwise(11)
    )
    names = {5: "Cancelled", 10: "Completed", 11: "Awaiting Fulfillment"}
    payload = _order(
        "order_id",
        "ordered_at",
        _BILL,
        status_id=status,
        status=status.replace_strict(names, return_dtype=pl.String),
        subtotal_inc_tax=_money("gross_amount"),
        discount_amount=pl.lit("0.0000"),
        coupon_discount=_money("discount_amount"),
        shipping_cost_inc_tax=_money("shipping_amount"),
        total_tax=pl.lit("0.0000"),
        total_inc_tax=_money("total_amount"),
        refunded_amount=_money("refunded_amount"),
        is_deleted=pl.lit(False),
    )
    orders = facts.orders.select(key="order_id", updated_at="updated_at", status=status,
                                 payload=payload)  # fmt: skip
    carts = facts.carts.select(
        key="cart_id",
        updated_at="updated_at",
        status=pl.when(pl.col("completed_at").is_null()).then(0),
        payload=_order(
            "cart_id",
            "created_at",
            {},
            status_id=pl.lit(0),
            status=pl.lit("Incomplete"),
            subtotal_inc_tax=_money("amount"),
            total_inc_tax=_money("amount"),
        ),
    )
    return pl.concat([encode(orders), encode(carts)])


def _lines(facts: Facts) -> dict[int, list[dict[str, Any]]]:
    """The products of each order and cart."""
    found: dict[int, list[dict[str, Any]]] = {}
    for frame, owner, key in (
        (facts.order_lines, "order_id", "line_id"),
        (facts.cart_lines, "cart_id", "cart_line_id"),
    ):
        lines = frame.select(
            pl.col(owner).alias("order_id"),
            "product_id",
            "variant_id",
            "sku",
            "quantity",
            id=key,
            name="title",
            price_inc_tax=_money("price"),
            total_inc_tax=(pl.col("price") * pl.col("quantity")).cast(pl.String) + "00",
        )
        for (order,), group in lines.group_by("order_id"):
            found[int(str(order))] = group.to_dicts()
    return found


def _refunds(facts: Facts) -> pl.DataFrame:
    item = pl.struct(item_type=pl.lit("PRODUCT"), item_id="line_id", quantity="quantity")
    payload = pl.struct(
        id="refund_id",
        order_id="order_id",
        created=pl.col("refunded_at").dt.to_string(_ISO),
        total_amount=pl.col("amount").cast(pl.Float64),
        total_tax=pl.lit(0.0),
        items=pl.concat_list(item),
    )
    return encode(facts.refunds.select(key="refund_id", updated_at="refunded_at", payload=payload))


def _products(facts: Facts) -> pl.DataFrame:
    variant = pl.struct(
        "product_id",
        "sku",
        id="variant_id",
        price=pl.col("price").cast(pl.Float64),
        inventory_level="inventory_quantity",
        option_values=pl.concat_list(pl.struct(label="title")),
    )
    variants = facts.variants.group_by("product_id", maintain_order=True).agg(
        pl.sum("inventory_quantity"), variants=variant
    )
    payload = pl.struct(
        "sku",
        "variants",
        id="product_id",
        name="title",
        price=pl.col("price").cast(pl.Float64),
        inventory_level="inventory_quantity",
        description=pl.format("<p>{} by {}.</p>", "title", "brand"),
        is_visible="is_active",
        date_created=pl.col("created_at").dt.to_string(_ISO),
        date_modified=pl.col("updated_at").dt.to_string(_ISO),
    )
    products = facts.products.join(variants, on="product_id", how="left")
    return encode(products.select(key="product_id", updated_at="updated_at", payload=payload))


def _reviews(facts: Facts) -> pl.DataFrame:
    payload = pl.struct(
        "rating",
        "email",
        id="review_id",
        name="author",
        title=pl.lit("As shown"),
        text=pl.lit("Came quickly."),
        status=pl.col("status").replace("published", "approved"),
        date_reviewed=pl.col("reviewed_at").dt.to_string(_ISO),
        date_created=pl.col("reviewed_at").dt.to_string(_ISO),
        date_modified=pl.col("updated_at").dt.to_string(_ISO),
    )
    return encode(
        facts.reviews.select("product_id", key="review_id", updated_at="updated_at",
                             payload=payload)
    )  # fmt: skip


# The lists of v3, each with the name of its filter by time.
_LISTS: dict[str, tuple[Callable[[Facts], pl.DataFrame], str]] = {
    "customers": (_customers, "date_modified"),
    "orders/payment_actions/refunds": (_refunds, "created"),
    "catalog/products": (_products, "date_modified"),
}


def _page(
    shelf: Shelf, request: Request, first: str, last: str, where: dict[str, Any] | None = None
) -> tuple[Slice, int, int]:
    """The page that is asked for, its number and its size."""
    asked = request.query_params
    size = min(int(asked.get("limit", 50)), _MOST)
    number = int(asked.get("page", 1))
    end = _moment(asked.get(last))
    found = shelf.select(
        first=_moment(asked.get(first)),
        end=end + dt.timedelta(seconds=1) if end else None,
        after=int(asked["min_id"]) - 1 if "min_id" in asked else None,
        order="key",
        offset=(number - 1) * size,
        limit=size,
        where=where,
    )
    return found, number, size


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


class _List:
    """A list of v3."""

    def __init__(self, shop: Shop, name: str) -> None:
        make, self._filter = _LISTS[name]
        self._shelf = shop.shelf(make(shop.facts))

    async def answer(self, request: Request) -> Response:
        """One page, with its place among all."""
        found, number, size = _page(
            self._shelf, request, f"{self._filter}:min", f"{self._filter}:max"
        )
        return _answer(found, number, size)


def _answer(found: Slice, number: int, size: int) -> Response:
    pagination = {
        "total": found.total,
        "count": len(found.payloads),
        "per_page": size,
        "current_page": number,
        "total_pages": -(-found.total // size),
    }
    meta = orjson.dumps({"pagination": pagination})
    body = b'{"data":[' + b",".join(found.payloads) + b'],"meta":' + meta + b"}"
    return Response(body, media_type="application/json")


class _Products(_List):
    """The products, which may be asked how many reviews each has, and the reviews of each."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop, "catalog/products")
        self._reviews = shop.shelf(_reviews(shop.facts))

    async def answer(self, request: Request) -> Response:
        """One page of products, whole or with their counts alone."""
        if request.query_params.get("include_fields") != "reviews_count":
            return await super().answer(request)
        found, number, size = _page(self._shelf, request, "", "")
        counts = [
            orjson.dumps({"id": key, "reviews_count": self._of(key, 1, 1).total})
            for key in found.keys
        ]
        return _answer(dataclasses.replace(found, payloads=counts), number, size)

    async def reviews(self, request: Request) -> Response:
        """The reviews of one product."""
        asked = request.query_params
        size, number = min(int(asked.get("limit", 50)), _MOST), int(asked.get("page", 1))
        return _answer(self._of(request.path_params["product"], number, size), number, size)

    def _of(self, product: int, number: int, size: int) -> Slice:
        where = {"product_id": product}
        return self._reviews.select(
            order="key", offset=(number - 1) * size, limit=size, where=where
        )


class _Orders:
    """The orders of v2, and the products of each."""

    def __init__(self, shop: Shop) -> None:
        self._shelf = shop.shelf(_orders(shop.facts).filter(pl.col("status").is_not_null()))
        self._lines = _lines(shop.facts)

    async def orders(self, request: Request) -> Response:
        """One page; nothing at all after the last one."""
        status = request.query_params.get("status_id")
        found, _, _ = _page(
            self._shelf,
            request,
            "min_date_modified",
            "max_date_modified",
            {"status": int(status)} if status else None,
        )
        if not found.payloads:
            return Response(status_code=204)
        body = b"[" + b",".join(found.payloads) + b"]"
        return Response(body, media_type="application/json")

    async def products(self, request: Request) -> Response:
        """The products of one order."""
        lines = self._lines.get(int(request.path_params["order"]), [])
        return JSONResponse(lines) if lines else Response(status_code=204)


def _routes(shop: Shop) -> list[Route]:
    orders = _Orders(shop)
    products = _Products(shop)
    lists = (name for name in _LISTS if name != "catalog/products")
    return [
        *(Route(f"{_STORE}/v3/{name}", _List(shop, name).answer) for name in lists),
        Route(f"{_STORE}/v3/catalog/products", products.answer),
        Route(f"{_STORE}/v3/catalog/products/{{product:int}}/reviews", products.reviews),
        Route(f"{_STORE}/v2/orders", orders.orders),
        Route(f"{_STORE}/v2/orders/{{order:int}}/products", orders.products),
    ]


def _authorised(shop: Shop, request: Request) -> Response | None:
    given = request.headers.get("x-auth-token")
    return None if given == shop.credentials["access_token"] else _error(401)


def _error(status: int) -> Response:
    headers = {_RESET: "500"} if status == 429 else {}
    return JSONResponse({"status": status, "title": f"Status {status}"}, status, headers)


VENDOR = Vendor(
    "bigcommerce",
    _routes,
    _authorised,
    _error,
    rate=(150, 30.0),
    credentials=("access_token",),
    reset_header=_RESET,
    settings={"store_hash": "demo"},
)
