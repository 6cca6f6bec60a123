"""Contracts of `profiles`: what is known of each customer as of the clock."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    money,
    number,
    share,
    text,
    timestamp,
)

LIFECYCLE_STAGES = ("prospect", "new", "active", "cooling", "lapsed")


def _score(what: str) -> Column:
    return integer(f"Quintile of {what}, 5 is best.", ge=1, le=5)


_RFM: dict[str, Column] = {
    "first_ordered_at": timestamp("First purchase."),
    "last_ordered_at": timestamp("Last purchase."),
    "recency_days": integer("Days since the last purchase.", ge=0),
    "tenure_days": integer("Days since the first purchase.", ge=0),
    "order_count": integer("Purchases.", ge=1),
    "lifetime_value_amount": money("Spent, less what was refunded."),
    "average_order_value_amount": money("Gross amount per purchase.", ge=0),
    "refund_share": share("Share of the gross amount that was refunded."),
    "days_between_orders": number(
        "Mean gap between days of purchase; null before two.", nullable=True, ge=0
    ),
    "recency_score": _score("recency"),
    "frequency_score": _score("the number of purchases"),
    "monetary_score": _score("lifetime value"),
    "value_percentile": share("Share of buyers whose lifetime value is lower or equal."),
    "lifecycle_stage": text("Where the buyer stands.", one_of=LIFECYCLE_STAGES),
}

_BEHAVIOUR: dict[str, Column] = {
    "last_seen_at": timestamp("Last event on the site.", nullable=True),
    "product_viewed_7d_count": integer("Products viewed in the last 7 days.", ge=0),
    "product_viewed_30d_count": integer("Products viewed in the last 30 days.", ge=0),
    "product_added_7d_count": integer("Products put into the cart in the last 7 days.", ge=0),
    "product_added_30d_count": integer("Products put into the cart in the last 30 days.", ge=0),
    "active_30d_days": integer("Days with an event in the last 30 days.", ge=0),
    "last_product_added_at": timestamp("Last time something went into the cart.", nullable=True),
    "last_order_completed_at": timestamp("Last time an order was completed.", nullable=True),
}

PROFILES: tuple[Contract, ...] = (
    contract(
        "profiles.orders",
        {
            "order_id": key("Key: the order."),
            "customer_id": key("Who bought."),
            "ordered_at": timestamp("When."),
            "order_date": date("Day of the order."),
            "gross_amount": money("Sum of the lines before refunds.", ge=0),
            "refund_amount": money("Refunded until the clock.", ge=0),
            "net_amount": money("Gross less refunds."),
        },
        key=["order_id"],
    ),
    contract("profiles.rfm", {"customer_id": key("Key: the person."), **_RFM}, key=["customer_id"]),
    contract(
        "profiles.daily_activity",
        {
            "identifier": key("contact_id, or anonymous:<id> where no contact is known."),
            "activity_date": date("Day."),
            "event": key("Name of the event."),
            "event_count": integer("Times.", ge=1),
            "first_at": timestamp("First of them."),
            "last_at": timestamp("Last of them."),
        },
        key=["identifier", "activity_date", "event"],
    ),
    contract(
        "profiles.behaviour",
        {"customer_id": key("Key: the person."), **_BEHAVIOUR},
        key=["customer_id"],
    ),
    contract(
        "profiles.customers",
        {
            "customer_id": key("Key: the person."),
            "source_contact_id": text("The source's key of the latest contact.", nullable=True),
            "email": text("E-mail.", nullable=True),
            "phone": text("Phone.", nullable=True),
            "first_name": text("Given name.", nullable=True),
            "last_name": text("Family name.", nullable=True),
            "country": text("Country.", nullable=True),
            "has_email_consent": flag("Agreed to e-mail.", nullable=True),
            "has_sms_consent": flag("Agreed to text messages.", nullable=True),
            "created_at": timestamp("First known moment.", nullable=True),
            "is_buyer": flag("Has bought at least once."),
            **{
                name: Column(column.dtype, column.description, True, column.checks)
                for name, column in _RFM.items()
                if name not in ("order_count", "lifetime_value_amount", "lifecycle_stage")
            },
            "order_count": integer("Purchases.", ge=0),
            "lifetime_value_amount": money("Spent, less what was refunded."),
            "lifecycle_stage": _RFM["lifecycle_stage"],
            **_BEHAVIOUR,
        },
        key=["customer_id"],
    ),
)
