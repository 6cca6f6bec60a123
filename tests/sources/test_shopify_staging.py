"""What staging reads from Shopify's payloads, in GraphQL's shape and in REST's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from lake_records import LakeRecord, write_records
from samples.shopify import SAMPLES, gid, line, listed, money

from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import staging_tables

Rows = list[dict[str, Any]]
Stage = Callable[[Mapping[str, Sequence[Any]]], "Warehouse"]


class Warehouse:
    """Staging, built from records in a lake."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self.connection = connection
        (source,) = active_sources(settings)
        create_views(connection, settings, source)
        connection.execute("create schema staging")
        tables = [staged.table for staged in staging_tables(settings).values()]
        # A list's elements follow their records.
        for table in sorted(tables, key=lambda one: any("staging." in r for r in one.reads)):
            connection.execute(f"create table {table.name} as {table.sql}")

    def rows(self, table: str, columns: str = "*", where: str = "outcome = 'accepted'") -> Rows:
        """The accepted rows of a staging table, by record."""
        found = self.connection.execute(
            f"select {columns} from staging.shopify_{table} where {where} order by record_id"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def quarantined(self, table: str) -> list[str]:
        """The reasons of the records that are held back."""
        rows = self.rows(table, "quarantine_reason", "outcome = 'quarantined'")
        return [row["quarantine_reason"] for row in rows]


def moment(record: Mapping[str, Any]) -> dt.datetime | None:
    told = record.get("updatedAt") or record.get("updated_at")
    if told is None:
        return None
    return dt.datetime.fromisoformat(told).astimezone(dt.UTC).replace(tzinfo=None)


@pytest.fixture
def stage(make_settings: Callable[..., Settings]) -> Iterator[Stage]:
    with duckdb.connect() as connection:

        def build(streams: Mapping[str, Sequence[Any]]) -> Warehouse:
            settings = make_settings(
                sources={"shopify": {"shop": "initech", "access_token": "secret"}}
            )
            for stream, records in streams.items():
                listed = [LakeRecord(str(r["id"]), json.dumps(r), moment(r)) for r in records]
                write_records(settings.lake_dir, "shopify", stream, listed)
            return Warehouse(connection, settings)

        yield build


def only(rows: Rows) -> dict[str, Any]:
    (row,) = rows
    return row


def changed(stream: str, place: int = 0, **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {**SAMPLES[stream][place], **more}
    return record


def test_a_customer_has_consent_as_their_marketing_state_says(stage: Stage) -> None:
    columns = (
        "source_contact_id, email, phone, first_name, country, language, has_email_consent,"
        " has_sms_consent, created_at, quarantine_reason"
    )
    graphql, rest = stage(SAMPLES).rows("contacts", columns)[::-1]
    assert graphql == {
        "source_contact_id": "501",
        "email": "peter@example.com",
        "phone": "+4930901820",
        "first_name": "Peter",
        "country": "DE",
        "language": "de-DE",
        "has_email_consent": True,
        "has_sms_consent": False,
        "created_at": dt.datetime(2025, 11, 1, 8),
        "quarantine_reason": None,
    }
    assert rest["source_contact_id"] == "502"
    assert rest["phone"] == "+12025550123"
    assert rest["has_email_consent"] is False
    assert rest["has_sms_consent"] is None
    assert rest["created_at"] == dt.datetime(2025, 12, 1, 8)


def test_an_order_adds_up_and_a_cancelled_one_is_told_from_the_others(stage: Stage) -> None:
    placed, cancelled = stage(SAMPLES).rows("orders")
    expected = {
        "source_order_id": "1001",
        "source_contact_id": "501",
        "email": "peter@example.com",
        "phone": "+4930901820",
        "ordered_at": dt.datetime(2026, 1, 5, 10),
        "order_date": dt.date(2026, 1, 5),
        "order_status": "placed",
        "gross_amount": None,
        "discount_amount": Decimal("5.00"),
        "shipping_amount": Decimal("4.90"),
        "tax_amount": Decimal("6.65"),
        "total_amount": Decimal("46.55"),
        "currency": "EUR",
        "country": "AT",
        "discount_codes": "FRIENDS,WELCOME",
        "fulfilment_status": "FULFILLED",
    }
    assert {name: placed[name] for name in expected} == expected
    assert cancelled["order_status"] == "cancelled"
    assert cancelled["source_contact_id"] is None
    assert cancelled["discount_codes"] is None


def test_who_gets_a_gift_is_not_taken_for_who_bought_it(stage: Stage) -> None:
    buyer = {"firstName": "Ann", "lastName": "Lee", "phone": "+43123456", "countryCodeV2": "AT"}
    friend = {"firstName": "Bob", "lastName": "Ray", "phone": "+49987654", "countryCodeV2": "DE"}
    addresses = {"billingAddress": buyer, "shippingAddress": friend}
    order = only(stage({"orders": [changed("orders", phone=None, **addresses)]}).rows("orders"))
    assert (order["first_name"], order["phone"], order["country"]) == ("Ann", "+43123456", "AT")


def test_the_lines_of_an_order_have_its_key_its_day_and_their_price(stage: Stage) -> None:
    columns = (
        "source_order_item_id, source_order_id, order_date, source_product_id, sku,"
        " quantity, unit_price_amount, line_amount, currency"
    )
    first, second, third = stage(SAMPLES).rows("order_items", columns)
    assert first == {
        "source_order_item_id": "11",
        "source_order_id": "1001",
        "order_date": dt.date(2026, 1, 5),
        "source_product_id": "1",
        "sku": "SKU-1",
        "quantity": 2,
        "unit_price_amount": Decimal("12.5000"),
        "line_amount": Decimal("25.00"),
        "currency": "EUR",
    }
    assert second["line_amount"] == Decimal("14.95")
    assert third["source_order_id"] == "1002"


def test_a_refund_is_its_lines_and_the_rest_and_never_more_than_went_back(stage: Stage) -> None:
    warehouse = stage(SAMPLES)
    columns = (
        "source_refund_id, source_order_id, source_order_item_id, quantity, refund_amount, currency"
    )
    line_, unpaid = warehouse.rows("refunds", f"{columns}, tax_amount")
    assert line_ == {
        "source_refund_id": "7/71",
        "source_order_id": "1001",
        "source_order_item_id": "11",
        "quantity": 1,
        "refund_amount": Decimal("11.90"),
        "tax_amount": Decimal("1.90"),
        "currency": "EUR",
    }
    assert unpaid["refund_amount"] == 0
    rest = warehouse.rows("refunds__rest", "source_refund_id, refund_amount")
    assert rest == [
        {"source_refund_id": "7/rest", "refund_amount": Decimal("4.90")},
        {"source_refund_id": "8/rest", "refund_amount": Decimal("0.00")},
    ]


def test_of_a_refund_the_part_for_shipping_is_told(stage: Stage) -> None:
    shipping = {"subtotalAmountSet": money("3.00"), "taxAmountSet": money("0.57")}
    refund = {**SAMPLES["orders"][0]["refunds"][0], "refundShippingLines": listed(shipping)}
    orders = [
        changed("orders", refunds=[refund]),
        changed("orders", id=gid("Order", 1003), taxesIncluded=True, refunds=[refund]),
        changed("orders", id=gid("Order", 1004)),
    ]
    found = stage({"orders": orders}).rows("refunds__rest", "refund_amount, shipping_amount")
    assert [tuple(row.values()) for row in found] == [
        (Decimal("4.90"), Decimal("3.57")),
        (Decimal("6.80"), Decimal("3.00")),
        (Decimal("4.90"), Decimal("0.00")),
    ]


@pytest.mark.parametrize(
    ("adjusted", "given_back", "expected"),
    [
        # Taken out of the order before it was paid, or exchanged for something else.
        ({"orderAdjustments": {"nodes": []}}, "0.00", "11.90"),
        ({"order_adjustments": []}, "0.00", "11.90"),
        # The shop kept a part of it, or all.
        ({"orderAdjustments": {"nodes": [{"id": gid("OrderAdjustment", 1)}]}}, "5.95", "5.95"),
        ({"order_adjustments": [{"kind": "refund_discrepancy"}]}, "0.00", "0.00"),
        # Read before it was asked for.
        ({}, "5.95", "5.95"),
    ],
)
def test_a_line_that_is_taken_out_of_an_order_counts_though_no_money_went_back(
    stage: Stage, adjusted: dict[str, Any], given_back: str, expected: str
) -> None:
    sample = {**SAMPLES["orders"][0]["refunds"][0], "totalRefundedSet": money(given_back)}
    sample.pop("orderAdjustments")
    warehouse = stage({"orders": [changed("orders", refunds=[{**sample, **adjusted}])]})
    assert only(warehouse.rows("refunds"))["refund_amount"] == Decimal(expected)
    assert only(warehouse.rows("refunds__rest"))["refund_amount"] == 0


def test_tax_within_the_prices_is_not_given_back_twice(stage: Stage) -> None:
    refund = {**SAMPLES["orders"][0]["refunds"][0], "totalRefundedSet": money("10.00")}
    warehouse = stage({"orders": [changed("orders", taxesIncluded=True, refunds=[refund])]})
    assert only(warehouse.rows("refunds"))["refund_amount"] == Decimal("10.00")
    assert only(warehouse.rows("refunds"))["tax_amount"] == 0
    assert only(warehouse.rows("refunds__rest"))["refund_amount"] == 0


def test_the_newest_version_of_an_order_counts_with_its_lines(stage: Stage) -> None:
    newer = changed("orders", updatedAt="2026-01-09T00:00:00Z")
    newer["lineItems"] = {"nodes": [line(11, 1, "12.50")], "pageInfo": {"hasNextPage": False}}
    warehouse = stage({"orders": [SAMPLES["orders"][0], newer]})
    assert only(warehouse.rows("orders"))["updated_at"] == dt.datetime(2026, 1, 9)
    assert only(warehouse.rows("order_items"))["line_amount"] == Decimal("12.50")
    assert len(warehouse.rows("order_items", where="outcome = 'duplicate'")) == 2
    assert len(warehouse.rows("refunds__rest")) == 1


def test_a_deleted_product_is_said_to_be_deleted(stage: Stage) -> None:
    warehouse = stage(
        {"products": [changed("products"), changed("products", 1, id=gid("Product", 1))]}
    )
    product = only(warehouse.rows("products"))
    assert product["is_deleted"] is True
    assert product["is_active"] is False
    assert len(warehouse.rows("products", where="outcome = 'duplicate'")) == 1


def test_products_variants_and_carts_are_read(stage: Stage) -> None:
    warehouse = stage(SAMPLES)
    product = warehouse.rows("products")[0]
    assert (product["title"], product["category"], product["brand"]) == ("Mug 1", "Mugs", "Initech")
    assert (product["price_amount"], product["currency"]) == (Decimal("12.50"), "EUR")
    assert (product["inventory_quantity"], product["is_active"]) == (40, True)
    variant = only(warehouse.rows("variants"))
    assert (variant["source_variant_id"], variant["source_product_id"]) == ("10", "1")
    assert (variant["price_amount"], variant["inventory_quantity"]) == (Decimal("12.50"), 40)
    assert warehouse.quarantined("variants") == ["negative price"]
    cart, guest = warehouse.rows("carts")
    assert (cart["source_cart_id"], cart["email"]) == ("901", "peter@example.com")
    assert (cart["cart_amount"], cart["item_count"]) == (Decimal("25.00"), 1)
    assert cart["completed_at"] is None
    assert (guest["source_contact_id"], guest["item_count"]) == (None, None)
    assert guest["completed_at"] == dt.datetime(2026, 1, 10, 8)
    columns = (
        "source_cart_item_id, source_cart_id, source_product_id, sku, product_title, quantity,"
        " unit_price_amount, currency"
    )
    assert list(only(warehouse.rows("cart_items", columns)).values()) == [
        *("1", "901", "1", "SKU-1", "Mug 1", 2, Decimal("12.50"), "EUR")
    ]


def test_a_variant_whose_stock_is_not_counted_has_none_told(stage: Stage) -> None:
    uncounted = {"inventoryQuantity": 0, "inventoryItem": {"tracked": False}}
    warehouse = stage({"variants": [changed("variants", **uncounted)]})
    assert only(warehouse.rows("variants"))["inventory_quantity"] is None


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"totalPriceSet": money("not money")}, "unreadable: total_price"),
        ({"totalPriceSet": None}, "no amount"),
        ({"totalPriceSet": money("-1.00")}, "negative amount"),
        ({"processedAt": None, "createdAt": None}, "no date"),
        ({"test": True}, "test order"),
    ],
)
def test_an_order_that_cannot_be_used_says_why(odd: Any, reason: str, stage: Stage) -> None:
    warehouse = stage({"orders": [changed("orders", **odd)]})
    assert warehouse.quarantined("orders") == [reason]
    assert warehouse.rows("order_items") == []


def rest(shared_data: Callable[[str], Path], name: str) -> Any:
    path = shared_data(f"vendors/shopify_rest/{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_shopify_s_own_rest_payloads_are_read_too(
    stage: Stage, shared_data: Callable[[str], Path]
) -> None:
    warehouse = stage(
        {
            "customers": [rest(shared_data, "customer")["customer"]],
            "orders": [rest(shared_data, "order")["order"]],
            "products": rest(shared_data, "products"),
            "variants": rest(shared_data, "variants")["variants"],
            "checkouts": rest(shared_data, "checkouts")["checkouts"],
        }
    )
    contact = only(warehouse.rows("contacts"))
    assert (contact["email"], contact["country"]) == ("bob.norman@hostmail.com", "US")
    assert (contact["phone"], contact["has_email_consent"]) == ("555-625-1199", False)
    order = only(warehouse.rows("orders"))
    assert order["source_order_id"] == "450789469"
    assert order["ordered_at"] == dt.datetime(2008, 1, 10, 16)
    assert (order["gross_amount"], order["total_amount"]) == (Decimal("398.00"), Decimal("409.94"))
    assert (order["shipping_amount"], order["currency"]) == (Decimal("0.00"), "USD")
    assert {row["price_amount"] for row in warehouse.rows("products")} == {Decimal("199.00")}
    assert all(row["is_active"] for row in warehouse.rows("products"))
    assert {row["inventory_quantity"] for row in warehouse.rows("variants")} == {10, 20, 30, 40}
    cart = only(warehouse.rows("carts"))
    assert (cart["cart_amount"], cart["currency"]) == (Decimal("398.00"), "USD")
