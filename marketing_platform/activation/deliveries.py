"""`activation.deliveries`: what the ledger says was sent to people, beside the data of sources."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.became import merged, names_now
from marketing_platform.activation.frames import as_stream, frames
from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.state import messages, open_state, reaching, reading, utc_now
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "activation.deliveries"
KEPT_DAYS = 120
"""How far back messages are compared with what came of them."""


_READ: dict[str, Any] = {
    **dict.fromkeys(
        ("message_key", "destination", "audience", "customer_id", "channel", "vendor_id"),
        pl.String,
    ),
    "sent_at": pl.Datetime("us"),
}
_DELIVERIES = """
select
    i.* replace (coalesce(n.other_customer_id, i.customer_id) as customer_id),
    i.sent_at::date as sent_date
from incoming as i
left join now_called as n on n.customer_id = i.customer_id
"""


def build_deliveries(warehouse: Warehouse, settings: Settings) -> Built:
    """Copy the messages to people of the last months out of the ledger.

    They flow from one database into the other: those of a large shop do not fit into memory.
    """
    since = utc_now() - dt.timedelta(days=KEPT_DAYS)
    sent_at = sa.type_coerce(messages.c.settled_at, sa.DateTime).label("sent_at")
    columns = [sent_at if name == "sent_at" else messages.c[name] for name in _READ]
    statement = sa.select(*columns).where(
        reaching(messages), messages.c.state == "sent", messages.c.settled_at > since
    )
    engine = open_state(settings.state_url.get_secret_value())
    names = names_now(merged(engine), warehouse)
    with reading(engine) as connection:
        sent = as_stream(frames(connection, statement, _READ), _READ)
        columns_told = ", ".join(CONTRACTS[_NAME].columns)
        built = warehouse.replace(
            _NAME,
            sent,
            select=f"select {columns_told} from ({_DELIVERIES})",  # noqa: S608 - names of ours
            beside={"now_called": names},
        )
    engine.dispose()
    return built


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_NAME),
        "One row is a message that was sent to a person in the last 120 days, from the ledger.",
        ("core.engagements", "identity.contact_customers"),
        build_deliveries,
    ),
)
