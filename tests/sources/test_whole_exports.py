"""Exports with all the columns that their system writes, most of which say nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketing_platform.pipeline import build_all
from marketing_platform.settings import FileStream, Settings
from marketing_platform.sources.files.ingest import inspect
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,"
    "Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,"
    "Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,"
    "Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,Billing Name,"
    "Billing Street,Billing City,Billing Zip,Billing Country,Billing Phone,Shipping Name,"
    "Shipping Phone,Notes,Cancelled at,Payment Method,Payment Reference,Refunded Amount,Vendor,"
    "Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,Lineitem discount,"
    "Tax 1 Name,Tax 1 Value,Phone,Receipt Number,Duties,Payment ID,Payment References"
)
STRIPE = (
    "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Description,"
    "Fee,PaymentIntent ID,Statement Descriptor,Status,Customer ID,Customer Email,Invoice ID,"
    "Transfer"
)


def write(path: Path, header: str, *rows: Mapping[str, str]) -> Path:
    """A file with all columns of a header, of which each row says some."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header.split(","))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return path


def built(make_settings: MakeSettings, table: str, **paths: Path) -> Callable[..., Any]:
    """A table of a shop with these exports: columns to rows in their order."""
    files = {stream: {"path": path} for stream, path in paths.items()}
    settings = make_settings(sources={"files": files})
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=[table])
    return lambda *columns: warehouse.read(table).select(columns).sort(columns).rows()


def test_orders_keep_their_numbers_where_a_till_has_its_own_for_some(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """An order on the site has no number of a receipt; one of the shop's till has both."""
    line = {"Email": "ann@example.com", "Created at": "2024-01-02 10:00:00 +0100"}
    head = {**line, "Financial Status": "paid", "Currency": "EUR", "Billing Phone": "+393331234567"}
    mug = {"Lineitem quantity": "1", "Lineitem name": "Mug", "Lineitem price": "10.00"}
    path = write(
        tmp_path / "o.csv",
        SHOPIFY,
        {"Name": "#1", **head, **mug},
        {"Name": "#1", **line, **mug, "Lineitem price": "5.00"},
        {"Name": "#2", **head, **mug},
        {"Name": "#3", **head, **mug, "Receipt Number": "1-1001"},
    )
    rows = built(make_settings, "core.orders", orders=path)("source_order_id", "gross_amount")
    assert rows == [("#1", Decimal(15)), ("#2", Decimal(10)), ("#3", Decimal(10))]
    people = built(make_settings, "core.contacts", orders=path)
    assert people("phone") == [("+393331234567",)]


def test_two_payments_of_a_day_are_two_though_few_have_an_invoice(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    paid = {
        "Created date (UTC)": "2024-01-02 10:00:00", "Amount": "35.00", "Amount Refunded": "0.00",
        "Currency": "usd", "Status": "Paid", "Customer ID": "cus_1",
    }  # fmt: skip
    path = write(
        tmp_path / "o.csv",
        STRIPE,
        {"id": "ch_1", **paid},
        {"id": "ch_2", **paid},
        {"id": "ch_3", **paid, "Invoice ID": "in_1"},
    )
    rows = built(make_settings, "core.orders", orders=path)("source_order_id", "gross_amount")
    assert rows == [("ch_1", Decimal(35)), ("ch_2", Decimal(35)), ("ch_3", Decimal(35))]


def test_an_order_that_was_cancelled_is_none_though_it_was_paid(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    head = {"Email": "ann@example.com", "Financial Status": "paid", "Currency": "EUR"}
    line = {"Lineitem quantity": "1", "Lineitem price": "10.00", "Lineitem name": "Mug"}
    gone = {"Cancelled at": "2024-01-02 12:00:00 +0100"}
    path = write(
        tmp_path / "o.csv",
        SHOPIFY,
        {"Name": "#1", "Created at": "2024-01-02 10:00:00 +0100", **head, **line},
        {"Name": "#2", "Created at": "2024-01-02 11:00:00 +0100", **head, **line, **gone},
        {"Name": "#2", "Created at": "2024-01-02 11:00:00 +0100", **line},
    )
    rows = built(make_settings, "core.orders", orders=path)("source_order_id", "gross_amount")
    assert rows == [("#1", Decimal(10))]


@pytest.mark.parametrize("header", ["Refunded Amount", "Amount Refunded", "Total Refunded"])
def test_what_was_given_back_of_an_order_was_not_spent(
    header: str, tmp_path: Path, make_settings: MakeSettings
) -> None:
    """Shipping is given back too; an order says it all in its first line, or in each."""
    path = write(
        tmp_path / "o.csv",
        f"Order ID,Email,Created at,SKU,Quantity,Price,Discount Amount,{header}",
        *(
            {
                "Order ID": order, "Email": "ann@example.com", "SKU": product, "Quantity": "1",
                "Created at": f"2024-01-0{order} 10:00:00", "Price": price, "Discount Amount": less,
                header: back,
            }
            for order, product, price, less, back in (
                ("1", "mug", "20.00", "0.00", "8.00"),
                ("1", "cup", "10.00", "", ""),
                ("2", "mug", "20.00", "2.00", "25.00"),
                ("3", "mug", "20.00", "0.00", "5.00"),
                ("3", "cup", "10.00", "0.00", "5.00"),
                ("4", "mug", "20.00", "0.00", "0.00"),
            )
        ),
    )  # fmt: skip
    rows = built(make_settings, "profiles.orders", orders=path)
    assert rows("order_id", "refund_amount", "net_amount") == [
        ("files:1", Decimal(8), Decimal(22)),
        ("files:2", Decimal(18), Decimal(0)),
        ("files:3", Decimal(5), Decimal(25)),
        ("files:4", Decimal(0), Decimal(20)),
    ]


def test_what_was_taken_off_of_single_lines_was_not_spent_either(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """The subtotal says what was left of the lines, whatever the order calls its discount."""
    lines = (
        # The number, the subtotal and the discount of an order; the price of a line, and less.
        ("#1", "27.00", "3.00", "20.00", "0.00"), ("#1", "", "", "10.00", "0.00"),
        ("#2", "25.00", "0.00", "20.00", "0.00"), ("#2", "", "", "10.00", "5.00"),
        ("#3", "25.00", "5.00", "20.00", "5.00"), ("#3", "", "", "10.00", "0.00"),
        ("#4", "22.00", "3.00", "20.00", "5.00"), ("#4", "", "", "10.00", "0.00"),
    )  # fmt: skip
    rows = [
        {
            "Name": order, "Email": "a@b.cd", "Created at": "2024-01-02 10:00:00 +0100",
            "Subtotal": left, "Total": left, "Discount Amount": less, "Lineitem quantity": "1",
            "Lineitem price": price, "Lineitem discount": off, "Lineitem name": price,
        }
        for order, left, less, price, off in lines
    ]  # fmt: skip
    path = write(tmp_path / "o.csv", SHOPIFY, *rows)
    orders = built(make_settings, "core.orders", orders=path)
    assert orders("source_order_id", "gross_amount", "discount_amount", "spent_amount") == [
        ("#1", Decimal(30), Decimal(3), Decimal(27)),
        ("#2", Decimal(30), Decimal(5), Decimal(25)),
        ("#3", Decimal(30), Decimal(5), Decimal(25)),
        ("#4", Decimal(30), Decimal(8), Decimal(22)),
    ]


def test_a_tick_that_something_was_given_back_is_no_amount(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """Gumroad ticks what was given back, whole or in part, and says how much of the latter."""
    rows = [
        {
            "Order Number": order, "Buyer Email": "a@b.cd", "Purchase Date": "2024-01-02",
            "Subtotal ($)": "20.0", "Refunded?": tick, "Partial Refund ($)": part,
            "Fully Refunded?": whole,
        }
        for order, tick, part, whole in (
            ("1", "0", "0.0", "0"), ("2", "1", "5.5", "0"), ("3", "1", "0.0", "1"),
        )
    ]  # fmt: skip
    path = write(tmp_path / "o.csv", ",".join(rows[0]), *rows)
    refunds = built(make_settings, "core.refunds", orders=path)
    assert refunds("order_id", "refund_amount", "currency") == [("files:2", Decimal("5.5"), "USD")]
    orders = built(make_settings, "core.orders", orders=path)
    assert orders("source_order_id") == [("1",), ("2",)]
    assert inspect("orders", FileStream(path=path)).currency == "USD"


def test_a_line_that_sums_up_its_order_is_no_sale(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """A report of eBay has the buyer and the sums in a first line, and the items below."""
    header = (
        "Sales Record Number,Order Number,Buyer Username,Buyer Email,Item Number,Item Title,"
        "Quantity,Sold For,Shipping And Handling,Total Price,Sale Date"
    )
    first = {"Sales Record Number": "1", "Order Number": "12-1", "Buyer Username": "annlee"}
    path = write(
        tmp_path / "o.csv",
        header,
        {
            **first, "Buyer Email": "ann@example.com", "Quantity": "3", "Sold For": "AU $3,045.50",
            "Total Price": "AU $3,050.50", "Sale Date": "26-May-26",
        },
        {**first, "Item Number": "1", "Quantity": "2", "Sold For": "AU $1,520.00"},
        {**first, "Item Number": "2", "Quantity": "1", "Sold For": "AU $5.50"},
        {
            **first, "Order Number": "12-2", "Buyer Email": "ann@example.com", "Item Number": "1",
            "Quantity": "2", "Sold For": "AU $2.00", "Total Price": "AU $9.00",
            "Sale Date": "27-May-26",
        },
    )  # fmt: skip
    rows = built(make_settings, "core.orders", orders=path)
    assert rows("source_order_id", "gross_amount", "quantity") == [
        ("12-1", Decimal("3045.50"), 3),
        ("12-2", Decimal(4), 2),
    ]
    people = built(make_settings, "core.contacts", orders=path)
    assert people("contact_id", "email") == [("files:annlee", "ann@example.com")]


def test_the_sale_and_the_payment_of_a_till_are_those_of_its_lines(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    rows = [
        {
            "Date": "2024-01-02 10:00:00", "Receipt Number": "1", "Line Type": kind,
            "Customer Code": "K1", "Quantity": pieces, "Total": total, "Sku": product,
        }
        for kind, pieces, total, product in (
            ("Sale", "", "54.00", ""), ("Sale Line", "2", "48.00", "mug"),
            ("Sale Line", "1", "6.00", "cup"), ("Payment", "", "54.00", ""),
        )
    ]  # fmt: skip
    path = write(tmp_path / "o.csv", ",".join(rows[0]), *rows)
    orders = built(make_settings, "core.orders", orders=path)
    assert orders("source_order_id", "gross_amount", "quantity") == [("1", Decimal(54), 3)]


def test_a_key_that_a_spreadsheet_wrote_is_the_key_or_none(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """Shopify guards keys by an apostrophe; a spreadsheet rounds those that have none."""
    orders = write(
        tmp_path / "o.csv",
        "Order ID,Customer ID,Email,Date,Total",
        *(
            {"Order ID": order, "Customer ID": key, "Email": mail, "Date": date, "Total": "5.00"}
            for order, key, mail, date in (
                ('="0012"', "'7210448301122", "a@example.com", "2024-01-02"),
                ("1.23457E+11", "7.21045E+12", "b@example.com", "2024-01-03"),
                ("1.23457E+11", "7,21045E+12", "c@example.com", "2024-01-04"),
            )
        ),
    )
    contacts = write(
        tmp_path / "c.csv",
        "Customer ID,First Name",
        {"Customer ID": "7210448301122", "First Name": "Ann"},
    )
    rows = built(make_settings, "core.orders", orders=orders, contacts=contacts)
    assert rows("source_order_id", "contact_id") == [
        ("0012", "files:7210448301122"),
        ("b@example.com@2024-01-03", "files:email:b@example.com"),
        ("c@example.com@2024-01-04", "files:email:c@example.com"),
    ]
    people = built(make_settings, "core.contacts", orders=orders, contacts=contacts)
    assert ("Ann", "a@example.com") in people("first_name", "email")


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        (
            # An Etsy shop's items: the buyer has a name there, and no other key.
            "Sale Date,Item Name,Buyer,Quantity,Price,Item Total,Currency,Transaction ID,"
            "Ship Country,Order ID",
            ["08/24/26,Fox,annlee,2,5.00,10.00,USD,4001,Italy,3001"],
            [("3001", "files:annlee", Decimal(10), "Italy")],
        ),
        (
            "ID;Référence;Livraison;Client;Total;Paiement;État;Date",
            [
                "1;XKB;France;A. Lee;1 250,00\u00a0€;Chèque;Paiement accepté;2026-09-01 10:00:00",
                "2;OHS;France;A. Lee;45,00\u00a0€;Chèque;Annulé;2026-09-01 11:00:00",
                "3;FFA;France;A. Lee;45,00\u00a0€;Chèque;Erreur de paiement;2026-09-01 12:00:00",
            ],
            [("XKB", "files:A. Lee", Decimal(1250), None)],
        ),
        (
            "Ordernummer;Besteldatum;Klantnummer;E-mailadres;Artikelcode;Omschrijving;Aantal;Prijs",
            ["7;13-09-2026 10:00;K1;ann@example.nl;M1;Mok;2;€ 12,50"],
            [("7", "files:K1", Decimal(25), None)],
        ),
        (
            "Numéro de commande;Date de commande;Adresse e-mail;Désignation;Quantité;Prix unitaire",
            ["7;13/09/2026 10:00;ann@example.fr;Tasse;2;12,50\u00a0€"],
            [("7", "files:email:ann@example.fr", Decimal(25), None)],
        ),
        (
            "Auftragsnummer;Erstelldatum;Kundennummer;Rechnungsnummer;Gesamtbetrag Brutto;Status",
            ["AU1;13.09.2026;K1;;39,80;Versendet", "AU2;13.09.2026;K1;R2;5,00;Storniert"],
            [("AU1", "files:K1", Decimal("39.80"), None)],
        ),
        (
            # Joined tables: the order's number is neither of its keys, and prices are of a piece.
            "entity_id,increment_id,created_at,status,grand_total,customer_id,qty_ordered,sku,price,"
            "row_total",
            [
                "7,000000101,2026-09-01 10:00:00,complete,55.00,3,2.0000,M1,20.0000,40.0000",
                "7,000000101,2026-09-01 10:00:00,complete,55.00,3,1.0000,T1,10.0000,10.0000",
            ],
            [("000000101", "files:3", Decimal(50), None)],
        ),
    ],
    ids=["Etsy", "PrestaShop", "Dutch", "French", "German", "Magento"],
)
def test_orders_of_more_shops_and_languages_are_read_without_being_told(
    header: str,
    rows: list[str],
    expected: list[tuple[Any, ...]],
    tmp_path: Path,
    make_settings: MakeSettings,
) -> None:
    path = tmp_path / "o.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    found = built(make_settings, "core.orders", orders=path)
    assert found("source_order_id", "contact_id", "gross_amount", "country") == expected


def test_two_of_one_name_are_two_where_the_file_has_their_addresses(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    header = "Order,Customer,Email,Date,Total"
    orders = [("1", "Ann Lee", "a@example.com"), ("2", "Ann Lee", "b@example.com")]
    rows = [
        {"Order": order, "Customer": name, "Email": mail, "Date": "2024-01-02", "Total": "5.00"}
        for order, name, mail in orders
    ]
    path = write(tmp_path / "o.csv", header, *rows)
    people = built(make_settings, "core.contacts", orders=path)
    assert people("contact_id", "email", "first_name", "last_name") == [
        ("files:email:a@example.com", "a@example.com", "Ann", "Lee"),
        ("files:email:b@example.com", "b@example.com", "Ann", "Lee"),
    ]


@pytest.mark.parametrize("keys", [["K1", "K2"], ["annlee", "bob ray"], ["1 001", "1 002"]])
def test_a_key_of_a_customer_stays_one_beside_an_address(
    keys: list[str], tmp_path: Path, make_settings: MakeSettings
) -> None:
    rows = [
        {
            "Order": key,
            "Customer": key,
            "Email": "a@example.com",
            "Date": "2024-01-02",
            "Total": "5",
        }
        for key in keys
    ]
    path = write(tmp_path / "o.csv", "Order,Customer,Email,Date,Total", *rows)
    people = built(make_settings, "core.contacts", orders=path)
    assert people("source_contact_id") == [(key,) for key in keys]


@pytest.mark.parametrize(
    ("amounts", "currency"),
    [
        (["$5.00", "-$1,200.00", "5.00"], "USD"), (["AU $5.00"], "AUD"), (["C $5.00"], "CAD"),
        (["5,00\u00a0€"], "EUR"), (["£5.00"], "GBP"), (["EUR 5,00"], "EUR"), (["R$ 5,00"], "BRL"),
        (["5,00 zł"], "PLN"), (["5.00"], None),
    ],
)  # fmt: skip
def test_a_file_without_a_currency_tells_it_by_the_sign_of_its_amounts(
    amounts: list[str], currency: str | None, tmp_path: Path
) -> None:
    rows = [{"Order": str(n), "Email": "a@b.cd", "Total": text} for n, text in enumerate(amounts)]
    dated = [{"Date": "2024-01-02", **row} for row in rows]
    path = write(tmp_path / "o.csv", "Order,Email,Date,Total", *dated)
    assert inspect("orders", FileStream(path=path)).currency == currency


@pytest.mark.parametrize(
    ("header", "said"),
    [
        # HubSpot, Salesforce, Brevo, Mailchimp and Klaviyo.
        ("Unsubscribed from all email", {"true": False, "": None, "false": None}),
        ("Email Opt Out", {"1": False, "0": None, "Opted In": None}),
        ("EMAIL_BLACKLISTED", {"Yes": False, "No": None}),
        ("UNSUB_TIME", {"2024-06-27 12:11:50": False, "": None}),
        ("CLEAN_TIME", {"2024-06-27 12:11:50": False, "": None}),
        ("Email Suppressions", {'["HARD_BOUNCE"]': False, "[]": None}),
        ("Status", {"Unsubscribed": False, "Subscribed": True, "cleaned": False, "Active": None}),
        # Wix, Square, Omnisend and shop systems.
        ("Email subscriber status", {"Unsubscribed": False, "Never subscribed": None}),
        ("Email Subscription Status", {"unsubscribed": False, "subscribed": True}),
        ("Email status", {"unsubscribed": False, "nonSubscribed": None, "subscribed": True}),
        ("Newsletter", {"1": True, "0": False}),
        ("Email Marketing: Status", {"subscribed": True, "unsubscribed": False, "": None}),
    ],
)
def test_who_left_is_known_by_the_column_that_their_tool_has_for_it(
    header: str, said: dict[str, bool | None], tmp_path: Path, make_settings: MakeSettings
) -> None:
    rows = [{"Email": f"{n}@example.com", header: word} for n, word in enumerate(said)]
    path = write(tmp_path / "c.csv", f"Email,First Name,{header}", *rows)
    found = built(make_settings, "staging.files_contacts", contacts=path)
    assert [consent for _, consent in found("email", "has_email_consent")] == [*said.values()]


def test_who_agreed_once_and_is_suppressed_has_not_agreed(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    header = (
        "Email,Phone Number,Email Marketing Consent,Email Suppressions,SMS_BLACKLISTED,SMS status"
    )
    agreed = {
        "Phone Number": "+393331234567", "Email Marketing Consent": "SUBSCRIBED",
        "SMS status": "subscribed",
    }  # fmt: skip
    path = write(
        tmp_path / "c.csv",
        header,
        {"Email": "a@example.com", **agreed, "Email Suppressions": "[]"},
        {"Email": "b@example.com", **agreed, "Email Suppressions": "UNSUBSCRIBE"},
        {"Email": "c@example.com", **agreed, "SMS_BLACKLISTED": "Yes"},
    )
    found = built(make_settings, "staging.files_contacts", contacts=path)
    assert found("email", "has_email_consent", "has_sms_consent") == [
        ("a@example.com", True, True),
        ("b@example.com", False, True),
        ("c@example.com", True, False),
    ]


def test_who_refused_in_one_line_of_a_list_has_refused_wherever_it_stands(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    rows = [
        {"Email": mail, "Accepts Marketing": word, "Updated": moment}
        for mail, word, moment in (
            ("a@example.com", "yes", ""), ("A@example.com", "no", ""),
            ("b@example.com", "no", ""), ("b@example.com", "yes", ""),
            # Who came back says so later.
            ("c@example.com", "yes", "2024-01-03"), ("c@example.com", "no", "2024-01-02"),
        )
    ]  # fmt: skip
    path = write(tmp_path / "c.csv", "Email,Accepts Marketing,Updated", *rows)
    people = built(make_settings, "core.contacts", contacts=path)
    assert people("source_contact_id", "has_email_consent") == [
        ("a@example.com", False), ("b@example.com", False), ("c@example.com", True),
    ]  # fmt: skip
