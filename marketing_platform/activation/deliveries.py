"""`activation.deliveries`: what the ledger says was sent to people, beside the data of sources."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.became import as_now, merged
from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.state import messages, open_state, reaching, reading, utc_now
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "activation.deliveries"
KEPT_DAYS = 120
"""How far back messages are compared with what came of them."""


def build_deliveries(warehouse: Warehouse, settings: Settings) -> Built:
    """Copy the messages to people of the last months out of the ledger."""
    columns = [
        messages.c[name]
        for name in (
            *("message_key", "destination", "audience", "customer_id", "channel"),
            *("settled_at", "vendor_id"),
        )
    ]
    since = utc_now() - dt.timedelta(days=KEPT_DAYS)
    statement = sa.select(*columns).where(
        reaching(messages), messages.c.state == "sent", messages.c.settled_at > since
    )
    engine = open_state(settings.state_url.get_secret_value())
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(statement)]
    became = merged(engine)
    engine.dispose()
    schema: dict[str, Any] = {
        **dict.fromkeys([column.name for column in columns], pl.String),
        "settled_at": pl.Datetime("us", "UTC"),
    }
    sent = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("settled_at").dt.replace_time_zone(None).alias("sent_at")
    )
    contract = CONTRACTS[_NAME]
    frame = as_now(sent, became, warehouse).with_columns(
        pl.col("sent_at").dt.date().alias("sent_date")
    )
    return warehouse.replace(_NAME, frame.select(list(contract.columns)))


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_NAME),
        "One row is a message that was sent to a person in the last 120 days, from the ledger.",
        ("core.engagements", "identity.contact_customers"),
        build_deliveries,
    ),
)
