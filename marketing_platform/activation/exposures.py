"""`activation.exposures`: who was told by a rule with a holdout, and who was held out of it.

Both are counted from the same moment, the plan that decided, and as they were drawn: whoever was to
be told is one of those told, also where the message failed or was stopped later. So the two differ
in nothing but the draw.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.became import as_now, merged
from marketing_platform.activation.diff import HELD_OUT
from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.settings import ActivationRule, Holdout, Settings
from marketing_platform.state import messages, open_state, plans, reading, without_zone
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "activation.exposures"
_DECIDED: dict[str, Any] = {
    "customer_id": pl.String,
    "is_held_out": pl.Boolean,
    "exposed_at": pl.Datetime("us"),
}


def build_exposures(warehouse: Warehouse, settings: Settings) -> Built:
    """Read who was told and who was held out, since the draw is as it is now."""
    contract = CONTRACTS[_NAME]
    engine = open_state(settings.state_url.get_secret_value())
    parts = [
        _of_rule(engine, rule, rule.held_out)
        for rule in settings.platform.activations
        if rule.held_out
    ]
    became = merged(engine) if parts else None
    engine.dispose()
    if became is None:
        return warehouse.replace(_NAME, contract.empty())
    # The same of the customers that they are now, each once: as they were drawn first.
    found = (
        as_now(pl.concat(parts), became, warehouse)
        .sort("exposed_at", "is_held_out")
        .unique(["destination", "audience", "customer_id"], keep="first", maintain_order=True)
    )
    return warehouse.replace(_NAME, found.select(list(contract.columns)))


def _of_rule(engine: sa.Engine, rule: ActivationRule, holdout: Holdout) -> pl.DataFrame:
    """Who was told and who was held out by a rule, and when first; ids as they were."""
    ours = (messages.c.destination == rule.destination, messages.c.audience == rule.name)
    another_draw = sa.select(sa.func.coalesce(sa.func.max(plans.c.plan_id), 0)).where(
        plans.c.destination == rule.destination,
        plans.c.audience == rule.name,
        plans.c.status != "held",
        sa.func.coalesce(plans.c.holdout, "") != rule.drawn,
    )
    is_held_out = sa.func.coalesce(messages.c.reason == HELD_OUT, sa.false())
    # What a plan refuses has ended when it was made; what was stopped later was to be told.
    was_refused = sa.and_(
        messages.c.state == "suppressed", messages.c.settled_at == messages.c.created_at
    )
    with reading(engine) as connection:
        before = connection.execute(another_draw).scalar_one()
        exposed = (
            sa.select(messages.c.customer_id, is_held_out, sa.func.min(plans.c.as_of))
            .join(plans, messages.c.plan_id == plans.c.plan_id)
            .where(*ours, messages.c.plan_id > before, messages.c.operation == "add")
            .where(sa.or_(is_held_out, sa.not_(was_refused)))
            .group_by(messages.c.customer_id, is_held_out)
        )
        known: set[str] = set()
        if not rule.is_once:
            # Who was in the audience before cannot be held out of what they were told, and is not
            # compared with those who were held out then.
            arrived = sa.or_(messages.c.state == "sent", messages.c.may_have_arrived)
            decided = sa.select(messages.c.customer_id).where(
                *ours, messages.c.plan_id <= before, sa.or_(arrived, is_held_out)
            )
            known = set(connection.execute(decided).scalars())
        rows = [
            (customer, bool(held), without_zone(moment))
            for customer, held, moment in connection.execute(exposed)
            if customer not in known
        ]
    return pl.DataFrame(rows, schema=_DECIDED, orient="row").with_columns(
        pl.lit(rule.destination).alias("destination"),
        pl.lit(rule.name).alias("audience"),
        pl.lit(float(holdout.share)).alias("holdout_share"),
        pl.lit(holdout.days, dtype=pl.Int64).alias("window_days"),
        (pl.col("exposed_at") + dt.timedelta(days=holdout.days)).alias("until_at"),
    )


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_NAME),
        "One row is a customer who was told by a rule with a holdout, or was held out of it.",
        ("identity.contact_customers",),
        build_exposures,
    ),
)
