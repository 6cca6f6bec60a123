"""What tests of holdouts share: a rule to a webhook, the ledger, purchases, the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from pydantic import SecretStr
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.demo.receiver import Receiver
from marketing_platform.pipeline import build_table
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import messages, reading

JULY, AUGUST = "2025-07-01 00:00:00", "2025-08-01 00:00:00"


def settings_of(folder: Path, receiver: Receiver, url: str, **rule: Any) -> Settings:
    """One rule to a webhook, an event unless told."""
    told = {"segment": SEGMENT, "destination": "crm", "attributes": ("email",), "event": "entered"}
    chosen = ActivationRule.model_validate({**told, **rule})
    crm = webhook(receiver.url, batch_size=100)
    # All may be told once again.
    settings = small_settings(folder, {"crm": crm}, rules=[chosen], max_removal_share=1)
    return settings.model_copy(update={"state_url": SecretStr(url)})


def ledger(engine: sa.Engine) -> pl.DataFrame:
    """All rows of the ledger."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(messages).order_by(messages.c.created_at)).mappings()
        return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)


def held_out(engine: sa.Engine) -> set[str]:
    rows = ledger(engine)
    return set(rows.filter(pl.col("reason") == "held_out")["customer_id"])


def told(receiver: Receiver) -> set[str]:
    return {str(row["customer_id"]) for row in receiver.received.rows.values()}


def enter_again(shop: SmallShop, moment: str) -> None:
    """Let all members be in the segment since another moment, which is the clock's."""
    shop.clock(moment)
    with shop.warehouse.connect() as connection:
        connection.execute(
            "update segments.memberships set entered_at = $moment::timestamp", {"moment": moment}
        )


def buy(shop: SmallShop, customers: set[str], moment: str, amount: float = 10) -> None:
    """Let customers buy something."""
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into profiles.orders by name select unnest($ids::varchar[]) as customer_id,"
            " customer_id || $moment as order_id, $moment::timestamp as ordered_at,"
            " $moment::date as order_date, $amount as gross_amount, $amount as spent_amount,"
            " 0 as refund_amount, $amount as net_amount, 0.0 as discount_share,"
            " false as is_discounted, 1 as quantity",
            {"ids": sorted(customers), "moment": moment, "amount": amount},
        )


def lift(shop: SmallShop, settings: Settings) -> list[dict[str, Any]]:
    """The comparison as it stands at the clock."""
    for name in ("activation.exposures", "activation.lift"):
        build_table(shop.warehouse, settings, name)
    return shop.warehouse.read("activation.lift").to_dicts()
