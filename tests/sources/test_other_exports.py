"""Exports of contacts, ad reports and events, as shops and other tools write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketing_platform.pipeline import build_table
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def staged(
    make_settings: MakeSettings, stream: str, path: Path, *columns: str, by: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    settings = make_settings(sources={"files": {stream: {"path": path}}})
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, stream)
    build_table(warehouse, settings, f"staging.files_{stream}")
    return warehouse.read(f"staging.files_{stream}").sort(*by).select(columns).rows()


def staged_ads(make_settings: MakeSettings, path: Path, *columns: str) -> list[tuple[Any, ...]]:
    by = ("source_campaign_id", "cost_amount")
    return staged(make_settings, "ad_performance", path, *columns, by=by)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Campaign name,Ad set name,Day,Amount spent (USD),Impressions,Link clicks,Purchases,"
            "Purchases conversion value\n"
            "Spring,Old,2024-11-12,2.50,900,20,1,10.00\nSpring,New,2024-11-12,12.50,1000,30,2,80\n",
            [
                ("Spring", "Old", Decimal("2.50"), 20, Decimal(1), Decimal(10), "USD"),
                ("Spring", "New", Decimal("12.50"), 30, Decimal(2), Decimal(80), "USD"),
            ],
        ),
        (
            "Campaign,Day,Currency code,Cost,Impr.,Clicks,Conversions,Conv. value\n"
            'Spring,2024-11-12,CHF,12.50,"1,000",30,1.50,80.00\n'
            "Winter,2024-11-12,CHF,13.00,10,0, --, --\n",
            [
                ("Spring", None, Decimal("12.50"), 30, Decimal("1.5"), Decimal(80), "CHF"),
                ("Winter", None, Decimal("13.00"), 0, None, None, "CHF"),
            ],
        ),
        (
            "Kampagne;Tag;Kosten;Impressionen;Klicks;Conversions\nSpring;25.11.2024;12,50;9;3;2,5\n",
            [("Spring", None, Decimal("12.50"), 3, Decimal("2.5"), None, "EUR")],
        ),
        (
            # 1.200 alone may be either: the cost says which.
            "Kampagne;Tag;Währungscode;Kosten;Klicks;Conversions;Conv.-Wert\n"
            "Spring;25.11.2024;CHF;1.012,50;1.200;;80,00\n",
            [("Spring", None, Decimal("1012.50"), 1200, None, Decimal(80), "CHF")],
        ),
    ],
    ids=["ad sets", "parts of conversions", "german", "thousands"],
)
def test_reports_of_ad_platforms_are_read_without_being_told(
    text: str, expected: list[tuple[Any, ...]], tmp_path: Path, make_settings: MakeSettings
) -> None:
    columns = ("source_campaign_id", "ad_group_name", "cost_amount", "click_count", "conversions")
    more = ("conversion_value_amount", "currency")
    found = staged_ads(make_settings, write(tmp_path / "a.csv", text), "outcome", *columns, *more)
    assert found == [("accepted", *row) for row in expected]


def test_figures_of_a_month_are_not_those_of_its_first_day(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """As Meta exports them where nobody broke them down by day, beside a campaign of one day."""
    text = (
        "Reporting starts,Reporting ends,Campaign name,Amount spent (EUR),Impressions,Link clicks\n"
        "2024-11-01,2024-11-30,Spring,42.00,2000,120\n"
        "2024-11-12,2024-11-12,Winter,43.00,2000,120\n"
    )
    columns = ("outcome", "quarantine_reason", "source_campaign_id")
    assert staged_ads(make_settings, write(tmp_path / "a.csv", text), *columns) == [
        ("quarantined", "of more than a day: export it by day", "Spring"),
        ("accepted", None, "Winter"),
    ]


def test_events_with_microseconds_of_their_day_are_read(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "e.csv",
        "event_date,event_timestamp,event_name,user_pseudo_id\n"
        "20241112,1731406830123456,page_view,u1\n",
    )
    found = staged(make_settings, "events", path, "occurred_at", by=("occurred_at",))
    assert found == [(dt.datetime(2024, 11, 12, 10, 20, 30, 123456),)]


def staged_contacts(
    make_settings: MakeSettings, path: Path, *columns: str
) -> list[tuple[Any, ...]]:
    return staged(make_settings, "contacts", path, *columns, by=("email",))


def test_the_customers_of_a_shop_system_have_a_name_in_one_column(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "c.csv",
        "Name,Username,Last Active,Sign Up,Email,Orders,Total Spend,Country / Region,City,Region,"
        "Postal Code\n"
        "Ann Mary Lee,ann,2026-01-02 03:04:05,2025-01-02 03:04:05,ann@example.com,3,30,US,Dunmere,"
        "NY,'01234\n"
        '"King, Ada",ada,2026-01-02 03:04:05,2025-01-02 03:04:05,bea@example.com,3,30,GB,,,\n'
        "Cher,cher,2026-01-02 03:04:05,2025-01-02 03:04:05,cher@example.com,3,30,GB,,,\n",
    )
    columns = ("first_name", "last_name", "country", "city", "region", "postcode", "created_at")
    since = dt.datetime(2025, 1, 2, 3, 4, 5)
    assert staged_contacts(make_settings, path, *columns) == [
        ("Ann", "Mary Lee", "US", "Dunmere", "NY", "01234", since),
        ("Ada", "King", "GB", None, None, None, since),
        ("Cher", None, "GB", None, None, None, since),
    ]


@pytest.mark.parametrize(
    ("word", "consent"),
    [
        ("SUBSCRIBED", True), ("NEVER_SUBSCRIBED", None), ("Not subscribed", None),
        ("UNSUBSCRIBED", False),
    ],
)  # fmt: skip
def test_who_never_subscribed_has_not_refused(
    word: str, consent: bool | None, tmp_path: Path, make_settings: MakeSettings
) -> None:
    text = f"Email,Email Marketing Consent\nann@example.com,{word}\nbea@example.com,SUBSCRIBED\n"
    path = write(tmp_path / "c.csv", text)
    found = staged_contacts(make_settings, path, "has_email_consent", "outcome")
    assert found == [(consent, "accepted"), (True, "accepted")]


def test_a_refusal_is_one_in_the_words_of_other_tools_and_tables(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    words = {
        "Nein": False, "FALSCH": False, "opt-out": False, "Opted out": False, "cleaned": False,
        "Non": False, "withdrawn": False, "Ja": True, "WAHR": True, "Opt-in": True, "oui": True,
        "pending": None, "perhaps": None,
    }  # fmt: skip
    lines = [f"{n:02}@example.com,{word}" for n, word in enumerate(words)]
    path = write(tmp_path / "c.csv", "\n".join(["Email,Accepts Marketing", *lines]) + "\n")
    found = staged_contacts(make_settings, path, "has_email_consent")
    assert dict(zip(words, (consent for (consent,) in found), strict=True)) == words


def test_german_contacts_are_read_without_being_told(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "c.csv",
        "Kundennummer;Vorname;Nachname;E-Mail;Telefonnummer;Straße;PLZ;Ort;Land;Geburtsdatum\r\n"
        "7;Jürgen;Groß;j@example.com;0151 2345678;Am Wall 3;01067;Dresden;DE;31.12.1980\r\n",
        "cp1252",
    )
    columns = ("source_contact_id", "first_name", "last_name", "street", "postcode", "city")
    more = ("country", "birth_date")
    assert staged_contacts(make_settings, path, *columns, *more) == [
        ("7", "Jürgen", "Groß", "Am Wall 3", "01067", "Dresden", "DE", dt.date(1980, 12, 31))
    ]


@pytest.mark.parametrize(
    ("name", "given", "both"),
    [
        ("Groß", "Jürgen", ("Jürgen", "Groß")),
        ("Jürgen Groß", "Jürgen", ("Jürgen", "Groß")),
        ("von Groß, Eva Maria", "Eva Maria", ("Eva Maria", "von Groß")),
        ("Jürgen", "Jürgen", ("Jürgen", None)),
        ("Jürgen Groß", "", ("Jürgen", "Groß")),
        ("", "Jürgen", ("Jürgen", None)),
    ],
)
def test_a_name_beside_a_given_name_has_the_family_name(
    name: str, given: str, both: tuple[str, str | None], tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "c.csv", f"Kundennummer;Name;Vorname\n7;{name};{given}\n")
    assert staged_contacts(make_settings, path, "first_name", "last_name") == [both]


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("1955-12-31", dt.date(1955, 12, 31)),
        ("12/31/1955", dt.date(1955, 12, 31)),
        ("31.12.55", dt.date(1955, 12, 31)),
        ("31.12.07", dt.date(2007, 12, 31)),
        ("12/31", None),
        ("0000-00-00", None),
        ("never told", None),
    ],
)
def test_birthdays_are_read_as_people_write_them_and_whom_they_belong_to_is_always_taken_in(
    told: str, day: dt.date | None, tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "c.csv", f"Email,First Name,Birthday\na@example.com,Ann,{told}\n")
    columns = ("outcome", "first_name", "birth_date")
    assert staged_contacts(make_settings, path, *columns) == [("accepted", "Ann", day)]


@pytest.mark.parametrize("nothing", ["NULL", "\\N", "NaN", "NaT", "NA", "-", "0000-00-00 00:00:00"])
def test_what_databases_and_data_frames_write_for_nothing_is_nothing(
    nothing: str, tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "c.csv",
        "Email,Last Name,Created,Updated,Date of birth\n"
        f"a@example.com,Null,2024-01-02 03:04:05,{nothing},{nothing}\n"
        f"b@example.com,King,{nothing},2024-01-02 03:04:05,1955-12-31\n",
    )
    moment = dt.datetime(2024, 1, 2, 3, 4, 5)
    columns = ("outcome", "last_name", "created_at", "updated_at", "birth_date")
    assert staged_contacts(make_settings, path, *columns) == [
        ("accepted", "Null", moment, None, None),
        ("accepted", "King", None, moment, dt.date(1955, 12, 31)),
    ]


def test_a_name_that_a_program_wrote_for_nothing_greets_nobody(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "c.csv",
        "Email,First Name,City\na@example.com,NULL,N/A\nb@example.com,Nan,nan\n",
    )
    assert staged_contacts(make_settings, path, "first_name", "city") == [
        (None, None),
        ("Nan", None),
    ]
