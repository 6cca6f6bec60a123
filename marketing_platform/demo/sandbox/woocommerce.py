"""WooCommerce REST v3: customers, orders, refunds, products, reviews, a page number, HTTP Basic.

Orders and products are found by `modified_after` and `modified_before`, refunds by `after` and
`before` (all exclusive), customers and reviews not by time. Nothing lies in the trash. The shop has
no tax set up. Guests are customer 0.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode

_ISO = "%Y-%m-%dT%H:%M:%S"
_PREFIX = "/wp-json/wc/v3"
_DEFAULT, _MOST = 10, 100
_KEYS = ("consumer_key", "consumer_secret")
_NONE = pl.lit("0.00")


def _money(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String)


_HOME = {"address_1": "street", "city": "city", "postcode": "postcode", "state": "region"}


def _dates(created: str, modified: str) -> list[pl.Expr]:
    return [
        pl.col(column).dt.to_string(_ISO).alias(f"date_{name}{zone}")
        for name, column in (("created", created), ("modified", modified))
        for zone in ("", "_gmt")
    ]


def _address(*more: str, **renamed: str) -> pl.Expr:
    """Who lives where; a null becomes an empty text, as in every WooCommerce answer."""
    names = {name: name for name in ("first_name", "last_name", "country", "phone", *more)}
    return pl.struct(
        pl.col(column).fill_null("").alias(name) for name, column in (names | renamed).items()
    )


def _billing(**renamed: str) -> pl.Expr:
    return _address("email", **renamed)


def _customers(facts: Facts) -> pl.DataFrame:
    payload = pl.struct(
        _dates("created_at", "updated_at"),
        id="account_id",
        email=pl.col("email").fill_null(""),
        first_name=pl.col("first_name").fill_null(""),
        last_name=pl.col("last_name").fill_null(""),
        role=pl.lit("customer"),
        username=pl.format("user{}", "account_id"),
        billing=_billing(**_HOME),
        shipping=_address(**_HOME),
        is_paying_customer=pl.lit(True),
    )
    return encode(facts.accounts.select(key="account_id", updated_at="updated_at", payload=payload))


def _lines(facts: Facts) -> pl.DataFrame:
    line = pl.struct(
        id="line_id",
        name="title",
        product_id="product_id",
        variation_id="variant_id",
        quantity="quantity",
        subtotal=_money("line_amount"),
        subtotal_tax=_NONE,
        total=_money("line_amount"),
        total_tax=_NONE,
        sku="sku",
        price="price",
    )
    lines = facts.order_lines.with_columns(pl.col("price").cast(pl.Float64))
    return lines.group_by("order_id", maintain_order=True).agg(line_items=line)


def _orders(facts: Facts) -> pl.DataFrame:
    is_refunded = pl.col("refunded_amount") >= pl.col("gross_amount")
    status = (
        pl.when(pl.col("cancelled_at").is_not_null())
        .then(pl.lit("cancelled"))
        .when((pl.col("refunded_amount") > 0) & is_refunded)
        .then(pl.lit("refunded"))
        .when(pl.col("fulfilled_at").is_not_null())
        .then(pl.lit("completed"))
        .otherwise(pl.lit("processing"))
    )
    payload = pl.struct(
        _dates("ordered_at", "updated_at"),
        id="order_id",
        number="number",
        status=status,
        currency="currency",
        discount_total=_money("discount_amount"),
        shipping_total=_money("shipping_amount"),
        total=_money("total_amount"),
        total_tax=_NONE,
        prices_include_tax=pl.lit(False),
        customer_id=pl.col("account_id").fill_null(0),
        billing=_billing(**_HOME),
        shipping=_address(**_HOME),
        payment_method=pl.lit("bacs"),
        line_items="line_items",
    )
    orders = facts.orders.join(_lines(facts), on="order_id", maintain_order="left")
    return encode(orders.select(key="order_id", updated_at="updated_at", payload=payload))


def _refunds(facts: Facts) -> pl.DataFrame:
    refunds = facts.refunds.join(
        facts.order_lines.select("line_id", "product_id", "title"), on="line_id", how="left"
    )
    line = pl.struct(
        id=pl.col("refund_id") + 1_000_000,
        name="title",
        product_id="product_id",
        quantity=-pl.col("quantity"),
        total=pl.format("-{}", "amount"),
        total_tax=_NONE,
    )
    payload = pl.struct(
        id="refund_id",
        parent_id="order_id",
        amount=_money("amount"),
        reason=pl.lit(""),
        line_items=pl.concat_list(line),
        date_created=pl.col("refunded_at").dt.to_string(_ISO),
        date_created_gmt=pl.col("refunded_at").dt.to_string(_ISO),
    )
    return encode(refunds.select(key="refund_id", updated_at="refunded_at", payload=payload))


def _products(facts: Facts) -> pl.DataFrame:
    stock = facts.variants.group_by("product_id").agg(pl.sum("inventory_quantity"))
    payload = pl.struct(
        _dates("created_at", "updated_at"),
        id="product_id",
        name="title",
        sku="sku",
        status=pl.when("is_active").then(pl.lit("publish")).otherwise(pl.lit("draft")),
        purchasable=pl.col("is_active"),
        price=_money("price"),
        stock_quantity="inventory_quantity",
        permalink=pl.format("https://shop.example/product/{}/", "product_id"),
        short_description=pl.format("<p>{} by {}.</p>", "title", "brand"),
        images=pl.concat_list(
            pl.struct(src=pl.format("https://shop.example/pictures/{}.jpg", "product_id"))
        ),
        categories=pl.concat_list(pl.struct(name="category")),
        brands=pl.concat_list(pl.struct(name="brand")),
    )
    products = facts.products.join(stock, on="product_id", how="left")
    return encode(products.select(key="product_id", updated_at="updated_at", payload=payload))


def _reviews(facts: Facts) -> pl.DataFrame:
    is_through = pl.col("status") == "published"
    payload = pl.struct(
        id="review_id",
        date_created=pl.col("reviewed_at").dt.to_string(_ISO),
        date_created_gmt=pl.col("reviewed_at").dt.to_string(_ISO),
        product_id="product_id",
        status=pl.when(is_through).then(pl.lit("approved")).otherwise(pl.lit("hold")),
        reviewer="author",
        reviewer_email="email",
        review=pl.lit("<p>As described.</p>"),
        rating="rating",
        verified="is_verified",
    )
    return encode(facts.reviews.select(key="review_id", updated_at="updated_at", payload=payload))


# Each list with the names of its filters by time.
_LISTS: dict[str, tuple[Callable[[Facts], pl.DataFrame], str, str]] = {
    "customers": (_customers, "", ""),
    "orders": (_orders, "modified_after", "modified_before"),
    "refunds": (_refunds, "after", "before"),
    "products": (_products, "modified_after", "modified_before"),
    "products/reviews": (_reviews, "", ""),
}


class _List:
    """One list, by key."""

    def __init__(self, shop: Shop, name: str) -> None:
        make, self._after, self._before = _LISTS[name]
        self._shop, self._path = shop, f"{_PREFIX}/{name}"
        self._shelf: Shelf = shop.shelf(make(shop.facts))

    async def answer(self, request: Request) -> Response:
        """One page, with its place among all in the headers."""
        asked = request.query_params
        size = min(int(asked.get("per_page", _DEFAULT)), _MOST)
        page = int(asked.get("page", 1))
        if asked.get("status") == "trash":
            nothing = {"X-WP-Total": "0", "X-WP-TotalPages": "0"}
            return Response(b"[]", media_type="application/json", headers=nothing)
        after = _moment(asked.get(self._after))
        found = self._shelf.select(
            first=after + dt.timedelta(microseconds=1) if after else None,
            end=_moment(asked.get(self._before)),
            order="key",
            offset=(page - 1) * size,
            limit=size,
        )
        headers = {"X-WP-Total": str(found.total), "X-WP-TotalPages": str(-(-found.total // size))}
        if found.has_more:
            following = request.url.include_query_params(page=page + 1).query
            headers["Link"] = f'<{self._shop.url}{self._path}?{following}>; rel="next"'
        body = b"[" + b",".join(found.payloads) + b"]"
        return Response(body, media_type="application/json", headers=headers)


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) if text else None


def _routes(shop: Shop) -> list[Route]:
    return [Route(f"{_PREFIX}/{name}", _List(shop, name).answer) for name in _LISTS]


def _authorised(shop: Shop, request: Request) -> Response | None:
    pair = f"{shop.credentials['consumer_key']}:{shop.credentials['consumer_secret']}"
    wanted = f"Basic {base64.b64encode(pair.encode()).decode()}"
    asked = {name: request.query_params.get(name) for name in _KEYS}
    is_known = request.headers.get("authorization") == wanted or asked == shop.credentials
    return None if is_known else _error(401)


def _error(status: int) -> Response:
    code = {401: "woocommerce_rest_cannot_view"}.get(status, "internal_server_error")
    headers = {"Retry-After": "1"} if status == 429 else {}
    body = {"code": code, "message": f"Status {status}.", "data": {"status": status}}
    return JSONResponse(body, status, headers)


VENDOR = Vendor("woocommerce", _routes, _authorised, _error, credentials=_KEYS)
