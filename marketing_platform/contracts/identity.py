"""Contracts of `identity`: who is the same person."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Contract,
    contract,
    flag,
    integer,
    key,
    text,
    timestamp,
)

IDENTITY: tuple[Contract, ...] = (
    contract(
        "identity.identifiers",
        {
            "contact_id": key("The contact."),
            "kind": text("Kind of identifier.", one_of=("email", "phone", "source_id")),
            "value": key("Its normalised value."),
        },
        key=["contact_id", "kind", "value"],
    ),
    contract(
        "identity.contact_customers",
        {
            "contact_id": key("Key: the contact."),
            "customer_id": key("The person it belongs to."),
        },
        key=["contact_id"],
    ),
    contract(
        "identity.customers",
        {
            "customer_id": key("Key: the person."),
            "contact_count": integer("Contacts tied together.", ge=1),
            "source_contact_id": text("The source's key of the latest contact.", nullable=True),
            "email": text("E-mail of the latest contact that has one.", nullable=True),
            "phone": text("Phone of the latest contact that has one.", nullable=True),
            "first_name": text("Given name.", nullable=True),
            "last_name": text("Family name.", nullable=True),
            "country": text("Country.", nullable=True),
            "has_email_consent": flag("Agreed to e-mail: the latest word.", nullable=True),
            "has_sms_consent": flag("Agreed to text messages: the latest word.", nullable=True),
            "created_at": timestamp("First known moment.", nullable=True),
        },
        key=["customer_id"],
    ),
)
