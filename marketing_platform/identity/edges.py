"""What people say about who is who: edges that win over everything found, and can be taken back.

They lie in the state database, for the warehouse may be built anew.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from marketing_platform.errors import InputError
from marketing_platform.state import METADATA, UtcDateTime, reading, utc_now, writing

Kind = Literal["together", "apart"]

identity_edges = sa.Table(
    "identity_edges",
    METADATA,
    sa.Column("edge_id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("contact_ids", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("taken_back_at", UtcDateTime),
    sa.CheckConstraint("kind in ('together', 'apart')", name="identity_edge_kind_is_known"),
    sqlite_autoincrement=True,
)

# One row: a difference to the mapping of before that a person lets pass.
identity_acceptances = sa.Table(
    "identity_acceptances",
    METADATA,
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
)

# One row: a customer that became another one, or a part of which did, and why.
identity_changes = sa.Table(
    "identity_changes",
    METADATA,
    sa.Column("change_id", sa.Integer, primary_key=True),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("other_customer_id", sa.Text, nullable=False),
    sa.Column("contact_count", sa.Integer, nullable=False),
    sa.Column("contact_id", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Index("identity_changes_by_customer", "customer_id"),
    sa.Index("identity_changes_by_other", "other_customer_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Edge:
    """A word about contacts.

    `together`: they are one person. `apart`: they are not the person that everybody else is who
    shares an identifier with them.
    """

    edge_id: int
    kind: Kind
    contact_ids: tuple[str, ...]
    reason: str
    made_at: dt.datetime
    taken_back_at: dt.datetime | None = None


def add_edge(engine: sa.Engine, kind: Kind, contact_ids: Sequence[str], reason: str) -> Edge:
    """Remember a word. Raises InputError for one about fewer contacts than it needs."""
    contacts = tuple(sorted(set(contact_ids)))
    if len(contacts) < (2 if kind == "together" else 1):
        raise InputError("name the contacts that it is about", where="identity")
    moment = utc_now()
    row = {
        "kind": kind,
        "contact_ids": json.dumps(contacts),
        "reason": reason,
        "made_at": moment,
    }
    with writing(engine, durable=True) as connection:
        done = connection.execute(sa.insert(identity_edges).values(row))
        (edge_id,) = done.inserted_primary_key or (0,)
    return Edge(edge_id, kind, contacts, reason, moment)


def take_back(engine: sa.Engine, edge_id: int) -> Edge:
    """Forget a word; the next build is as if it had never been said."""
    with writing(engine, durable=True) as connection:
        done = connection.execute(
            sa.update(identity_edges)
            .where(identity_edges.c.edge_id == edge_id, identity_edges.c.taken_back_at.is_(None))
            .values(taken_back_at=utc_now())
        )
    if not done.rowcount:
        raise InputError(f"no edge {edge_id} that holds", mend="See: identity edges")
    return next(edge for edge in edges(engine, also_taken_back=True) if edge.edge_id == edge_id)


def edges(engine: sa.Engine, *, also_taken_back: bool = False) -> list[Edge]:
    """The words that hold, the oldest first."""
    query = sa.select(identity_edges).order_by(identity_edges.c.edge_id)
    if not also_taken_back:
        query = query.where(identity_edges.c.taken_back_at.is_(None))
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return [Edge(**{**row, "contact_ids": tuple(json.loads(row["contact_ids"]))}) for row in rows]


def accept(engine: sa.Engine, digest: str) -> None:
    """Let a difference pass once it comes again."""
    with writing(engine, durable=True) as connection:
        connection.execute(
            sa.delete(identity_acceptances).where(identity_acceptances.c.digest == digest)
        )
        connection.execute(
            sa.insert(identity_acceptances).values(digest=digest, accepted_at=utc_now())
        )


def is_accepted(engine: sa.Engine, digest: str) -> bool:
    """Whether a person let this difference pass."""
    query = sa.select(identity_acceptances.c.digest).where(identity_acceptances.c.digest == digest)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def log_changes(engine: sa.Engine, rows: Sequence[dict[str, Any]]) -> None:
    """Remember what became of customers."""
    moment = utc_now()
    if rows:
        with writing(engine) as connection:
            connection.execute(
                sa.insert(identity_changes), [{**row, "changed_at": moment} for row in rows]
            )


def logged_changes(
    engine: sa.Engine, customer_id: str | None = None, limit: int = 100
) -> list[Any]:
    """What became of customers, or of one, the newest first."""
    query = sa.select(identity_changes).order_by(identity_changes.c.change_id.desc()).limit(limit)
    if customer_id:
        both = (identity_changes.c.customer_id, identity_changes.c.other_customer_id)
        query = query.where(sa.or_(*(column == customer_id for column in both)))
    with reading(engine) as connection:
        return list(connection.execute(query).mappings().all())
