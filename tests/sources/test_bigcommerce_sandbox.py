"""BigCommerce from end to end: the connector against the sandbox."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import polars as pl
import pytest
from paged_shop import Vendor, serving
from samples.bigcommerce import SAMPLES
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.bigcommerce.source import SYSTEM, BigCommerceSettings
from marketing_platform.sources.client import Answer, open_client
from marketing_platform.sources.stream import Checkpoint, Query, Window

MakeSettings = Callable[..., Settings]
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
STREAMS = [stream.name for stream in SYSTEM.streams]


@cache
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20), days=120)


def bigcommerce(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**HASTE, **sandbox.settings("bigcommerce"), **sandbox.credentials("bigcommerce")}
    return shop_of(
        make_settings(sources={"bigcommerce": {**given, "page_size": 20, "streams": STREAMS}})
    )


def accepted(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = shop.staged(table, is_clean=False).filter(pl.col("outcome") == "accepted")
    return sorted(rows.select(columns).rows())


def check(shop: Shop, sandbox: Sandbox) -> None:
    """The accepted rows of every table are what the sandbox knows by now."""
    account, key = pl.col("account_id").cast(pl.String), pl.col("order_id").cast(pl.String)
    person = ("email", "first_name", "street", "city", "postcode", "region", "country")
    accounts = sandbox.truth("accounts").select(account, *person)
    found = accepted(shop, "contacts", "source_contact_id", *person)
    assert found == sorted(accounts.rows())
    orders = sandbox.truth("orders")
    amounts = ("gross_amount", "discount_amount", "shipping_amount", "total_amount", "currency")
    is_cancelled = pl.col("cancelled_at").is_not_null()
    truth = orders.select(key, account, "email", *amounts, is_cancelled)
    columns = ("source_order_id", "source_contact_id", "email", *amounts, "order_status")
    found = accepted(shop, "orders", *columns)
    assert [(*row[:-1], row[-1] == "cancelled") for row in found] == sorted(truth.rows())
    lines = sandbox.truth("order_lines").join(orders.select("order_id"), on="order_id")
    truth = lines.select(pl.col("line_id").cast(pl.String), key, "sku", "quantity", "line_amount")
    columns = ("source_order_item_id", "source_order_id", "sku", "quantity", "line_amount")
    assert accepted(shop, "order_items", *columns) == sorted(truth.rows())
    refunds = sandbox.truth("refunds").select(key, "amount", "refunded_at")
    naive = refunds.with_columns(pl.col("refunded_at").dt.replace_time_zone(None))
    found = accepted(shop, "refunds", "source_order_id", "refund_amount", "refunded_at")
    assert found == sorted(naive.rows())
    product = pl.col("product_id").cast(pl.String)
    products = sandbox.truth("products").select(product, "title", "price", "is_active")
    columns = ("source_product_id", "title", "price_amount", "is_active")
    assert accepted(shop, "products", *columns) == sorted(products.rows())
    # A variant stands in its product, whose change alone is told.
    listed = sandbox.facts.variants.filter(
        pl.col("product_id").is_in(sandbox.truth("products")["product_id"].to_list())
    )
    variant = pl.col("variant_id").cast(pl.String)
    variants = listed.select(variant, product, "price", "inventory_quantity")
    columns = ("source_variant_id", "source_product_id", "price_amount", "inventory_quantity")
    assert accepted(shop, "variants", *columns) == sorted(variants.rows())
    left = sandbox.truth("carts").filter(pl.col("completed_at").is_null())
    carts = left.select(pl.col("cart_id").cast(pl.String), "email", "amount", "item_count")
    found = accepted(shop, "carts", "source_cart_id", "email", "cart_amount", "item_count")
    assert set(carts.rows()) <= set(found)
    assert carts.height > 0
    lines = sandbox.facts.cart_lines.join(left.select("cart_id"), on="cart_id", how="semi")
    keys = [pl.col(n).cast(pl.String) for n in ("cart_line_id", "cart_id", "product_id")]
    columns = ("source_cart_item_id", "source_cart_id", "source_product_id", "quantity")
    asked = lines.select(*keys, "quantity").rows()
    assert set(asked) <= set(accepted(shop, "cart_items", *columns))
    # Those of a product that is not listed cannot be asked for.
    is_listed = pl.col("product_id").is_in(sandbox.truth("products")["product_id"].to_list())
    reviews = sandbox.truth("reviews").filter(is_listed).select(
        pl.col("review_id").cast(pl.String), "email", product, "rating",
        pl.col("status") == "published",
    )  # fmt: skip
    columns = ("source_review_id", "email", "source_product_id", "rating", "is_published")
    assert accepted(shop, "reviews", *columns) == sorted(reviews.rows())
    assert reviews.height > 0


@pytest.mark.parametrize("faults", [Faults(), FAULTS], ids=["well", "faulty"])
def test_interrupted_resumed_and_pulled_again_staging_is_the_truth(
    make_settings: MakeSettings, faults: Faults
) -> None:
    everything = facts()
    middle = everything.end - dt.timedelta(days=30)
    with Sandbox(
        everything, clock=middle, vendors=["bigcommerce"], faults=faults, has_limits=False
    ) as sandbox:
        shop = bigcommerce(make_settings, sandbox)
        shop.break_off("orders", Window(FIRST, middle), after=2)
        asked = sandbox.requests["GET /bigcommerce/stores/demo/v2/orders"]
        shop.pull(Window(FIRST, middle))
        check(shop, sandbox)
        sandbox.advance(everything.end)
        shop.pull(Window(middle - dt.timedelta(days=1), everything.end))
        check(shop, sandbox)
    assert asked > 0
    assert sum(sandbox.faults_happened.values()) > 20 or not faults.share


@dataclass
class Catalogue(Vendor):
    """Fifty products, each third without a review and one with 600 of them.

    In the first `short_walks` walks the list leaves its last page out, but says how many there are.
    """

    short_walks: int = 0
    reviews: Counter[int] = field(default_factory=Counter)

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        number, size = int(query["page"][0] if "page" in query else 1), int(query["limit"][0])
        if path.endswith("/reviews"):
            product = int(path.split("/")[-2])
            self.reviews[product] += 1
            listed = [{"id": 1000 * product + place} for place in range(self.count(product))]
        else:
            listed = [{"id": key, "reviews_count": self.count(key)} for key in range(50)]
        data, pages = listed[(number - 1) * size : number * size], -(-len(listed) // size)
        if not path.endswith("/reviews") and number == pages and self.short_walks:
            self.short_walks -= 1
            data = []
        pagination = {"total": len(listed), "total_pages": pages, "current_page": number}
        body = {"data": data, "meta": {"pagination": pagination}}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    def count(self, product: int) -> int:
        return 600 if product == 7 else product % 3


@dataclass
class Till(Vendor):
    """Sixty orders; the first one changes, and leaves the window, once their list was asked for."""

    keys: list[int] = field(default_factory=lambda: list(range(100, 160)))

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path.endswith("/products"):
            return 204, {}, b""
        number, size = int(query.get("page", ["1"])[0]), int(query["limit"][0])
        listed = [key for key in self.keys if key >= int(query.get("min_id", ["0"])[0])]
        page = [{"id": key} for key in listed[(number - 1) * size : number * size]]
        self.keys = [key for key in self.keys if key != 100]
        return 200, {"Content-Type": "application/json"}, json.dumps(page).encode()


def test_an_order_that_changes_while_orders_are_read_hides_no_other_one() -> None:
    with serving(Till()) as vendor:
        given = {"type": "bigcommerce", "store_hash": "a", "access_token": "t", "page_size": 20,
                 "base_url": vendor.url, **HASTE}  # fmt: skip
        settings = BigCommerceSettings.model_validate(given)
        walk = SYSTEM.stream("orders").walk
        assert not isinstance(walk, Query)
        with open_client(ActiveSource("bigcommerce", SYSTEM, settings)) as client:
            window = Window(FIRST, FIRST + dt.timedelta(days=1))
            pages = walk.pages(client, settings, window, None)
            read = [order["id"] for page, _ in pages for order in json.loads(page.content)]
    assert read == list(range(100, 160))


def reviews_of(vendor: Catalogue, checkpoint: Checkpoint | None = None) -> Iterator[Any]:
    given = {"type": "bigcommerce", "store_hash": "a", "access_token": "t", "page_size": 20,
             "base_url": vendor.url, **HASTE}  # fmt: skip
    settings = BigCommerceSettings.model_validate(given)
    source = ActiveSource("bigcommerce", SYSTEM, settings)
    (stream,) = (stream for stream in SYSTEM.streams if stream.name == "reviews")
    with open_client(source) as client:
        window = Window(FIRST, FIRST + dt.timedelta(days=1))
        for page, following in stream.walk.pages(client, settings, window, checkpoint):
            yield json.loads(page.content), following


WRITTEN = [
    (1000 * key + place, key) for key in range(50) for place in range(Catalogue().count(key))
]


@pytest.mark.parametrize("short_walks", [0, 1, 2])
def test_all_reviews_are_read_and_products_without_any_are_not_asked(short_walks: int) -> None:
    with serving(Catalogue(short_walks=short_walks)) as vendor:
        assert isinstance(vendor, Catalogue)
        found = {(one["id"], one["_product_id"]) for page, _ in reviews_of(vendor) for one in page}
    assert sorted(found) == WRITTEN
    assert set(vendor.reviews) == {key for key in range(50) if vendor.count(key)}
    assert vendor.reviews[7] == 3 * (1 + short_walks)


def test_reviews_go_on_where_they_were_interrupted() -> None:
    with serving(Catalogue()) as vendor:
        assert isinstance(vendor, Catalogue)
        first, following = next(reviews_of(vendor))
        rest = [one for page, _ in reviews_of(vendor, following) for one in page]
    assert sorted((one["id"], one["_product_id"]) for one in [*first, *rest]) == WRITTEN
    assert vendor.reviews[7] == 3


def test_reviews_of_a_list_that_is_never_whole_are_not_taken_for_all() -> None:
    with serving(Catalogue(short_walks=9)) as vendor:
        assert isinstance(vendor, Catalogue)
        with pytest.raises(SourceError, match="the list of products is not whole"):
            list(reviews_of(vendor))


def test_the_wait_is_what_the_store_says_in_milliseconds() -> None:
    assert SYSTEM.api
    settings = BigCommerceSettings.model_validate(
        {"type": "bigcommerce", "store_hash": "a", "access_token": "t"}
    )
    pause = SYSTEM.api(settings).pause
    told = httpx.Headers({"X-Rate-Limit-Time-Reset-Ms": "15000"})
    assert pause(Answer(429, told, b"", False)) == 15
    assert pause(Answer(429, httpx.Headers(), b"", False)) is None, "the platform's own load"
    assert pause(Answer(200, told, b"", False)) is None


def test_an_order_is_in_the_currency_that_was_paid_and_not_in_the_one_that_was_shown(
    make_settings: MakeSettings,
) -> None:
    shown = {"currency_code": "GBP", "default_currency_code": "EUR"}
    samples = {
        **SAMPLES,
        "orders": [{**SAMPLES["orders"][0], **shown}],
        "carts": [{**SAMPLES["carts"][0], **shown}],
    }
    given = {"store_hash": "abc", "access_token": "${TOKEN}", "streams": STREAMS}
    rows = stage(make_settings, "bigcommerce", given, samples)
    tables = ("orders", "order_items", "carts", "cart_items", "refunds")
    found = {table: rows(table, "currency") for table in tables}
    assert found == {table: [{"currency": "EUR"}] for table in tables}


def test_a_refund_of_an_order_that_was_not_read_is_held_back(make_settings: MakeSettings) -> None:
    (told,) = SAMPLES["refunds"]
    samples = {**SAMPLES, "refunds": [told, {**told, "id": 6, "order_id": 1}]}
    given = {"store_hash": "abc", "access_token": "${TOKEN}", "streams": STREAMS}
    found = stage(make_settings, "bigcommerce", given, samples)("refunds", "quarantine_reason")
    assert [row["quarantine_reason"] for row in found] == [None, "of an order that was not read"]


@pytest.mark.parametrize(
    ("tracking", "product", "variant"),
    [("none", None, None), ("product", 4, None), ("variant", 4, 3), (None, 4, 3)],
)
def test_stock_that_is_not_counted_is_not_told(
    make_settings: MakeSettings, tracking: str | None, product: int | None, variant: int | None
) -> None:
    (told,) = SAMPLES["products"]
    (of_it,) = told["variants"]
    counted = {"inventory_tracking": tracking, "variants": [{**of_it, "inventory_level": 3}]}
    samples = {**SAMPLES, "products": [{**told, **counted}]}
    given = {"store_hash": "abc", "access_token": "${TOKEN}", "streams": STREAMS}
    rows = stage(make_settings, "bigcommerce", given, samples)
    found = {table: rows(table, "inventory_quantity") for table in ("products", "variants")}
    assert found == {
        "products": [{"inventory_quantity": product}],
        "variants": [{"inventory_quantity": variant}],
    }


def test_a_product_that_cannot_be_bought_is_not_for_sale(make_settings: MakeSettings) -> None:
    (told,) = SAMPLES["products"]
    states = (("available", True), ("preorder", True), ("disabled", True), ("available", False))
    products = [
        {**told, "id": key, "availability": availability, "is_visible": is_visible}
        for key, (availability, is_visible) in enumerate(states)
    ]
    given = {"store_hash": "abc", "access_token": "${TOKEN}", "streams": STREAMS}
    rows = stage(make_settings, "bigcommerce", given, {**SAMPLES, "products": products})
    found = [row["is_active"] for row in rows("products", "is_active")]
    assert found == [True, True, False, False]
