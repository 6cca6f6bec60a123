"""Exports as workbooks: read as the same rows in CSV, or told why not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from marketing_platform.errors import InputError
from marketing_platform.identity.dedupe import read_people
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.sources.files.reader import load_export
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
Rows = list[list[Any]]
ORDERS: Rows = [
    ["Order ID", "Email", "Order Date", "Total", "Phone", "Postcode"],
    [1001, "ann@example.com", dt.datetime(2024, 1, 2, 23, 4, 5), 19.99, 491512345678, "01067"],
    [1002, 'Bob "B", <bob@example.com>', dt.date(2024, 1, 5), 12, "+49 151 1", 1067],
    ["1003-x", "cee@example.com", dt.datetime(2024, 1, 7, 12), 0.1 + 0.2, None, None],
]


def write(path: Path, *sheets: Rows, hidden: int = 0) -> Path:
    """A workbook with these sheets, the last `hidden` of them out of sight."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number + 1}")
        for row in rows:
            sheet.append(row)
        if number >= len(sheets) - hidden:
            sheet.sheet_state = "hidden"
    book.save(path)
    return path


def payloads(path: Path) -> list[dict[str, Any]]:
    with Warehouse(":memory:").connect() as connection:
        load_export(connection, path)
        rows = connection.execute("select payload from incoming order by line_number").fetchall()
    return [json.loads(payload) for (payload,) in rows]


def test_cells_are_read_as_they_are_meant(tmp_path: Path) -> None:
    ann, bob, cee = payloads(write(tmp_path / "orders.xlsx", ORDERS))
    assert ann == {
        "Order ID": "1001", "Email": "ann@example.com", "Order Date": "2024-01-02 23:04:05",
        "Total": "19.99", "Phone": "491512345678", "Postcode": "01067",
    }  # fmt: skip
    assert (bob["Email"], bob["Total"]) == ('Bob "B", <bob@example.com>', "12")
    assert (cee["Order ID"], cee["Total"], cee["Phone"]) == ("1003-x", "0.3", None)


def test_a_workbook_becomes_orders_without_a_word(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    # As reports come: a title, an empty row, and one among the records.
    report = [["Orders of January"], [], *ORDERS[:2], [], *ORDERS[2:]]
    path = write(tmp_path / "orders.xlsx", report)
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    ingest(settings, "orders")
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, "staging.files_order_lines")
    lines = warehouse.read("staging.files_order_lines").sort("ordered_at")
    assert lines["outcome"].to_list() == ["accepted"] * 3
    assert lines["source_order_id"].to_list() == ["1001", "1002", "1003-x"]
    assert lines["order_date"].to_list() == [
        dt.date(2024, 1, 2), dt.date(2024, 1, 5), dt.date(2024, 1, 7),
    ]  # fmt: skip
    assert lines["line_amount"].to_list() == [Decimal("19.99"), Decimal("12.00"), Decimal("0.30")]


def test_sheets_without_records_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "o.xlsx", [["Read me"]], ORDERS, [["a"], [1], [2]], hidden=1)
    assert len(payloads(path)) == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ((ORDERS, ORDERS), r"2 sheets have records: Sheet 1, Sheet 2\. Leave one of them"),
        ((ORDERS[:1],), r"the file has no records"),
        (([],), r"the file has no records"),
        (b"PK\x03\x04 and nothing of it", r"not readable as a workbook: .+\. Save it again"),
        (b"order id,date\n1,2024-01-02\n", r"not readable as a workbook: .+\. Save it again"),
    ],
)
def test_a_workbook_that_cannot_be_read_costs_one_line(
    tmp_path: Path, content: tuple[Rows, ...] | bytes, told: str
) -> None:
    path = tmp_path / "orders.xlsx"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, *content)
    with pytest.raises(InputError, match=rf"orders\.xlsx: {told}") as raised:
        payloads(path)
    assert "\n" not in str(raised.value)


def test_people_are_compared_in_a_workbook_too(tmp_path: Path) -> None:
    rows = [
        ["first_name", "last_name", "dob", "phone"],
        ["Ann", "Lee", dt.date(1990, 5, 17), 491512345678],
        ["Anne", "Lee", dt.date(1990, 5, 17), None],
    ]
    people = read_people(write(tmp_path / "people.xlsx", rows))
    assert people.roles == {
        "first_name": "first_name", "last_name": "last_name", "birth_date": "dob", "phone": "phone",
    }  # fmt: skip
    assert people.records["phone"].to_list() == ["491512345678", None]
    assert people.records.schema == dict.fromkeys(rows[0], pl.String)
    with pytest.raises(InputError, match="no such file"):
        read_people(tmp_path / "gone.xlsx")
