"""Contacts in standard form: phones in E.164, countries as ISO codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

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
        # Two phones in one cell are neither.
        "e,775-555-0155 / 775-555-0156,United States,2024-01-01\n"
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
        "e": (None, "US"),
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


def test_what_is_told_without_a_date_does_not_win_over_what_is_newer(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    contacts, url = tmp_path / "contacts.csv", f"sqlite:///{tmp_path / 'crm.db'}"
    contacts.write_text(
        "id,email,updated_at,accepts email marketing\na,new@example.com,2024-01-01,yes\n"
    )
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("create table people (id text, mail text, given text, ok int)"))
        connection.execute(sa.text("insert into people values ('a', 'old@example.com', 'Ada', 0)"))
    names = {"source_contact_id": "id", "email": "mail", "first_name": "given"}
    names["has_email_consent"] = "ok"
    people = {"sql": "select * from people", "record_id": ["id"], "columns": names}
    crm = {"type": "database", "url": url, "customer_ids_of": "files"}
    sources = {
        "files": {"contacts": {"path": contacts}},
        "crm": {**crm, "queries": {"contacts": people}},
    }
    settings = make_settings(sources=sources)
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["core.contacts"])
    (contact,) = warehouse.read("core.contacts").to_dicts()
    assert (contact["email"], contact["first_name"]) == ("new@example.com", "Ada")
    assert contact["has_email_consent"] is False, "who refused in one place has refused"


def test_what_is_told_later_in_the_same_second_wins(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    calls = [
        {
            "type": "identify",
            "messageId": email,
            "userId": "a",
            "timestamp": f"2026-01-05T10:00:00{fraction}Z",
            "traits": {"email": email},
        }
        for email, fraction in (("old@example.com", ""), ("new@example.com", ".500"))
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(map(json.dumps, calls)))
    site = {"folder": str(tmp_path), "history_start": "2026-01-01"}
    settings = make_settings(sources={"segment_events": site})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["core.contacts"])
    assert warehouse.read("core.contacts")["email"].to_list() == ["new@example.com"]
