"""Contracts of `staging`: records as they came, typed, each with its outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    contract,
    date,
    integer,
    key,
    money,
    text,
    timestamp,
)
from marketing_platform.contracts.entities import BILL, ENTITIES

OUTCOMES = ("accepted", "duplicate", "quarantined")

# The lines of an order export; the entities orders, order_items and refunds come of them.
_ORDER_LINES = {
    "source_order_id": text("The source's number of the order.", nullable=True),
    "source_contact_id": text("The source's key of the buyer; null for a guest.", nullable=True),
    "email": text("E-mail as it came.", nullable=True),
    "phone": text("Phone as it came.", nullable=True),
    "ordered_at": timestamp("When it was ordered or given back.", nullable=True),
    "order_date": date("Day of it.", nullable=True),
    "source_product_id": text("The source's key of the product.", nullable=True),
    "product_title": text("What the product is called.", nullable=True),
    "quantity": integer("Pieces; negative when given back.", nullable=True),
    "unit_price_amount": money("Price of a piece.", nullable=True, scale=4),
    "line_amount": money("Quantity times price; negative when given back.", nullable=True),
    "discount_amount": money(
        "Taken off, of the line or of the whole order: what several lines say alike.",
        nullable=True,
        ge=0,
    ),
    "line_discount_amount": money("Taken off of the line alone.", nullable=True, ge=0),
    "subtotal_amount": money(
        "What its order's lines are worth, as its system adds them up.", nullable=True
    ),
    "refunded_amount": money(
        "Given back, of the line or of the whole order: what several lines say alike.",
        nullable=True,
        ge=0,
    ),
    "currency": text("ISO 4217 code.", nullable=True),
    "country": text("Country as it came.", nullable=True),
    **BILL,
    "utm_source": text("Source of the visit it was made in.", nullable=True),
    "utm_medium": text("Its medium.", nullable=True),
    "utm_campaign": text("Its campaign.", nullable=True),
    "line_status": text(
        "What the line is; `total` has the sums of an order whose other lines are what was sold.",
        nullable=True,
        one_of=("sold", "returned", "cancelled", "total"),
    ),
}


_NAME = re.compile(
    rf"staging\.[a-z][a-z0-9_]*?_({'|'.join([*ENTITIES, 'order_lines'])})(__[a-z0-9_]+)?"
)


def entity_of(name: str) -> str:
    """The entity of a staging table: `orders` for `staging.shopify_orders__drafts`."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise KeyError(f"{name}: its file is not named after an entity of contracts/entities.py")
    return match.group(1)


@cache
def staging_contract(name: str) -> Contract:
    """The contract of a staging table: the columns of its entity and what became of the record."""
    entity = entity_of(name)
    columns = _ORDER_LINES if entity == "order_lines" else ENTITIES[entity]
    return contract(name, _received(columns), key=["record_id"])


def _received(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns that every staging table has around its own."""
    return {
        "record_id": key("Key: the record's place in what was received."),
        "received_date": date("Day of the raw partition that the record lies in."),
        "outcome": text("What became of the record.", one_of=OUTCOMES),
        "quarantine_reason": text("Why the record is quarantined.", nullable=True),
        **columns,
    }
