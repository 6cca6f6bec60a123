"""WooCommerce from end to end: the connector against the sandbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl
import pytest
from json_answers import json_answer
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.paging import PageNumber, Rest
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@cache
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20), days=120)


def woocommerce(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**HASTE, **sandbox.settings("woocommerce"), **sandbox.credentials("woocommerce")}
    return shop_of(make_settings(sources={"woocommerce": {**given, "page_size": 20}}))


def accepted(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = shop.staged(table, is_clean=False).filter(pl.col("outcome") == "accepted")
    return sorted(rows.select(columns).rows())


def check(shop: Shop, sandbox: Sandbox) -> None:
    """The accepted rows of every table are what the sandbox knows by now."""
    account, key = pl.col("account_id").cast(pl.String), pl.col("order_id").cast(pl.String)
    accounts = sandbox.truth("accounts").select(account, "email", "first_name")
    found = accepted(shop, "contacts", "source_contact_id", "email", "first_name")
    assert found == sorted(accounts.rows())
    orders = sandbox.truth("orders")
    amounts = ("gross_amount", "discount_amount", "shipping_amount", "total_amount", "currency")
    truth = orders.select(key, account, "email", *amounts, pl.col("cancelled_at").is_not_null())
    found = accepted(shop, "orders", "source_order_id", "source_contact_id", "email", *amounts,
                     "order_status")  # fmt: skip
    assert [(*row[:-1], row[-1] == "cancelled") for row in found] == sorted(truth.rows())
    lines = sandbox.truth("order_lines").join(orders.select("order_id"), on="order_id")
    truth = lines.select(pl.col("line_id").cast(pl.String), key, "sku", "quantity", "line_amount")
    found = accepted(shop, "order_items", "source_order_item_id", "source_order_id", "sku",
                     "quantity", "line_amount")  # fmt: skip
    assert found == sorted(truth.rows())
    refunds = sandbox.truth("refunds").select(key, "quantity", "amount")
    found = accepted(shop, "refunds", "source_order_id", "quantity", "refund_amount")
    assert found == sorted(refunds.rows())
    assert set(shop.staged("refunds__rest")["refund_amount"]) <= {0}
    product = pl.col("product_id").cast(pl.String)
    products = sandbox.truth("products").select(product, "title", "brand", "price", "is_active")
    found = accepted(shop, "products", "source_product_id", "title", "brand", "price_amount",
                     "is_active")  # fmt: skip
    assert found == sorted(products.rows())


@pytest.mark.parametrize("faults", [Faults(), FAULTS], ids=["well", "faulty"])
def test_interrupted_resumed_and_pulled_again_staging_is_the_truth(
    make_settings: MakeSettings, faults: Faults
) -> None:
    everything = facts()
    middle = everything.end - dt.timedelta(days=30)
    with Sandbox(everything, clock=middle, vendors=["woocommerce"], faults=faults) as sandbox:
        shop = woocommerce(make_settings, sandbox)
        shop.break_off("orders", Window(FIRST, middle), after=2)
        shop.pull(Window(FIRST, middle))
        check(shop, sandbox)
        asked = sandbox.requests["GET /woocommerce/wp-json/wc/v3/orders"]
        sandbox.advance(everything.end)
        shop.pull(Window(middle - dt.timedelta(days=1), everything.end))
        check(shop, sandbox)
    assert asked > 0
    assert sum(sandbox.faults_happened.values()) > 5 or not faults.share


class Shifting(Client):
    """Three records on two pages; once, one of them slips between the pages."""

    def __init__(self, slips: int) -> None:
        self.slips, self.asked = slips, 0

    def send(self, request: Request) -> Answer:
        self.asked += 1
        page = int(request.params.get("page", 1))
        records = [[{"id": 1}, {"id": 2}], [{"id": 3}]][page - 1]
        if page == 2 and self.slips:
            self.slips -= 1
            records = []
        answer = json_answer(records)
        answer.headers["X-WP-Total"] = "3"
        return answer


def walked(client: Client) -> list[int]:
    walk = Rest(
        lambda *_: Request("items"),
        "$",
        PageNumber(2),
        total=lambda answer: int(answer.headers["X-WP-Total"]),
    )
    window = Window(FIRST, FIRST + dt.timedelta(days=1))
    return [len(page.content) for page, _ in walk.pages(client, None, window, None)]  # type: ignore[arg-type]


def test_a_list_that_lost_a_record_on_the_way_is_walked_once_more() -> None:
    client = Shifting(slips=1)
    walked(client)
    assert client.asked == 4


def test_a_list_that_stays_short_fails_and_says_by_how_much() -> None:
    with pytest.raises(SourceError, match="items gives 2 of the 3 records"):
        walked(Shifting(slips=99))
