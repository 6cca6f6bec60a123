"""The entities: the shapes that staging tables have, whatever system they come from.

A staging table `staging.<source>_<entity>` has the columns of its entity, and `core` reads the
accepted rows of all sources together as `staging.<entity>`. A source that does not know a column
gives null there, or leaves the column out of its select.
"""

from __future__ import annotations

from collections.abc import Mapping

from marketing_platform.contracts.contract import (
    Column,
    date,
    flag,
    integer,
    money,
    number,
    text,
    timestamp,
)

DEVICE_TYPES = ("mobile", "tablet", "desktop", "tv")
CHANNELS = ("email", "sms", "push", "whatsapp", "in_app")
ENGAGEMENTS = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    # By a mail program that fetches pictures, or a filter that tries links; nobody took part.
    "machine_opened",
    "machine_clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "resubscribed",
    "replied_stop",
    "failed",
)


def _key(description: str) -> Column:
    return text(description, nullable=True)


def _moment(description: str) -> Column:
    return timestamp(description, nullable=True)


_CONTACT = _key("The source's key of the person; null where unknown.")
_EMAIL = text("E-mail as it came.", nullable=True)
_PHONE = text("Phone as it came.", nullable=True)
_COUNTRY = text("Country as it came: a code or a name.", nullable=True)
_CURRENCY = text("ISO 4217 code, in upper case.", nullable=True)
_DELETED = flag("The source says that the record was deleted.", nullable=True)
_CREATED = _moment("When the record was made.")
_UPDATED = _moment("When the record last changed.")


def _money(description: str, *, scale: int = 2) -> Column:
    return money(description, nullable=True, scale=scale)


# Whom an order names on its bill.
BILL: Mapping[str, Column] = {
    "first_name": text("Given name on the bill.", nullable=True),
    "last_name": text("Family name on the bill.", nullable=True),
    "street": text("Street and number of the bill.", nullable=True),
    "city": text("Town of the bill.", nullable=True),
    "postcode": text("Postal code of the bill, as it came.", nullable=True),
    "region": text("State or province of the bill, as it came.", nullable=True),
}

ENTITIES: Mapping[str, Mapping[str, Column]] = {
    "contacts": {
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "phone": _PHONE,
        "first_name": text("Given name.", nullable=True),
        "last_name": text("Family name.", nullable=True),
        "country": _COUNTRY,
        "language": text("Language as it came.", nullable=True),
        "birth_date": date("Day of birth.", nullable=True),
        "street": text("Street and number.", nullable=True),
        "city": text("Town.", nullable=True),
        "postcode": text("Postal code as it came.", nullable=True),
        "region": text("State or province as it came.", nullable=True),
        "loyalty_number": text("Number of the loyalty card.", nullable=True),
        "push_token": text("Token of the app on their device.", nullable=True),
        "has_email_consent": flag("Agreed to marketing by e-mail.", nullable=True),
        "has_sms_consent": flag("Agreed to marketing by text message.", nullable=True),
        "created_at": _CREATED,
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "orders": {
        "source_order_id": _key("The source's key of the order."),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "phone": _PHONE,
        **BILL,
        "ordered_at": _moment("When it was ordered."),
        "order_date": date("Its day in the shop's time zone.", nullable=True),
        "order_status": text(
            "What became of it as a whole.", nullable=True, one_of=("placed", "cancelled")
        ),
        "gross_amount": _money(
            "Sum of the lines, before discounts on the whole and refunds; null where they say it."
        ),
        "discount_amount": _money("Taken off by discounts."),
        "shipping_amount": _money("For shipping."),
        "tax_amount": _money("Tax, within or on top of the total."),
        "total_amount": _money("What the buyer was asked to pay."),
        "currency": _CURRENCY,
        "country": _COUNTRY,
        "discount_codes": text("Codes that were used, joined by commas.", nullable=True),
        "fulfilment_status": text("How far it was delivered, as it came.", nullable=True),
        "utm_source": text("Source of the visit it was made in, as the shop says.", nullable=True),
        "utm_medium": text("Its medium.", nullable=True),
        "utm_campaign": text("Its campaign.", nullable=True),
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "order_items": {
        "source_order_item_id": _key("The source's key of the line, unique within the source."),
        "source_order_id": _key("The source's key of the order."),
        "order_date": date("Day of the order in the shop's time zone.", nullable=True),
        "source_product_id": _key("The source's key of the product."),
        "sku": text("Stock keeping unit.", nullable=True),
        "product_title": text("What the product is called.", nullable=True),
        "quantity": integer("Pieces.", nullable=True),
        "unit_price_amount": _money("Price of a piece.", scale=4),
        "line_amount": _money("Quantity times price."),
        "currency": _CURRENCY,
    },
    "refunds": {
        "source_refund_id": _key("The source's key of the refunded line or the refund."),
        "source_order_id": _key("The order that it names; null where it names none."),
        "source_order_item_id": _key("The line that it names; null where it names none."),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "refunded_at": _moment("When."),
        "refund_date": date("Its day in the shop's time zone.", nullable=True),
        "source_product_id": _key("The product given back, if told."),
        "quantity": integer("Pieces given back, not negative.", nullable=True),
        "unit_price_amount": _money("Price of a piece.", scale=4),
        "refund_amount": _money("Money given back, not negative."),
        "tax_amount": _money("Of it, tax that was on top of the prices; null: none, or not told."),
        "shipping_amount": _money("Of it, for shipping, with its tax; null: none, or not told."),
        "currency": _CURRENCY,
    },
    "products": {
        "source_product_id": _key("The source's key of the product."),
        "sku": text("Stock keeping unit, where a product has one.", nullable=True),
        "title": text("What the product is called.", nullable=True),
        "category": text("Its category.", nullable=True),
        "brand": text("Its brand or vendor.", nullable=True),
        "price_amount": _money("List price; the lowest of its variants."),
        "currency": _CURRENCY,
        "inventory_quantity": integer("Pieces in stock, all variants.", nullable=True),
        "description": text("What is said of it, as text or HTML.", nullable=True),
        "url": text("Its page in the shop.", nullable=True),
        "image_url": text("Its first picture.", nullable=True),
        "barcode": text("GTIN, where a product has one.", nullable=True),
        "is_active": flag("It can be bought.", nullable=True),
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "variants": {
        "source_variant_id": _key("The source's key of the variant."),
        "source_product_id": _key("Its product."),
        "sku": text("Stock keeping unit.", nullable=True),
        "title": text("What tells it from the others.", nullable=True),
        "price_amount": _money("Price."),
        "currency": _CURRENCY,
        "inventory_quantity": integer("Pieces in stock.", nullable=True),
        "barcode": text("GTIN.", nullable=True),
        "updated_at": _UPDATED,
    },
    "carts": {
        "source_cart_id": _key("The source's key of the cart or checkout."),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "phone": _PHONE,
        "created_at": _CREATED,
        "cart_date": date("Day of `created_at` in the shop's time zone.", nullable=True),
        "updated_at": _UPDATED,
        "completed_at": _moment("When it became an order; null while abandoned."),
        "cart_amount": _money("Value of what is in it."),
        "currency": _CURRENCY,
        "item_count": integer("Lines in it.", nullable=True),
        "recovery_url": text("Where the buyer can go on.", nullable=True),
        "is_deleted": _DELETED,
    },
    "cart_items": {
        "source_cart_item_id": _key("The source's key of the line, unique within the source."),
        "source_cart_id": _key("The source's key of the cart or checkout."),
        "source_product_id": _key("The source's key of the product."),
        "sku": text("Stock keeping unit.", nullable=True),
        "product_title": text("What the product is called.", nullable=True),
        "quantity": integer("Pieces.", nullable=True),
        "unit_price_amount": _money("Price of a piece.", scale=4),
        "currency": _CURRENCY,
    },
    "events": {
        "source_event_id": _key("The source's key of the event."),
        "event": text("Name of the event in snake case.", nullable=True),
        "occurred_at": _moment("When it happened."),
        "event_date": date("Its day in the shop's time zone.", nullable=True),
        "source_contact_id": _CONTACT,
        "anonymous_id": text("The visitor's device, if known.", nullable=True),
        "email": _EMAIL,
        "source_product_id": _key("The product it is about."),
        "source_order_id": _key("The order it is about."),
        "page_url": text("Address of the page.", nullable=True),
        "utm_source": text("Where the visit came from.", nullable=True),
        "utm_medium": text("By what means.", nullable=True),
        "utm_campaign": text("Through which campaign.", nullable=True),
        "device_type": text("Kind of device: mobile, tablet, desktop or tv.", nullable=True),
    },
    "engagements": {
        "source_engagement_id": _key("The source's key of what happened."),
        "channel": text("Channel of the message.", nullable=True, one_of=CHANNELS),
        "engagement": text("What happened to it.", nullable=True, one_of=ENGAGEMENTS),
        "bounce_type": text("Kind of a bounce.", nullable=True, one_of=("hard", "soft")),
        "occurred_at": _moment("When."),
        "engagement_date": date("Its day in the shop's time zone.", nullable=True),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "phone": _PHONE,
        "source_message_id": _key("The source's key of the message to this person."),
        "source_campaign_id": _key("The source's key of the campaign or flow."),
        "campaign_name": text("What the campaign is called.", nullable=True),
        "url": text("The link that was clicked.", nullable=True),
    },
    "ad_performance": {
        "performance_date": date("Day in the ad account's time zone.", nullable=True),
        "platform": text("Ad platform.", nullable=True),
        "source_campaign_id": _key("The platform's key of the campaign."),
        "campaign_name": text("What the campaign is called.", nullable=True),
        "source_ad_group_id": _key("The ad group or ad set; null in figures of campaigns."),
        "ad_group_name": text("What it is called.", nullable=True),
        "source_ad_id": _key("The ad; null in figures of campaigns or groups."),
        "ad_name": text("What it is called.", nullable=True),
        "impression_count": integer("Times shown.", nullable=True),
        "click_count": integer("Times clicked.", nullable=True),
        "cost_amount": _money("Money spent."),
        "conversions": number("Purchases that the platform claims, shares too.", nullable=True),
        "conversion_value_amount": _money("Their value."),
        "currency": _CURRENCY,
    },
    "traffic": {
        "traffic_date": date("Day in the property's time zone.", nullable=True),
        "channel_group": text("Default channel group.", nullable=True),
        "utm_source": text("Where visits came from.", nullable=True),
        "utm_medium": text("By what means.", nullable=True),
        "utm_campaign": text("Through which campaign.", nullable=True),
        "session_count": integer("Visits.", nullable=True),
        "visitor_count": integer("Visitors; not additive over days.", nullable=True),
        "conversions": number("Key events.", nullable=True),
        "revenue_amount": _money("Revenue that analytics saw."),
        "currency": _CURRENCY,
    },
    "deals": {
        "source_deal_id": _key("The source's key of the deal or opportunity."),
        "source_contact_id": _CONTACT,
        "source_account_id": _key("The company."),
        "source_owner_id": _key("Who works on it."),
        "title": text("What it is called.", nullable=True),
        "stage": text("Stage as it came.", nullable=True),
        "deal_amount": _money("Value."),
        "currency": _CURRENCY,
        "is_closed": flag("Won or lost.", nullable=True),
        "is_won": flag("Won.", nullable=True),
        "close_date": date("Day it closed or is expected to.", nullable=True),
        "created_at": _CREATED,
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "tickets": {
        "source_ticket_id": _key("The source's key of the ticket."),
        "source_contact_id": _CONTACT,
        "source_owner_id": _key("Who works on it."),
        "subject": text("What it is about.", nullable=True),
        "status": text("Stage as it came.", nullable=True),
        "priority": text("Priority as it came.", nullable=True),
        "is_closed": flag("Nobody works on it any more.", nullable=True),
        "created_at": _CREATED,
        "closed_at": _moment("When it was closed."),
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "reviews": {
        "source_review_id": _key("The source's key of the review."),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "source_product_id": _key("The product it is about; null where it is about the shop."),
        "rating": integer("Stars, 1 to 5; null where none were given.", nullable=True, ge=1, le=5),
        "is_verified": flag("The source knows that they bought it.", nullable=True),
        "is_published": flag("The shop shows it.", nullable=True),
        "reviewed_at": _moment("When it was written."),
        "review_date": date("Its day in the shop's time zone.", nullable=True),
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "owners": {
        "source_owner_id": _key("The source's key of the member of staff."),
        "email": _EMAIL,
        "first_name": text("Given name.", nullable=True),
        "last_name": text("Family name.", nullable=True),
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "accounts": {
        "source_account_id": _key("The source's key of the company."),
        "title": text("What it is called.", nullable=True),
        "domain": text("Its site.", nullable=True),
        "industry": text("Industry as it came.", nullable=True),
        "country": _COUNTRY,
        "updated_at": _UPDATED,
        "is_deleted": _DELETED,
    },
    "subscriptions": {
        "source_subscription_id": _key("The source's key of the subscription."),
        "source_contact_id": _CONTACT,
        "status": text("Status as it came.", nullable=True),
        "started_at": _moment("When it began."),
        "current_period_end_at": _moment("Until when it is paid."),
        "cancelled_at": _moment("When it was cancelled."),
        "ended_at": _moment("When it ended."),
        "period_amount": _money("Price of a period."),
        "billing_period": text(
            "Length of a period.", nullable=True, one_of=("day", "week", "month", "year")
        ),
        "currency": _CURRENCY,
        "updated_at": _UPDATED,
    },
    "payments": {
        "source_payment_id": _key("The source's key of the charge or refund."),
        "payment_kind": text(
            "Which way the money went.", nullable=True, one_of=("charge", "refund")
        ),
        "source_charge_id": _key("The charge that a refund gives back."),
        "source_contact_id": _CONTACT,
        "email": _EMAIL,
        "source_order_id": _key("The order, if told."),
        "payment_status": text(
            "What became of it.",
            nullable=True,
            one_of=("succeeded", "pending", "failed", "cancelled"),
        ),
        "paid_at": _moment("When."),
        "payment_date": date("Its day in the shop's time zone.", nullable=True),
        "payment_amount": _money("Money, not negative."),
        "card_fingerprint": text("What the same card has in all payments.", nullable=True),
        "currency": _CURRENCY,
        "updated_at": _UPDATED,
    },
    "invoices": {
        "source_invoice_id": _key("The source's key of the invoice."),
        "source_contact_id": _CONTACT,
        "source_subscription_id": _key("The subscription, if any."),
        "email": _EMAIL,
        "status": text("Status as it came.", nullable=True),
        "invoiced_at": _moment("When it was written."),
        "due_at": _moment("Until when it should be paid."),
        "paid_at": _moment("When it was paid."),
        "due_amount": _money("Asked for."),
        "paid_amount": _money("Paid."),
        "currency": _CURRENCY,
        "updated_at": _UPDATED,
    },
}
