"""Contracts of `activation`: what was said to people, and what came back."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
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

_MESSAGE = {
    "message_key": key("Key: that of the ledger's row."),
    "destination": key("Where it was sent."),
    "audience": key("The rule that sent it."),
    "customer_id": key("Whom it reached."),
    "channel": text("By which channel."),
    "sent_at": timestamp("When it was settled as sent."),
    "sent_date": date("The day of it, in UTC."),
}

ACTIVATION: tuple[Contract, ...] = (
    contract(
        "activation.offers",
        {
            "offer_id": key("Key: that of the variant, or of a product without variants."),
            "product_id": key("Its product."),
            "source": key("Where it is sold."),
            "source_product_id": key("The source's key of the product."),
            "sku": text("Stock keeping unit.", nullable=True),
            "title": text("What it is called, with what tells it from others.", nullable=True),
            "description": text("As text or HTML; the title where nothing is said.", nullable=True),
            "url": text("Its page in the shop.", nullable=True),
            "image_url": text("Its picture.", nullable=True),
            "price_amount": money("Price.", nullable=True),
            "currency": text("Of the price.", nullable=True),
            "is_in_stock": flag("Pieces are in stock, or nobody counts them."),
            "brand": text("Brand.", nullable=True),
            "category": text("Category.", nullable=True),
            "gtin": text("Its barcode, where it is one.", nullable=True),
            "left_out": text("Why no feed can have it; null: it can.", nullable=True),
        },
        key=["offer_id"],
    ),
    contract(
        "activation.deliveries",
        {**_MESSAGE, "vendor_id": text("The destination's own id of it.", nullable=True)},
        key=["message_key"],
    ),
    contract(
        "activation.outcomes",
        {
            **_MESSAGE,
            "first_told_at": timestamp("First that was heard of it.", nullable=True),
            "carried_at": timestamp(
                "First that was heard of its way: sent, arrived, failed or come back.",
                nullable=True,
            ),
            "delivered_at": timestamp("When it arrived.", nullable=True),
            "opened_at": timestamp("When it was first opened.", nullable=True),
            "clicked_at": timestamp("When something in it was first clicked.", nullable=True),
            "bounced_at": timestamp("When it came back.", nullable=True),
            "complained_at": timestamp("When it was called spam.", nullable=True),
            "unsubscribed_at": timestamp("When its reader left, by it.", nullable=True),
        },
        key=["message_key"],
    ),
    contract(
        "activation.exposures",
        {
            "destination": key("Where the rule tells."),
            "audience": key("The rule."),
            "customer_id": key("Who was told or held out."),
            "is_held_out": flag("Drawn to be held out; otherwise to be told."),
            "exposed_at": timestamp("The clock of the plan that told or held them out first."),
            "until_at": timestamp("Until when what they buy is compared."),
            "window_days": integer("How many days that are.", ge=1),
            "holdout_share": share("Share of members who are held out."),
        },
        key=["destination", "audience", "customer_id"],
    ),
    contract(
        "activation.lift",
        {
            "destination": key("Where the rule tells."),
            "audience": key("The rule."),
            "holdout_share": share("Share of members who are held out."),
            "window_days": integer("Days after the plan in which purchases count.", ge=1),
            "since_at": timestamp("The first plan that held somebody out, or told them."),
            "told_count": integer("Customers told, whose days are over.", ge=0),
            "held_out_count": integer("Customers held out, whose days are over.", ge=0),
            "waiting_count": integer("Customers of both whose days are not over.", ge=0),
            "told_buyer_count": integer("Of those told, who bought.", ge=0),
            "held_out_buyer_count": integer("Of those held out, who bought.", ge=0),
            "told_buyer_share": share("Share of those told who bought.", nullable=True),
            "held_out_buyer_share": share("Share of those held out who bought.", nullable=True),
            "buyer_share_difference": number("The former less the latter.", nullable=True),
            "buyer_share_difference_low": number(
                "At least, with 95 % at every look; null: nothing may be said.", nullable=True
            ),
            "buyer_share_difference_high": number(
                "At most, with 95 % at every look; null: nothing may be said.", nullable=True
            ),
            "told_mean_amount": money("Net revenue of a customer told.", nullable=True),
            "held_out_mean_amount": money("Net revenue of a customer held out.", nullable=True),
            "difference_amount": money("The former less the latter.", nullable=True),
            "difference_low_amount": money("At least, as above.", nullable=True),
            "difference_high_amount": money("At most, as above.", nullable=True),
            "brought_amount": money("The difference for all who were told.", nullable=True),
            "brought_low_amount": money("At least, as above.", nullable=True),
            "brought_high_amount": money("At most, as above.", nullable=True),
            "finding": text(
                "What the bounds of the buyers say: `buys_more`, `buys_less`, `no_difference` yet;"
                " `too_few` people to say; `not_as_drawn`: the parts are not as large as they were"
                " drawn, so nothing may be concluded.",
                one_of=("buys_more", "buys_less", "no_difference", "too_few", "not_as_drawn"),
            ),
        },
        key=["destination", "audience"],
    ),
    contract(
        "activation.reconciliation",
        {
            "destination": key("Where messages were sent."),
            "sent_date": date("Day, in UTC."),
            "sent_count": integer("Messages that the ledger says were sent.", ge=0),
            "told_count": integer("Of them, those that the destination has told of.", ge=0),
            "missing_count": integer("Those that it has not.", ge=0),
            "is_due": flag("It tells of messages, and the day has been over for one more."),
        },
        key=["destination", "sent_date"],
    ),
)
