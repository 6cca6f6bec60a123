"""Contracts of `identity`: who is the same person."""

from __future__ import annotations

from collections.abc import Iterator

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    share,
    text,
    timestamp,
)
from marketing_platform.contracts.entities import ENTITIES
from marketing_platform.names import GOLDEN_ATTRIBUTES

KINDS = ("email", "phone", "loyalty", "card", "source_id")
RULES = ("most_recent", "most_trusted", "most_frequent")


def _golden() -> Iterator[tuple[str, Column]]:
    """Each attribute, and beside it the source of the contact that it is from."""
    contacts = ENTITIES["contacts"]
    for name in GOLDEN_ATTRIBUTES:
        told = contacts[name].description.removesuffix(".").removesuffix(" as it came")
        made = date if name == "birth_date" else text
        yield name, made(f"{told}, of the contact that is chosen.", nullable=True)
        yield f"{name}_source", text(f"The source that `{name}` is from.", nullable=True)


IDENTITY: tuple[Contract, ...] = (
    contract("identity.disposable_domains", {"domain": key("The domain.")}, key=["domain"]),
    contract(
        "identity.limits",
        {
            "kind": text("Kind of identifier.", one_of=KINDS),
            "shared_by": integer("Contacts that may share one.", ge=1),
        },
        key=["kind"],
    ),
    contract(
        "identity.attribute_rules",
        {
            "attribute": text("The attribute.", one_of=GOLDEN_ATTRIBUTES),
            "source": key("The source."),
            "rule": text("How it is chosen among contacts.", one_of=RULES),
            "rank": integer("Place of the source among the trusted; low is better.", ge=0),
        },
        key=["attribute", "source"],
    ),
    contract(
        "identity.identifiers",
        {
            "contact_id": key("The contact."),
            "kind": text("Kind of identifier.", one_of=KINDS),
            "value": key("Its normalised value."),
            "contact_count": integer("Contacts that have it.", ge=1),
            "unused_reason": text(
                "Why it ties nobody; null where it ties.",
                nullable=True,
                one_of=(
                    *("disposable domain", "obvious fake", "too short", "shared by too many"),
                    "people of different names",
                ),
            ),
        },
        key=["contact_id", "kind", "value"],
    ),
    contract(
        "identity.probable_links",
        {
            "contact_id": key("A contact."),
            "other_contact_id": key("Another one."),
            "probability": share("That they are one person."),
        },
        key=["contact_id", "other_contact_id"],
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
            "source_count": integer("Sources that know the person.", ge=1),
            "source_contact_id": text("The source's key of the latest contact.", nullable=True),
            **dict(_golden()),
            "push_token": text("Token of the app, the latest.", nullable=True),
            "has_email_consent": flag("Agreed to e-mail, everywhere.", nullable=True),
            "has_sms_consent": flag("Agreed to text messages, everywhere.", nullable=True),
            "created_at": timestamp("First known moment.", nullable=True),
        },
        key=["customer_id"],
    ),
)
