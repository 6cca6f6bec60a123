"""Phones become E.164 by joins, as Google's library reads them one by one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import phonenumbers
import polars as pl
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from marketing_platform.core import countries
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse, sql_tables

MakeSettings = Callable[..., Settings]
# fmt: off
COUNTRIES = (
    "AT", "AU", "BE", "BR", "CA", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "HU",
    "IE", "IN", "IT", "JP", "NL", "NO", "NZ", "PL", "PT", "RO", "RU", "SE", "TR", "US", "ZA",
)
# fmt: on
NUMBERS_PER_COUNTRY = 180


def phones(
    settings: Settings, came: Sequence[tuple[str, str | None]]
) -> dict[tuple[str, str | None], str | None]:
    warehouse = Warehouse(":memory:")
    for table in countries.TABLES:
        table.build(warehouse, settings)
    frame = pl.DataFrame(came, schema={"phone": pl.String, "country": pl.String}, orient="row")
    with warehouse.connect() as connection:
        connection.register("came", frame.to_arrow())
        connection.execute(
            "create table staging.contacts as select * from came;"
            " create table staging.orders as from staging.contacts limit 0;"
            " create table staging.carts as from staging.orders;"
            " create table staging.engagements as from staging.orders"
        )
    warehouse.build("core.phones", sql_tables()["core.phones"].sql)
    rows = warehouse.read("core.phones").iter_rows()
    return {(phone, country): e164 for phone, country, e164 in rows}


@pytest.mark.parametrize(
    ("phone", "country", "e164"),
    [
        ("+49 (0)30 901820", None, "+4930901820"),
        ("0049 30 901820", "France", "+4930901820"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("020 7946 0958", "uk", "+442079460958"),
        ("(212) 555-0123 ext. 9", "United States", "+12125550123"),
        ("1 212 555 0123", "USA", "+12125550123"),
        ("447700900123", "GB", "+447700900123"),
        ("06 1234 5678", "Italia", "+390612345678"),
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("020 7946 0958", None, None),
        ("12", "DE", None),
        ("+44 20 7946 0958 0958 0958", None, None),
        ("+999 123 456 789", None, None),
        ("unknown", "DE", None),
        ("call 030 901820", "DE", None),
    ],
)
def test_a_phone_as_it_came_becomes_e164_or_nothing(
    make_settings: MakeSettings, phone: str, country: str | None, e164: str | None
) -> None:
    assert phones(make_settings(), [(phone, country)]) == {(phone, country): e164}


def test_a_phone_without_a_country_is_from_the_shops_country(make_settings: MakeSettings) -> None:
    settings = make_settings(shop={"country": "DE"})
    assert phones(settings, [("030 901820", None), ("030 901820", "Atlantis")]) == {
        ("030 901820", None): "+4930901820",
        ("030 901820", "Atlantis"): "+4930901820",
    }


def test_phones_of_an_export_are_read_by_its_countries(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "Order ID,Customer ID,Phone,Country,Order Date,SKU,Quantity,Unit Price\n"
        "1,k,030 901820,Germany,2024-01-01,a,5,2.00\n"
        "2,l,030 901820,Germany,2024-01-02,a,5,2.00\n"
        "3,m,,Germany,2024-01-03,a,5,2.00\n",
        encoding="utf-8",
    )
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["core.phones", "core.exchange_rates"])
    assert warehouse.read("core.phones").rows() == [("030 901820", "Germany", "+4930901820")]


def test_thousands_of_numbers_read_as_googles_library_reads_them(
    make_settings: MakeSettings, record_property: Callable[[str, object], None]
) -> None:
    expected = dict(generated_numbers(random.Random(1)))  # noqa: S311 - numbers to read, no secret
    read = phones(make_settings(), list(expected))
    wrong = [(*came, e164, read[came]) for came, e164 in expected.items() if read[came] != e164]
    agreement = 1 - len(wrong) / len(expected)
    record_property("numbers", len(expected))
    record_property("agreement", agreement)
    assert len(expected) >= 5_000
    assert agreement >= 0.99, f"{agreement:.4f}, e.g. {wrong[:20]}"


def generated_numbers(
    chance: random.Random,
) -> Iterator[tuple[tuple[str, str | None], str | None]]:
    """A phone and country as a shop might have them, with what phonenumbers makes of it."""
    for country in COUNTRIES:
        texts: set[str] = set()
        while len(texts) < NUMBERS_PER_COUNTRY:
            texts.add(written(chance, country))
        for phone in sorted(texts):
            yield (phone, country), parsed(phone, country)


def written(chance: random.Random, country: str) -> str:
    kind = chance.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    example = phonenumbers.example_number_for_type(country, kind)
    assert example is not None
    digits = phonenumbers.national_significant_number(example)
    number = phonenumbers.parse(
        f"+{example.country_code}{digits[:-5]}{chance.randrange(100_000):05}"
    )
    form = chance.choice(
        [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL]
    )
    text = phonenumbers.format_number(number, form)
    change = chance.random()
    if change < 0.05:
        return text[: len(text) // 2]
    if change < 0.1:
        return text + "12345678"
    return text.replace(" ", chance.choice([" ", "", "-", ".", " "]))


def parsed(phone: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
