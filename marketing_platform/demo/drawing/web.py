"""What visitors did on the web, and the checkouts that they left."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.drawing.shared import (
    FIRST_ORDER,
    FIRST_PRODUCT,
    FIRST_VARIANT,
    amounts,
    keep_until,
    moments,
    money,
)
from marketing_platform.demo.events import ADDED, CHECKOUT, COMPLETED
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS

_SITE = "https://shop.example"
# Where a visit comes from: utm source, medium, campaign, share.
_ORIGINS = (
    (None, None, None, 0.40),
    ("google", "cpc", "Search Brand", 0.17),
    ("google", "cpc", "Shopping", 0.10),
    ("facebook", "paid_social", "Prospecting", 0.10),
    ("facebook", "paid_social", "Retargeting", 0.08),
    ("newsletter", "email", "Weekly", 0.15),
)
_DEVICE_TYPES, _DEVICE_SHARES = ("mobile", "tablet", "desktop"), (0.6, 0.08, 0.32)
_RECOVERED_DAYS = 2


def draw_web(
    rng: np.random.Generator, world: World, accounts: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Events, abandoned checkouts and what was in them."""
    events = _events(rng, world)
    carts, lines = _carts(world, accounts)
    return {"events": events, "carts": carts, "cart_lines": lines}


def _events(rng: np.random.Generator, world: World) -> pl.DataFrame:
    events, sessions, window = world.events, world.sessions, world.window
    session, at = events["session"].to_numpy(), events["at"].to_numpy()
    person = sessions.person[session]
    known = np.maximum(person, 0)
    is_known = sessions.is_signed_in[session] & (person >= 0)
    is_known &= world.records.account_at[known] <= at
    is_order = (events["event"] == COMPLETED).to_numpy()
    order = np.where(is_order, sessions.order[session], 0)
    product = events["product"].to_numpy()
    origin = rng.choice(len(_ORIGINS), len(sessions), p=[share for *_, share in _ORIGINS])[session]
    devices = _hexadecimal(rng, int(sessions.device.max()) + 1)
    # Draws of its own: what a device is changes nothing else.
    kinds = pl.Series(rng.spawn(1)[0].choice(_DEVICE_TYPES, len(devices), p=_DEVICE_SHARES))
    milliseconds = pl.Series(rng.integers(0, 1000, len(at))).cast(pl.Duration("ms"))
    moment = moments("occurred_at", window, at) + milliseconds
    signed_in, ordered = pl.Series(is_known), pl.Series(is_order)
    frame = pl.DataFrame(
        {
            "event_id": "evt-" + _hexadecimal(rng, events.height),
            "event": events["event"],
            "occurred_at": moment,
            "updated_at": moment,
            "account_id": world.records.account_id[known].cast(pl.Int64),
            "anonymous_id": devices[sessions.device[session]],
            "device_type": kinds[sessions.device[session]],
            "person": person,
            "email": world.people.rows["email"][known],
            "product_id": product + FIRST_PRODUCT,
            "sku": world.catalogue.sku[product],
            "order_id": order + FIRST_ORDER,
            "order_number": world.orders.order_id[order],
            "utm_source": pl.Series([row[0] for row in _ORIGINS])[origin],
            "utm_medium": pl.Series([row[1] for row in _ORIGINS])[origin],
            "utm_campaign": pl.Series([row[2] for row in _ORIGINS])[origin],
        }
    )
    return frame.with_columns(
        [pl.when(signed_in).then(name).alias(name) for name in ("account_id", "email")]
        + [pl.when(ordered).then(name).alias(name) for name in ("order_id", "order_number")]
        + [(f"{_SITE}/products/" + pl.col("sku").str.to_lowercase()).alias("page_url")]
    )


def _carts(world: World, accounts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Checkouts that were begun by known people and not finished in the same visit."""
    events = world.events
    started = events.filter(pl.col("event") == CHECKOUT).select("session", "at")
    finished = events.filter(pl.col("event") == COMPLETED).select("session")
    left = started.join(finished, on="session", how="anti", maintain_order="left")
    left = left.with_columns(
        pl.Series("person", world.sessions.person[left["session"].to_numpy()])
    ).filter(pl.col("person") >= 0)
    left = left.sort("at", "session").with_row_index("cart_id", 80_001)
    left = left.with_columns(pl.col("cart_id").cast(pl.Int64))
    lines = _cart_lines(world, left)
    amount = lines.group_by("cart_id").agg(
        (pl.col("quantity") * pl.col("price").cast(pl.Float64)).sum().alias("amount"),
        pl.len().cast(pl.Int64).alias("item_count"),
    )
    bought = pl.DataFrame({"person": world.orders.person, "at": world.orders.at})
    bought = bought.with_columns(pl.col("at").alias("completed"))
    left = left.join_asof(
        bought.sort("at"),
        on="at",
        by="person",
        strategy="forward",
        tolerance=_RECOVERED_DAYS * DAY_SECONDS,
        check_sortedness=False,
    )
    names = accounts.unique("person", keep="first").select("person", "account_id")
    people = world.people.rows.with_columns(
        person=pl.int_range(len(world.people), dtype=pl.Int64)
    ).select("person", "email", "phone", "country")
    created = moments("created_at", world.window, left["at"].to_numpy())
    first = (
        left.with_columns(created)
        .join(names, on="person", how="left", maintain_order="left")
        .join(people, on="person", how="left", maintain_order="left")
        .join(amount, on="cart_id", how="left", maintain_order="left")
        .with_columns(
            updated_at=pl.col("created_at"),
            amount=money(pl.col("amount")),
            currency=pl.lit("EUR"),
            url=f"{_SITE}/checkouts/" + pl.col("cart_id").cast(pl.String),
            completed_at=pl.lit(None, created.dtype),
        )
    )
    completed = first.filter(pl.col("completed").is_not_null()).with_columns(
        (pl.col("created_at") + pl.duration(seconds=pl.col("completed") - pl.col("at"))).alias(
            "completed_at"
        )
    )
    completed = completed.with_columns(updated_at=pl.col("completed_at"))
    carts = pl.concat([first, completed]).drop("session", "at", "completed")
    return keep_until(world.window, carts), lines


def _cart_lines(world: World, left: pl.DataFrame) -> pl.DataFrame:
    added = world.events.filter(pl.col("event") == ADDED).select("session", "product")
    added = added.group_by("session", "product", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("quantity")
    )
    rows = left.select("cart_id", "session").join(added, on="session", maintain_order="left")
    product = rows["product"].to_numpy()
    return pl.DataFrame(
        {
            "cart_line_id": np.arange(rows.height) + 8_100_001,
            "cart_id": rows["cart_id"],
            "product_id": product + FIRST_PRODUCT,
            "variant_id": product + FIRST_VARIANT,
            "sku": world.catalogue.sku[product],
            "title": world.catalogue.title[product],
            "quantity": rows["quantity"],
            "price": amounts("price", world.catalogue.price[product]),
        }
    )


def _hexadecimal(rng: np.random.Generator, size: int) -> pl.Series:
    """Random keys of 16 hexadecimal digits."""
    digits = np.frombuffer(rng.bytes(8 * size).hex().encode(), dtype="S16")
    return pl.Series(digits.astype("U16"))
