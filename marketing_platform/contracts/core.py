"""Contracts of `core`: one shape for every source."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    money,
    text,
    timestamp,
)

CORE: tuple[Contract, ...] = (
    contract(
        "core.clock",
        {
            "as_of": timestamp("The moment for which everything is computed."),
            "as_of_date": date("Its day in the shop's time zone."),
        },
    ),
    contract(
        "core.contacts",
        {
            "contact_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "source_contact_id": key("The source's key."),
            "email": text("E-mail, trimmed and in lower case.", nullable=True),
            "phone": text("Phone, digits and a leading plus only.", nullable=True),
            "first_name": text("Given name.", nullable=True),
            "last_name": text("Family name.", nullable=True),
            "country": text("Country as it came.", nullable=True),
            "has_email_consent": flag(
                "Agreed to marketing by e-mail; null: unknown.", nullable=True
            ),
            "has_sms_consent": flag("Agreed to marketing by text; null: unknown.", nullable=True),
            "created_at": timestamp("First known moment of this contact.", nullable=True),
            "updated_at": timestamp("Last change of the record.", nullable=True),
        },
        key=["contact_id"],
    ),
    contract(
        "core.orders",
        {
            "order_id": key("Key: source and the source's number, joined by a colon."),
            "source": key("Where the record comes from."),
            "source_order_id": key("The source's number."),
            "contact_id": text("Who bought; null for a guest.", nullable=True),
            "ordered_at": timestamp("When."),
            "order_date": date("Day of the order."),
            "item_count": integer("Lines.", ge=1),
            "quantity": integer("Pieces.", ge=0),
            "gross_amount": money("Sum of the lines before refunds.", ge=0),
            "currency": text("ISO 4217 code."),
            "country": text("Country as it came.", nullable=True),
        },
        key=["order_id"],
        partition_by="order_date",
    ),
    contract(
        "core.order_items",
        {
            "order_item_id": key("Key: source and record, joined by a colon."),
            "order_id": key("The order."),
            "order_date": date("Day of the order."),
            "product_id": text("The product.", nullable=True),
            "quantity": integer("Pieces.", ge=0),
            "unit_price_amount": money("Price of a piece.", ge=0, scale=4),
            "line_amount": money("Quantity times price.", ge=0),
            "currency": text("ISO 4217 code."),
        },
        key=["order_item_id"],
        partition_by="order_date",
    ),
    contract(
        "core.refunds",
        {
            "refund_id": key("Key: source and record, joined by a colon."),
            "order_id": text("The order it gives back; null where none matches.", nullable=True),
            "order_item_id": text(
                "The line it gives back; null where none matches.", nullable=True
            ),
            "contact_id": text("Who gave back; null for a guest.", nullable=True),
            "refunded_at": timestamp("When."),
            "refund_date": date("Day of the refund."),
            "product_id": text("The product.", nullable=True),
            "quantity": integer("Pieces given back.", ge=0),
            "refund_amount": money("Money given back.", ge=0),
            "currency": text("ISO 4217 code."),
        },
        key=["refund_id"],
    ),
    contract(
        "core.products",
        {
            "product_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "source_product_id": key("The source's key."),
            "title": text("What it is called.", nullable=True),
            "category": text("Its category.", nullable=True),
            "price_amount": money("List price, or the last price sold at.", nullable=True),
            "currency": text("ISO 4217 code.", nullable=True),
        },
        key=["product_id"],
    ),
    contract(
        "core.events",
        {
            "event_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "event": key("Name, as in the Segment e-commerce spec, in snake case."),
            "occurred_at": timestamp("When."),
            "event_date": date("Day of the event."),
            "contact_id": text("Who, if known.", nullable=True),
            "anonymous_id": text("The visitor's device, if known.", nullable=True),
            "product_id": text("The product it is about.", nullable=True),
            "order_id": text("The order it is about.", nullable=True),
        },
        key=["event_id"],
        partition_by="event_date",
    ),
    contract(
        "core.ad_performance",
        {
            "performance_date": date("Day."),
            "platform": key("Ad platform."),
            "campaign_id": key("Platform and its key of the campaign, joined by a colon."),
            "campaign_name": text("What the campaign is called.", nullable=True),
            "impression_count": integer("Times shown.", ge=0),
            "click_count": integer("Times clicked.", ge=0),
            "cost_amount": money("Money spent.", ge=0),
            "conversion_count": integer("Purchases that the platform claims.", ge=0),
            "conversion_value_amount": money("Their value.", ge=0),
            "currency": text("ISO 4217 code."),
        },
        key=["performance_date", "campaign_id"],
        partition_by="performance_date",
    ),
)
