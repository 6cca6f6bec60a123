"""However an export is written, its orders and what they are worth are the same."""

from __future__ import annotations

import csv
import datetime as dt
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketing_platform.pipeline import build_table
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
HEADERS: Mapping[str, tuple[str, ...]] = {
    "order": ("Order ID", "order_id", "Order Number", "Bestellnummer", "InvoiceNo"),
    "customer": ("Customer ID", "client", "Kundennummer", "user_id"),
    "email": ("Email", "Customer Email", "E-Mail", "Billing Email"),
    "date": ("Order Date", "Created at", "date", "Bestelldatum", "timestamp"),
    "product": ("SKU", "Lineitem sku", "product_id", "Artikelnummer"),
    "quantity": ("Quantity", "Qty", "Menge"),
    "price": ("Unit Price", "Einzelpreis", "Lineitem price"),
    "line_total": ("Line Total", "Umsatz", "Revenue"),
    "order_total": ("Order Total", "Grand Total", "order_total"),
}
# What an export of each shape says of the worth of its orders.
SHAPES = {
    "prices": ("product", "quantity", "price"),
    "totals of lines": ("product", "quantity", "line_total"),
    "totals of orders": ("product", "order_total"),
}
DATES = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y"),
    *("%d.%m.%Y %H:%M", "%m/%d/%Y", "%m/%d/%y", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %H:%M", "%d-%m-%Y"),
    *("%d-%b-%Y", "%b-%d-%y", "%b %d, %Y", "%d %B %Y", "%b %d, %Y, %I:%M %p"),
)


def plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


def grouped(amount: Decimal, thousands: str, decimal: str) -> str:
    return f"{amount:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)


AMOUNTS: tuple[Callable[[Decimal], str], ...] = (
    plain,
    lambda amount: plain(amount).replace(".", ","),
    lambda amount: f"${grouped(amount, ',', '.')}",
    lambda amount: f"{grouped(amount, '.', ',')} €",
    lambda amount: grouped(amount, "\N{NO-BREAK SPACE}", ",") + " €",
    lambda amount: f"GBP {plain(amount)}",
    lambda amount: grouped(amount, "'", "."),
)


@dataclass(frozen=True)
class Written:
    """How an export is written; the headers by field, in the order of its columns."""

    shape: str
    headers: Mapping[str, str]
    date: str
    amount: Callable[[Decimal], str]
    delimiter: str
    encoding: str
    nothing: str


@st.composite
def writings(draw: st.DrawFn) -> Written:
    shape = draw(st.sampled_from(sorted(SHAPES)))
    people = draw(st.sampled_from([("customer",), ("email",), ("customer", "email")]))
    fields = draw(st.permutations(["order", "date", *people, *SHAPES[shape]]))
    return Written(
        shape,
        {field: draw(st.sampled_from(HEADERS[field])) for field in fields},
        draw(st.sampled_from(DATES)),
        draw(st.sampled_from(AMOUNTS)),
        draw(st.sampled_from([",", ";", "\t", "|"])),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        draw(st.sampled_from(["", "NULL", "NaN", "n/a", "-"])),
    )


Line = tuple[int, Decimal]
ORDERS = st.lists(
    st.lists(
        st.tuples(st.integers(1, 4), st.decimals("0.01", "4999.99", places=2)),
        min_size=1, max_size=3,
    ),
    min_size=2, max_size=8,
)  # fmt: skip


def export(orders: list[list[Line]], how: Written) -> bytes:
    """The orders as that export writes them; one of the 25th says which way its dates are."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=how.delimiter)
    writer.writerow(how.headers.values())
    for number, lines in enumerate(orders):
        moment = dt.datetime(2024, 3, 25, 13, 5) + dt.timedelta(days=31 * number)
        worth = sum((quantity * price for quantity, price in lines), Decimal(0))
        for place, (quantity, price) in enumerate(lines):
            values = {
                "order": f"A{number:04}",
                "customer": f"C{number % 3}",
                # Of one order nothing is said of the e-mail.
                "email": f"p{number % 3}@example.com" if number else how.nothing,
                "date": moment.strftime(how.date),
                "product": f"p{place}",
                "quantity": str(quantity),
                "price": how.amount(price),
                "line_total": how.amount(quantity * price),
                "order_total": how.amount(worth),
            }
            writer.writerow(values[field] for field in how.headers)
    return buffer.getvalue().encode(how.encoding)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(orders=ORDERS, how=writings())
def test_however_it_is_written_the_orders_and_their_worth_are_the_same(
    make_settings: MakeSettings, orders: list[list[Line]], how: Written
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="export-"))
    try:
        path = folder / "orders.csv"
        path.write_bytes(export(orders, how))
        made = make_settings(sources={"files": {"orders": {"path": path}}})
        one_shop = made.model_copy(update={"data_dir": folder / "data"})
        warehouse = Warehouse(one_shop.warehouse_path)
        ingest(one_shop, "orders")
        build_table(warehouse, one_shop, "staging.files_order_lines")
        lines = warehouse.read("staging.files_order_lines")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert set(lines["outcome"]) == {"accepted"}, lines["quarantine_reason"].to_list()
    found = lines.group_by("source_order_id").agg(
        pl.col("line_amount").sum(), pl.len(), pl.col("order_date").unique().sort()
    )
    assert sorted(found.rows()) == [
        (
            f"A{number:04}",
            sum((quantity * price for quantity, price in order), Decimal(0)),
            len(order),
            [dt.date(2024, 3, 25) + dt.timedelta(days=31 * number)],
        )
        for number, order in enumerate(orders)
    ]
