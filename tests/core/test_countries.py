"""Countries by any name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketing_platform.core import countries
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]


@pytest.fixture
def warehouse(make_settings: MakeSettings) -> Warehouse:
    warehouse = Warehouse(":memory:")
    for table in countries.TABLES:
        table.build(warehouse, make_settings(shop={"country": "DE"}))
    return warehouse


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("GB", "GB"),
        ("uk", "GB"),
        ("U.K.", "GB"),
        ("USA", "US"),
        ("EIRE", "IE"),
        ("RSA", "ZA"),
        ("deu", "DE"),
        ("Deutschland", "DE"),
        ("Allemagne", "DE"),
        ("España", "ES"),
        ("Österreich", "AT"),
        ("Ελλάδα", "GR"),
        ("Niger", "NE"),
        ("Czech Republic", "CZ"),
        ("Kosovo", "XK"),
    ],
)
def test_a_country_is_known_by_its_codes_and_names(
    warehouse: Warehouse, name: str, country: str
) -> None:
    found = warehouse.query(
        "select country from core.country_names where name = lower($name)", {"name": name}
    )
    assert found["country"].to_list() == [country]


@pytest.mark.parametrize("name", ["channel islands", "european community", "unspecified", "eu"])
def test_what_is_not_a_country_has_none(name: str) -> None:
    assert name not in countries.country_names()


def test_every_country_has_both_codes_and_one_country_stands_for_each_calling_code(
    warehouse: Warehouse,
) -> None:
    table = warehouse.read("core.countries")
    assert table.filter(table["alpha_3"].is_null())["country"].to_list() == []
    assert table["alpha_3"].is_unique().all()
    main = table.filter(table["is_main_of_calling_code"])["calling_code"]
    assert main.is_unique().all()
    assert set(main) == set(table["calling_code"].drop_nulls())
    assert table.filter(table["is_shop_country"])["country"].to_list() == ["DE"]
