"""The files of the demo shop: their shape, their sums, their dirt and their names."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from marketing_platform.demo.shop import make_shop

if TYPE_CHECKING:
    from tests.demo.conftest import Export

END = dt.date(2025, 11, 20)
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
# Ranges that regulators keep for fiction, written down here once more.
FICTION = re.compile(
    r"44(207946[0-9]{4}|7700900\d{3}|1914980\d{3}|1632960\d{3}|1[1-6]\d4960\d{3})"
    r"|49(3023125|6990009|4066969|2214710|8999998)\d{3}"
    r"|33(19900|26191|35301|46571|53649|63998)\d{4}"
    r"|1[2-9]\d\d55501\d\d"
)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_seed_and_end_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        make_shop(tmp_path / name, customers=400, seed=3, end=END)
    first, second = _contents(tmp_path / "first"), _contents(tmp_path / "second")
    assert len(first) == 7
    assert first == second


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    for seed in (1, 2):
        make_shop(tmp_path / str(seed), customers=50, seed=seed, end=END)
    first, second = _contents(tmp_path / "1"), _contents(tmp_path / "2")
    assert all(first[name] != second[name] for name in first)


@pytest.mark.parametrize(("customers", "days"), [(1, 60), (40, 90), (200, 1000)])
def test_shops_of_any_size_can_be_made(tmp_path: Path, customers: int, days: int) -> None:
    files = make_shop(tmp_path, customers=customers, end=END, days=days)
    assert files.person_count >= customers
    assert min(files.row_counts.values()) >= 1
    last = json.loads(files.events.read_text().splitlines()[-1])
    assert last["timestamp"] >= "2025-11-20T22:5"


def test_a_shop_without_customers_or_days_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="60 days"):
        make_shop(tmp_path, customers=0, end=END)
    with pytest.raises(ValueError, match="60 days"):
        make_shop(tmp_path, end=END, days=30)


def test_headers_are_those_of_real_exports(shop: Export) -> None:
    def header(path: Path) -> str:
        return path.read_text().splitlines()[0]

    assert header(shop.files.orders) == (
        "Order ID,Line ID,Customer ID,Email,Phone,Order Date,SKU,Product Name,Quantity,"
        "Unit Price,Currency,Country,Status"
    )
    assert header(shop.files.contacts) == (
        "Contact ID,Email,Phone,First Name,Last Name,Country,Email Consent,SMS Consent,"
        "Created At,Updated At"
    )
    assert header(shop.files.products) == "SKU,Title,Category,Price,Currency,Updated At"
    assert header(shop.files.ad_performance) == (
        "Date,Platform,Campaign ID,Campaign Name,Impressions,Clicks,Cost,Conversions,"
        "Conversion Value,Currency"
    )
    keys = {key for event in shop.events for key in event}
    assert keys == {
        "messageId", "type", "event", "timestamp", "userId", "anonymousId", "properties"
    }  # fmt: skip


def test_the_counts_are_those_of_the_files(shop: Export) -> None:
    assert shop.files.row_counts == {
        "orders": len(shop.orders),
        "contacts": len(shop.contacts),
        "products": len(shop.products),
        "ad_performance": len(shop.ads),
        "events": len(shop.events),
    }
    assert shop.counts["rows"] == shop.files.row_counts
    assert shop.files.person_count == shop.truth.height
    assert len({event["messageId"] for event in shop.events}) == len(shop.events)
    assert 60_000 <= len(shop.events) <= 120_000
    assert len(shop.products) == 120
    assert len({product["Category"] for product in shop.products}) == 8
    assert len(shop.ads) == 180 * 8


def test_no_record_is_after_the_end_and_the_last_day_is_whole(shop: Export) -> None:
    moments = [
        *(line["Order Date"] for line in shop.orders if ISO.fullmatch(line["Order Date"])),
        *(event["timestamp"] for event in shop.events),
        *(contact[key] for contact in shop.contacts for key in ("Created At", "Updated At")),
        *(product["Updated At"] for product in shop.products),
    ]
    assert all(ISO.fullmatch(moment) for moment in moments)
    assert max(moments) < "2025-11-21"
    assert max(event["timestamp"] for event in shop.events) > "2025-11-20T22:50"
    assert max(row["Date"] for row in shop.ads) == "2025-11-20"
    by_day = Counter(event["timestamp"][:10] for event in shop.events)
    assert by_day["2025-11-20"] > 0.6 * by_day["2025-11-19"]


def test_each_refund_gives_back_part_of_one_line(shop: Export) -> None:
    sold = {line["Line ID"]: line for line in shop.sold}
    assert len(shop.refunds) == shop.counts["orders"]["refunded_lines"]
    assert len({refund["Line ID"] for refund in shop.refunds}) == len(shop.refunds)
    for refund in shop.refunds:
        line = sold[refund["Line ID"].removeprefix("R-")]
        assert refund["Order ID"] == "R-" + line["Order ID"]
        assert refund["Order Date"] > line["Order Date"]
        assert 0 < -int(refund["Quantity"]) <= int(line["Quantity"])
        same = ("Customer ID", "Email", "SKU", "Unit Price", "Currency")
        assert [refund[name] for name in same] == [line[name] for name in same]
    assert 0.03 < len(shop.refunds) / len(sold) < 0.07


def test_every_web_order_is_completed_once_in_the_events(shop: Export) -> None:
    completed = [event for event in shop.events if event["event"] == "Order Completed"]
    orders = {line["Order ID"]: line for line in shop.sold if ISO.fullmatch(line["Order Date"])}
    in_events = Counter(event["properties"]["order_id"] for event in completed)
    assert set(in_events) <= {line["Order ID"] for line in shop.sold}
    assert set(in_events.values()) == {1}
    first_day = (END - dt.timedelta(days=179)).isoformat()
    on_the_web = {
        order_id
        for order_id, line in orders.items()
        if line["Order Date"] >= first_day and not order_id.startswith("P-")
    }
    assert on_the_web <= set(in_events)
    for event in completed:
        line = orders.get(event["properties"]["order_id"])
        if line:
            assert event["timestamp"][:19] == line["Order Date"][:19]
            assert event.get("userId", "") == line["Customer ID"]


def test_what_was_bought_on_the_web_was_put_into_the_cart(shop: Export) -> None:
    added = {
        (event["anonymousId"], event["properties"]["product_id"])
        for event in shop.events
        if event["event"] == "Product Added"
    }
    bought = {
        (event["anonymousId"], event["properties"]["product_id"])
        for event in shop.events
        if event["event"] == "Order Completed" and event["timestamp"] > "2025-06"
    }
    assert bought
    assert bought <= added


def test_the_dirt_is_what_the_truth_says(shop: Export) -> None:
    seen = Counter(tuple(line.items()) for line in shop.orders)
    lines = [dict(line) for line in seen]
    found = {
        "duplicates": [dict(line) for line, times in seen.items() if times > 1],
        "unreadable_dates": [x for x in lines if not ISO.fullmatch(x["Order Date"])],
        "missing_numbers": [
            x for x in lines if not all(NUMBER.fullmatch(x[n]) for n in ("Quantity", "Unit Price"))
        ],
        "negative_prices": [x for x in lines if re.match(r"-\d", x["Unit Price"])],
    }
    ids = {kind: {line["Line ID"] for line in lines} for kind, lines in found.items()}
    told = dataclasses.asdict(shop.files.dirt)
    assert ids == {kind: set(line_ids) for kind, line_ids in told.items()}
    assert shop.counts["dirt"] == {kind: len(line_ids) for kind, line_ids in told.items()}
    assert shop.counts["dirty_line_ids"] == {kind: list(told[kind]) for kind in told}
    assert max(seen.values()) == 2
    assert len({line["Line ID"] for line in lines}) == len(lines)
    assert 0.002 < len(ids["duplicates"]) / len(lines) < 0.004
    assert all(ids.values())


def test_nobody_real_is_named(shop: Export) -> None:
    people = [*shop.orders, *shop.contacts]
    emails = {row["Email"].strip().lower() for row in people} - {""}
    assert all(re.search(r"@example\.(com|org|net)\Z", email) for email in emails)
    digits = {re.sub(r"\D", "", row["Phone"]).removeprefix("00") for row in people} - {""}
    assert len(digits) > 1000
    assert all(FICTION.fullmatch(number) for number in digits)


def test_orders_name_accounts_that_existed(shop: Export) -> None:
    created = {contact["Contact ID"]: contact["Created At"] for contact in shop.contacts}
    assert len(created) == len(shop.contacts)
    for line in shop.orders:
        if line["Customer ID"] and ISO.fullmatch(line["Order Date"]):
            assert created[line["Customer ID"]] <= line["Order Date"]
    for event in shop.events:
        assert "userId" not in event or created[event["userId"]][:19] <= event["timestamp"][:19]
    guests = [line for line in shop.sold if not line["Customer ID"]]
    nameless = [line for line in guests if not line["Email"]]
    assert 0.1 < len(guests) / len(shop.sold) < 0.45
    assert 0 < len(nameless) / len(shop.sold) < 0.03


def test_the_truth_knows_whose_every_record_is(shop: Export) -> None:
    owner = {
        contact_id: person
        for person in shop.truth.iter_rows(named=True)
        for contact_id in person["contact_ids"]
    }
    assert set(owner) == {contact["Contact ID"] for contact in shop.contacts}
    for contact in shop.contacts:
        person = owner[contact["Contact ID"]]
        email = contact["Email"].strip().lower()
        assert email in (person["email"], person["alternative_email"], "")
        number = re.sub(r"\D", "", contact["Phone"]).removeprefix("00")
        assert number in ("", (person["phone"] or "").removeprefix("+"))
    # A couple has one phone, and two given names: their e-mails begin with them.
    shared = (
        shop.truth.drop_nulls("phone")
        .group_by("phone")
        .agg(pl.len(), pl.col("email").str.split(".").list.first().n_unique().alias("names"))
    )
    assert shared["len"].max() == 2
    assert shared.filter(pl.col("len") > pl.col("names")).is_empty()
    assert shop.truth["email"].n_unique() == shop.truth.height


def test_a_quarter_of_people_are_in_shop_and_crm_and_some_share_only_a_phone(
    shop: Export,
) -> None:
    by_id = {contact["Contact ID"]: contact for contact in shop.contacts}
    both = [ids for ids in shop.truth["contact_ids"].to_list() if len(ids) == 2]
    assert 0.2 < len(both) / shop.truth.height < 0.3
    assert shop.counts["people"]["with_both_records"] == len(both)
    pairs = [(by_id[account], by_id[crm]) for account, crm in both]
    by_phone = [
        (account["Phone"], crm["Phone"])
        for account, crm in pairs
        if account["Email"] != crm["Email"].strip().lower()
    ]
    assert len(by_phone) == shop.counts["people"]["joined_by_phone_only"] > 50
    assert all(account and crm for account, crm in by_phone)
    assert any(crm.startswith("00") for _, crm in by_phone)
    assert any(account["Email"] != crm["Email"] for account, crm in pairs)
