"""WooCommerce from end to end: the connector against the sandbox."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from paged_shop import Vendor, serving
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import ConfigError, SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.client import open_client
from marketing_platform.sources.paging import Rest
from marketing_platform.sources.pull import pull
from marketing_platform.sources.stream import Window
from marketing_platform.sources.woocommerce.source import SYSTEM

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
    person = ("email", "first_name", "street", "city", "postcode", "region", "country")
    accounts = sandbox.truth("accounts").select(account, *person)
    found = accepted(shop, "contacts", "source_contact_id", *person)
    assert found == sorted(accounts.rows())
    orders = sandbox.truth("orders")
    amounts = ("discount_amount", "shipping_amount", "total_amount", "currency")
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
    written = pl.col("review_id").cast(pl.String)
    reviews = sandbox.truth("reviews").select(
        written, "email", product, "rating", pl.col("status") == "published"
    )
    found = accepted(shop, "reviews", "source_review_id", "email", "source_product_id", "rating",
                     "is_published")  # fmt: skip
    assert found == sorted(reviews.rows())
    assert found


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


def test_a_site_that_drops_the_header_is_read_with_its_keys_in_the_query(
    make_settings: MakeSettings,
) -> None:
    with Sandbox(facts(), vendors=["woocommerce"]) as sandbox:
        given = {**HASTE, **sandbox.settings("woocommerce"), **sandbox.credentials("woocommerce")}
        shop = shop_of(make_settings(sources={"woocommerce": {**given, "keys_in_query": True}}))
        assert SYSTEM.api and not SYSTEM.api(shop.source.settings).headers
        shop.pull(Window(FIRST, facts().end))
        check(shop, sandbox)
        wrong = {**given, "consumer_secret": "cs_of_somebody_else"}
        for way, told in ((False, "set keys_in_query: true"), (True, "Check the credentials")):
            sources = {"woocommerce": {**wrong, "keys_in_query": way}}
            source = shop_of(make_settings(sources=sources)).source
            with open_client(source) as client, pytest.raises(SourceError, match=told) as raised:
                SYSTEM.probe(client, source.settings)  # type: ignore[misc]
            assert "cs_of_somebody_else" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("http://shop.example", True),
        ("https://shop.example", False),
        ("http://127.0.0.1:8080/shop", False),
        ("http://192.168.1.7", False),
        ("http://wordpress:8080", False),
    ],
)
def test_keys_travel_over_https_alone(
    make_settings: MakeSettings, url: str, is_refused: bool
) -> None:
    given = {"base_url": url, "consumer_key": "ck", "consumer_secret": "cs"}
    settings = make_settings(sources={"woocommerce": given})
    with pytest.raises(ConfigError, match="https alone") if is_refused else nullcontext():
        active_sources(settings)


def test_a_page_that_was_skipped_is_noticed_by_the_number_of_records(
    make_settings: MakeSettings,
) -> None:
    faults = Faults(share=0.2, kinds=("skip_page",), in_a_row=1)
    with Sandbox(facts(), vendors=["woocommerce"], faults=faults) as sandbox:
        shop = woocommerce(make_settings, sandbox)
        shop.pull(Window(FIRST, facts().end))
        check(shop, sandbox)
    assert sandbox.faults_happened["skip_page"] > 0


@dataclass
class Site(Vendor):
    """Orders and products by key; as in WordPress, "any" is every status but the trash.

    Where `refuses_trash`, it does not know that status.
    """

    refuses_trash: bool = False

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        query = parse_qs(urlsplit(target).query)
        kind, (status,) = {"Content-Type": "application/json"}, query["status"]
        if status == "trash" and self.refuses_trash:
            return 400, kind, b'{"code": "rest_invalid_param", "message": "status"}'
        listed = [one for one in self.records if (one["status"] == "trash") == (status == "trash")]
        place, size = (int(query["page"][0]) - 1 if "page" in query else 0), 2
        headers = {"X-WP-Total": str(len(listed)), "X-WP-TotalPages": str(-(-len(listed) // size))}
        return 200, kind | headers, json.dumps(listed[place * size : (place + 1) * size]).encode()


def sold(key: int, status: str = "completed") -> dict[str, Any]:
    moment = "2026-01-05T10:00:00"
    return {"id": key, "status": status, "date_created_gmt": moment, "date_modified_gmt": moment,
            "total": "9.90", "currency": "EUR", "name": f"Mug {key}"}  # fmt: skip


JANUARY = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))


def shop_at(make_settings: MakeSettings, site: Vendor, stream: str) -> Shop:
    given = {"base_url": site.url, "consumer_key": "k", "consumer_secret": "s", **HASTE}
    streams = {**given, "page_size": 2, "streams": [stream]}
    return shop_of(make_settings(sources={"woocommerce": streams}))


@pytest.mark.parametrize("stream", ["orders", "products"])
def test_what_lies_in_the_trash_is_deleted(make_settings: MakeSettings, stream: str) -> None:
    records = [sold(key, "trash" if key % 2 else "completed") for key in range(1, 7)]
    with serving(Site(records)) as site:
        shop = shop_at(make_settings, site, stream)
        shop.break_off(stream, JANUARY, after=3)
        shop.pull(JANUARY)
    found = accepted(shop, stream, f"source_{stream.removesuffix('s')}_id", "is_deleted")
    assert found == [(str(key), key % 2 == 1) for key in range(1, 7)]


def test_a_site_that_does_not_list_its_trash_is_read_without(make_settings: MakeSettings) -> None:
    with serving(Site([sold(1), sold(2)], refuses_trash=True)) as site:
        shop = shop_at(make_settings, site, "products")
        shop.pull(JANUARY)
    assert accepted(shop, "products", "source_product_id") == [("1",), ("2",)]


def test_a_list_that_stays_short_fails_and_says_by_how_much(make_settings: MakeSettings) -> None:
    with Sandbox(facts(), vendors=["woocommerce"]) as sandbox:
        shop = woocommerce(make_settings, sandbox)
        whole = shop.source.system.stream("customers")
        assert isinstance(whole.walk, Rest)
        hiding = dataclasses.replace(whole.walk, total=lambda answer: 1000)
        stream = dataclasses.replace(whole, walk=hiding)
        with pytest.raises(SourceError, match=r"customers: \d+ of the 1,000 records"):
            pull(shop.settings, shop.source, stream, Window(FIRST, facts().end))
    assert not (shop.settings.lake_dir / "woocommerce" / "customers").exists()


def test_fields_of_another_type_are_held_back_and_right_again_when_they_are_pulled_again(
    make_settings: MakeSettings,
) -> None:
    everything = Window(FIRST, facts().end)
    faults = Faults(share=0.9, kinds=("wrong_type",), in_a_row=1)
    with Sandbox(facts(), vendors=["woocommerce"], faults=faults) as sandbox:
        shop = woocommerce(make_settings, sandbox)
        shop.pull(everything)
    assert sandbox.faults_happened["wrong_type"] > 0
    outcomes = shop.staged("orders", is_clean=False)["outcome"]
    assert outcomes.is_in(["accepted", "duplicate", "quarantined"]).all()
    assert "quarantined" in outcomes
    with Sandbox(facts(), vendors=["woocommerce"]) as sandbox:
        given = {**HASTE, **sandbox.settings("woocommerce"), **sandbox.credentials("woocommerce")}
        again = shop_of(make_settings(sources={"woocommerce": given}))
        again.pull(everything)
        check(again, sandbox)
    assert set(again.staged("orders", is_clean=False)["outcome"]) == {"accepted"}


def test_a_review_without_stars_has_none_and_one_that_waits_is_not_shown(
    make_settings: MakeSettings,
) -> None:
    written = {
        "date_created_gmt": "2026-01-05T10:00:00", "product_id": 22, "status": "approved",
        "reviewer_email": "ann@example.com", "rating": 4, "verified": True,
    }  # fmt: skip
    samples = {
        "reviews": [
            {**written, "id": 1},
            {**written, "id": 2, "rating": 0, "reviewer_email": ""},
            {**written, "id": 3, "status": "hold", "verified": False},
            {**written, "id": 4, "rating": 6},
        ]
    }
    given = {"base_url": "https://shop.example", "consumer_key": "${KEY}",
             "consumer_secret": "${SECRET}", "streams": ["reviews"]}  # fmt: skip
    rows = stage(make_settings, "woocommerce", given, samples)
    columns = ("source_review_id", "email", "rating", "is_verified", "is_published",
               "quarantine_reason")  # fmt: skip
    assert [tuple(row.values()) for row in rows("reviews", *columns)] == [
        ("1", "ann@example.com", 4, True, True, None),
        ("2", None, None, True, True, None),
        ("3", "ann@example.com", 4, False, False, None),
        ("4", "ann@example.com", 6, True, True, "not 1 to 5 stars"),
    ]


def test_a_product_without_a_count_of_its_stock_is_in_stock_as_its_status_says(
    make_settings: MakeSettings,
) -> None:
    stocks = (
        ("instock", None, None), ("outofstock", None, 0), ("instock", 4, 4), ("outofstock", 1, 0),
        (None, 3, 3), ("instock", 12.5, 13),
    )  # fmt: skip
    products = [
        {
            **sold(key, "publish"),
            "purchasable": True,
            "stock_status": status,
            "stock_quantity": count,
        }
        for key, (status, count, _) in enumerate(stocks, start=1)
    ]
    given = {"base_url": "https://shop.example", "consumer_key": "${KEY}",
             "consumer_secret": "${SECRET}", "streams": ["products"]}  # fmt: skip
    rows = stage(make_settings, "woocommerce", given, {"products": products})
    found = [row["inventory_quantity"] for row in rows("products", "inventory_quantity")]
    assert found == [expected for _, _, expected in stocks]


def test_an_order_came_from_where_the_shop_ascribes_it_to(make_settings: MakeSettings) -> None:
    order = {
        "date_created_gmt": "2026-01-05T10:00:00", "total": "9.90", "currency": "EUR",
        "date_modified_gmt": "2026-01-05T10:00:00", "status": "completed",
    }  # fmt: skip
    told = {"source_type": "utm", "utm_source": "google", "utm_medium": "cpc", "utm_campaign": ""}
    meta = [{"id": 1, "key": f"_wc_order_attribution_{k}", "value": v} for k, v in told.items()]
    other = {"id": 2, "key": "_stripe_fee", "value": {"amount": 1}}
    orders = [{**order, "id": 1, "meta_data": [*meta, other]}, {**order, "id": 2}]
    given = {"base_url": "https://shop.example", "consumer_key": "${KEY}",
             "consumer_secret": "${SECRET}", "streams": ["orders"]}  # fmt: skip
    rows = stage(make_settings, "woocommerce", given, {"orders": orders})
    found = rows("orders", "utm_source", "utm_medium", "utm_campaign", "quarantine_reason")
    assert [tuple(row.values()) for row in found] == [
        ("google", "cpc", None, None),
        (None, None, None, None),
    ]


def test_an_order_that_was_not_paid_for_is_none_until_it_is(make_settings: MakeSettings) -> None:
    order = {
        "id": 1, "date_created_gmt": "2026-01-05T10:00:00", "total": "9.90", "currency": "EUR",
        "date_modified_gmt": "2026-01-05T10:00:00", "customer_id": 7,
    }  # fmt: skip
    statuses = ("pending", "failed", "cancelled", "on-hold", "processing", "completed", "refunded",
                "packed")  # fmt: skip
    orders = [{**order, "id": 10 + place, "status": told} for place, told in enumerate(statuses)]
    given = {"base_url": "https://shop.example", "consumer_key": "${KEY}",
             "consumer_secret": "${SECRET}", "streams": ["orders"]}  # fmt: skip
    rows = stage(make_settings, "woocommerce", given, {"orders": orders})
    found = [row["order_status"] for row in rows("orders", "order_status")]
    assert found == ["cancelled"] * 3 + ["placed"] * 5
