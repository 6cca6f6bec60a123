"""Who is named on the bill of an order: a guest is known by it, an account keeps its own word."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from lake_records import LakeRecord, write_records

from marketing_platform.pipeline import build_table, needed
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
SHOP = {"base_url": "http://localhost", "consumer_key": "k", "consumer_secret": "s"}
MILL = {"address_1": "1 Mill Street", "city": "Dunmere", "postcode": "qx1 1aa", "state": ""}
PARK = {"address_1": "9 Park Street", "city": "Glenwick", "postcode": "", "state": "CA"}


def order(number: int, day: int, customer_id: int = 0, **bill: str) -> dict[str, Any]:
    moment = f"2026-01-{day:02}T10:00:00"
    line = {"id": number, "product_id": 1, "quantity": 1, "subtotal": "5.00"}
    sold = {"status": "completed", "currency": "EUR", "total": "5.00", "line_items": [line]}
    dates = {"date_created_gmt": moment, "date_modified_gmt": moment}
    return {"id": number, "customer_id": customer_id, "billing": bill, **sold, **dates}


def account(key: int, **billing: str) -> dict[str, Any]:
    dates = {"date_created_gmt": "2025-01-01T00:00:00", "date_modified_gmt": "2025-01-01T00:00:00"}
    return {"id": key, "email": f"{key}@example.com", **dates, "billing": billing}


def contacts(
    settings: Settings, orders: list[dict[str, Any]], customers: list[dict[str, Any]]
) -> dict[str, tuple[Any, ...]]:
    """By the shop's key: names, street, city, postcode and region."""
    for stream, records in (("orders", orders), ("customers", customers)):
        found = [
            LakeRecord(
                str(r["id"]), json.dumps(r), dt.datetime.fromisoformat(r["date_modified_gmt"])
            )
            for r in records
        ]
        write_records(settings.lake_dir, "woocommerce", stream, found)
    warehouse = Warehouse(settings.warehouse_path)
    for name in needed(settings, ["core.contacts"]):
        build_table(warehouse, settings, name)
    columns = ("first_name", "last_name", "street", "city", "postcode", "region")
    rows = warehouse.read("core.contacts").to_dicts()
    return {row["source_contact_id"]: tuple(row[name] for name in columns) for row in rows}


def test_a_guest_has_the_name_and_the_address_of_the_last_bill(make_settings: MakeSettings) -> None:
    ada = {"email": "Ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}
    orders = [order(1, 5, **ada, **MILL), order(2, 9, **ada, **PARK), order(3, 7, **ada, **MILL)]
    found = contacts(make_settings(sources={"woocommerce": SHOP}), orders, [])
    expected = ("Ada", "Lovelace", "9 Park Street", "Glenwick", None, "CA")
    assert found == {"email:ada@example.com": expected}


def test_what_an_account_says_goes_before_its_bills_and_no_address_is_mixed_of_two(
    make_settings: MakeSettings,
) -> None:
    bill = {"email": "x@example.com", "first_name": "Other", "last_name": "Name"}
    orders = [order(1, 5, 7, **bill, **PARK), order(2, 6, 8, **bill, **PARK)]
    accounts = [account(7, first_name="Grace", last_name="Hopper", **MILL), account(8)]
    found = contacts(make_settings(sources={"woocommerce": SHOP}), orders, accounts)
    assert found == {
        "7": ("Grace", "Hopper", "1 Mill Street", "Dunmere", "QX1 1AA", None),
        "8": ("Other", "Name", "9 Park Street", "Glenwick", None, "CA"),
    }


def test_an_order_in_the_trash_makes_nobody_known(make_settings: MakeSettings) -> None:
    kept, thrown = order(1, 5, email="ada@example.com"), order(2, 6, email="bot@example.com")
    settings = make_settings(sources={"woocommerce": SHOP})
    assert list(contacts(settings, [kept, {**thrown, "status": "trash"}], [])) == [
        "email:ada@example.com"
    ]
