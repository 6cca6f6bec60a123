"""Who became whom: what a customer was told, the one that they are now was told as well.

All or a part of a customer becomes another one; each such step stands in the state database. A
customer became who is reached by steps that were taken one after the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter

import polars as pl
import sqlalchemy as sa

from marketing_platform.identity.edges import identity_changes
from marketing_platform.state import messages, reading
from marketing_platform.warehouse import Warehouse

Became = Mapping[str, Mapping[str, dt.datetime]]
"""Each customer with every other one it became, and until when that one was told what it was told:
when it took the first step. What it is told later, as after a merge that was undone, it is told
alone."""

_COLUMNS = (
    identity_changes.c.customer_id,
    identity_changes.c.other_customer_id,
    identity_changes.c.changed_at,
)
_MERGED = identity_changes.c.kind == "merged"
_PAIRS = {"customer_id": pl.String, "other_customer_id": pl.String}


def told_as(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Became:
    """Who became whom by the steps that the conditions choose."""
    # Not in SQL: where customers are merged and parted again and again, there are more ways from
    # one to the other than steps. Last steps first, what follows a step is known when it is met.
    steps = sa.select(*_COLUMNS).where(*conditions).order_by(identity_changes.c.changed_at.desc())
    found: dict[str, dict[str, dt.datetime]] = {}
    for moment, together in groupby(connection.execute(steps), attrgetter("changed_at")):
        # What one build changes is told of the customers before it: none of it follows another.
        reached = [(old, {other, *found.get(other, ())} - {old}) for old, other, _ in together]
        for old, others in reached:
            for other in others:
                found.setdefault(old, {}).setdefault(other, moment)
    return found


def merged(engine: sa.Engine) -> pl.DataFrame:
    """Each customer that was merged, with every other one it has become."""
    with reading(engine) as connection:
        found = told_as(connection, _MERGED)
    pairs = [(old, other) for old, others in found.items() for other in others]
    return pl.DataFrame(pairs, schema=_PAIRS, orient="row")


def names_now(became: pl.DataFrame, warehouse: Warehouse) -> pl.DataFrame:
    """Each customer of before who is none any more, with whom they have become.

    `became` is as `merged` gives it.
    """
    current = warehouse.query("select distinct customer_id from identity.contact_customers")
    living = became.join(current, left_on="other_customer_id", right_on="customer_id", how="semi")
    return living.join(current, on="customer_id", how="anti").unique("customer_id")


def as_now(rows: pl.DataFrame, became: pl.DataFrame, warehouse: Warehouse) -> pl.DataFrame:
    """Rows about customers with whom they have become since; `became` is as `merged` gives it."""
    gone = names_now(became, warehouse)
    return rows.join(gone, on="customer_id", how="left").with_columns(
        pl.coalesce("other_customer_id", "customer_id").alias("customer_id")
    )


def became_since(connection: sa.Connection, customer_id: str, moment: dt.datetime) -> list[str]:
    """Whom a customer, or a part of it, has become since a moment."""
    since = identity_changes.c.changed_at >= moment
    own = sa.select(identity_changes.c.change_id).where(
        identity_changes.c.customer_id == customer_id, since
    )
    # Of nearly all whom a vendor says something of nothing has changed, and a build changes many.
    if connection.execute(own.limit(1)).first() is None:
        return []
    return list(told_as(connection, since).get(customer_id, ()))


def former_ids(engine: sa.Engine, customer_id: str) -> tuple[str, ...]:
    """The ids of those who became this customer and have not parted from it since."""
    steps = sa.select(identity_changes.c.kind, *_COLUMNS[:2]).order_by(identity_changes.c.change_id)
    became: dict[str, str] = {}
    with reading(engine) as connection:
        for kind, old, other in connection.execute(steps):
            # Who takes over contacts is somebody by themselves, whoever they had become before.
            became.pop(other, None)
            if kind == "merged":
                became[old] = other

    def is_of_this(old: str) -> bool:
        while old in became:
            old = became[old]
            if old == customer_id:
                return True
        return False

    return tuple(sorted(filter(is_of_this, became)))


def former() -> sa.Subquery:
    """Of whom the person of a message is all or a part, each once, and until when they were that.

    The same as `told_as` tells, looked up for the one row of `messages` that it stands beside.
    """
    last, step = identity_changes.alias("last"), identity_changes.alias("step")
    moment = last.c.changed_at.label("until_at")
    known = (
        sa.select(last.c.customer_id, moment)
        .where(last.c.other_customer_id == messages.c.customer_id)
        .correlate(messages)
        .cte("known", recursive=True, nesting=True)
    )
    earlier = sa.select(step.c.customer_id, step.c.changed_at).where(
        step.c.other_customer_id == known.c.customer_id, step.c.changed_at < known.c.until_at
    )
    known = known.union(earlier)
    until = sa.func.max(known.c.until_at, type_=known.c.until_at.type).label("until_at")
    return (
        sa.select(known.c.customer_id, until)
        .where(known.c.customer_id != messages.c.customer_id)
        .correlate(messages)
        .group_by(known.c.customer_id)
        .subquery("former")
    )
