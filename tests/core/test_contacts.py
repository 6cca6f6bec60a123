"""Contacts in standard form: phones in E.164, countries as ISO codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse


def test_phones_and_countries_of_a_contact_are_in_standard_form(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    orders, contacts = tmp_path / "orders.csv", tmp_path / "contacts.csv"
    orders.write_text(
        "order id,customer id,email,phone,date,amount,country\n"
        "1,,ada@example.com,020 7946 0958,2024-01-02,5,United Kingdom\n"
    )
    contacts.write_text(
        "id,phone,country,updated_at\n"
        "a,0171 2345678,Germany,2024-01-01\n"
        "b,+33 6 12 34 56 78,,2024-01-01\n"
        "c,0171 2345678,,2024-01-01\n"
        "d,,Atlantis,2024-01-01\n"
    )
    exports = {"orders": {"path": orders}, "contacts": {"path": contacts}}
    settings = make_settings(sources={"files": exports})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["core.contacts"])
    found = {
        row["source_contact_id"]: (row["phone"], row["country"])
        for row in warehouse.read("core.contacts").to_dicts()
    }
    assert found == {
        "email:ada@example.com": ("+442079460958", "GB"),
        "a": ("+491712345678", "DE"),
        "b": ("+33612345678", None),
        "c": ("01712345678", None),
        "d": (None, None),
    }


def test_a_buyer_of_an_export_is_known_by_the_name_on_the_last_bill(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text(
        "order id,email,date,amount,billing name,billing city\n"
        "1,Ada@example.com,2024-01-02,5,Ada Byron,Dunmere\n"
        "2,ada@example.com,2024-03-02,5,Ada Lovelace,Glenwick\n"
        "3,ada@example.com,2024-02-02,5,,\n"
    )
    settings = make_settings(sources={"files": {"orders": {"path": orders}}})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["identity.customers"])
    (contact,) = warehouse.read("core.contacts").to_dicts()
    assert (contact["first_name"], contact["last_name"]) == ("Ada", "Lovelace")
    assert contact["city"] == "Glenwick"
    assert warehouse.read("identity.customers")["first_name"].to_list() == ["Ada"]
