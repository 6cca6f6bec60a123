"""What a currency is worth in the shop's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from marketing_platform.core import exchange_rates
from marketing_platform.errors import InputError
from marketing_platform.quality.checks import rates_known
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
ECB = """Date,USD,JPY,RUB,
2024-01-08,1.10,160.0,N/A,
2024-01-05,1.25,158.0,N/A,
2024-01-04,1.00,157.0,100.0,
"""


def rates(
    make_settings: MakeSettings, tmp_path: Path, content: str | None, currency: str = "EUR"
) -> Callable[[str, str], float | None]:
    path = tmp_path / "rates.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    settings = make_settings(
        shop={"currency": currency}, rates={"file": path if content is not None else None}
    )
    warehouse = Warehouse(":memory:")
    exchange_rates.build_exchange_rates(warehouse, settings)
    table = warehouse.read("core.exchange_rates")
    known = {(c, str(day)): rate for day, c, rate in table.iter_rows()}
    return lambda code, day: known.get((code, day))


def test_without_a_file_only_the_shops_own_currency_is_known(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rate = rates(make_settings, tmp_path, None)
    assert (rate("EUR", "2011-12-09"), rate("USD", "2011-12-09")) == (1.0, None)
    assert rate("EUR", dt.date.today().isoformat()) == 1.0


def test_the_ecb_file_is_read_as_it_comes(make_settings: MakeSettings, tmp_path: Path) -> None:
    rate = rates(make_settings, tmp_path, ECB)
    assert rate("USD", "2024-01-05") == pytest.approx(0.8)
    assert rate("JPY", "2024-01-08") == pytest.approx(1 / 160)


def test_a_weekend_has_the_rate_of_friday(make_settings: MakeSettings, tmp_path: Path) -> None:
    rate = rates(make_settings, tmp_path, ECB)
    assert rate("USD", "2024-01-06") == rate("USD", "2024-01-07") == pytest.approx(0.8)


def test_a_currency_no_longer_quoted_is_unknown_after_ten_days(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rate = rates(make_settings, tmp_path, ECB)
    assert rate("RUB", "2024-01-14") == pytest.approx(0.01)
    assert rate("RUB", "2024-01-15") is None


def test_a_shop_in_another_currency_than_the_euro_has_crossed_rates(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rate = rates(make_settings, tmp_path, ECB, currency="USD")
    assert rate("EUR", "2024-01-05") == pytest.approx(1.25)
    assert rate("JPY", "2024-01-05") == pytest.approx(1.25 / 158)
    assert rate("USD", "2024-01-05") == 1.0


def test_the_ecbs_daily_file_is_read_too(make_settings: MakeSettings, tmp_path: Path) -> None:
    rate = rates(make_settings, tmp_path, "Date, USD, JPY, \n05 January 2024, 1.25, 158.0, \n")
    assert rate("USD", "2024-01-05") == pytest.approx(0.8)


def test_a_plain_file_says_what_a_unit_is_worth(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rate = rates(make_settings, tmp_path, "date,currency,rate\n2024-01-05,usd,0.8\n")
    assert rate("USD", "2024-01-05") == 0.8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not readable as CSV"),
        ("Day,USD\n2024-01-05,1\n", "no column Date"),
        ("Date,USD,\nyesterday,1,\n", "not a date: 'yesterday'"),
        ("Date,USD,\n2024-01-05,one,\n", "USD: not a rate: 'one'"),
        ("Date,USD,\n2024-01-05,0,\n", "not above 0"),
        ("Date,USD,\n2024-01-05,1,\n2024-01-05,2,\n", "two rates of USD on 2024-01-05"),
        ("Date,note\n2024-01-05,1\n", "no currencies"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(
    make_settings: MakeSettings, tmp_path: Path, content: str, says: str
) -> None:
    with pytest.raises(InputError) as told:
        rates(make_settings, tmp_path, content)
    assert says in str(told.value)
    assert "rates.csv" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_without_the_shops_currency_is_refused(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no rates of the shop's currency CHF"):
        rates(make_settings, tmp_path, ECB, currency="CHF")


def test_a_missing_file_is_told(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(rates={"file": tmp_path / "none.csv"})
    with pytest.raises(InputError, match="no such file"):
        exchange_rates.build_exchange_rates(Warehouse(":memory:"), settings)


def test_orders_in_a_currency_without_a_rate_are_told(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(ECB, encoding="utf-8")
    warehouse = Warehouse(":memory:")
    exchange_rates.build_exchange_rates(warehouse, make_settings(rates={"file": path}))
    with warehouse.connect() as connection:
        connection.execute(
            "create table core.orders as select * from (values"
            " (date '2024-01-06', 'USD'), (date '2011-12-09', 'EUR')) as t (order_date, currency)"
        )
    assert rates_known(warehouse).passed
    with warehouse.connect() as connection:
        connection.execute(
            "insert into core.orders values (date '2024-01-06', 'SEK'), (date '2024-01-07', 'SEK')"
        )
    result = rates_known(warehouse)
    assert not result.passed
    assert result.detail == (
        "no rate of SEK for 2 orders from 2024-01-06 to 2024-01-07."
        " Set rates.file to a file that has them, or shop.currency (--currency)"
    )


def test_an_order_dated_ahead_does_not_hold_the_shop_until_its_day_has_a_rate(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(ECB, encoding="utf-8")
    warehouse = Warehouse(":memory:")
    exchange_rates.build_exchange_rates(warehouse, make_settings(rates={"file": path}))
    with warehouse.connect() as connection:
        connection.execute(
            "create table core.orders as select * from (values"
            " (date '2024-01-06', 'USD'), (date '2097-05-01', 'USD')) as t (order_date, currency)"
        )
    assert rates_known(warehouse).passed
