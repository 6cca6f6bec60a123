"""Contracts of `core`'s reference tables: what codes, names and currencies mean."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    number,
    text,
)

REFERENCE: tuple[Contract, ...] = (
    contract(
        "core.countries",
        {
            "country": key("ISO 3166-1 alpha-2 code."),
            "alpha_3": text("ISO 3166-1 alpha-3 code.", nullable=True),
            "is_shop_country": flag("It is the country of the shop."),
            "timezone": text(
                "Time zone, IANA; null where clocks differ within the country.", nullable=True
            ),
            "calling_code": text("Calling code; null where there are no phones.", nullable=True),
            "is_main_of_calling_code": flag("The one country that stands for its calling code."),
            "trunk_prefix": text("Dialled before national numbers.", nullable=True),
            "international_prefix": text("Dialled before foreign numbers.", nullable=True),
            "minimum_length": integer("Digits of the shortest national number.", nullable=True),
            "maximum_length": integer("Digits of the longest national number.", nullable=True),
        },
        key=["country"],
    ),
    contract(
        "core.country_names",
        {
            "name": key("Name or code, in lower case."),
            "country": key("ISO 3166-1 alpha-2 code."),
        },
        key=["name"],
    ),
    contract(
        "core.language_names",
        {
            "name": key("Name or code, in lower case."),
            "language": key("ISO 639 code, as BCP 47 begins with it."),
        },
        key=["name"],
    ),
    contract(
        "core.exchange_rates",
        {
            "rate_date": date("The day."),
            "currency": key("ISO 4217 code."),
            "rate": number("What one unit is worth in the shop's currency.", ge=0),
        },
        key=["rate_date", "currency"],
    ),
    contract(
        "core.phones",
        {
            "phone_text": key("The phone as it came."),
            "country_text": text("The country that came beside it.", nullable=True),
            "phone": text("The phone in E.164; null where it cannot be one.", nullable=True),
        },
        key=["phone_text", "country_text"],
    ),
)
