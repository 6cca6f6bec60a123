"""What was paid: a charge per order, money given back, and subscriptions with their invoices."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.drawing.shared import MONEY, NO_MOMENT, keep_until, moments
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS

_FAILED_EVERY = 50
_SUBSCRIBED_SHARE = 0.03
_MONTH = 30 * DAY_SECONDS


def draw_payments(trade: dict[str, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A charge for each order, now and then after one that failed; and the refunds of charges."""
    orders = trade["orders"]
    good = orders.filter(
        (pl.col("updated_at") == pl.col("ordered_at")) | (pl.col("refunded_amount") > 0)
    ).select(
        (pl.col("order_id") * 2).alias("charge_id"),
        "order_id",
        "account_id",
        "person",
        "email",
        "country",
        pl.col("total_amount").alias("amount"),
        "refunded_amount",
        "currency",
        pl.lit("succeeded").alias("status"),
        pl.col("ordered_at").alias("created_at"),
        "updated_at",
    )
    failed = good.filter(
        (pl.col("order_id") % _FAILED_EVERY == 0) & (pl.col("updated_at") == pl.col("created_at"))
    ).with_columns(
        charge_id=pl.col("charge_id") + 1,
        status=pl.lit("failed"),
        created_at=pl.col("created_at") - pl.duration(minutes=2),
        updated_at=pl.col("created_at") - pl.duration(minutes=2),
    )
    charges = pl.concat([good, failed]).sort("updated_at", "charge_id")
    refunds = trade["refunds"].select(
        (pl.col("refund_id") + 1_000_000).alias("charge_refund_id"),
        (pl.col("order_id") * 2).alias("charge_id"),
        "order_id",
        "amount",
        pl.lit("EUR").alias("currency"),
        pl.col("refunded_at").alias("created_at"),
        pl.col("refunded_at").alias("updated_at"),
    )
    return charges, refunds


def draw_subscriptions(
    rng: np.random.Generator, world: World, accounts: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Monthly subscriptions of some accounts, and an invoice for each month."""
    known = accounts.unique("account_id", keep="first", maintain_order=True).sort("account_id")
    known = known.filter(pl.Series(rng.random(known.height) < _SUBSCRIBED_SHARE))
    size, stop = known.height, world.window.stop
    opened = world.records.account_at[known["person"].to_numpy()]
    begin = opened + ((stop - opened) * rng.random(size) * 0.7).astype(np.int64)
    months = rng.geometric(0.15, size)
    ends = begin + months * _MONTH
    amount = rng.choice([12.9, 19.9, 29.9], size)
    first = known.select(
        pl.Series("subscription_id", np.arange(size) + 70_001),
        "account_id",
        "person",
        "email",
        pl.lit("active").alias("status"),
        pl.Series("amount", amount).cast(MONEY),
        pl.lit("EUR").alias("currency"),
        moments("started_at", world.window, begin),
        moments("current_period_end_at", world.window, np.minimum(ends, stop + _MONTH)),
        moments("cancelled_at", world.window, np.full(size, NO_MOMENT)),
        moments("updated_at", world.window, begin),
    )
    cancelled = moments("cancelled_at", world.window, ends)
    last = first.with_columns(cancelled, cancelled.alias("updated_at"), status=pl.lit("cancelled"))
    which = np.repeat(np.arange(size), months)
    number = np.arange(len(which)) - np.repeat(np.cumsum(months) - months, months)
    at = begin[which] + number * _MONTH
    asked = first[which].select(
        pl.Series("invoice_id", np.arange(len(which)) + 20_001),
        "subscription_id",
        "account_id",
        "person",
        "email",
        pl.lit("open").alias("status"),
        pl.col("amount").alias("due_amount"),
        pl.lit(0.0).cast(MONEY).alias("paid_amount"),
        "currency",
        moments("invoiced_at", world.window, at),
        moments("due_at", world.window, at + 14 * DAY_SECONDS),
        moments("paid_at", world.window, np.full(len(at), NO_MOMENT)),
        moments("updated_at", world.window, at),
    )
    paid_at = moments("paid_at", world.window, at + rng.integers(60, 5 * DAY_SECONDS, len(at)))
    paid = asked.with_columns(
        paid_at,
        paid_at.alias("updated_at"),
        pl.col("due_amount").alias("paid_amount"),
        status=pl.lit("paid"),
    )
    return (
        keep_until(world.window, pl.concat([first, last])),
        keep_until(world.window, pl.concat([asked, paid])),
    )
