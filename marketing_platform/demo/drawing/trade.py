"""Products, orders, their lines and refunds."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.drawing.shared import (
    FIRST_LINE,
    FIRST_ORDER,
    FIRST_PRODUCT,
    FIRST_VARIANT,
    MONEY,
    NO_MOMENT,
    amounts,
    keep_until,
    moments,
)
from marketing_platform.demo.homes import HOME
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS, Floats, Ints

_BRANDS = ("Plainfield", "Northlight", "Homeward")
_CODE, _CODE_SHARE, _CODE_DISCOUNT = "WELCOME10", 0.12, 0.1
_FREE_SHIPPING_FROM, _SHIPPING = 50.0, 4.9
_TAX_RATE = 0.19
_CANCELLED_SHARE = 0.015
_NAMELESS_SHARE = 0.1
_DELIVERED_AFTER = (1, 4)


def draw_products(rng: np.random.Generator, world: World) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The products, each with one or two variants; the first one is what is sold."""
    rows = world.catalogue.rows
    size = rows.height
    created = np.zeros(size, dtype=np.int64)
    updated = rng.integers(0, world.window.stop, size)
    products = rows.select(
        pl.Series("product_id", np.arange(size) + FIRST_PRODUCT),
        pl.col("SKU").alias("sku"),
        pl.col("Title").alias("title"),
        pl.col("Category").alias("category"),
        pl.Series("brand", rng.choice(_BRANDS, size)),
        amounts("price", world.catalogue.price),
        pl.lit("EUR").alias("currency"),
        pl.Series("is_active", rng.random(size) > 0.04),
        moments("created_at", world.window, created),
        moments("updated_at", world.window, updated),
    )
    stock = pl.Series("inventory_quantity", rng.poisson(40, size).astype(np.int64))
    first = products.select(
        (pl.col("product_id") + FIRST_VARIANT - FIRST_PRODUCT).alias("variant_id"),
        "product_id",
        "sku",
        pl.lit("Default Title").alias("title"),
        "price",
        stock,
        "created_at",
        "updated_at",
    )
    second = first.filter(pl.Series(rng.random(size) < 0.3)).with_columns(
        variant_id=pl.col("variant_id") + size, sku=pl.col("sku") + "-XL", title=pl.lit("Large")
    )
    return products, pl.concat([first, second])


def draw_trade(rng: np.random.Generator, world: World) -> dict[str, pl.DataFrame]:
    """The versions of the orders, with their lines and refunds."""
    window, orders, lines = world.window, world.orders, world.lines
    size = len(orders)
    sold = np.round(lines.quantity * lines.price, 2)
    summed = np.bincount(lines.order, weights=sold, minlength=size)
    gross = np.asarray(np.round(summed, 2), dtype=np.float64)
    has_code = rng.random(size) < _CODE_SHARE
    discount = np.round(np.where(has_code, gross * _CODE_DISCOUNT, 0.0), 2)
    shipping: Floats = np.where(gross - discount < _FREE_SHIPPING_FROM, _SHIPPING, 0.0)
    total = np.asarray(np.round(gross - discount + shipping, 2), dtype=np.float64)
    refunds = _refunds(world, has_code)
    is_refunded = np.bincount(lines.order[lines.refund_quantity > 0], minlength=size) > 0
    is_cancelled = (rng.random(size) < _CANCELLED_SHARE) & ~is_refunded
    first = _buyers(rng, world).with_columns(
        pl.Series("is_web", orders.is_web),
        moments("ordered_at", window, orders.at),
        moments("updated_at", window, orders.at),
        pl.lit("EUR").alias("currency"),
        pl.when(pl.Series(has_code)).then(pl.lit(_CODE)).alias("discount_code"),
        amounts("discount_amount", np.asarray(discount, dtype=np.float64)),
        amounts("shipping_amount", shipping),
        amounts("tax_amount", total * _TAX_RATE / (1 + _TAX_RATE)),
        amounts("gross_amount", gross),
        amounts("total_amount", total),
        amounts("refunded_amount", np.zeros(size)),
        moments("fulfilled_at", window, np.full(size, NO_MOMENT)),
        moments("cancelled_at", window, np.full(size, NO_MOMENT)),
    )
    days = rng.uniform(*_DELIVERED_AFTER, size)
    later = orders.at + (days * DAY_SECONDS * 0.4).astype(np.int64) + 60
    return {
        "orders": keep_until(window, _versions(world, first, later, is_cancelled, refunds)),
        "order_lines": _lines(world),
        "refunds": refunds,
    }


def _versions(
    world: World,
    first: pl.DataFrame,
    later: Ints,
    is_cancelled: np.typing.NDArray[np.bool_],
    refunds: pl.DataFrame,
) -> pl.DataFrame:
    """Each order as placed, as delivered or cancelled, and after each refund."""
    moment = moments("updated_at", world.window, later)
    cancelled = pl.Series(is_cancelled)
    second = first.with_columns(
        moment,
        pl.when(~cancelled).then(moment).alias("fulfilled_at"),
        pl.when(cancelled).then(moment).alias("cancelled_at"),
    )
    given_back = (
        refunds.sort("refunded_at", "refund_id")
        .select(
            "order_id",
            pl.col("refunded_at").alias("at"),
            pl.col("amount").cum_sum().over("order_id").cast(MONEY).alias("sum"),
        )
        .unique(["order_id", "at"], keep="last", maintain_order=True)
    )
    third = second.join(given_back, on="order_id", maintain_order="right").with_columns(
        updated_at=pl.col("at"), refunded_amount=pl.col("sum")
    )
    return pl.concat([first, second, third.select(first.columns)])


def _buyers(rng: np.random.Generator, world: World) -> pl.DataFrame:
    """What an order says of its buyer: an account, an address only, or nothing."""
    orders = world.orders
    size = len(orders)
    is_named = pl.Series(orders.is_web | (rng.random(size) >= _NAMELESS_SHARE))
    is_capital = pl.Series(rng.random(size) < 0.04)
    gives_phone = pl.Series(rng.random(size) < 0.6)
    email = pl.when(is_capital).then(pl.col("email").str.to_titlecase()).otherwise("email")
    return world.people.rows[orders.person].select(
        pl.Series("order_id", np.arange(size) + FIRST_ORDER),
        orders.order_id.alias("number"),
        pl.when(is_named).then(world.customer_ids.cast(pl.Int64)).alias("account_id"),
        pl.Series("person", orders.person),
        pl.when(is_named).then(email).alias("email"),
        pl.when(gives_phone & is_named).then("phone").alias("phone"),
        pl.when(is_named).then("first_name").alias("first_name"),
        pl.when(is_named).then("last_name").alias("last_name"),
        *(pl.when(is_named).then(name).alias(name) for name in HOME),
        "country",
    )


def _lines(world: World) -> pl.DataFrame:
    lines = world.lines
    return pl.DataFrame(
        {
            "line_id": np.arange(len(lines)) + FIRST_LINE,
            "order_id": lines.order + FIRST_ORDER,
            "product_id": lines.product + FIRST_PRODUCT,
            "variant_id": lines.product + FIRST_VARIANT,
            "sku": world.catalogue.sku[lines.product],
            "title": world.catalogue.title[lines.product],
            "quantity": lines.quantity,
            "price": amounts("price", lines.price),
            "line_amount": amounts("line_amount", lines.quantity * lines.price),
        }
    )


def _refunds(world: World, has_code: np.typing.NDArray[np.bool_]) -> pl.DataFrame:
    lines = world.lines
    given = np.flatnonzero(lines.refund_quantity > 0)
    share: Floats = np.where(has_code[lines.order[given]], 1 - _CODE_DISCOUNT, 1.0)
    return pl.DataFrame(
        {
            "refund_id": np.arange(len(given)) + 2_000_001,
            "order_id": lines.order[given] + FIRST_ORDER,
            "line_id": given + FIRST_LINE,
            "quantity": lines.refund_quantity[given],
            # Rounded down, so that refunds never sum to more than was paid.
            "amount": amounts(
                "amount",
                np.floor(lines.refund_quantity[given] * lines.price[given] * share * 100 + 1e-6)
                / 100,
            ),
            "refunded_at": moments("refunded_at", world.window, lines.refunded_at[given]),
        }
    )
