"""Shopify pulled from the sandbox: what staging holds is what is true there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import pytest

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.client import Answer, Client
from marketing_platform.sources.pull import pull
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import staging_tables
from marketing_platform.sources.stream import Window

LAST_DAY = dt.date(2025, 11, 20)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=30, end=LAST_DAY, days=75)


@dataclass
class Pulling:
    """A shop whose only source is the sandbox."""

    settings: Settings
    source: ActiveSource

    def pull(self, first: dt.datetime, end: dt.datetime) -> None:
        for stream in self.source.streams:
            pull(self.settings, self.source, stream, Window(first, end))

    def staged(self) -> Callable[[str], list[Any]]:
        """A function from a select to its rows, over the staging tables."""
        connection = duckdb.connect()
        create_views(connection, self.settings, self.source)
        connection.execute("create schema staging")
        tables = [staged.table for staged in staging_tables(self.settings).values()]
        for table in sorted(tables, key=lambda one: any("staging." in r for r in one.reads)):
            connection.execute(f"create table {table.name} as {table.sql}")
        return lambda select: connection.execute(select).fetchall()


@pytest.fixture
def pulling(make_settings: Callable[..., Settings]) -> Callable[[Sandbox], Pulling]:
    def make(sandbox: Sandbox) -> Pulling:
        given = {
            "shop": "initech",
            **sandbox.credentials("shopify"),
            "base_url": sandbox.url("shopify"),
            "page_size": 50,
            "line_page_size": 2,
            "retry_seconds": 0.01,
            "max_wait_seconds": 0.05,
        }
        settings = make_settings(sources={"shopify": given})
        return Pulling(settings, active_sources(settings)[0])

    return make


def check_truth(sandbox: Sandbox, staged: Callable[[str], list[Any]]) -> None:
    """Every accepted row is a fact, and every fact that the clock has reached is a row."""
    for select, truth in _expected(sandbox).items():
        assert staged(select) == truth, select
    quarantined = "select count(*) from staging.shopify_orders where outcome = 'quarantined'"
    assert staged(quarantined) == [(0,)]


def _expected(sandbox: Sandbox) -> dict[str, list[tuple[Any, ...]]]:
    orders = sandbox.truth("orders").sort("order_id")
    known = orders.select("order_id", at="updated_at")
    lines = sandbox.truth("order_lines").join(known, on="order_id").sort("line_id")
    refunds = sandbox.truth("refunds").join(known, on="order_id").sort("refund_id")
    accounts = sandbox.truth("accounts").sort("account_id")
    return {
        "select cast(source_order_id as bigint), ordered_at, discount_amount,"
        " total_amount, order_status = 'cancelled', updated_at"
        " from staging.shopify_orders where outcome = 'accepted' order by 1": orders.select(
            "order_id",
            pl.col("ordered_at").dt.replace_time_zone(None).dt.truncate("1s"),
            "discount_amount",
            "total_amount",
            pl.col("cancelled_at").is_not_null(),
            pl.col("updated_at").dt.replace_time_zone(None).dt.truncate("1s"),
        ).rows(),
        "select cast(source_order_item_id as bigint), cast(source_order_id as bigint), quantity,"
        " line_amount from staging.shopify_order_items where outcome = 'accepted'"
        " order by 1": lines.select("line_id", "order_id", "quantity", "line_amount").rows(),
        "select cast(source_order_item_id as bigint), quantity, refund_amount"
        " from staging.shopify_refunds where outcome = 'accepted'"
        " order by cast(split_part(source_refund_id, '/', 1) as bigint)": refunds.select(
            "line_id", "quantity", "amount"
        ).rows(),
        "select cast(source_contact_id as bigint), email, first_name, has_email_consent"
        " from staging.shopify_contacts where outcome = 'accepted' order by 1": accounts.select(
            "account_id", "email", "first_name", "has_email_consent"
        ).rows(),
        "select cast(source_product_id as bigint), title, price_amount from"
        " staging.shopify_products where outcome = 'accepted' order by 1": sandbox.truth("products")
        .sort("product_id")
        .select("product_id", "title", "price")
        .rows(),
        "select cast(source_variant_id as bigint), sku, inventory_quantity from"
        " staging.shopify_variants where outcome = 'accepted' order by 1": sandbox.truth("variants")
        .sort("variant_id")
        .select("variant_id", "sku", "inventory_quantity")
        .rows(),
        "select cast(source_cart_id as bigint), cart_amount, completed_at is null from"
        " staging.shopify_carts where outcome = 'accepted' order by 1": sandbox.truth("carts")
        .sort("cart_id")
        .select("cart_id", "amount", pl.col("completed_at").is_null())
        .rows(),
    }


@pytest.fixture(params=[0.0, 0.2], ids=["well", "under faults"])
def sandbox(request: pytest.FixtureRequest, facts: Facts) -> Iterator[Sandbox]:
    middle = facts.start + dt.timedelta(60)
    faults = Faults(share=request.param, slow_seconds=0.01)
    with Sandbox(
        facts, clock=middle, vendors=["shopify"], has_limits=False, faults=faults
    ) as running:
        yield running


class _InterruptedError(Exception):
    pass


def _interrupting(send: Callable[..., Answer], after: int) -> Callable[..., Answer]:
    """A client's `send` that breaks off at a request."""
    count = 0

    def sent(client: Client, request: Any) -> Answer:
        nonlocal count
        count += 1
        if count > after:
            raise _InterruptedError
        return send(client, request)

    return sent


def test_pulls_that_break_off_and_go_on_end_with_the_truth(
    sandbox: Sandbox,
    facts: Facts,
    pulling: Callable[[Sandbox], Pulling],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = pulling(sandbox)
    everything = facts.start - dt.timedelta(3000)
    with monkeypatch.context() as patched:
        from marketing_platform.sources import client

        broken = _interrupting(client._HttpClient.send, 3)
        patched.setattr(client._HttpClient, "send", broken)
        with pytest.raises(_InterruptedError):
            shop.pull(everything, sandbox.clock)
    shop.pull(everything, sandbox.clock)
    shop.pull(everything, sandbox.clock)
    check_truth(sandbox, shop.staged())
    before = sandbox.clock
    sandbox.advance(facts.end)
    shop.pull(before - dt.timedelta(1), facts.end)
    check_truth(sandbox, shop.staged())
