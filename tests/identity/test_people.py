"""Who is the same person, from exports of orders and contacts to customers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
HEADER = "order id,customer id,email,phone,date,amount,country\n"


def built(
    make_settings: MakeSettings, tmp_path: Path, orders: str, contacts: str = ""
) -> Warehouse:
    files = {"orders": HEADER + orders, "contacts": contacts}
    streams = {}
    for stream, text in files.items():
        if text:
            path = tmp_path / f"{stream}.csv"
            path.write_text(text, encoding="utf-8")
            streams[stream] = {"path": path}
    settings = make_settings(sources={"files": streams})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["identity.customers", "core.products"])
    return warehouse


def customers(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.read("identity.contact_customers").iter_rows())


def test_a_placeholder_ties_no_strangers_together(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    pairs = [
        ("n/a", "0000000000"), ("none", "+1 111 111 1111"), ("-", "unknown"),
        ("noemail@noemail.com", "1234567890"), ("test@test.com", "000-000-000"), ("x", ""),
    ]  # fmt: skip
    lines = [
        f"{n}{side},c{n}{side},{email},{phone},2024-01-01,5,\n"
        for n, (email, phone) in enumerate(pairs)
        for side in "ab"
    ]
    found = customers(built(make_settings, tmp_path, "".join(lines)))
    assert len(set(found.values())) == len(found) == 2 * len(pairs)


def test_addresses_that_begin_with_a_plus_are_of_as_many_people(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    addresses = [
        "+4915112345678@sms.x.org", "+4915112345679@sms.x.org", "+ann@gmail.com", "+bob@gmail.com",
        ".@gmail.com",
    ]  # fmt: skip
    lines = [f"{n},c{n},{address},,2024-01-01,5,\n" for n, address in enumerate(addresses)]
    found = customers(built(make_settings, tmp_path, "".join(lines)))
    assert len(set(found.values())) == len(found) == len(addresses)


def test_who_has_a_domain_of_their_name_has_no_fake_address(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    lines = {
        "mueller@mueller.de": ("Jan", "Müller", False),
        "anna@anna.se": ("Anna Lena", "Berg", False),
        "hello@hello.com": ("Jan", "Smith", True),
        "asdf@asdf.de": ("Asdf", "Asdf", True),
        "xxx@xxx.com": ("Xxx", "Xxx", True),
    }
    contacts = tmp_path / "contacts.csv"
    rows = [f"{email},{email},{first},{last}" for email, (first, last, _) in lines.items()]
    contacts.write_text("\n".join(["id,email,first name,last name", *rows]) + "\n")
    settings = make_settings(
        sources={"files": {"contacts": {"path": contacts}}}, clock="2026-01-01"
    )
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["profiles.customers"])
    found = dict(warehouse.read("profiles.customers").select("email", "has_fake_email").iter_rows())
    assert found == {email: is_fake for email, (_, _, is_fake) in lines.items()}


def test_an_address_of_a_hundred_accounts_is_nobodys(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    till = [f"{n},c{n},till@example.com,,2024-01-01,5,\n" for n in range(100)]
    family = [f"f{n},f{n},home@example.com,,2024-01-01,5,\n" for n in range(5)]
    found = customers(built(make_settings, tmp_path, "".join(till + family)))
    assert len(set(found.values())) == 101


def test_a_phone_out_of_a_spreadsheet_is_the_phone(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    lines = (
        "1,a,,'+49 151 12345678,2024-01-01,5,\n2,b,,004915112345678,2024-01-01,5,\n"
        "3,c,,4915112345679.0,2024-01-01,5,\n4,d,,49 151 12345679,2024-01-01,5,\n"
    )
    found = customers(built(make_settings, tmp_path, lines))
    assert found["files:a"] == found["files:b"] != found["files:c"] == found["files:d"]


def test_who_refused_in_one_place_has_refused(make_settings: MakeSettings, tmp_path: Path) -> None:
    warehouse = built(
        make_settings,
        tmp_path,
        "1,b,ann@example.com,,2024-05-01,5,\n",
        "id,email,accepts_marketing,updated_at\n"
        "a,ann@example.com,no,2024-04-01\nb,ann@example.com,yes,2020-01-01\n"
        "c,bob@example.com,yes,2020-01-01\n",
    )
    people = warehouse.read("identity.customers").sort("email")
    assert people["has_email_consent"].to_list() == [False, True]


def test_the_order_of_the_records_does_not_matter(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rng = random.Random(3)  # noqa: S311 - no secret
    lines = [
        f"{n},{rng.choice('abcdef')},{rng.choice(['x@example.com', 'z@example.com', ''])},"
        f"+49151123456{rng.randrange(10, 15)},2024-01-0{rng.randrange(1, 5)},5,"
        f"{rng.choice(['DE', 'FR', ''])}\n"
        for n in range(80)
    ]
    names = ["core.contacts", "core.products", "identity.contact_customers", "identity.customers"]
    first = built(make_settings, tmp_path, "".join(lines))
    before = {name: first.read(name) for name in names}
    rng.shuffle(lines)
    second = built(make_settings, tmp_path, "".join(lines))
    for name in names:
        columns = before[name].columns
        assert second.read(name).sort(columns).equals(before[name].sort(columns)), name


def test_a_family_phone_ties_nobody_but_those_of_one_name(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    contacts = "id,email,phone,first_name,last_name\n" + "".join(
        f"{name},{name}@example.com,+442071838750,{first},{last}\n"
        for name, first, last in (
            ("ann", "Ann", "Lee"), ("ann2", "ann", "Lee"), ("ben", "Ben", "Lee"),
            ("nil", "", "Lee"),
        )
    )  # fmt: skip
    warehouse = built(make_settings, tmp_path, "1,x,x@example.com,,2024-01-01,5,\n", contacts)
    found = customers(warehouse)
    assert found["files:ann"] == found["files:ann2"]
    assert len({found[f"files:{name}"] for name in ("ann", "ben", "nil")}) == 3
    reasons = warehouse.query(
        "select distinct unused_reason from identity.identifiers"
        " where kind = 'phone' and value = '+442071838750'"
    )
    assert reasons["unused_reason"].to_list() == ["people of different names"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann,Lee", "Anne,Lee"), ("Alex,Lee", "Alexander,Lee"), ("A.,Lee", "Ann,Lee"),
        ("Steven,Lee", "Stephen,Lee"), ("Ann,Lee", "Lee,Ann"), ("Ann,Lee", ",Lee"),
        ("Ann,Lee", "ANN ,Smith"), ("Dr. Ann,Lee", "Ann,Lee"), ("Lee Ann,", "Ann,Lee"),
    ],
)  # fmt: skip
def test_a_phone_ties_who_writes_the_name_another_way(
    one: str, other: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    contacts = (
        "id,email,phone,first_name,last_name\n"
        f"a,a@example.com,+442071838750,{one}\nb,b@example.com,+442071838750,{other}\n"
    )
    found = customers(
        built(make_settings, tmp_path, "1,x,x@example.com,,2024-01-01,5,\n", contacts)
    )
    assert found["files:a"] == found["files:b"]
