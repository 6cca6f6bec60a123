"""Who must not be written to, when a customer becomes another one.

What a person said (unsubscribed, complained) or what came back (a bounce) stands in the state
database under the customer's id. Where two become one, or a part leaves, it goes with the people.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from marketing_platform.identity.edges import identity_changes
from marketing_platform.state import suppressions, writing

# How `told_by` begins where it was said of a customer that became this one; its id follows.
INHERITED = "was "
_FEW = 500

_Joins = Mapping[tuple[str, str], dt.datetime]


def inherit_suppressions(engine: sa.Engine, changes: pl.DataFrame) -> None:
    """Let each customer that takes over contacts of another one be barred as that one is.

    `changes` is what `resolve.changes` tells. Call it before the mapping is published: a crash in
    between then bars somebody too early, and nobody too late. What a customer has of one that
    leaves it again is taken back.
    """
    if changes.is_empty():
        return
    with writing(engine) as connection:
        has_split = "split" in changes["kind"]
        # Who parts may still be a part of others, who are barred: of merges alone these are enough.
        barred = _barred(connection, None if has_split else changes["customer_id"].unique())
        joined_at = _joined_at(connection) if barred and has_split else {}
        for change in changes.filter(pl.col("customer_id").is_in(list(barred))).to_dicts():
            old, other = change["customer_id"], change["other_customer_id"]
            is_split = change["kind"] == "split"
            new = list(_inherited(old, other, barred[old], joined_at if is_split else {}))
            _bar(connection, new)
            if is_split and (channels := _take_back(connection, old, other)):
                _bar_again(connection, old, channels, barred, changes)


def _barred(
    connection: sa.Connection, customers: pl.Series | None
) -> dict[str, list[dict[str, Any]]]:
    """What is said of these customers, or of all."""
    chosen = [sa.select(suppressions)]
    if customers is not None:
        parts = (customers[start : start + _FEW] for start in range(0, len(customers), _FEW))
        chosen = [
            sa.select(suppressions).where(suppressions.c.customer_id.in_(part.to_list()))
            for part in parts
        ]
    barred: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for statement in chosen:
        for row in connection.execute(statement).mappings():
            barred[row["customer_id"]].append(dict(row))
    return barred


def _inherited(
    old: str, other: str, barred: list[dict[str, Any]], joined_at: _Joins
) -> Iterator[dict[str, Any]]:
    since = joined_at.get((other, old))
    for row in barred:
        # What was said before the one who leaves had come is not about them.
        if since is not None and row["created_at"] < since:
            continue
        if row["told_by"] != INHERITED + other:
            yield {**row, "customer_id": other, "told_by": INHERITED + old}


def _joined_at(connection: sa.Connection) -> _Joins:
    """When each customer that was merged into another one was last merged into it."""
    pair = (identity_changes.c.customer_id, identity_changes.c.other_customer_id)
    merged = (
        sa.select(*pair, sa.func.max(identity_changes.c.changed_at))
        .where(identity_changes.c.kind == "merged")
        .group_by(*pair)
    )
    return {(old, other): moment for old, other, moment in connection.execute(merged)}


def _take_back(connection: sa.Connection, customer: str, left: str) -> set[str]:
    """Free a customer of what was said of the one who leaves; gives the channels."""
    gone = connection.execute(
        sa.delete(suppressions)
        .where(suppressions.c.customer_id == customer, suppressions.c.told_by == INHERITED + left)
        .returning(suppressions.c.channel)
    )
    return set(gone.scalars())


def _bar_again(
    connection: sa.Connection,
    customer: str,
    channels: set[str],
    barred: Mapping[str, list[dict[str, Any]]],
    changes: pl.DataFrame,
) -> None:
    """Bar a customer by channels by which somebody else is barred who is still a part of it."""
    rows = [
        {**row, "customer_id": customer, "told_by": INHERITED + other}
        for other in _parts(connection, customer, changes)
        for row in barred.get(other, ())
        if row["channel"] in channels and row["told_by"] != INHERITED + customer
    ]
    _bar(connection, rows)


def _bar(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Bar by what is said in `rows`, where nothing is known that holds for longer."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(suppressions)
    said = statement.excluded
    # What holds for one address alone gives way to what a person said.
    statement = statement.on_conflict_do_update(
        index_elements=[suppressions.c.customer_id, suppressions.c.channel],
        set_={name: said[name] for name in ("reason", "created_at", "told_by", "address")},
        where=sa.and_(suppressions.c.address.is_not(None), said.address.is_(None)),
    )
    if rows:
        connection.execute(statement, rows)


def _parts(connection: sa.Connection, customer: str, changes: pl.DataFrame) -> list[str]:
    """Who became this customer, or a part of whom did, and has not left it since."""
    pair = ("customer_id", "other_customer_id")
    both = [identity_changes.c[name] for name in pair]
    logged = connection.execute(
        sa.select(*both)
        .where(sa.or_(*(column == customer for column in both)))
        .order_by(identity_changes.c.change_id)
    )
    parts: dict[str, bool] = {}
    for old, new in [*map(tuple, logged), *changes.select(pair).rows()]:
        if customer in (old, new):
            parts[old if new == customer else new] = new == customer
    return sorted(other for other, is_part in parts.items() if is_part)
