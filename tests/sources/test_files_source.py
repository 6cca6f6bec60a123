"""Export files: what is understood, what is asked for, and that no record is lost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from marketing_platform.errors import InputError
from marketing_platform.pipeline import build_table
from marketing_platform.settings import FileStream, Settings
from marketing_platform.sources.files.fields import STREAMS
from marketing_platform.sources.files.ingest import ingest, inspect
from marketing_platform.warehouse import Part, Warehouse

MakeSettings = Callable[..., Settings]
HEADER = "Order ID,Customer ID,Order Date,SKU,Quantity,Unit Price\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def staged(make_settings: MakeSettings, path: Path, **file: Any) -> pl.DataFrame:
    """The staged order lines of an export."""
    settings = make_settings(sources={"files": {"orders": {"path": path, **file}}})
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, "orders")
    build_table(warehouse, settings, "staging.files_order_lines")
    return warehouse.read("staging.files_order_lines")


def outcomes(frame: pl.DataFrame) -> dict[str, int]:
    counted = frame.group_by("outcome").len()
    return dict(zip(counted["outcome"], counted["len"], strict=True))


def test_the_same_orders_come_out_of_csv_parquet_and_json_lines(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    rows = [
        {"Order ID": "7", "Customer ID": "17850", "Order Date": "2024-05-01 10:00:00",
         "SKU": "a", "Quantity": 2, "Unit Price": 1.25},
        {"Order ID": "8", "Customer ID": None, "Order Date": "2024-05-02 11:00:00",
         "SKU": "b", "Quantity": 1, "Unit Price": 3.0},
    ]  # fmt: skip
    frame = pl.DataFrame(rows)
    frame.write_csv(tmp_path / "o.csv")
    frame.write_parquet(tmp_path / "o.parquet")
    frame.write_ndjson(tmp_path / "o.jsonl")
    columns = ["source_order_id", "source_contact_id", "ordered_at", "quantity", "line_amount"]
    found = [
        staged(make_settings, tmp_path / f"o.{ending}").select(columns).sort("source_order_id")
        for ending in ("csv", "parquet", "jsonl")
    ]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    assert found[0]["source_contact_id"].to_list() == ["17850", None]


def test_a_day_first_date_a_decimal_comma_and_a_currency_sign_are_read(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Bestellung,Kunde,Datum,Betrag\n"
        '1,k1,31.12.2023 23:30,"1.234,50 €"\n'
        '2,k2,02.01.2024 08:00,"7,05 €"\n',
    )
    mapping = {"order_id": "Bestellung", "customer_id": "Kunde", "ordered_at": "Datum",
               "amount": "Betrag"}  # fmt: skip
    frame = staged(make_settings, path, mapping=mapping).sort("source_order_id")
    assert frame["ordered_at"].to_list() == [
        dt.datetime(2023, 12, 31, 23, 30),
        dt.datetime(2024, 1, 2, 8, 0),
    ]
    assert [str(amount) for amount in frame["line_amount"]] == ["1234.50", "7.05"]


def test_a_local_time_becomes_utc_and_keeps_its_local_day(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-07-01 00:30:00,a,1,5\n")
    settings = make_settings(
        shop={"timezone": "Europe/Berlin"}, sources={"files": {"orders": {"path": path}}}
    )
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, "orders")
    build_table(warehouse, settings, "staging.files_order_lines")
    row = warehouse.read("staging.files_order_lines").row(0, named=True)
    assert row["ordered_at"] == dt.datetime(2024, 6, 30, 22, 30)
    assert row["order_date"] == dt.date(2024, 7, 1)


def test_dates_that_could_be_read_both_ways_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,03/04/2024,a,1,5\n2,k,05/06/2024,a,1,5\n")
    with pytest.raises(InputError, match="day/month or month/day"):
        inspect("orders", FileStream(path=path))
    columns = inspect("orders", FileStream(path=path, date_format="%d/%m/%Y")).columns
    assert columns["ordered_at"].parse == "%d/%m/%Y"


def test_one_day_above_twelve_tells_which_way_dates_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,03/04/2024,a,1,5\n2,k,25/06/2024,a,1,5\n")
    assert inspect("orders", FileStream(path=path)).columns["ordered_at"].parse == "%d/%m/%Y"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("2,k,yesterday,a,1,5", "unreadable: ordered_at"),
        ("2,k,,a,1,5", "no date"),
        ("2,k,2024-01-02,a,many,5", "unreadable: quantity"),
        ("2,k,2024-01-02,a,n/a,5", "no amount"),
        ("2,k,2024-01-02,a,1,", "no amount"),
        ("2,k,2024-01-02,a,1,-5", "negative price"),
        ("2,k,2024-01-02,a,-3,0", "negative quantity without a price"),
        (",,2024-01-02,a,1,5", "no order number and no buyer"),
        ("2,k,2199-01-01,a,1,5", "date in the future"),
    ],
)
def test_a_line_that_cannot_be_used_is_quarantined_with_the_reason(
    tmp_path: Path, make_settings: MakeSettings, lines: str, reason: str
) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-01-01,a,1,5\n" + lines + "\n")
    frame = staged(make_settings, path)
    assert outcomes(frame) == {"accepted": 1, "quarantined": 1}
    assert frame.filter(outcome="quarantined")["quarantine_reason"].to_list() == [reason]


def test_a_json_line_that_is_no_json_is_quarantined_not_lost(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    good = {"order_id": "1", "customer_id": "k", "date": "2024-01-01", "amount": 5}
    path = write(tmp_path / "o.jsonl", json.dumps(good) + "\n{broken\n[1, 2]\n")
    assert outcomes(staged(make_settings, path)) == {"accepted": 1, "quarantined": 2}


@pytest.mark.parametrize("opens", ["[", '{"a":'])
def test_a_json_line_that_is_nested_without_end_stops_no_other_one(
    opens: str, tmp_path: Path, make_settings: MakeSettings
) -> None:
    good = {"order_id": "1", "customer_id": "k", "date": "2024-01-01", "amount": 5}
    closes = {"[": "]"}.get(opens, "}")
    bad = '{"order_id": "2", "note": ' + opens * 9000 + "1" + closes * 9000 + "}"
    path = write(tmp_path / "o.jsonl", f"{json.dumps(good)}\n{bad}\n")
    assert outcomes(staged(make_settings, path)) == {"accepted": 1, "quarantined": 1}


def test_of_two_versions_of_a_line_the_later_one_counts(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Order ID,Line ID,Customer ID,Order Date,Quantity,Unit Price\n"
        "1,1,k,2024-01-01,1,5\n1,1,k,2024-01-01,3,5\n1,2,k,2024-01-01,1,7\n",
    )
    frame = staged(make_settings, path)
    assert outcomes(frame) == {"accepted": 2, "duplicate": 1}
    assert sorted(frame.filter(outcome="accepted")["quantity"]) == [1, 3]


def test_an_export_taken_in_twice_changes_nothing(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-01-01,a,1,5\n2,k,2024-01-02,a,1,5\n")
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    assert ingest(settings, "orders").is_new
    before = {f: f.read_bytes() for f in settings.lake_dir.rglob("*.parquet")}
    assert not ingest(settings, "orders").is_new
    assert {f: f.read_bytes() for f in settings.lake_dir.rglob("*.parquet")} == before


def test_a_later_export_replaces_the_days_that_it_covers_and_no_others(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = tmp_path / "o.csv"
    write(path, HEADER + "1,k,2024-01-01,a,1,5\n2,k,2024-01-02,a,1,5\n3,k,2024-01-03,a,1,5\n")
    staged(make_settings, path)
    write(path, HEADER + "2,k,2024-01-02,a,1,6\n4,k,2024-01-04,a,1,5\n")
    frame = staged(make_settings, path)
    amounts = dict(zip(frame["source_order_id"], frame["line_amount"], strict=True))
    assert {order: str(amount) for order, amount in amounts.items()} == {
        "1": "5.00",
        "2": "6.00",
        "4": "5.00",
    }


def test_a_single_day_can_be_taken_in_again(tmp_path: Path, make_settings: MakeSettings) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-01-01,a,1,5\n2,k,2024-01-02,a,1,5\n")
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    ingest(settings, "orders")
    day = dt.date(2024, 1, 1)
    write(path, HEADER + "1,k,2024-01-01,a,9,5\n2,k,2024-01-02,a,9,5\n")
    ingest(settings, "orders", Part(day, day))
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, "staging.files_order_lines")
    frame = warehouse.read("staging.files_order_lines").sort("source_order_id")
    assert frame["quantity"].to_list() == [9, 1]
    assert ingest(settings, "orders").is_new, "the other days of the new export are still to come"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "missing.csv", "no such file"),
        ("", "empty.csv", "the file is empty"),
        (HEADER, "header.csv", "the file has no records"),
        ("a,b\n1,2\n", "other.csv", "no column for ordered_at"),
        ("order id,date\n1,2024-01-01\n", "noamount.csv", "no column for amount or unit_price"),
        (HEADER + "1,k,soon,a,1,5\n", "dates.csv", "can be read as a date, e.g. 'soon'"),
        (HEADER + "1,k,2024-01-01,a,1,free\n", "price.csv", "can be read as a number, e.g. 'free'"),
        ("x", "orders.pdf", "unknown kind of file .pdf"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, content: str | None, name: str, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        write(path, content)
    with pytest.raises(InputError, match=message) as caught:
        inspect("orders", FileStream(path=path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mapping_to_a_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-01-01,a,1,5\n")
    with pytest.raises(InputError, match="Did you mean 'Order Date'"):
        inspect("orders", FileStream(path=path, mapping={"ordered_at": "Order date"}))
    with pytest.raises(InputError, match="Did you mean 'quantity'"):
        inspect("orders", FileStream(path=path, mapping={"quantty": "Quantity"}))


def test_a_latin_1_file_is_read(tmp_path: Path, make_settings: MakeSettings) -> None:
    path = tmp_path / "o.csv"
    text = "order id,customer id,date,amount,description\n1,k,2024-01-01,5,Müller café\n"
    path.write_bytes(text.encode("latin-1"))
    assert staged(make_settings, path)["product_title"].to_list() == ["Müller café"]


odd_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\n\r"), max_size=12
)


@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.fixed_dictionaries({
    "order_id": odd_text | st.integers() | st.none(),
    "customer_id": odd_text | st.booleans() | st.none(),
    "date": st.sampled_from(["2024-01-01", "2024-02-30", "x", None, 5, {"a": 1}]),
    "quantity": st.integers(-5, 5) | odd_text | st.floats() | st.none(),
    "amount": st.decimals(-10, 10, places=2).map(float) | odd_text | st.just(1e300) | st.none(),
}), max_size=12))  # fmt: skip
def test_whatever_arrives_the_three_outcomes_add_up(
    tmp_path: Path, make_settings: MakeSettings, records: list[dict[str, Any]]
) -> None:
    anchor = {"order_id": "0", "customer_id": "k", "date": "2024-01-01", "quantity": 1, "amount": 2}
    lines = [json.dumps(record) for record in [anchor, *records]]
    path = write(tmp_path / "o.jsonl", "\n".join(lines) + "\n")
    frame = staged(make_settings, path)
    assert frame.height == len(lines)
    assert sum(outcomes(frame).values()) == len(lines)
    held = frame.filter(outcome="quarantined")
    assert held["quarantine_reason"].null_count() == 0


def test_a_version_that_knows_more_headers_reads_an_export_again(
    tmp_path: Path, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "o.csv", "order id,customer id,date,amount,code\n1,k,2024-01-02,5,m\n")
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    assert ingest(settings, "orders").is_new
    assert not ingest(settings, "orders").is_new
    orders = STREAMS["orders"]
    fields = tuple(
        replace(field, synonyms=(*field.synonyms, "code")) if field.name == "product_id" else field
        for field in orders.fields
    )
    monkeypatch.setitem(STREAMS, "orders", replace(orders, fields=fields))
    again = ingest(settings, "orders")
    assert again.is_new
    assert again.columns["product_id"].name == "code"
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, "staging.files_order_lines")
    lines = warehouse.read("staging.files_order_lines")
    assert lines["source_product_id"].to_list() == ["m"]
