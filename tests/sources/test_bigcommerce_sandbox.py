"""BigCommerce from end to end: the connector against the sandbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import polars as pl
import pytest
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.bigcommerce.source import SYSTEM, BigCommerceSettings
from marketing_platform.sources.client import Answer
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@cache
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20), days=120)


def bigcommerce(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**HASTE, **sandbox.settings("bigcommerce"), **sandbox.credentials("bigcommerce")}
    return shop_of(make_settings(sources={"bigcommerce": {**given, "page_size": 20}}))


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
