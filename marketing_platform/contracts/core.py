"""Contracts of `core`: one shape for every source."""

from __future__ import annotations

from collections.abc import Mapping

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
    text,
    timestamp,
)
from marketing_platform.contracts.entities import DEVICE_TYPES, ENTITIES


def _of(entity: str, columns: str) -> Mapping[str, Column]:
    """Columns that core takes over from an entity as they are."""
    return {name: ENTITIES[entity][name] for name in columns.split()}


def _reporting(column: str, ge: int | None = 0) -> Column:
    """An amount of money in the shop's own currency, at least `ge`."""
    return money(
        f"`{column}` in the shop's currency at the day's rate; null: no rate.", nullable=True, ge=ge
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
            "phone": text(
                "Phone in E.164; digits only where its country is not known.", nullable=True
            ),
            "first_name": text("Given name.", nullable=True),
            "last_name": text("Family name.", nullable=True),
            "country": text("Country, ISO 3166-1 alpha-2.", nullable=True),
            "language": text("Language, BCP 47.", nullable=True),
            **_of("contacts", "birth_date street city postcode region loyalty_number push_token"),
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
            "item_count": integer("Lines.", ge=0),
            "quantity": integer("Pieces.", ge=0),
            "gross_amount": money("Sum of the lines, before discounts and refunds.", ge=0),
            "gross_reporting_amount": _reporting("gross_amount"),
            # Null in days that were built before there was one.
            "spent_amount": money("Gross less discounts.", nullable=True, ge=0),
            "spent_reporting_amount": _reporting("spent_amount"),
            **_of("orders", "discount_amount shipping_amount tax_amount total_amount"),
            "currency": text("ISO 4217 code."),
            "country": text("Country as it came.", nullable=True),
            **_of("orders", "discount_codes fulfilment_status utm_source utm_medium utm_campaign"),
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
            "sku": text("Stock keeping unit.", nullable=True),
            "quantity": integer("Pieces.", ge=0),
            "unit_price_amount": money("Price of a piece.", ge=0, scale=4),
            "line_amount": money("Quantity times price.", ge=0),
            "line_reporting_amount": _reporting("line_amount"),
            "currency": text("ISO 4217 code."),
        },
        key=["order_item_id"],
        partition_by="order_date",
    ),
    contract(
        "core.refunds",
        {
            "refund_id": key("Key: source and record, joined by a colon."),
            "source": key("Where the record comes from."),
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
            "tax_amount": money("Of it, tax that was on top of the prices.", ge=0),
            "shipping_amount": money("Of it, for shipping, with its tax.", ge=0),
            "refund_reporting_amount": _reporting("refund_amount"),
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
            "sku": text("Stock keeping unit.", nullable=True),
            "title": text("What it is called.", nullable=True),
            "category": text("Its category.", nullable=True),
            "brand": text("Its brand or vendor.", nullable=True),
            "price_amount": money("List price, or the last price sold at.", nullable=True),
            "currency": text("ISO 4217 code.", nullable=True),
            **_of("products", "inventory_quantity is_active description url image_url barcode"),
        },
        key=["product_id"],
    ),
    contract(
        "core.product_names",
        {
            "name": key("What an event may call a product: a source's key of it, or a SKU."),
            "product_id": key("The product."),
        },
        key=["name"],
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
            "product_id": text(
                "The product it is about, as its source calls it; see core.product_names.",
                nullable=True,
            ),
            "order_id": text("The order it is about, as its source calls it.", nullable=True),
            **_of("events", "page_url utm_source utm_medium utm_campaign"),
            "device_type": text("Kind of device.", nullable=True, one_of=DEVICE_TYPES),
        },
        key=["event_id"],
        partition_by="event_date",
    ),
    contract(
        "core.ad_performance",
        {
            "ad_id": key("Source, platform, campaign, ad group and ad, joined by colons."),
            "source": key("Where the figures come from."),
            "performance_date": date("Day."),
            "platform": key("Ad platform."),
            "campaign_id": key("Platform and its key of the campaign, joined by a colon."),
            "campaign_name": text("What the campaign is called.", nullable=True),
            "ad_group_id": text("Platform and its key of the ad group.", nullable=True),
            "ad_group_name": text("What the ad group is called.", nullable=True),
            "ad_name": text("What the ad is called.", nullable=True),
            "impression_count": integer("Times shown.", ge=0),
            "click_count": integer("Times clicked.", ge=0),
            "cost_amount": money("Money spent.", ge=0),
            "conversions": number("Purchases that the platform claims, shares too.", ge=0),
            "conversion_value_amount": money("Their value.", ge=0),
            "cost_reporting_amount": _reporting("cost_amount"),
            "conversion_value_reporting_amount": _reporting("conversion_value_amount"),
            "currency": text("ISO 4217 code."),
        },
        key=["performance_date", "ad_id"],
        partition_by="performance_date",
    ),
    contract(
        "core.variants",
        {
            "variant_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "product_id": text("The product, if told.", nullable=True),
            **_of("variants", "sku title price_amount currency inventory_quantity barcode"),
        },
        key=["variant_id"],
    ),
    contract(
        "core.carts",
        {
            "cart_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            **_of(
                "carts",
                "created_at cart_date updated_at completed_at cart_amount currency item_count "
                "recovery_url",
            ),
            "cart_reporting_amount": _reporting("cart_amount", None),
        },
        key=["cart_id"],
    ),
    contract(
        "core.cart_items",
        {
            "cart_item_id": key("Key: source and record, joined by a colon."),
            "cart_id": key("The cart."),
            "product_id": text("The product.", nullable=True),
            "sku": text("Stock keeping unit.", nullable=True),
            "product_title": text("What it is called.", nullable=True),
            "quantity": integer("Pieces.", ge=0),
            "unit_price_amount": money("Price of a piece.", nullable=True, ge=0, scale=4),
            "currency": text("ISO 4217 code.", nullable=True),
        },
        key=["cart_item_id"],
    ),
    contract(
        "core.engagements",
        {
            "engagement_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "email": text("Address it was sent to, in small letters, if told.", nullable=True),
            **_of(
                "engagements",
                "channel engagement bounce_type occurred_at engagement_date source_message_id "
                "source_campaign_id campaign_name url",
            ),
        },
        key=["engagement_id"],
    ),
    contract(
        "core.deals",
        {
            "deal_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "account_id": text("The account, if told.", nullable=True),
            "owner_id": text("The owner, if told.", nullable=True),
            **_of(
                "deals",
                "title stage deal_amount currency is_closed is_won close_date created_at "
                "updated_at",
            ),
            "deal_reporting_amount": _reporting("deal_amount", None),
        },
        key=["deal_id"],
    ),
    contract(
        "core.tickets",
        {
            "ticket_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "owner_id": text("The owner, if told.", nullable=True),
            **_of("tickets", "subject status priority is_closed created_at closed_at updated_at"),
        },
        key=["ticket_id"],
    ),
    contract(
        "core.reviews",
        {
            "review_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "product_id": text("Source and the product as the source names it.", nullable=True),
            **_of("reviews", "rating is_verified is_published reviewed_at review_date updated_at"),
        },
        key=["review_id"],
    ),
    contract(
        "core.owners",
        {
            "owner_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            **_of("owners", "email first_name last_name updated_at"),
        },
        key=["owner_id"],
    ),
    contract(
        "core.accounts",
        {
            "account_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            **_of("accounts", "title domain industry country updated_at"),
        },
        key=["account_id"],
    ),
    contract(
        "core.subscriptions",
        {
            "subscription_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            **_of(
                "subscriptions",
                "status started_at current_period_end_at cancelled_at ended_at period_amount "
                "billing_period currency updated_at",
            ),
            "period_reporting_amount": _reporting("period_amount", None),
        },
        key=["subscription_id"],
    ),
    contract(
        "core.payments",
        {
            "payment_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "order_id": text("The order, if told.", nullable=True),
            "charge_id": text("The charge that a refund gives back.", nullable=True),
            **_of(
                "payments",
                "payment_kind payment_status paid_at payment_date payment_amount currency "
                "card_fingerprint updated_at",
            ),
            "payment_reporting_amount": _reporting("payment_amount"),
        },
        key=["payment_id"],
    ),
    contract(
        "core.invoices",
        {
            "invoice_id": key("Key: source and the source's own key, joined by a colon."),
            "source": key("Where the record comes from."),
            "contact_id": text("Who, if known.", nullable=True),
            "subscription_id": text("The subscription, if told.", nullable=True),
            **_of(
                "invoices",
                "status invoiced_at due_at paid_at due_amount paid_amount currency updated_at",
            ),
            "due_reporting_amount": _reporting("due_amount", None),
            "paid_reporting_amount": _reporting("paid_amount", None),
        },
        key=["invoice_id"],
    ),
    contract(
        "core.traffic",
        {
            "source": key("Where the figures come from."),
            "traffic_date": date("Day in the property's time zone."),
            "channel_group": text("Default channel group; empty: unknown."),
            "utm_source": text("Where visits came from; empty: unknown."),
            "utm_medium": text("By what means; empty: unknown."),
            "utm_campaign": text("Through which campaign; empty: unknown."),
            **_of("traffic", "session_count visitor_count conversions revenue_amount currency"),
            "revenue_reporting_amount": _reporting("revenue_amount", None),
        },
        key=["source", "traffic_date", "channel_group", "utm_source", "utm_medium", "utm_campaign"],
    ),
)
