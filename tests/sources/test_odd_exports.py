"""Exports of orders as shops have them: of their shop system, their country and their editor."""

from __future__ import annotations

import codecs
import datetime as dt
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from marketing_platform.errors import InputError
from marketing_platform.identity.dedupe import read_people
from marketing_platform.pipeline import build_table
from marketing_platform.settings import FileStream, Settings
from marketing_platform.sources.files.ingest import ingest, inspect
from marketing_platform.sources.files.reader import load_export
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
HEADER = "order id,customer id,date,amount\n"


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def staged(
    make_settings: MakeSettings, path: Path, shop: dict[str, str] | None = None, **file: Any
) -> pl.DataFrame:
    settings = make_settings(shop=shop or {}, sources={"files": {"orders": {"path": path, **file}}})
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, "orders")
    build_table(warehouse, settings, "staging.files_order_lines")
    return warehouse.read("staging.files_order_lines").sort("ordered_at", "source_order_id")


def payloads(path: Path) -> list[dict[str, Any]]:
    """The records of a file, as they are kept."""
    with Warehouse(":memory:").connect() as connection:
        load_export(connection, path)
        rows = connection.execute("select payload from incoming order by line_number").fetchall()
    return [json.loads(payload) for (payload,) in rows]


def test_what_an_order_says_in_its_first_line_counts_for_all_its_lines(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Name,Email,Financial Status,Created at,Currency,Total,Lineitem quantity,Lineitem name,"
        "Lineitem price,Lineitem sku\n"
        "#1,ann@example.com,paid,2024-01-02 23:04:05 -0500,EUR,30.00,1,Mug,10.00,m\n"
        "#1,,,,,,2,Cup,10.00,c\n"
        "#2,bob@example.com,refunded,2024-01-05 03:04:05 -0500,EUR,9.00,1,Mug,4.00,m\n"
        "#2,,,,,,1,Cup,5.00,c\n",
    )
    frame = staged(make_settings, path, shop={"currency": "GBP", "timezone": "America/New_York"})
    assert frame["outcome"].to_list() == ["accepted"] * 4
    assert frame["source_order_id"].to_list() == ["#1", "#1", "#2", "#2"]
    assert frame["line_status"].to_list() == ["sold", "sold", "cancelled", "cancelled"]
    assert set(frame["currency"]) == {"EUR"}
    assert frame["email"].null_count() == 0
    assert frame["order_date"][1] == dt.date(2024, 1, 2)
    assert frame["ordered_at"][1] == dt.datetime(2024, 1, 3, 4, 4, 5)


def test_a_status_that_single_lines_have_stays_with_them(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "order id,customer id,date,sku,quantity,price,status\n"
        "1,k,2024-01-01,a,1,5,cancelled\n1,k,2024-01-01,b,1,5,\n"
        "2,k,2024-01-02,a,1,5,\n2,k,2024-01-02,b,1,5,cancelled\n",
    )
    frame = staged(make_settings, path).sort("source_order_id", "source_product_id")
    assert frame["line_status"].to_list() == ["cancelled", "sold", "sold", "cancelled"]


def test_guests_with_the_number_zero_are_not_one_customer(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Order Number,Order Status,Order Date,Customer User ID,Email (Billing),Item Name,"
        "Quantity (- Refund),Item Cost\n"
        "1,Completed,2024-02-01 10:00,0,ann@example.com,Mug,2,10\n"
        "2,Completed,2024-02-01 11:00,7,n/a,Mug,1,10\n"
        "3,Completed,2024-02-01 12:00,guest,none,Mug,1,10\n",
    )
    frame = staged(make_settings, path)
    assert frame["source_contact_id"].to_list() == [None, "7", None]
    assert frame["email"].to_list() == ["ann@example.com", None, None]
    assert frame["line_amount"].to_list() == [Decimal(20), Decimal(10), Decimal(10)]


def test_whom_a_bill_names_is_known_with_the_address_on_every_line_of_the_order(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem price,Billing Name,"
        "Billing Street,Billing City,Billing Zip,Billing Province,Shipping Name,Shipping City\n"
        "#1,ann@example.com,2024-01-02,1,Mug,5.00,Ann Mary Lee,1 Mill Street,Dunmere,'01234,"
        "NY,Bob,Elsewhere\n"
        "#1,,,1,Cup,5.00,,,,,,,\n"
        "#2,eve@example.com,2024-01-03,1,Mug,5.00,Eve,,,,,,\n",
    )
    frame = staged(make_settings, path).sort("source_order_id")
    address = ["first_name", "last_name", "street", "city", "postcode", "region"]
    ann = ("Ann", "Mary Lee", "1 Mill Street", "Dunmere", "01234", "NY")
    assert frame.select(address).rows() == [ann, ann, ("Eve", *[None] * 5)]


def totals_of_orders(frame: pl.DataFrame) -> dict[str, Decimal]:
    sums = frame.filter(pl.col("outcome") == "accepted").group_by("source_order_id")
    return dict(sums.agg(pl.col("line_amount").sum()).iter_rows())


def test_a_total_that_each_line_of_an_order_says_counts_once(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    lines = [
        *("1,a,2024-01-02,m,10.00", "1,a,2024-01-02,c,10.00", "1,a,2024-01-02,p,10.00"),
        *("2,b,2024-01-02,m,7.50", "3,a,2024-01-03,m,0.01", "3,a,2024-01-03,c,0.01"),
        # The same line once more is a duplicate.
        "3,a,2024-01-03,c,0.01",
    ]
    text = "order id,customer id,order date,sku,order total\n" + "\n".join(lines) + "\n"
    frame = staged(make_settings, write(tmp_path / "o.csv", text))
    assert frame["outcome"].value_counts().sort("outcome").rows() == [
        ("accepted", 6),
        ("duplicate", 1),
    ]
    assert totals_of_orders(frame) == {
        "1": Decimal("10.00"),
        "2": Decimal("7.50"),
        "3": Decimal("0.01"),
    }


@pytest.mark.parametrize(
    ("header", "amounts"), [("order total", ("10.00", "4.00")), ("line total", ("10.00", "10.00"))]
)
def test_amounts_of_lines_add_up_to_their_order(
    header: str, amounts: tuple[str, str], tmp_path: Path, make_settings: MakeSettings
) -> None:
    one, two = amounts
    path = write(
        tmp_path / "o.csv",
        f"order id,customer id,order date,sku,{header}\n"
        f"1,a,2024-01-02,m,{one}\n1,a,2024-01-02,c,{two}\n2,b,2024-01-02,m,7.50\n",
    )
    both = Decimal(one) + Decimal(two)
    found = totals_of_orders(staged(make_settings, path))
    assert found == {"1": both, "2": Decimal("7.50")}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *(("Annulé", "cancelled"), ("storniert", "cancelled"), ("wc-cancelled", "cancelled")),
        *(("Remboursé", "cancelled"), ("wc-completed", "sold"), ("Livré", "sold")),
        *(("Void", "cancelled"), ("Chargeback", "cancelled"), ("Draft", "cancelled")),
        *(("Fully refunded", "cancelled"), ("partially_refunded", "sold")),
    ],
)
def test_what_was_cancelled_is_no_sale_in_other_words_too(
    status: str, expected: str, tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        f"ID;Reference;Customer;Total;Payment;Status;Date\n1;XKB;A. LEE;35,00 €;Card;{status};"
        "2024-11-12 10:20:30\n",
    )
    (line,) = staged(make_settings, path).to_dicts()
    assert (line["source_order_id"], line["line_status"]) == ("XKB", expected)


def test_a_currency_and_a_time_zone_in_a_header_hold_for_its_column(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Order ID,Customer ID,Created date (UTC),Amount (CHF)\n1,a,2024-01-02 23:30:00,5.00\n",
    )
    shop = {"timezone": "Europe/Zurich", "currency": "EUR"}
    (line,) = staged(make_settings, path, shop=shop).to_dicts()
    assert line["currency"] == "CHF"
    assert line["ordered_at"] == dt.datetime(2024, 1, 2, 23, 30)
    assert line["order_date"] == dt.date(2024, 1, 3)


def test_a_line_whose_number_or_price_is_nothing_is_no_sale(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "order id,customer id,date,quantity,price\n1,a,2024-01-02,1,NULL\n2,a,NULL,1,5\n"
        "3,a,2024-01-02,2,5\n",
    )
    frame = staged(make_settings, path).sort("source_order_id")
    assert frame.select("outcome", "quarantine_reason").rows() == [
        ("quarantined", "no amount"),
        ("quarantined", "no date"),
        ("accepted", None),
    ]


def test_a_name_in_two_columns_is_taken_as_it_is(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "Order Number,Order Date,Email (Billing),First Name (Billing),Last Name (Billing),"
        "Item Name,Quantity,Item Cost,Postcode (Billing)\n"
        "1,2024-02-01 10:00,ann@example.com,Ann Mary,Lee,Mug,2,10,qx1 1aa\n",
    )
    (line,) = staged(make_settings, path).to_dicts()
    assert (line["first_name"], line["last_name"]) == ("Ann Mary", "Lee")
    assert (line["postcode"], line["city"]) == ("qx1 1aa", None)


def test_a_german_export_is_read_without_being_told(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    text = (
        "Bestellnummer;Kundennummer;Bestelldatum;Artikelnummer;Menge;Einzelpreis;Währung\r\n"
        "1;k1;31.12.2023;a;1;1.234,50;EUR\r\n2;k2;02.01.2024;b;2;0,99;EUR\r\n"
    )
    frame = staged(make_settings, write(tmp_path / "o.csv", codecs.BOM_UTF8 + text.encode()))
    assert frame["line_amount"].to_list() == [Decimal("1234.50"), Decimal("1.98")]
    assert frame["order_date"].to_list() == [dt.date(2023, 12, 31), dt.date(2024, 1, 2)]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (
            "t_dat,customer_id,article_id,price,sales_channel_id",
            "2020-09-01,77ab,108775015,0.0508,2",
            ("77ab", "108775015", dt.date(2020, 9, 1), Decimal("0.0508"), None),
        ),
        (
            "order_id,product_id,price,customer_id,customer_unique_id,order_purchase_timestamp",
            "o1,p1,5.00,of this order,of the person,2017-10-02 10:56:33",
            ("of the person", "p1", dt.date(2017, 10, 2), Decimal(5), None),
        ),
        (
            "CustomerKey,OrderDateKey,SalesOrderNumber,ProductKey,OrderQuantity,SalesAmount",
            "11000,20130128,SO51522,528,2,49.90",
            ("11000", "528", dt.date(2013, 1, 28), None, Decimal("49.90")),
        ),
        (
            "Order ID,Order Date,Customer ID,Product ID,Sales,Quantity",
            "CA-1,08-Nov-16,CG-12520,FUR-1,261.96,2",
            ("CG-12520", "FUR-1", dt.date(2016, 11, 8), None, Decimal("261.96")),
        ),
        (
            '"Order Number","Buyer Username","Sale Date","Item Number","Quantity","Sold For"',
            '"12-3","annlee","Nov-12-24","2345678","2","$15.00"',
            ("annlee", "2345678", dt.date(2024, 11, 12), Decimal(15), None),
        ),
        (
            "orderNumber;orderDateTime;customerNumber;amountTotal;positionNumber;positionQuantity;"
            "positionUnitPrice;sku",
            "1;2024-11-12T10:20:30.000+00:00;7;37,00;1;2;15,00;m",
            ("7", "m", dt.date(2024, 11, 12), Decimal(15), None),
        ),
        (
            "id,Created date (UTC),Amount,Amount Refunded,Currency,Customer ID,Status",
            "ch_1,2024-11-12 10:20:30,35.00,0.00,usd,cus_1,Paid",
            ("cus_1", None, dt.date(2024, 11, 12), None, Decimal(35)),
        ),
        (
            "order_number,email,order_total,order_datetime,payment_status,order_item_sku,"
            "order_item_quantity,order_item_price",
            "1,a@example.com,37.00,2024-11-12 10:20:30 +0000,PAID,m,2,15.00",
            (None, "m", dt.date(2024, 11, 12), Decimal(15), None),
        ),
        (
            "Order ID,Customer ID,Order Date,Order Total (inc tax),Order Currency Code",
            "100,7,25/11/2024,35.00,USD",
            ("7", None, dt.date(2024, 11, 25), None, Decimal(35)),
        ),
        (
            "Date,Transaction no.,Client no.,Item no.,Umsatz",
            '"Oct 28, 2019, 03:15 PM",77,12,4,"1.234,50"',
            ("12", "4", dt.date(2019, 10, 28), None, Decimal("1234.50")),
        ),
    ],
    ids=[
        *("articles", "two keys of a customer", "day as a number", "month as a word"),
        *("an auction", "positions", "payments", "items of orders", "orders alone", "a till"),
    ],
)
def test_a_header_of_another_house_is_read_without_being_told(
    tmp_path: Path,
    make_settings: MakeSettings,
    header: str,
    row: str,
    expected: tuple[Any, ...],
) -> None:
    frame = staged(make_settings, write(tmp_path / "o.csv", f"{header}\n{row}\n"))
    columns = ("source_contact_id", "source_product_id", "order_date", "unit_price_amount")
    assert frame["outcome"].to_list() == ["accepted"]
    [found] = frame.select(columns).rows()
    assert found[:3] == expected[:3]
    if expected[3] is not None:
        assert found[3] == expected[3]
    if expected[4] is not None:
        assert frame["line_amount"].to_list() == [expected[4]]


@pytest.mark.parametrize(
    ("content", "encoding", "found"),
    [
        ("a,b\n1,“Mü” €\n", "cp1252", [{"a": "1", "b": "“Mü” €"}]),
        ("a,b\n1,ü\n", "utf-16", [{"a": "1", "b": "ü"}]),
        ("a,b\r\n1,2\n3,4\r\n", "utf-8", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ("a,b\r1,2\r", "utf-8", [{"a": "1", "b": "2"}]),
        ("sep=;\r\na;b\r\n1;2,5\r\n", "utf-8-sig", [{"a": "1", "b": "2,5"}]),
        ("a\tb,c\n1\t2\n", "utf-8", [{"a": "1", "b,c": "2"}]),
        ('a,b\n1,"x\n\ny ""z"""\n2\n', "utf-8", [{"a": "1", "b": 'x\n\ny "z"'},
                                                {"a": "2", "b": None}]),
        ("a,b\n1,2,\n", "utf-8", [{"a": "1", "b": "2", "column3": None}]),
        ("a,A,,b\n1,2,3,4\n", "utf-8", [{"a": "1", "A_1": "2", "column3": "3", "b": "4"}]),
    ],
)  # fmt: skip
def test_a_csv_file_of_any_editor_is_read(
    tmp_path: Path, content: str, encoding: str, found: list[dict[str, str | None]]
) -> None:
    assert payloads(write(tmp_path / "o.csv", content, encoding)) == found


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        # As Google Ads, Google Analytics and people write them.
        ('Campaign report\n"January 1, 2024 - January 31, 2024"\nDay,Campaign,Cost\n'
         + "2024-01-02,Sale,1.50\n" * 2, "utf-8",
         {"Day": "2024-01-02", "Campaign": "Sale", "Cost": "1.50"}),
        ("Campaign report\nJanuary 1, 2024\nDay\tCampaign\tCost\n"
         + "2024-01-02\tSale, new\t1,50\n" * 2, "utf-16",
         {"Day": "2024-01-02", "Campaign": "Sale, new", "Cost": "1,50"}),
        ("# ----\n# Traffic\n# 20240101-20240131\n# ----\n\nDate,Source,Medium\n"
         + "20240102,google,cpc\n" * 2, "utf-8",
         {"Date": "20240102", "Source": "google", "Medium": "cpc"}),
        ('"Our ""own""\r\nshop";;;\r\n;;;\r\nOrder;"Paid\r\non";Total;Name\r\n'
         + "7;2024-01-02;1,5;Ann\r\n" * 2, "utf-8-sig",
         {"Order": "7", "Paid\non": "2024-01-02", "Total": "1,5", "Name": "Ann"}),
    ],
)  # fmt: skip
def test_titles_above_the_header_of_a_report_are_no_records(
    tmp_path: Path, content: str, encoding: str, expected: dict[str, str]
) -> None:
    assert payloads(write(tmp_path / "o.csv", content, encoding)) == [expected] * 2


def test_people_below_a_title_are_read_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "people.csv", "Our customers\n\nname,email\nAnn,a@x.de\nBo,b@x.de\n")
    assert read_people(path).records.rows() == [("Ann", "a@x.de"), ("Bo", "b@x.de")]


def test_records_that_are_longer_than_their_header_are_no_headers(tmp_path: Path) -> None:
    found = payloads(write(tmp_path / "o.csv", "a,b\n" + "1,2,3,4,5\n" * 3))
    assert found == [{"a": "1", "b": "2", "column3": "3", "column4": "4", "column5": "5"}] * 3


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('9,"two\nlines"', {"a": "9", "b": "two\nlines"}),
        ('9,"6,00"', {"a": "9", "b": "6,00"}),
        ("9,8,7", {"unreadable": "9,8,7"}),
        ('9,"Best" mug', {"unreadable": '9,"Best" mug'}),
    ],
)
def test_an_odd_line_far_down_is_kept_and_does_not_spoil_the_others(
    tmp_path: Path, line: str, kept: dict[str, str]
) -> None:
    path = write(tmp_path / "o.csv", "a,b\n" + "1,x\n" * 25_000 + line + "\n2,y\n")
    found = payloads(path)
    assert len(found) == 25_002
    assert kept in found[-2:]
    assert {"a": "2", "b": "y"} in found[-2:]


def test_a_quote_that_is_never_closed_swallows_no_record_in_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", HEADER + '1,"k,2024-01-01,5\n2,k,2024-01-01,5\n')
    with pytest.raises(InputError, match="a quote is opened and not closed"):
        inspect("orders", FileStream(path=path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("o.json", '[\n {"a": 1,\n  "b": "ü"},\n {"a": 2}\n]'.encode()),
        ("o.jsonl.gz", gzip.compress('{"a": 1, "b": "ü"}\n{"a": 2}\n'.encode(), mtime=0)),
        ("o.jsonl", '{"a": 1, "b": "ü"}\n{"a": 2}\n'.encode("latin-1")),
    ],
)
def test_json_is_read_as_a_list_compressed_and_in_latin_1(
    tmp_path: Path, name: str, content: bytes
) -> None:
    assert payloads(write(tmp_path / name, content)) == [{"a": 1, "b": "ü"}, {"a": 2}]


@pytest.mark.parametrize(
    ("name", "content"),
    [("o.csv.gz", b"a,b\n1,2\n"), ("o.json", b'[{"a": 1}, {"a"'), ("o.parquet", b"x")],
)
def test_a_broken_file_costs_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match="not readable as") as caught:
        inspect("orders", FileStream(path=write(tmp_path / name, content)))
    assert str(caught.value).count(str(tmp_path)) == 1 + (name == "o.parquet")
    assert "\n" not in str(caught.value)


def test_a_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    long = json.dumps({"a": "x" * 17_000_000}).encode()
    path = write(tmp_path / "o.jsonl", b'{"a": 1}\n' + long + b"\n")
    with pytest.raises(InputError) as caught:
        inspect("orders", FileStream(path=path))
    told = f"{path}: not readable as jsonl: line 2 is longer than 16 MB. Export"
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-02 03:04:05 -0500", "2024-01-02 08:04:05"),
        ("2024-01-02T03:04+01:00", "2024-01-02 02:04:00"),
        ("2024-01-02 03:04:05 GMT", "2024-01-02 03:04:05"),
        ("2024-01-02 03:04 PM", "2024-01-02 14:04:00"),
        ("1/13/2024 3:04 PM", "2024-01-13 14:04:00"),
        ("13.01.24 10:00", "2024-01-13 09:00:00"),
        ("13-01-2024 10:00", "2024-01-13 09:00:00"),
        ("Jan 13, 2024", "2024-01-12 23:00:00"),
        ("Jan 13, 2024, 10:00 AM", "2024-01-13 09:00:00"),
        ("13-Jan-24 10:00", "2024-01-13 09:00:00"),
        ("20240113", "2024-01-12 23:00:00"),
        ("1704164645.0", "2024-01-02 03:04:05"),
        ("1704164645123", "2024-01-02 03:04:05.123000"),
    ],
)
def test_a_moment_is_read_however_it_is_written(
    tmp_path: Path, make_settings: MakeSettings, text: str, moment: str
) -> None:
    path = write(tmp_path / "o.csv", HEADER + f'1,k,"{text}",5\n')
    frame = staged(make_settings, path, shop={"timezone": "Europe/Berlin"})
    assert str(frame["ordered_at"][0]) == moment


def test_the_short_names_of_events_are_those_of_the_segment_spec(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    names = {
        "view": "product_viewed", "addtocart": "product_added", "remove_from_cart":
        "product_removed", "transaction": "order_completed", "Product Viewed": "product_viewed",
        "wishlist": "wishlist",
    }  # fmt: skip
    lines = [f"170416464512{n},v{n},{name},i{n}" for n, name in enumerate(names)]
    path = write(tmp_path / "e.csv", "\n".join(["timestamp,visitorid,event,itemid", *lines]))
    settings = make_settings(sources={"files": {"events": {"path": path}}})
    ingest(settings, "events")
    warehouse = Warehouse(settings.warehouse_path)
    build_table(warehouse, settings, "staging.files_events")
    found = warehouse.read("staging.files_events").sort("occurred_at")
    assert found["event"].to_list() == list(names.values())
    assert found["source_product_id"].to_list() == [f"i{n}" for n in range(len(names))]


def test_a_date_format_may_have_an_offset_and_must_be_one(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,02/01/2024 03:04 -0500,5\n")
    frame = staged(make_settings, path, date_format="%d/%m/%Y %H:%M %z")
    assert frame["ordered_at"].to_list() == [dt.datetime(2024, 1, 2, 8, 4)]
    for told in ("%Q", "DD/MM/YYYY"):
        with pytest.raises(InputError, match="not a date format"):
            inspect("orders", FileStream(path=path, date_format=told))


def test_a_date_format_told_for_another_file_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,2024-01-02,5\n")
    columns = inspect("orders", FileStream(path=path, date_format="%d/%m/%Y")).columns
    assert columns["ordered_at"].parse == "iso"


def test_a_date_that_no_shop_has_seen_is_quarantined(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "o.csv", HEADER + "1,k,1970-01-01,5\n2,k,2024-01-02,5\n")
    frame = staged(make_settings, path)
    assert frame["quarantine_reason"].to_list() == ["date before 1990", None]


NUMBERS = {
    "1234.5": "1234.50", "1,234.56": "1234.56", "$5.00": "5.00", "-€5": "-5.00", "5 USD": "5.00",
    "(5.00)": "-5.00", "5-": "-5.00", "1'234.50": "1234.50", "1\u00a0234.50": "1234.50",
    "AU $1,234.50": "1234.50", "-US $5": "-5.00", "R$5.00": "5.00", "5 kr": "5.00",
    "12,5": None, "1e300": None, "NaN": None, "-": None, "inf": None, "--5": None, "5 5": None,
}  # fmt: skip
COMMA_NUMBERS = {
    "1 234,50": "1234.50", "1.234,5": "1234.50", "7,05 €": "7.05", "12.5": None,
    "7,05\u00a0€": "7.05", "€\u00a07,05": "7.05", "1\u202f234,50\u00a0€": "1234.50",
    "7,05 zł": "7.05",
}  # fmt: skip


@pytest.mark.parametrize("numbers", [NUMBERS, COMMA_NUMBERS], ids=["point", "comma"])
def test_a_number_is_read_as_people_write_it_or_not_at_all(
    tmp_path: Path, make_settings: MakeSettings, numbers: dict[str, str | None]
) -> None:
    lines = "".join(f"{n:02};k;2024-01-01;{text}\n" for n, text in enumerate(numbers))
    path = write(tmp_path / "o.csv", HEADER.replace(",", ";") + lines)
    amounts = staged(make_settings, path)["line_amount"]
    found = [None if amount is None else str(amount) for amount in amounts]
    assert found == list(numbers.values())


def test_an_empty_column_is_no_mistake(tmp_path: Path, make_settings: MakeSettings) -> None:
    path = write(tmp_path / "o.csv", "order id,customer id,date,amount,price\n1,k,2024-01-01,5,\n")
    assert staged(make_settings, path)["line_amount"].to_list() == [Decimal(5)]


def test_prices_without_a_quantity_are_a_piece_each(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(tmp_path / "o.csv", "order id,customer id,date,price\n1,k,2024-01-01,5.50\n")
    frame = staged(make_settings, path)
    assert frame.select("quantity", "line_amount").rows() == [(1, Decimal("5.50"))]


def test_an_amount_stands_in_for_a_quantity_that_is_missing(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "order id,customer id,date,quantity,price,amount\n"
        "1,k,2024-01-01,2,5,10\n2,k,2024-01-02,,5,15\n3,k,2024-01-03,,5,\n",
    )
    frame = staged(make_settings, path)
    assert frame["line_amount"].to_list() == [Decimal(10), Decimal(15), None]
    assert frame["quarantine_reason"].to_list() == [None, None, "no amount"]


def test_a_line_worth_more_than_any_shop_is_quarantined_and_stops_nothing(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "order id,customer id,date,quantity,price\n"
        "1,k,2024-01-01,1,5\n2,k,2024-01-02,9999999999,9999999999\n",
    )
    reasons = staged(make_settings, path)["quarantine_reason"].to_list()
    assert reasons == [None, "unreadable: quantity"]


EXPORTS = {
    "contacts": "id,email\n{key},a@example.com\n",
    "products": "sku,name\n{key},Mug\n",
    "events": "event_id,event,timestamp,user_id\n{key},view,2024-01-01,k\n",
    "ad_performance": "date,campaign,clicks\n2024-01-01,{key},5\n",
    "orders": "order id,line id,customer id,date,amount\n1,{key},k,2024-01-01,5\n",
}


@pytest.mark.parametrize("stream", EXPORTS)
def test_of_a_record_that_comes_twice_one_is_accepted(
    tmp_path: Path, make_settings: MakeSettings, stream: str
) -> None:
    header, line = EXPORTS[stream].format(key="x").splitlines()
    path = write(tmp_path / "e.csv", f"{header}\n{line}\n{line}\n")
    settings = make_settings(sources={"files": {stream: {"path": path}}})
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, stream)
    table = f"staging.files_{'order_lines' if stream == 'orders' else stream}"
    build_table(warehouse, settings, table)
    outcomes = warehouse.read(table)["outcome"]
    assert sorted(outcomes) == ["accepted", "duplicate"]


def test_a_version_that_cannot_be_used_replaces_nothing(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    path = write(
        tmp_path / "o.csv",
        "order id,line id,customer id,date,quantity,price\n"
        "1,1,k,2024-01-01,2,5\n1,1,k,2024-01-02,two,5\n",
    )
    assert staged(make_settings, path)["outcome"].to_list() == ["accepted", "quarantined"]


@pytest.mark.parametrize(
    ("text", "discounts"),
    [
        # Shopify: the order's, in its first line.
        (
            "Name,Email,Created at,Lineitem name,Lineitem quantity,Lineitem price,Discount Amount,"
            "Total\n"
            "#1,a@x.org,2024-03-01 10:00:00 +0000,Tea,1,30.00,10.00,25.00\n"
            "#1,,,Cup,1,5.00,,\n"
            "#2,b@x.org,2024-03-02 10:00:00 +0000,Tea,1,30.00,0.00,30.00\n",
            {"#1": Decimal(10), "#2": Decimal(0)},
        ),
        # The order's in each of its lines, and below zero.
        (
            "order_id,customer_id,order_date,sku,qty,unit_price,discount_amount\n"
            "1,k,2024-03-01,a,1,30,-10\n1,k,2024-03-01,b,1,5,-10\n2,k,2024-03-02,a,1,30,\n",
            {"1": Decimal(10), "2": None},
        ),
        # A line's own.
        (
            "order_id,customer_id,order_date,sku,qty,unit_price,discount_amount\n"
            "1,k,2024-03-01,a,1,30,6\n1,k,2024-03-01,b,1,5,1\n2,k,2024-03-02,a,1,30,none\n",
            {"1": Decimal(7), "2": None},
        ),
        # Beside amounts that are paid, it is taken off already.
        (
            "order_id,customer_id,order_date,total,discount_amount\n1,k,2024-03-01,25,10\n",
            {"1": None},
        ),
        # A code is no amount.
        (
            "order_id,customer_id,order_date,qty,price,discount_amount\n1,k,2024-03-01,1,25,SPRING\n",
            {"1": None},
        ),
    ],
)
def test_a_discount_in_money_is_that_of_the_order(
    text: str, discounts: dict[str, Decimal | None], make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = write(tmp_path / "orders.csv", text)
    settings = make_settings(sources={"files": {"orders": {"path": path}}})
    warehouse = Warehouse(settings.warehouse_path)
    ingest(settings, "orders")
    for table in ("staging.files_order_lines", "staging.files_orders"):
        build_table(warehouse, settings, table)
    found = warehouse.read("staging.files_orders").filter(pl.col("outcome") == "accepted")
    assert dict(found.select("source_order_id", "discount_amount").rows()) == discounts


@pytest.mark.parametrize("status", ["wc-pending", "Pending payment", "pending_payment"])
def test_an_order_that_waits_for_its_payment_was_not_placed(
    status: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    text = (
        "order_id,customer_id,order_date,total,status\n"
        f"1,k,2024-03-01,25,{status}\n2,k,2024-03-01,25,wc-processing\n3,k,2024-03-01,25,pending\n"
    )
    frame = staged(make_settings, write(tmp_path / "orders.csv", text))
    assert frame.sort("source_order_id")["line_status"].to_list() == ["cancelled", "sold", "sold"]
