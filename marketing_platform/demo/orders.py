"""Orders, their lines and refunds, and how a shop exports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from marketing_platform.demo.buying import Spells
from marketing_platform.demo.contacts import Records
from marketing_platform.demo.people import People
from marketing_platform.demo.products import Catalogue, money, pick_products
from marketing_platform.demo.window import (
    DAY_SECONDS,
    Bools,
    Floats,
    Ints,
    Window,
    time_of_day,
)

_WEB_SHARE = 0.86
_SIGNED_IN_SHARE = 0.92
# Orders by phone of people who leave no address.
_NAMELESS_SHARE = 0.1
_REFUND_SHARE = 0.05
_MEAN_EXTRA_LINES = 0.8
_PROCESSING_DAYS = 3
_FIRST_NUMBER = 100_001


@dataclass(frozen=True)
class Orders:
    """One entry is an order, in the order of time. `is_web` tells the web shop from the phone."""

    person: Ints
    at: Ints
    is_web: Bools
    order_id: pl.Series

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Lines:
    """One entry is a line sold: a product, once in each order.

    `refund_quantity` is how many pieces were given back, at the moment `refunded_at`; 0 if none.
    """

    order: Ints
    product: Ints
    quantity: Ints
    price: Floats
    refund_quantity: Ints
    refunded_at: Ints

    def __len__(self) -> int:
        return len(self.order)


def draw_orders(rng: np.random.Generator, window: Window, spells: Spells) -> Orders:
    """Give every purchase until `end` a time and a number."""
    counts = spells.is_purchase & (spells.decision <= window.last)
    person = spells.person[counts]
    at = spells.decision[counts] * DAY_SECONDS + time_of_day(rng, len(person))
    order = np.lexsort((person, at))
    is_web = rng.random(len(person)) < _WEB_SHARE
    number = pl.Series(np.arange(len(person)) + _FIRST_NUMBER).cast(pl.String)
    prefix = pl.Series(np.where(is_web, "", "P-"))
    return Orders(person[order], at[order], is_web, prefix + number)


def draw_lines(
    rng: np.random.Generator, window: Window, orders: Orders, people: People, catalogue: Catalogue
) -> Lines:
    """Fill the orders, and give some of it back."""
    extra = rng.poisson(_MEAN_EXTRA_LINES * people.basket[orders.person])
    order = np.repeat(np.arange(len(orders)), 1 + extra)
    product = pick_products(rng, catalogue, people.favourite[orders.person[order]])
    size = len(catalogue.price)
    # A product stands once in an order, so that a refund can only mean one line.
    order, product = np.divmod(np.unique(order * size + product), size)
    discount = rng.choice([0.0, 0.1, 0.2], size=len(order), p=[0.86, 0.09, 0.05])
    quantity = 1 + rng.poisson(0.25 * people.basket[orders.person[order]])
    delay = (rng.uniform(2, 25, len(order)) * DAY_SECONDS).astype(np.int64)
    refunded_at = orders.at[order] + delay
    is_refunded = (rng.random(len(order)) < _REFUND_SHARE) & (refunded_at < window.stop)
    given_back = rng.integers(1, quantity + 1)
    return Lines(
        order=order,
        product=product,
        quantity=quantity,
        price=np.round(catalogue.price[product] * (1 - discount), 2),
        refund_quantity=np.where(is_refunded, given_back, 0),
        refunded_at=refunded_at,
    )


def signed_in(rng: np.random.Generator, orders: Orders, records: Records) -> Bools:
    """Which orders were made with the shop account."""
    has_account = records.account_at[orders.person] <= orders.at
    return has_account & (rng.random(len(orders)) < _SIGNED_IN_SHARE)


def order_rows(
    rng: np.random.Generator,
    window: Window,
    orders: Orders,
    lines: Lines,
    people: People,
    catalogue: Catalogue,
    customer_ids: pl.Series,
) -> pl.DataFrame:
    """The lines of orders.csv by time; a refund is a line of its own. All text.

    `is_open` marks the lines sold of which nothing was given back.
    """
    buyers = _buyer_columns(rng, orders, people, customer_ids)
    sold = buyers[lines.order].with_columns(_sale_columns(window, orders, lines, catalogue))
    rows = pl.concat([sold, _refunds(sold, lines)]).sort("at", "Order ID", "line")
    return rows.select(
        "Order ID",
        pl.concat_str("Order ID", pl.lit("-"), "line").alias("Line ID"),
        "Customer ID",
        "Email",
        "Phone",
        window.text(rows["at"].to_numpy()).alias("Order Date"),
        "SKU",
        "Product Name",
        pl.col("quantity").cast(pl.String).alias("Quantity"),
        "Unit Price",
        pl.lit("EUR").alias("Currency"),
        "Country",
        "Status",
        "is_open",
    )


def _sale_columns(
    window: Window, orders: Orders, lines: Lines, catalogue: Catalogue
) -> list[pl.Series]:
    """What was sold, by line."""
    first = np.searchsorted(lines.order, np.arange(len(orders)))
    number = pl.Series("line", np.arange(len(lines)) - first[lines.order] + 1)
    at = orders.at[lines.order]
    is_recent = window.stop - at < _PROCESSING_DAYS * DAY_SECONDS
    return [
        number.cast(pl.String),
        pl.Series("at", at),
        pl.Series("quantity", lines.quantity),
        catalogue.sku[lines.product].alias("SKU"),
        catalogue.title[lines.product].alias("Product Name"),
        money(lines.price).alias("Unit Price"),
        pl.Series("Status", np.where(is_recent, "processing", "completed")),
        pl.Series("is_open", lines.refund_quantity == 0),
    ]


def _refunds(sold: pl.DataFrame, lines: Lines) -> pl.DataFrame:
    """The lines given back: like the lines sold, with the pieces taken off again."""
    return sold.with_columns(
        ("R-" + pl.col("Order ID")).alias("Order ID"),
        pl.Series("at", lines.refunded_at),
        pl.Series("quantity", -lines.refund_quantity),
        Status=pl.lit("refunded"),
    ).filter(pl.col("quantity") < 0)


def _buyer_columns(
    rng: np.random.Generator, orders: Orders, people: People, customer_ids: pl.Series
) -> pl.DataFrame:
    """What an order says of its buyer: an account, an address only, or nothing."""
    size = len(orders)
    is_nameless = pl.Series(~orders.is_web & (rng.random(size) < _NAMELESS_SHARE))
    is_capital = pl.Series(rng.random(size) < 0.04)
    gives_phone = pl.Series(rng.random(size) < 0.6)
    email = pl.when(is_capital).then(pl.col("email").str.to_titlecase()).otherwise("email")
    return people.rows[orders.person].select(
        orders.order_id.alias("Order ID"),
        pl.when(~is_nameless).then(customer_ids).alias("Customer ID"),
        pl.when(~is_nameless).then(email).alias("Email"),
        pl.when(gives_phone & ~is_nameless).then("phone").alias("Phone"),
        pl.col("country").alias("Country"),
    )
