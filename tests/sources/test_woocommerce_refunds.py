"""Which order, and which line of it, WooCommerce's refunds are taken from."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from lake_records import LakeRecord, write_records

from marketing_platform.pipeline import build_table, needed
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
SHOP = {"base_url": "http://localhost", "consumer_key": "k", "consumer_secret": "s"}
ORDERED, REFUNDED = "2026-01-05T10:00:00", "2026-01-09T10:00:00"


def order(*lines: dict[str, Any], tax: str) -> dict[str, Any]:
    total = sum(Decimal(line["subtotal"]) for line in lines) + Decimal(tax)
    return {
        "id": 1, "customer_id": 7, "status": "completed", "currency": "EUR", "total": str(total),
        "total_tax": tax, "date_created_gmt": ORDERED, "date_modified_gmt": ORDERED,
        "line_items": list(lines),
    }  # fmt: skip


def line(key: int, subtotal: str, quantity: float = 1) -> dict[str, Any]:
    return {"id": key, "product_id": 4, "quantity": quantity, "subtotal": subtotal}


def refund(
    key: int, of_line: int | None, total: str, tax: str, of_order: int = 1
) -> dict[str, Any]:
    """Of one piece; `of_line` is the line that WooCommerce notes in the meta data."""
    named = [{"id": 1, "key": "_refunded_item_id", "value": str(of_line)}] if of_line else []
    given_back = {
        "id": 900 + key, "product_id": 4, "quantity": -1, "total": f"-{total}",
        "total_tax": f"-{tax}", "meta_data": [{"id": 2, "key": "Size", "value": "M"}, *named],
    }  # fmt: skip
    amount = str(Decimal(total) + Decimal(tax))
    dates = {"date_created_gmt": REFUNDED}
    return {"id": key, "parent_id": of_order, "amount": amount, "line_items": [given_back], **dates}


def refunds(
    settings: Settings,
    sold: dict[str, Any],
    given_back: list[dict[str, Any]],
    columns: tuple[str, ...] = ("order_id", "order_item_id", "contact_id"),
) -> list[tuple[Any, ...]]:
    """Of each refund that gives something back, by default its order, its line and its buyer."""
    for stream, records in (("orders", [sold]), ("refunds", given_back)):
        moment = dt.datetime.fromisoformat(ORDERED if stream == "orders" else REFUNDED)
        found = [LakeRecord(str(one["id"]), json.dumps(one), moment) for one in records]
        write_records(settings.lake_dir, "woocommerce", stream, found)
    warehouse = Warehouse(settings.warehouse_path)
    for name in needed(settings, ["core.refunds"]):
        build_table(warehouse, settings, name)
    return warehouse.read("core.refunds").sort("refund_id").select(columns).rows()


def test_a_line_given_back_with_its_tax_is_of_its_order(make_settings: MakeSettings) -> None:
    sold = order(line(11, "100.00"), tax="19.00")
    found = refunds(
        make_settings(sources={"woocommerce": SHOP}), sold, [refund(5, None, "100.00", "19.00")]
    )
    assert found == [("woocommerce:1", "woocommerce:11", "woocommerce:7")]


def test_what_is_sold_by_the_metre_is_sold_and_given_back_for_what_it_costs(
    make_settings: MakeSettings,
) -> None:
    """Shops of fabric let people buy half of a piece."""
    settings = make_settings(sources={"woocommerce": SHOP})
    sold = order(line(11, "15.00", 1.5), line(12, "4.00", 0.25), tax="0.00")
    halves = [refund(key, 11, "5.00", "0.00") for key in (5, 6, 7)]
    for half in halves:
        half["line_items"][0]["quantity"] = -0.5
    found = refunds(settings, sold, halves, ("order_item_id", "refund_amount"))
    assert found == [("woocommerce:11", Decimal("5.00"))] * 3
    warehouse = Warehouse(settings.warehouse_path)
    lines = warehouse.read("core.order_items").sort("order_item_id")
    assert lines["quantity"].to_list() == [2, 1], "what was begun of a piece counts as one"
    assert lines["line_amount"].to_list() == [Decimal("15.00"), Decimal("4.00")]
    assert lines["unit_price_amount"].to_list() == [Decimal("10.00"), Decimal("16.00")]


def test_two_variations_of_a_product_are_given_back_each_on_its_own_line(
    make_settings: MakeSettings,
) -> None:
    sold = order(line(11, "10.00"), line(12, "10.00"), tax="0.00")
    given_back = [refund(5, 12, "10.00", "0.00"), refund(6, 11, "10.00", "0.00")]
    found = refunds(make_settings(sources={"woocommerce": SHOP}), sold, given_back)
    assert found == [
        ("woocommerce:1", "woocommerce:12", "woocommerce:7"),
        ("woocommerce:1", "woocommerce:11", "woocommerce:7"),
    ]


def test_a_refund_of_an_order_that_was_not_read_keeps_no_other_one_back(
    make_settings: MakeSettings,
) -> None:
    sold = order(line(11, "10.00"), tax="0.00")
    given_back = [refund(5, 11, "10.00", "0.00"), refund(6, 99, "8.00", "0.00", of_order=2)]
    found = refunds(make_settings(sources={"woocommerce": SHOP}), sold, given_back)
    assert found == [("woocommerce:1", "woocommerce:11", "woocommerce:7")]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("119.00", [("119.00", "19.00")]),
        # A fee was kept.
        ("59.50", [("59.50", "9.50")]),
        # Taxes of lines are told rounded, and that of the whole was rounded once.
        ("118.99", [("118.99", "19.00")]),
        # Something went back beside the lines.
        ("124.00", [("119.00", "19.00"), ("5.00", "0.00")]),
    ],
)
def test_a_refund_is_the_money_that_went_back(
    make_settings: MakeSettings, amount: str, expected: list[tuple[str, str]]
) -> None:
    sold = order(line(11, "100.00"), tax="19.00")
    told = {**refund(5, 11, "100.00", "19.00"), "amount": amount}
    settings = make_settings(sources={"woocommerce": SHOP})
    found = refunds(settings, sold, [told], ("refund_amount", "tax_amount"))
    assert sorted(found, reverse=True) == [tuple(map(Decimal, one)) for one in expected]


@pytest.mark.parametrize(
    ("amount", "has_shipping", "shipping"),
    [
        ("5.95", True, "5.95"),
        ("9.00", True, "5.95"),
        ("3.00", True, "3.00"),
        ("9.00", False, "0.00"),
    ],
)
def test_of_a_refund_the_part_for_shipping_is_told(
    make_settings: MakeSettings, amount: str, has_shipping: bool, shipping: str
) -> None:
    sold = order(line(11, "100.00"), tax="19.95")
    told = {**refund(5, 11, "100.00", "19.00"), "amount": amount, "line_items": []}
    lines = [{"id": 8, "total": "-5.00", "total_tax": "-0.95"}] if has_shipping else []
    settings = make_settings(sources={"woocommerce": SHOP})
    columns = ("refund_amount", "shipping_amount")
    found = refunds(settings, sold, [{**told, "shipping_lines": lines}], columns)
    assert found == [(Decimal(amount), Decimal(shipping))]
