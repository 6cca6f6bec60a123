"""WooCommerce REST v3: customers, orders, refunds, products and reviews of one site."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import flag, ident, integer, number, text, timestamp
from marketing_platform.sources.paging import PageNumber, Rest
from marketing_platform.sources.stream import Checkpoint, Items, Page, Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings
from marketing_platform.sources.woocommerce.access import WooCommerceAccess


class WooCommerceSettings(WooCommerceAccess, SystemSettings):
    """One site: `base_url` is its address; the key needs the right to read.

    `concurrency` is how many pages are asked for at a time: each keeps one of the site's workers
    busy, which also serve its visitors.
    """

    base_url: str = Field(min_length=1)
    page_size: int = Field(default=100, ge=1, le=100)
    concurrency: int = Field(default=2, ge=1, le=10)


def _api(settings: WooCommerceSettings) -> Api:
    return Api(
        f"{settings.base_url}/wp-json/wc/v3",
        headers=settings.headers(),
        params=settings.params(),
        concurrency=settings.concurrency,
    )


def _probe(client: Client, settings: WooCommerceSettings) -> str:
    try:
        answer = client.send(Request("orders", params={"per_page": 1}))
    except SourceError as error:
        if " 401" in error.what and not settings.keys_in_query:
            mend = (
                "Check key and secret; where they are right, the site's server drops the header:"
                " set keys_in_query: true"
            )
            raise SourceError(error.what, where=error.where, mend=mend) from None
        if " 404" in error.what:
            mend = 'In WordPress, set permalinks to another structure than "Plain"'
            raise SourceError(error.what, where=error.where, mend=mend) from None
        raise
    return f"{answer.headers.get('X-WP-Total', 'unknown number of')} orders"


def _first(
    path: str, after: str = "", before: str = "", **params: str
) -> Callable[[WooCommerceSettings, Window], Request]:
    """The request for page one; `after` and `before` name the date filters, where there are any."""

    def first(settings: WooCommerceSettings, window: Window) -> Request:
        asked: dict[str, Any] = {"per_page": settings.page_size, "orderby": "id", "order": "asc"}
        if after:
            # Both ends are exclusive.
            asked[after] = _before_second(window)
            asked[before] = f"{window.end:%Y-%m-%dT%H:%M:%S}"
            asked["dates_are_gmt"] = "true"
        return Request(path, params={**asked, **params})

    return first


def _before_second(window: Window) -> str:
    return f"{window.first - dt.timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"


def _walk(path: str, after: str = "", before: str = "", **params: str) -> Rest:
    paging = PageNumber("per_page", total_pages="X-WP-TotalPages")
    return Rest(_first(path, after, before, **params), "$", paging, total=_total)


@dataclass(frozen=True)
class _WithTrash:
    """A list of every status, and after it what lies in the trash, which is of no other status."""

    listed: Rest
    trashed: Rest

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page of both; `before` in a checkpoint is how many records the first list has."""
        before = checkpoint["before"] if checkpoint and "before" in checkpoint else None
        if before is None:
            for page, following in self.listed.pages(client, settings, window, checkpoint):
                before = page.total or 0
                yield page, following or {"before": before}
            checkpoint = None
        own = checkpoint if checkpoint and "request" in checkpoint else None
        try:
            for page, following in self.trashed.pages(client, settings, window, own):
                total = None if page.total is None else (before or 0) + page.total
                state = {**following, "before": before} if following else None
                yield dataclasses.replace(page, total=total), state
        except SourceError as error:
            # An older WooCommerce knows no trash of products.
            if " 400" not in error.what:
                raise


def _with_trash(path: str) -> _WithTrash:
    times = ("modified_after", "modified_before")
    return _WithTrash(_walk(path, *times, status="any"), _walk(path, *times, status="trash"))


def _total(answer: Answer) -> int | None:
    told = answer.headers.get("X-WP-Total", "")
    return int(told) if told.isdigit() else None


_UPDATED = timestamp("updated_at", "$.date_modified_gmt", "$.date_created_gmt")
_CREATED = timestamp("created_at", "$.date_created_gmt", local_date="created_date")

_CUSTOMERS = Stream(
    "customers",
    _walk("customers", role="all"),
    _UPDATED,
    (
        ident("customer_id", "$.id"),
        _CREATED,
        _UPDATED,
        text("email", "$.email", "$.billing.email"),
        text("phone", "$.billing.phone"),
        text("first_name", "$.first_name", "$.billing.first_name"),
        text("last_name", "$.last_name", "$.billing.last_name"),
        text("country", "$.billing.country", "$.shipping.country"),
        text("street", "$.billing.address_1"),
        text("city", "$.billing.city"),
        text("postcode", "$.billing.postcode"),
        text("region", "$.billing.state"),
    ),
    reads="listing",
)

_LINE_FIELDS = (
    ident("line_id", "$.id"),
    ident("order_id", "$.id", level=0),
    timestamp("ordered_at", "$.date_created_gmt", local_date="order_date", level=0),
    ident("product_id", "$.product_id"),
    text("sku", "$.sku"),
    text("title", "$.name"),
    number("quantity", "$.quantity"),
    number("subtotal", "$.subtotal"),
    text("currency", "$.currency", level=0),
)

_ORDERS = Stream(
    "orders",
    _with_trash("orders"),
    _UPDATED,
    (
        ident("order_id", "$.id"),
        ident("customer_id", "$.customer_id"),
        text("email", "$.billing.email"),
        text("phone", "$.billing.phone"),
        text("first_name", "$.billing.first_name"),
        text("last_name", "$.billing.last_name"),
        text("street", "$.billing.address_1"),
        text("city", "$.billing.city"),
        text("postcode", "$.billing.postcode"),
        text("region", "$.billing.state"),
        text("country", "$.billing.country", "$.shipping.country"),
        text("status", "$.status"),
        _CREATED,
        _UPDATED,
        number("discount_total", "$.discount_total"),
        number("shipping_total", "$.shipping_total"),
        number("total_tax", "$.total_tax"),
        number("total", "$.total"),
        text("currency", "$.currency"),
    ),
    items=(
        Items("order_items", ("$.line_items",), _LINE_FIELDS, "$.id"),
        Items("order_meta", ("$.meta_data",), (text("key", "$.key"), text("value", "$.value"))),
    ),
)

_REFUNDED = timestamp("refunded_at", "$.date_created_gmt", local_date="refund_date")

# A refund is never changed, so that its creation is its only date.
_REFUNDS = Stream(
    "refunds",
    _walk("refunds", "after", "before"),
    _REFUNDED,
    (
        ident("refund_id", "$.id"),
        ident("order_id", "$.parent_id"),
        _REFUNDED,
        number("amount", "$.amount"),
    ),
    items=(
        Items(
            "refund_items",
            ("$.line_items",),
            (
                ident("line_id", "$.id"),
                ident("order_id", "$.parent_id", level=0),
                timestamp("refunded_at", "$.date_created_gmt", local_date="refund_date", level=0),
                ident("product_id", "$.product_id"),
                number("quantity", "$.quantity"),
                number("total", "$.total"),
                number("total_tax", "$.total_tax"),
            ),
            "$.id",
        ),
        Items(
            "refund_shipping",
            ("$.shipping_lines",),
            (number("total", "$.total"), number("total_tax", "$.total_tax")),
        ),
        Items(
            "refund_item_meta",
            ("$.line_items", "$.meta_data"),
            (ident("line_id", "$.id", level=1), text("key", "$.key"), text("value", "$.value")),
        ),
    ),
)

_PRODUCTS = Stream(
    "products",
    _with_trash("products"),
    _UPDATED,
    (
        ident("product_id", "$.id"),
        text("sku", "$.sku"),
        text("title", "$.name"),
        text("category", "$.categories[0].name"),
        text("brand", "$.brands[0].name"),
        number("price", "$.price"),
        number("inventory_quantity", "$.stock_quantity"),
        text("stock_status", "$.stock_status"),
        text("description", "$.short_description", "$.description"),
        text("url", "$.permalink"),
        text("image_url", "$.images[0].src"),
        text("barcode", "$.global_unique_id"),
        text("status", "$.status"),
        flag("is_purchasable", "$.purchasable"),
        _UPDATED,
    ),
    is_state=True,
)

_REVIEWED = timestamp("reviewed_at", "$.date_created_gmt", local_date="review_date")

# The shop lets a review through, or hides it, without a date of that: so all are read.
_REVIEWS = Stream(
    "reviews",
    _walk("products/reviews", status="all"),
    _REVIEWED,
    (
        ident("review_id", "$.id"),
        ident("product_id", "$.product_id"),
        text("email", "$.reviewer_email"),
        integer("rating", "$.rating"),
        flag("is_verified", "$.verified"),
        text("status", "$.status"),
        _REVIEWED,
    ),
    reads="listing",
)

SYSTEM = System(
    "woocommerce",
    "WooCommerce",
    WooCommerceSettings,
    (_CUSTOMERS, _ORDERS, _REFUNDS, _PRODUCTS, _REVIEWS),
    api=_api,
    probe=_probe,
)
