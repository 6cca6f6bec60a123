"""What visitors do in the web shop, as lines of the Segment e-commerce spec."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.contacts import Records
from marketing_platform.demo.orders import Lines, Orders
from marketing_platform.demo.people import People
from marketing_platform.demo.products import Catalogue, pick_products
from marketing_platform.demo.sessions import ORDERING, Sessions
from marketing_platform.demo.window import DAY_SECONDS, Bools, Ints, Window

VIEWED, ADDED, CHECKOUT, COMPLETED = (
    "Product Viewed",
    "Product Added",
    "Checkout Started",
    "Order Completed",
)
# By purpose of the visit (looking, shopping, ordering): views besides what is bought, chance that a
# viewed product goes into the cart, and that a visit with a cart goes on to the checkout.
_EXTRA_VIEWS = np.array([0.9, 1.9, 0.6])
_ADD_SHARE = np.array([0.05, 0.16, 0.0])
_CHECKOUT_SHARE = 0.3
_MEAN_PAUSE_SECONDS = 40
# Steps of a visit in their order: views and adds first, then what closes it.
_BOUGHT_STEP, _CHECKOUT_STEP, _COMPLETED_STEP = 1_000, 100_000, 100_001


def draw_events(
    rng: np.random.Generator,
    window: Window,
    sessions: Sessions,
    lines: Lines,
    people: People,
    catalogue: Catalogue,
) -> pl.DataFrame:
    """One row is an event: its session, event, product (a number), moment `at`, by time."""
    looked = _looked_at(rng, sessions, people, catalogue)
    bought = _bought(sessions, lines)
    seen = pl.concat([looked, bought])
    steps = pl.concat([seen, _closing(rng, sessions, seen)]).sort("session", "step")
    session = steps["session"].to_numpy()
    at = _moments(rng, session, sessions)
    is_kept = (at >= window.history * DAY_SECONDS) & (at < window.stop)
    steps = steps.with_columns(pl.Series("at", at)).filter(pl.Series(is_kept))
    return steps.sort("at", "session", "step").select("session", "event", "product", "at")


def event_lines(
    rng: np.random.Generator,
    window: Window,
    events: pl.DataFrame,
    sessions: Sessions,
    orders: Orders,
    records: Records,
    catalogue: Catalogue,
) -> pl.Series:
    """The lines of events.jsonl. A visitor is known by name once signed in."""
    session, at = events["session"].to_numpy(), events["at"].to_numpy()
    person = np.maximum(sessions.person[session], 0)
    is_known = sessions.is_signed_in[session] & (sessions.person[session] >= 0)
    is_known &= records.account_at[person] <= at
    is_order = (events["event"] == COMPLETED).to_numpy()
    order = np.where(is_order, sessions.order[session], 0)
    devices = _hexadecimal(rng, int(sessions.device.max()) + 1)
    frame = pl.DataFrame(
        {
            "message": "evt-" + _hexadecimal(rng, events.height),
            "event": events["event"],
            "timestamp": window.text_milliseconds(at, rng.integers(0, 1000, len(at))),
            "user": records.account_id[person],
            "is_known": is_known,
            "device": devices[sessions.device[session]],
            "product": catalogue.sku[events["product"].to_numpy()],
            "order": orders.order_id[order],
            "is_order": is_order,
        }
    )
    return frame.select(_json_line()).to_series()


def _moments(rng: np.random.Generator, session: Ints, sessions: Sessions) -> Ints:
    """A pause before every step; a visit is counted on from its start, or back from its order."""
    passed = np.cumsum(2 + rng.exponential(_MEAN_PAUSE_SECONDS, len(session)).astype(np.int64))
    first = np.searchsorted(session, session, side="left")
    last = np.searchsorted(session, session, side="right") - 1
    fixed = np.where(sessions.purpose[session] == ORDERING, last, first)
    return sessions.anchor[session] + passed - passed[fixed]


def _json_line() -> pl.Expr:
    """A line of JSON; none of the values has a character to escape."""

    def member(key: str, column: str) -> pl.Expr:
        return pl.concat_str(pl.lit(f'"{key}":"'), column, pl.lit('"'))

    user = pl.when("is_known").then(member("userId", "user") + ",").otherwise(pl.lit(""))
    order = pl.when("is_order").then("," + member("order_id", "order")).otherwise(pl.lit(""))
    return pl.concat_str(
        pl.lit("{") + member("messageId", "message"),
        pl.lit(',"type":"track",') + member("event", "event"),
        pl.lit(",") + member("timestamp", "timestamp") + ",",
        user,
        member("anonymousId", "device"),
        pl.lit(',"properties":{') + member("product_id", "product"),
        order,
        pl.lit("}}"),
    )


def _looked_at(
    rng: np.random.Generator, sessions: Sessions, people: People, catalogue: Catalogue
) -> pl.DataFrame:
    """Products looked at, some put into the cart."""
    count = rng.poisson(_EXTRA_VIEWS[sessions.purpose])
    count += sessions.purpose != ORDERING
    session = np.repeat(np.arange(len(sessions)), count)
    favourite = np.where(
        sessions.person >= 0,
        people.favourite[sessions.person],
        rng.integers(0, catalogue.category_count, len(sessions)),
    )
    product = pick_products(rng, catalogue, favourite[session])
    step = 2 * np.arange(len(session))
    step -= step[np.searchsorted(session, session)]
    is_added = rng.random(len(session)) < _ADD_SHARE[sessions.purpose[session]]
    return _viewed_and_added(session, step, product, is_added)


def _bought(sessions: Sessions, lines: Lines) -> pl.DataFrame:
    """What was bought was looked at and put into the cart in the same visit."""
    session_of_order = np.full(int(lines.order.max()) + 1, -1)
    ordering = np.flatnonzero(sessions.order >= 0)
    session_of_order[sessions.order[ordering]] = ordering
    line = np.flatnonzero(session_of_order[lines.order] >= 0)
    session = session_of_order[lines.order[line]]
    step = _BOUGHT_STEP + 2 * line - 2 * line[0] if len(line) else line
    return _viewed_and_added(session, step, lines.product[line], np.ones(len(line), dtype=bool))


def _viewed_and_added(session: Ints, step: Ints, product: Ints, is_added: Bools) -> pl.DataFrame:
    viewed = pl.DataFrame({"session": session, "step": step, "product": product})
    added = viewed.filter(pl.Series(is_added)).with_columns(step=pl.col("step") + 1)
    return pl.concat(
        [viewed.with_columns(event=pl.lit(VIEWED)), added.with_columns(event=pl.lit(ADDED))]
    )


def _closing(rng: np.random.Generator, sessions: Sessions, seen: pl.DataFrame) -> pl.DataFrame:
    """The end of visits with a cart: some go to the checkout, and those that order complete it."""
    carts = (
        seen.filter(pl.col("event") == ADDED)
        .sort("session", "step")
        .group_by("session", maintain_order=True)
        .agg(pl.first("product"))
    )
    is_order = pl.Series(sessions.purpose[carts["session"].to_numpy()] == ORDERING)
    goes_on = is_order | pl.Series(rng.random(carts.height) < _CHECKOUT_SHARE)
    columns = ["session", "step", "product", "event"]
    checkout = carts.filter(goes_on).with_columns(
        step=pl.lit(_CHECKOUT_STEP, pl.Int64), event=pl.lit(CHECKOUT)
    )
    completed = carts.filter(is_order).with_columns(
        step=pl.lit(_COMPLETED_STEP, pl.Int64), event=pl.lit(COMPLETED)
    )
    return pl.concat([checkout.select(columns), completed.select(columns)])


def _hexadecimal(rng: np.random.Generator, size: int) -> pl.Series:
    """Random keys of 16 hexadecimal digits."""
    digits = np.frombuffer(rng.bytes(8 * size).hex().encode(), dtype="S16")
    return pl.Series(digits.astype("U16"))
