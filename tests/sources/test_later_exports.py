"""Exports that follow each other: what a later one replaces, and what it leaves alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from marketing_platform.lake import Lake
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import coverage, ingest
from marketing_platform.warehouse import Part, Warehouse

MakeSettings = Callable[..., Settings]
HEADER = "order id,customer id,date,amount\n"


@pytest.fixture
def take(tmp_path: Path, make_settings: MakeSettings) -> Callable[..., pl.DataFrame]:
    """Take in an export of orders in the same shop; answers all its order lines."""

    def take(text: str, timezone: str = "UTC", part: Part | None = None, **file: Any) -> Any:
        path = tmp_path / "orders.csv"
        path.write_text(text, encoding="utf-8")
        settings = make_settings(
            shop={"timezone": timezone}, sources={"files": {"orders": {"path": path, **file}}}
        )
        ingest(settings, "orders", part)
        warehouse = Warehouse(settings.warehouse_path)
        build_table(warehouse, settings, "staging.files_order_lines")
        return warehouse.read("staging.files_order_lines").sort("source_order_id")

    return take


def accepted(frame: pl.DataFrame) -> list[str]:
    return frame.filter(outcome="accepted")["source_order_id"].to_list()


def test_an_export_from_noon_on_leaves_the_morning_alone(take: Callable[..., Any]) -> None:
    take(HEADER + "1,k,2024-01-01 08:00,5\n2,k,2024-01-01 20:00,5\n")
    frame = take(HEADER + "2,k,2024-01-01 20:00,5\n3,k,2024-01-02 12:00,6\n")
    assert accepted(frame) == ["1", "2", "3"]


def test_an_evening_that_is_the_next_day_in_utc_stays(take: Callable[..., Any]) -> None:
    take(HEADER + "1,k,2024-01-04 22:00,5\n", timezone="America/New_York")
    frame = take(HEADER + "2,k,2024-01-05 10:00,5\n", timezone="America/New_York")
    assert accepted(frame) == ["1", "2"]


def test_an_export_of_days_covers_its_last_day_to_the_end(take: Callable[..., Any]) -> None:
    take(HEADER + "1,k,2024-01-01 08:00,5\n2,k,2024-01-02 20:00,5\n")
    frame = take(HEADER + "3,k,2024-01-01,5\n4,k,2024-01-02,5\n")
    assert accepted(frame) == ["3", "4"]


@pytest.mark.parametrize("mistyped", ["1970-01-01", "2014-01-03", "2999-01-01"])
def test_a_mistyped_year_does_not_empty_the_years_between(
    take: Callable[..., Any], mistyped: str
) -> None:
    take(HEADER + "1,k,2023-01-01,5\n2,k,2023-06-01,5\n")
    frame = take(HEADER + f"3,k,2024-01-03,6\n4,k,{mistyped},6\n")
    assert {"1", "2", "3"} <= set(accepted(frame))


def test_each_record_is_read_as_its_own_export_was_written(take: Callable[..., Any]) -> None:
    take(HEADER + "1,k,2024-01-01,5.50\n")
    frame = take("Bestellnummer;Kundennummer;Datum;Betrag\n2;k;13.02.2024;6,50\n")
    assert accepted(frame) == ["1", "2"]
    assert [str(amount) for amount in frame["line_amount"]] == ["5.50", "6.50"]
    assert frame["order_date"].to_list() == [dt.date(2024, 1, 1), dt.date(2024, 2, 13)]


def test_what_a_small_export_leaves_open_is_read_as_in_the_one_before(
    take: Callable[..., Any],
) -> None:
    header = "order id;customer id;date;amount\n"
    take(header + "1;k;13/02/2024;1.500,50\n")
    frame = take(header + "2;k;05/03/2024;1.500\n")
    assert frame["order_date"].to_list() == [dt.date(2024, 2, 13), dt.date(2024, 3, 5)]
    assert [str(amount) for amount in frame["line_amount"]] == ["1500.50", "1500.00"]
    # What it tells itself counts: here that the month comes first, and a decimal point.
    frame = take(header + "3;k;05/23/2024;19.50\n")
    assert frame["order_date"].to_list()[2:] == [dt.date(2024, 5, 23)]
    assert [str(amount) for amount in frame["line_amount"]][2:] == ["19.50"]


def test_an_export_read_again_in_another_way_takes_the_place_of_the_first_reading(
    take: Callable[..., Any],
) -> None:
    text = HEADER + "1,k,03/04/2024,5\n2,k,05/06/2024,6\n"
    take(text, date_format="%d/%m/%Y")
    frame = take(text, date_format="%m/%d/%Y")
    assert frame["order_date"].to_list() == [dt.date(2024, 3, 4), dt.date(2024, 5, 6)]


def test_a_record_without_a_date_that_comes_again_is_there_once(take: Callable[..., Any]) -> None:
    take(HEADER + "1,k,2024-01-01,5\n9,k,,7\n")
    frame = take(HEADER + "2,k,2024-01-03,6\n9,k,,7\n")
    assert frame["outcome"].to_list() == ["accepted", "accepted", "quarantined"]


def test_a_later_version_of_a_line_counts_wherever_the_first_one_lies(
    take: Callable[..., Any],
) -> None:
    header = "order id,line id,customer id,date,quantity,price\n"
    take(header + "1,1,k,2024-01-01,1,5\n1,2,k,2024-01-01,1,5\n")
    frame = take(header + "1,1,k,2024-01-05,3,5\n").filter(outcome="accepted")
    assert sorted(frame["quantity"]) == [1, 3]


def test_a_backfill_of_days_that_the_export_does_not_have_empties_none(
    take: Callable[..., Any], make_settings: MakeSettings
) -> None:
    take(HEADER + "1,k,2023-01-01,5\n2,k,2023-06-01,5\n")
    year = Part(dt.date(2023, 1, 1), dt.date(2023, 12, 31))
    assert accepted(take(HEADER + "3,k,2024-01-01,5\n", part=year)) == ["1", "2"]


def test_a_run_that_died_while_it_wrote_is_made_good_by_the_next(
    take: Callable[..., Any], make_settings: MakeSettings
) -> None:
    text = HEADER + "1,k,2024-01-01,5\n"
    take(text)
    stream = Lake(make_settings().lake_dir).stream("files", "orders")
    note = stream.note()
    stream.write_note({"fingerprint": None, "mappings": note["mappings"]})
    assert coverage(make_settings(sources={"files": {"orders": {"path": "orders.csv"}}})) is None
    assert accepted(take(text)) == ["1"]
    assert stream.note()["fingerprint"] == note["fingerprint"]


def test_the_same_export_in_another_order_gives_the_same_records(
    take: Callable[..., Any],
) -> None:
    lines = [f"{n},k{n % 5},2024-01-{1 + n % 9:02},{n % 4}\n" for n in range(60)]
    first = take(HEADER + "".join(lines))
    again = take(HEADER + "".join(reversed(lines)))
    assert again.sort("record_id").equals(first.sort("record_id"))


def test_a_column_that_an_export_no_longer_has_is_missing_until_it_is_back(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = tmp_path / "orders.csv"
    settings = make_settings(sources={"files": {"orders": {"path": path}}})

    def missing(header: str, line: str) -> set[str]:
        path.write_text(f"{header}\n{line}\n", encoding="utf-8")
        found = ingest(settings, "orders").missing
        assert ingest(settings, "orders").missing == found, "it is remembered with the export"
        return set(found)

    assert missing("order id,customer id,date,amount,email", "1,k,2024-01-01,5,a@b.de") == set()
    assert missing(HEADER.strip(), "2,k,2024-01-02,5") == {"email"}
    assert missing(HEADER.strip(), "3,k,2024-01-03,5") == {"email"}
    assert missing("order id,customer id,date,amount,email", "4,k,2024-01-04,5,a@b.de") == set()


@pytest.mark.parametrize(
    ("stream", "texts", "field", "told"),
    [
        (
            "contacts",
            (
                "id,email,updated_at,email opt in\nx,a@b.de,2024-05-01,yes\n",
                "id,email,Stand,email opt in\nx,a@b.de,2024-06-01,no\n",
            ),
            "has_email_consent",
            False,
        ),
        (
            "products",
            ("sku,name,updated_at\nx,Mug,2024-05-01\n", "sku,name\nx,Cup\n"),
            "title",
            "Cup",
        ),
    ],
)
def test_a_later_export_without_a_date_of_change_counts_before_an_earlier_one_with_it(
    stream: str,
    texts: tuple[str, ...],
    field: str,
    told: Any,
    tmp_path: Path,
    make_settings: MakeSettings,
) -> None:
    path = tmp_path / "export.csv"
    settings = make_settings(sources={"files": {stream: {"path": path}}})
    for text in texts:
        path.write_text(text, encoding="utf-8")
        ingest(settings, stream)
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, f"staging.files_{stream}")
    frame = warehouse.read(f"staging.files_{stream}").filter(outcome="accepted")
    assert frame[field].to_list() == [told]


def test_who_is_gone_from_a_list_without_dates_is_gone_whenever_it_was_taken_in(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """A list of all who subscribe: who left is not in the next one."""
    path = tmp_path / "contacts.csv"
    settings = make_settings(sources={"files": {"contacts": {"path": path}}})
    path.write_text("id,email,email opt in\n1,a@b.de,yes\n2,c@b.de,yes\n", encoding="utf-8")
    ingest(settings, "contacts")
    lake = Lake(settings.lake_dir).stream("files", "contacts")
    (today,) = lake.folder.glob("*.parquet")
    month_ago = dt.date.today() - dt.timedelta(days=30)
    before = pl.read_parquet(today).with_columns(received_date=pl.lit(month_ago))
    today.unlink()
    before.write_parquet(lake.folder / f"{month_ago}.parquet")
    path.write_text("id,email,email opt in\n2,c@b.de,yes\n3,d@b.de,yes\n", encoding="utf-8")
    ingest(settings, "contacts")
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, "staging.files_contacts")
    contacts = warehouse.read("staging.files_contacts")
    assert sorted(contacts["source_contact_id"]) == ["2", "3"]
