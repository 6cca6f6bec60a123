"""What lies in carts on the site, and what was looked at, beside a plain reading of the events."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any, NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.contracts import CONTRACTS
from marketing_platform.warehouse import Warehouse, sql_tables

CLOCK = dt.datetime(2026, 3, 31, 18)
CARTS, VIEWED = "profiles.site_carts", "profiles.viewed_products"
# Anna has two contacts and a phone of her own; the kiosk is everybody's, the stranger nobody's.
OWNERS = {"shop:1": "anna", "crm:1": "anna", "shop:2": "bert", "anonymous:web:phone": "anna"}
SHARED = {"anonymous:web:kiosk": "anna"}
# As an event calls them: by the shop's key, by SKU, or by a name that nobody knows.
CALLED = {"web:7": "shop:7", "web:SKU-7": "shop:7", "web:8": "shop:8", "web:odd": "web:odd"}
VISITORS = (*OWNERS, *OWNERS, *SHARED, "anonymous:web:stranger")


class Done(NamedTuple):
    """An event: how many hours before the clock (negative: after it), who, what, of what."""

    hours: int
    visitor: str
    event: str
    product: str | None

    @property
    def at(self) -> dt.datetime:
        return CLOCK - dt.timedelta(hours=self.hours)


class Bought(NamedTuple):
    """An order of the shop, of one product."""

    hours: int
    customer: str
    product: str

    @property
    def at(self) -> dt.datetime:
        return CLOCK - dt.timedelta(hours=self.hours)


def filled(warehouse: Warehouse, table: str, rows: list[dict[str, Any]]) -> None:
    empty = CONTRACTS[table].empty()
    frame = pl.DataFrame(rows, schema_overrides=empty.schema) if rows else empty
    warehouse.replace(table, pl.concat([empty, frame], how="diagonal"))


def built(events: list[Done], orders: list[Bought]) -> tuple[dict[Any, Any], dict[str, list[str]]]:
    """The rows of both tables: pieces by customer and product, and lists of products."""
    warehouse = Warehouse(":memory:")
    filled(warehouse, "core.clock", [{"as_of": CLOCK, "as_of_date": CLOCK.date()}])
    filled(
        warehouse,
        "core.events",
        [
            {
                "event_id": f"web:{number}", "source": "web", "event": done.event,
                "occurred_at": done.at, "event_date": done.at.date(), "product_id": done.product,
                "contact_id": None if done.visitor.startswith("anonymous") else done.visitor,
                "anonymous_id": done.visitor.rpartition(":")[2]
                if done.visitor.startswith("anonymous") else None,
            }
            for number, done in enumerate(events)
        ],
    )  # fmt: skip
    visitors = [(v, c, None) for v, c in OWNERS.items()]
    visitors += [(v, c, CLOCK.date()) for v, c in SHARED.items()]  # type: ignore[misc]
    filled(
        warehouse,
        "profiles.visitors",
        [{"identifier": v, "customer_id": c, "shared_date": day} for v, c, day in visitors],
    )
    names = [{"name": "7"}, {"name": "SKU-7"}, {"name": "8"}]
    for row in names:
        row["product_id"] = f"shop:{row['name'][-1]}"
    filled(warehouse, "core.product_names", names)
    known = [order for order in orders if order.hours >= 0]
    filled(
        warehouse,
        "profiles.orders",
        [
            {
                "order_id": str(n), "customer_id": order.customer, "ordered_at": order.at,
                "order_date": order.at.date(), "gross_amount": 9, "spent_amount": 9,
                "refund_amount": 0, "net_amount": 9, "discount_share": 0.0,
                "is_discounted": False, "quantity": 1,
            }
            for n, order in enumerate(known)
        ],
    )  # fmt: skip
    filled(
        warehouse,
        "core.order_items",
        [
            {
                "order_item_id": str(n), "order_id": str(n), "product_id": order.product,
                "order_date": order.at.date(), "quantity": 1, "unit_price_amount": 9,
                "line_amount": 9, "line_reporting_amount": 9, "currency": "EUR",
            }
            for n, order in enumerate(known)
        ],
    )  # fmt: skip
    for table in (CARTS, VIEWED):
        warehouse.build(table, sql_tables()[table].sql)
    carts = {
        (row["customer_id"], row["product_id"]): (row["quantity"], row["added_at"])
        for row in warehouse.read(CARTS).to_dicts()
    }
    lists: dict[str, list[str]] = defaultdict(list)
    for row in warehouse.read(VIEWED).sort("place").to_dicts():
        lists[row["customer_id"]].append(row["product_id"])
    return carts, dict(lists)


def read_plainly(
    events: list[Done], orders: list[Bought]
) -> tuple[dict[Any, Any], dict[str, list[str]]]:
    """The same, event by event."""
    pieces: dict[Any, list[Done]] = defaultdict(list)
    seen: dict[Any, dt.datetime] = {}
    for customer in ("anna", "bert"):
        first_day = CLOCK.date() - dt.timedelta(days=29)
        theirs = [
            done
            for done in events
            if OWNERS.get(done.visitor) == customer and done.at <= CLOCK
            and done.at.date() >= first_day
        ]  # fmt: skip
        bought = [order for order in orders if order.customer == customer and order.at <= CLOCK]
        ends = [order.at for order in bought]
        ends += [done.at for done in theirs if done.event == "order_completed"]
        since = max(ends, default=dt.datetime.min)
        for done in theirs:
            if done.product is None:
                continue
            key = customer, CALLED[done.product]
            if done.event in ("product_added", "product_removed") and done.at > since:
                pieces[key].append(done)
            if done.event == "product_viewed":
                seen[key] = max(seen.get(key, done.at), done.at)
        for order in bought:
            if (customer, order.product) in seen and order.at >= seen[customer, order.product]:
                del seen[customer, order.product]
    carts = {}
    for key, found in pieces.items():
        added = [done.at for done in found if done.event == "product_added"]
        quantity = 2 * len(added) - len(found)
        if quantity > 0:
            carts[key] = (quantity, min(added))
    lists: dict[str, list[str]] = defaultdict(list)
    for customer, product in sorted(seen, key=lambda key: (-seen[key].timestamp(), key)):
        lists[customer].append(product)
    return carts, dict(lists)


# The clock, and the first of the 30 days, are where mistakes would be.
HOURS = st.integers(-30, 24 * 34) | st.integers(-4, 4) | st.integers(690, 740)
EVENT = st.sampled_from(
    ["product_added"] * 5 + ["product_viewed"] * 3 + ["product_removed", "order_completed"]
)
EVENTS = st.lists(
    st.builds(Done, HOURS, st.sampled_from(VISITORS), EVENT, st.sampled_from([*CALLED, None])),
    min_size=5,
    max_size=16,
)
ORDERS = st.lists(
    st.builds(
        Bought, HOURS, st.sampled_from(["anna", "bert"]), st.sampled_from(["shop:7", "shop:8"])
    ),
    max_size=2,
)


@settings(max_examples=80, deadline=None)
@given(events=EVENTS, orders=ORDERS)
def test_carts_on_the_site_and_viewed_products_are_what_a_plain_reading_says(
    events: list[Done], orders: list[Bought]
) -> None:
    assert built(events, orders) == read_plainly(events, orders)
