"""`activation.exposures`: who was told by a rule with a holdout, and who was held out."""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.state import messages, open_state, reading
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "activation.exposures"
HOLDOUT = "holdout"


def build_exposures(warehouse: Warehouse, settings: Settings) -> Built:
    """Read the ledger for the rules that hold some members out."""
    rules = [r for r in settings.platform.activations if r.holdout_share > 0]
    is_theirs = sa.or_(
        sa.false(),
        *(
            sa.and_(messages.c.destination == r.destination, messages.c.audience == r.name)
            for r in rules
        ),
    )
    is_told = sa.and_(messages.c.state == "sent", messages.c.operation == "add")
    is_held_out = sa.and_(messages.c.state == "suppressed", messages.c.reason == HOLDOUT)
    who = (messages.c.destination, messages.c.audience, messages.c.customer_id)
    settled_at = messages.c.settled_at
    statement = (
        sa.select(
            *who,
            sa.func.min(sa.case((is_told, settled_at)), type_=settled_at.type).label("told_at"),
            sa.func.min(sa.case((is_held_out, settled_at)), type_=settled_at.type).label("held"),
        )
        .where(is_theirs, sa.or_(is_told, is_held_out))
        .group_by(*who)
    )
    engine = open_state(settings.state_url.get_secret_value())
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(statement)]
    engine.dispose()
    moment = pl.Datetime("us", "UTC")
    schema: dict[str, Any] = {
        **dict.fromkeys(("destination", "audience", "customer_id"), pl.String),
        "told_at": moment,
        "held_out_at": moment,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("told_at", "held_out_at").dt.replace_time_zone(None)
    )
    return warehouse.replace(_NAME, frame.select(list(CONTRACTS[_NAME].columns)))


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_NAME),
        "One row is a customer of a rule that holds some members out: when they were first told, or"
        " held out, from the ledger.",
        ("profiles.orders",),
        build_exposures,
    ),
)
