"""BigCommerce: customers, orders with their products, carts, refunds, the catalogue and reviews.

An order does not hold its products: they are asked for order by order and put into it as
`_products`; reviews are asked for product by product. BigCommerce lists no carts; a checkout that
was begun and left is an order whose status is 0, "Incomplete".
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import Field, SecretStr

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import flag, ident, integer, number, rfc2822, text, timestamp
from marketing_platform.sources.json_text import read_json
from marketing_platform.sources.paging import FromKey, PageNumber, Rest, find
from marketing_platform.sources.stream import Checkpoint, Items, Page, Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

_URL = "https://api.bigcommerce.com"
_MOST = 250
# Of the lists of v3.
_PAGES = PageNumber("limit", total_pages="$.meta.pagination.total_pages")
_WALKS = 3


class BigCommerceSettings(SystemSettings):
    """One store; the token needs to read customers, orders, transactions and products."""

    store_hash: str = Field(pattern=r"^[A-Za-z0-9]+$")
    access_token: SecretStr
    page_size: int = Field(default=_MOST, ge=1, le=_MOST)


def _api(settings: BigCommerceSettings) -> Api:
    return Api(
        f"{settings.base_url or _URL}/stores/{settings.store_hash}",
        headers={
            "X-Auth-Token": settings.access_token.get_secret_value(),
            "Accept": "application/json",
        },
        concurrency=4,
        pause=_pause,
    )


def _pause(answer: Answer) -> float | None:
    """A store that asked too often is told how many milliseconds are left of the window."""
    told = answer.headers.get("X-Rate-Limit-Time-Reset-Ms", "")
    return int(told) / 1000 if answer.status == 429 and told.isdigit() else None


def _probe(client: Client, settings: BigCommerceSettings) -> str:
    answer = client.send(Request("v3/customers", params={"limit": 1}))
    client.send(Request("v2/orders", params={"limit": 1}))
    return f"{find(answer.body, '$.meta.pagination.total')} customers"


def _listed(path: str, after: str, before: str, **params: str) -> Rest:
    """A list of v3, whose answers say how many records and pages there are."""

    def first(settings: BigCommerceSettings, window: Window) -> Request:
        between = {after: _moment(window.first), before: _moment(_last_second(window))}
        return Request(path, params={"limit": settings.page_size, **between, **params})

    return Rest(
        first,
        "$.data",
        _PAGES,
        total=lambda answer: find(answer.body, "$.meta.pagination.total"),
    )


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"


def _last_second(window: Window) -> dt.datetime:
    # Both ends belong to what is asked for, and moments are told to the second.
    return window.end - dt.timedelta(seconds=1)


@dataclass(frozen=True)
class _Orders:
    """The orders of v2 by key, each with its products; `status` only those of one status."""

    status: str = ""

    def pages(
        self,
        client: Client,
        settings: Any,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page of orders, completed."""
        walk = Rest(self._first, "$", FromKey("limit", "min_id"))
        for page, following in walk.pages(client, settings, window, checkpoint):
            yield self._completed(client, page), following

    def _first(self, settings: BigCommerceSettings, window: Window) -> Request:
        params = {
            "limit": settings.page_size,
            "sort": "id:asc",
            "min_date_modified": _moment(window.first),
            "max_date_modified": _moment(_last_second(window)),
        }
        return Request(
            "v2/orders", params=params | ({"status_id": self.status} if self.status else {})
        )

    def _completed(self, client: Client, page: Page) -> Page:
        orders = read_json(page.content) if page.content else []
        named = [order for order in orders if isinstance(order, dict) and order.get("id")]
        answers = client.send_all(_products_of(order["id"]) for order in named)
        for order, answer in zip(named, answers, strict=True):
            order["_products"] = _all_products(client, order["id"], answer)
        return dataclasses.replace(page, content=orjson.dumps(orders))


def _products_of(order_id: Any, page: int = 1) -> Request:
    return Request(f"v2/orders/{order_id}/products", params={"limit": _MOST, "page": page})


def _all_products(client: Client, order_id: Any, first: Answer) -> list[Any]:
    products = found = first.body or []
    page = 1
    while len(found) == _MOST:
        page += 1
        found = client.send(_products_of(order_id, page)).body or []
        products = products + found
    return list(products)


@dataclass(frozen=True)
class _Reviews:
    """The reviews of each product that has any, with the product's key as `_product_id`."""

    def pages(
        self,
        client: Client,
        settings: Any,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """The reviews of each page of products; all products again where some were not listed."""
        listed = Rest(self._first, "$.data", _PAGES)
        seen = int(checkpoint["seen"]) if checkpoint else 0
        for _ in range(_WALKS):
            for page, following in listed.pages(client, settings, window, checkpoint):
                body = read_json(page.content)
                seen += len(body["data"])
                is_whole = seen >= body["meta"]["pagination"]["total"]
                reviews = Page(orjson.dumps(self._of(client, body["data"])))
                if following:
                    yield reviews, {**following, "seen": seen}
                    continue
                again = {"request": dataclasses.asdict(self._first(settings, window)), "seen": 0}
                yield reviews, None if is_whole else again
                if is_whole:
                    return
            checkpoint, seen = None, 0
        raise SourceError("reviews: the list of products is not whole", mend="Run again")

    def _first(self, settings: BigCommerceSettings, window: Window) -> Request:
        params = {"limit": settings.page_size, "include_fields": "reviews_count"}
        return Request("v3/catalog/products", params=params)

    def _of(self, client: Client, products: list[Any]) -> list[Any]:
        keys = [product["id"] for product in products if product.get("reviews_count") != 0]
        found = []
        for key, answer in zip(keys, client.send_all(map(_reviews_of, keys)), strict=True):
            body = answer.body
            for page in range(2, find(body, "$.meta.pagination.total_pages") + 1):
                found += [{**one, "_product_id": key} for one in body["data"]]
                body = client.send(_reviews_of(key, page)).body
            found += [{**one, "_product_id": key} for one in body["data"]]
        return found


def _reviews_of(product_id: Any, page: int = 1) -> Request:
    return Request(
        f"v3/catalog/products/{product_id}/reviews", params={"limit": _MOST, "page": page}
    )


_CREATED = timestamp("created_at", "$.date_created")
_UPDATED = timestamp("updated_at", "$.date_modified", "$.date_created")
_ORDER_UPDATED = rfc2822("updated_at", "$.date_modified", "$.date_created")

_CUSTOMERS = Stream(
    "customers",
    _listed("v3/customers", "date_modified:min", "date_modified:max", include="addresses"),
    _UPDATED,
    (
        ident("customer_id", "$.id"),
        _CREATED,
        _UPDATED,
        text("email", "$.email"),
        text("phone", "$.phone", "$.addresses[0].phone"),
        text("first_name", "$.first_name"),
        text("last_name", "$.last_name"),
        text("country", "$.addresses[0].country_code"),
        text("street", "$.addresses[0].address1"),
        text("city", "$.addresses[0].city"),
        text("postcode", "$.addresses[0].postal_code"),
        text("region", "$.addresses[0].state_or_province"),
    ),
    is_state=True,
)

_BUYER = (
    ident("order_id", "$.id"),
    ident("customer_id", "$.customer_id"),
    text("email", "$.billing_address.email"),
    text("phone", "$.billing_address.phone"),
    text("first_name", "$.billing_address.first_name"),
    text("last_name", "$.billing_address.last_name"),
    text("street", "$.billing_address.street_1"),
    text("city", "$.billing_address.city"),
    text("postcode", "$.billing_address.zip"),
    text("region", "$.billing_address.state"),
    text("country", "$.billing_address.country_iso2", "$.billing_address.country"),
    integer("status_id", "$.status_id"),
    text("status", "$.status"),
    number("subtotal", "$.subtotal_inc_tax"),
    text("currency", "$.default_currency_code", "$.currency_code"),
    _ORDER_UPDATED,
)

_ORDERS = Stream(
    "orders",
    _Orders(),
    _ORDER_UPDATED,
    (
        *_BUYER,
        rfc2822("created_at", "$.date_created", local_date="created_date"),
        number("discount", "$.discount_amount"),
        number("coupon_discount", "$.coupon_discount"),
        number("shipping", "$.shipping_cost_inc_tax"),
        number("tax", "$.total_tax"),
        number("total", "$.total_inc_tax"),
        flag("is_deleted", "$.is_deleted"),
    ),
    items=(
        Items(
            "order_items",
            ("$._products",),
            (
                ident("line_id", "$.id"),
                ident("order_id", "$.id", level=0),
                rfc2822("ordered_at", "$.date_created", local_date="order_date", level=0),
                ident("product_id", "$.product_id"),
                text("sku", "$.sku"),
                text("title", "$.name"),
                integer("quantity", "$.quantity"),
                number("price", "$.price_inc_tax"),
                number("amount", "$.total_inc_tax"),
                text("currency", "$.default_currency_code", "$.currency_code", level=0),
            ),
            "$.id",
        ),
    ),
)

_CARTS = Stream(
    "carts",
    _Orders(status="0"),
    _ORDER_UPDATED,
    (*_BUYER, rfc2822("created_at", "$.date_created", local_date="cart_date")),
    items=(
        Items(
            "cart_items",
            ("$._products",),
            (
                ident("line_id", "$.id"),
                ident("order_id", "$.id", level=0),
                ident("product_id", "$.product_id"),
                text("sku", "$.sku"),
                text("title", "$.name"),
                integer("quantity", "$.quantity"),
                number("price", "$.price_inc_tax"),
                text("currency", "$.default_currency_code", "$.currency_code", level=0),
            ),
            "$.id",
        ),
    ),
)

_REFUNDED = timestamp("refunded_at", "$.created", local_date="refund_date")
# A refund is never changed, so that its creation is its only date.
_REFUNDS = Stream(
    "refunds",
    _listed("v3/orders/payment_actions/refunds", "created:min", "created:max"),
    _REFUNDED,
    (
        ident("refund_id", "$.id"),
        ident("order_id", "$.order_id"),
        _REFUNDED,
        number("amount", "$.total_amount"),
    ),
)

_PRODUCTS = Stream(
    "products",
    _listed(
        "v3/catalog/products",
        "date_modified:min",
        "date_modified:max",
        include="variants,primary_image",
    ),
    _UPDATED,
    (
        ident("product_id", "$.id"),
        text("sku", "$.sku"),
        text("title", "$.name"),
        number("price", "$.price"),
        integer("inventory_quantity", "$.inventory_level"),
        text("inventory_tracking", "$.inventory_tracking"),
        flag("is_visible", "$.is_visible"),
        text("availability", "$.availability"),
        text("description", "$.description"),
        text("barcode", "$.gtin", "$.upc"),
        text("image_url", "$.primary_image.url_standard"),
        _UPDATED,
    ),
    items=(
        Items(
            "variants",
            ("$.variants",),
            (
                ident("variant_id", "$.id"),
                ident("product_id", "$.id", level=0),
                text("sku", "$.sku"),
                text("title", "$.option_values[0].label"),
                number("price", "$.price", "$.calculated_price"),
                integer("inventory_quantity", "$.inventory_level"),
                text("inventory_tracking", "$.inventory_tracking", level=0),
                text("barcode", "$.gtin", "$.upc"),
                timestamp("updated_at", "$.date_modified", "$.date_created", level=0),
            ),
            "$.id",
        ),
    ),
    is_state=True,
)

_REVIEWED = timestamp("reviewed_at", "$.date_reviewed", local_date="review_date")
# They cannot be asked for by their last change, and there is a call for each product that has some.
_REVIEWS = Stream(
    "reviews",
    _Reviews(),
    _UPDATED,
    (
        ident("review_id", "$.id"),
        ident("product_id", "$._product_id"),
        text("email", "$.email"),
        integer("rating", "$.rating"),
        text("status", "$.status"),
        _REVIEWED,
        _UPDATED,
    ),
    reads="listing",
    is_optional=True,
)

SYSTEM = System(
    "bigcommerce",
    "BigCommerce",
    BigCommerceSettings,
    (_CUSTOMERS, _ORDERS, _CARTS, _REFUNDS, _PRODUCTS, _REVIEWS),
    api=_api,
    probe=_probe,
)
