"""Contracts of `staging`: records as they came, typed, each with its outcome."""

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
    text,
    timestamp,
)

OUTCOMES = ("accepted", "duplicate", "quarantined")


def _received(**columns: Column) -> dict[str, Column]:
    """The columns that every staging table has around its own."""
    return {
        "record_id": key("Key: the record's place in what was received."),
        "received_date": date("Day of the raw partition that the record lies in."),
        "outcome": text("What became of the record.", one_of=OUTCOMES),
        "quarantine_reason": text("Why the record is quarantined.", nullable=True),
        **columns,
    }


STAGING: tuple[Contract, ...] = (
    contract(
        "staging.files_orders",
        _received(
            source_order_id=text("The source's number of the order.", nullable=True),
            source_contact_id=text(
                "The source's key of the buyer; null for a guest.", nullable=True
            ),
            email=text("E-mail as it came.", nullable=True),
            phone=text("Phone as it came.", nullable=True),
            ordered_at=timestamp("When it was ordered or given back.", nullable=True),
            order_date=date("Day of it.", nullable=True),
            source_product_id=text("The source's key of the product.", nullable=True),
            product_title=text("What the product is called.", nullable=True),
            quantity=integer("Pieces; negative when given back.", nullable=True),
            unit_price_amount=money("Price of a piece.", nullable=True, scale=4),
            line_amount=money("Quantity times price; negative when given back.", nullable=True),
            currency=text("ISO 4217 code.", nullable=True),
            country=text("Country as it came.", nullable=True),
            line_status=text(
                "What the line is.", nullable=True, one_of=("sold", "returned", "cancelled")
            ),
        ),
        key=["record_id"],
    ),
    contract(
        "staging.files_contacts",
        _received(
            source_contact_id=text("The source's key of the person.", nullable=True),
            email=text("E-mail as it came.", nullable=True),
            phone=text("Phone as it came.", nullable=True),
            first_name=text("Given name.", nullable=True),
            last_name=text("Family name.", nullable=True),
            country=text("Country as it came.", nullable=True),
            has_email_consent=flag("Agreed to marketing by e-mail.", nullable=True),
            has_sms_consent=flag("Agreed to marketing by text message.", nullable=True),
            created_at=timestamp("When the record was made.", nullable=True),
            updated_at=timestamp("When the record last changed.", nullable=True),
        ),
        key=["record_id"],
    ),
    contract(
        "staging.files_products",
        _received(
            source_product_id=text("The source's key of the product.", nullable=True),
            title=text("What the product is called.", nullable=True),
            category=text("Its category.", nullable=True),
            price_amount=money("List price.", nullable=True),
            currency=text("ISO 4217 code.", nullable=True),
            updated_at=timestamp("When the record last changed.", nullable=True),
        ),
        key=["record_id"],
    ),
    contract(
        "staging.files_events",
        _received(
            source_event_id=text("The source's key of the event.", nullable=True),
            event=text("Name of the event in snake case.", nullable=True),
            occurred_at=timestamp("When it happened.", nullable=True),
            event_date=date("Day of it.", nullable=True),
            source_contact_id=text("The source's key of the person, if known.", nullable=True),
            anonymous_id=text("The visitor's device, if known.", nullable=True),
            email=text("E-mail, if known.", nullable=True),
            source_product_id=text("The product it is about.", nullable=True),
            source_order_id=text("The order it is about.", nullable=True),
        ),
        key=["record_id"],
    ),
    contract(
        "staging.files_ad_performance",
        _received(
            performance_date=date("Day.", nullable=True),
            platform=text("Ad platform.", nullable=True),
            source_campaign_id=text("The platform's key of the campaign.", nullable=True),
            campaign_name=text("What the campaign is called.", nullable=True),
            impression_count=integer("Times shown.", nullable=True),
            click_count=integer("Times clicked.", nullable=True),
            cost_amount=money("Money spent.", nullable=True),
            conversion_count=integer("Purchases that the platform claims.", nullable=True),
            conversion_value_amount=money("Their value.", nullable=True),
            currency=text("ISO 4217 code.", nullable=True),
        ),
        key=["record_id"],
    ),
)
