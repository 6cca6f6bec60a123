"""Contracts of `profiles`: what is known of each customer as of the clock.

What a field means stands in one place, as a comment above it in its table's SQL: see `definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    Days,
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
from marketing_platform.contracts.definitions import definitions
from marketing_platform.contracts.entities import DEVICE_TYPES

LIFECYCLE_STAGES = (
    *("subscriber", "first_time_buyer", "repeat_buyer", "loyal", "vip", "advocate"),
    *("at_risk", "lapsed"),
)
EVENT_DAYS = Days("core.events", "event_date")
RHYTHMS = ("new", "active", "cooling", "lapsed")


def _count() -> Column:
    return integer("", ge=0)


def _some(make: Callable[..., Column], **limits: object) -> Column:
    return make("", nullable=True, **limits)


_SCORE = integer("", ge=1, le=5)
# The tables whose fields a profile has, in its order.
_GROUPS: Mapping[str, Mapping[str, Column]] = {
    "rfm": {
        "first_ordered_at": timestamp(""),
        "last_ordered_at": timestamp(""),
        "recency_days": _count(),
        "tenure_days": _count(),
        "order_count": integer("", ge=1),
        "lifetime_value_amount": money(""),
        "average_order_value_amount": money("", ge=0),
        "refund_share": share(""),
        "days_between_orders": _some(number, ge=0),
        "recency_score": _SCORE,
        "frequency_score": _SCORE,
        "monetary_score": _SCORE,
        "value_percentile": share(""),
        "rhythm": text("", one_of=RHYTHMS),
    },
    "buying": {
        "days_between_orders_spread": _some(number, ge=0),
        "refund_amount": money("", ge=0),
        "net_90d_amount": money(""),
        "net_365d_amount": money(""),
        "order_90d_count": _count(),
        "order_365d_count": _count(),
        "discount_share": share(""),
        "discounted_order_share": share(""),
        "quantity": _count(),
        "first_order_amount": money(""),
        "last_order_amount": money(""),
        "value_slope": _some(number),
        "is_value_plateau": flag(""),
    },
    "behaviour": {
        "last_seen_at": timestamp(""),
        **{
            f"{what}_{days}d_count": _count()
            for what in ("product_viewed", "product_added", "searched")
            for days in (1, 7, 30, 90)
        },
        "advocated_365d_count": _count(),
        **{f"visit_{days}d_count": _count() for days in (1, 7, 30, 90)},
        "dwell_seconds": _some(number, ge=0),
        "device_type": _some(text, one_of=DEVICE_TYPES),
        "active_30d_days": _count(),
        "visit_velocity": _some(number, ge=0),
        "is_velocity_decay": flag(""),
        "last_product_added_at": _some(timestamp),
        "last_order_completed_at": _some(timestamp),
    },
    "affinity": {
        "top_category": _some(text),
        "top_category_share": _some(share),
        "top_brand": _some(text),
        "top_brand_share": _some(share),
        "price_tier": _some(share),
        "price_sensitivity": _some(share),
    },
    "carts": {
        "open_cart_id": _some(text),
        "open_cart_at": timestamp(""),
        "open_cart_amount": _some(money),
        "open_cart_item_count": _some(integer, ge=0),
        "open_cart_url": _some(text),
        "open_cart_age_hours": number("", ge=0),
    },
    "engagement": {
        "email_opened_30d_count": _count(),
        "email_opened_90d_count": _count(),
        "email_clicked_30d_count": _count(),
        "email_clicked_90d_count": _count(),
        "sms_clicked_90d_count": _count(),
        "email_opened_of_last_10_count": integer("", ge=0, le=10),
        "email_open_share": _some(share),
        "email_click_share": _some(share),
        "last_email_engaged_at": _some(timestamp),
        "last_sms_engaged_at": _some(timestamp),
        "last_message_at": _some(timestamp),
        "email_soft_bounced_90d_count": _count(),
        "has_email_bounced_hard": flag(""),
        "has_email_complained": flag(""),
        "has_email_unsubscribed": flag(""),
        "has_sms_unsubscribed": flag(""),
        "message_1d_count": _count(),
        "message_7d_count": _count(),
    },
    "acquisition": {
        "first_touch_at": timestamp(""),
        "first_touch_source": text(""),
        "first_touch_medium": text(""),
        "first_touch_campaign": _some(text),
        "last_touch_source": text(""),
        "last_touch_medium": text(""),
        "last_touch_campaign": _some(text),
        "acquisition_cost_amount": _some(money, ge=0),
    },
    "service": {
        "crm_stage": _some(text),
        "open_deal_count": _count(),
        "open_deal_amount": money(""),
        "open_ticket_count": _count(),
        "ticket_90d_count": _count(),
        "last_ticket_at": _some(timestamp),
    },
    "reviews": {
        "review_count": _count(),
        "recommended_365d_count": _count(),
        "average_rating": _some(number, ge=1, le=5),
        "last_rating": _some(integer, ge=1, le=5),
        "last_reviewed_at": _some(timestamp),
    },
}
_OWN: Mapping[str, Column] = {
    "source_contact_id": _some(text),
    "email": _some(text),
    "phone": _some(text),
    "first_name": _some(text),
    "last_name": _some(text),
    "country": _some(text),
    "language": _some(text),
    "city": _some(text),
    "postcode": _some(text),
    "region": _some(text),
    "timezone": _some(text),
    "birth_date": _some(date),
    "birthday_in_days": _some(integer, ge=0, le=366),
    "anniversary_in_days": _some(integer, ge=0, le=366),
    "loyalty_number": _some(text),
    "push_token": _some(text),
    "source_count": integer("", ge=1),
    "has_email_consent": _some(flag),
    "has_fake_email": flag(""),
    "has_sms_consent": _some(flag),
    "created_at": _some(timestamp),
    "is_buyer": flag(""),
    "lifecycle_stage": text("", one_of=LIFECYCLE_STAGES),
}


def _defined(table: str, columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns with what the SQL of their table says that they are."""
    told = definitions("profiles", table)
    return {name: replace(column, description=told[name]) for name, column in columns.items()}


FIELD_GROUPS: Mapping[str, Mapping[str, Column]] = {
    "customers": _defined("customers", _OWN),
    **{table: _defined(table, columns) for table, columns in _GROUPS.items()},
}
"""The fields of a profile, by the table that computes them."""


def _profile() -> dict[str, Column]:
    """All fields. One of a group is null where the group knows nothing of the customer, unless it
    is a count, a sum or a flag: then it is zero or false.
    """
    found = dict(FIELD_GROUPS["customers"])
    for columns in list(FIELD_GROUPS.values())[1:]:
        for name, column in columns.items():
            if name == "rhythm":
                continue
            is_zero = name in _ZEROS or name.endswith("_count") or name.startswith(("is_", "has_"))
            keeps = is_zero and name != "open_cart_item_count"
            profiled = _count() if name == "order_count" else column
            found[name] = replace(
                column, nullable=column.nullable or not keeps, checks=profiled.checks
            )
    return found


_ZEROS = {
    *("lifetime_value_amount", "refund_amount", "net_90d_amount", "net_365d_amount", "quantity"),
    *("open_deal_amount", "active_30d_days"),
}


PROFILES: tuple[Contract, ...] = (
    contract(
        "profiles.orders",
        {
            "order_id": key("Key: the order."),
            "customer_id": key("Who bought."),
            "ordered_at": timestamp("When."),
            "order_date": date("Day of the order."),
            "gross_amount": money("Sum of the lines, before discounts and refunds.", ge=0),
            "spent_amount": money("Gross less discounts.", ge=0),
            "refund_amount": money("Refunded of it until the clock.", ge=0),
            "net_amount": money("Gross less discounts and refunds.", ge=0),
            "discount_share": share("Taken off by discounts, as a share of the gross amount."),
            "is_discounted": flag("It had a discount or a code."),
            "quantity": integer("Pieces.", ge=0),
        },
        key=["order_id"],
    ),
    contract(
        "profiles.daily_activity",
        {
            "identifier": key("contact_id, or anonymous:<source>:<id> where none is known."),
            "activity_date": date("Day."),
            "event": key("Name of the event."),
            "event_count": integer("Times.", ge=1),
            "first_at": timestamp("First of them."),
            "last_at": timestamp("Last of them."),
        },
        key=["identifier", "activity_date", "event"],
        partition_by="activity_date",
        rolled_from=EVENT_DAYS,
    ),
    contract(
        "profiles.daily_visits",
        {
            "identifier": key("As in profiles.daily_activity."),
            "activity_date": date("Day."),
            "visit_count": integer("Visits that began.", ge=1),
            "dwell_seconds": integer("Time between first and last events of visits.", ge=0),
            "device_type": text("Kind of device, the last of the day.", nullable=True),
            "first_at": timestamp("First event."),
            "last_at": timestamp("Last event."),
            "first_source": text("First utm_source told in the first visit; (direct): none."),
            "first_medium": text("Its utm_medium; (none): none."),
            "first_campaign": text("Its utm_campaign; empty: none."),
            "last_source": text("Last utm_source told in the last visit; (direct): none."),
            "last_medium": text("Its utm_medium; (none): none."),
            "last_campaign": text("Its utm_campaign; empty: none."),
        },
        key=["identifier", "activity_date"],
        partition_by="activity_date",
        rolled_from=EVENT_DAYS,
    ),
    contract(
        "profiles.daily_devices",
        {
            "identifier": key("The device, as in profiles.daily_activity."),
            "contact_id": key("Who was signed in on it."),
            "activity_date": date("Day."),
            "first_at": timestamp("First event."),
        },
        key=["identifier", "contact_id", "activity_date"],
        partition_by="activity_date",
        rolled_from=EVENT_DAYS,
    ),
    contract(
        "profiles.visitors",
        {
            "identifier": key("Key: the contact or device, as in profiles.daily_activity."),
            "customer_id": key("Who it is; who was signed in or ordered on the device first."),
            "first_seen_at": timestamp("When first on the device.", nullable=True),
            "first_seen_date": date("Its day; null for a contact.", nullable=True),
            "shared_date": date("First day of another one on the device.", nullable=True),
        },
        key=["identifier"],
    ),
    contract(
        "profiles.active_days",
        {
            "customer_id": key("Who."),
            "activity_date": date("Day on which they did something."),
            "known_date": date("First day on which that was known to be theirs."),
            "shared_date": date("First day on which it was not any more; 9999-12-31: none."),
            "event_count": integer("Events.", ge=1),
            "viewed_count": integer("Products viewed.", ge=0),
            "added_count": integer("Products put into the cart.", ge=0),
            "checkout_count": integer("Checkouts begun.", ge=0),
        },
        key=["customer_id", "activity_date", "known_date", "shared_date"],
    ),
    contract(
        "profiles.site_carts",
        {
            "customer_id": key("Who."),
            "product_id": key("The product, as the event calls it where it is not known."),
            "added_at": timestamp("When it was first put there."),
            "quantity": integer("How often it was put there, less how often taken out.", ge=1),
        },
        key=["customer_id", "product_id"],
    ),
    contract(
        "profiles.cart_items",
        {
            "customer_id": key("Whose cart it is."),
            "place": integer("1 was put there first.", ge=1),
            "product_id": text("The product, if known.", nullable=True),
            "sku": text("Stock keeping unit.", nullable=True),
            "product_title": text("What it is called.", nullable=True),
            "quantity": integer("Pieces.", ge=0),
            "unit_price_amount": money("Price of a piece.", nullable=True, ge=0, scale=4),
            "currency": text("ISO 4217 code of it.", nullable=True),
        },
        key=["customer_id", "place"],
    ),
    contract(
        "profiles.viewed_products",
        {
            "customer_id": key("Who."),
            "place": integer("1 was looked at last.", ge=1, le=10),
            "product_id": key("The product, as the event calls it where it is not known."),
            "last_viewed_at": timestamp("When last."),
            "view_count": integer("How often in the 30 days.", ge=1),
        },
        key=["customer_id", "place"],
    ),
    *(
        contract(
            f"profiles.{table}",
            {"customer_id": key("Key: the person."), **columns},
            key=["customer_id"],
        )
        for table, columns in FIELD_GROUPS.items()
        if table != "customers"
    ),
    contract(
        "profiles.customers",
        {"customer_id": key("Key: the person."), **_profile()},
        key=["customer_id"],
    ),
    contract(
        "profiles.history",
        {
            "as_of_date": date("Day at whose end this was so."),
            "customer_id": key("The person."),
            **_profile(),
        },
        key=["as_of_date", "customer_id"],
        partition_by="as_of_date",
    ),
)
