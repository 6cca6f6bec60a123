"""Contracts of `segments`: who belongs where."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Contract,
    contract,
    integer,
    key,
    share,
    text,
    timestamp,
)

SEGMENTS: tuple[Contract, ...] = (
    contract(
        "segments.memberships",
        {
            "segment": key("Name of the segment."),
            "customer_id": key("The person."),
            "entered_at": timestamp("Clock of the build in which the person was first in."),
            "why": text("The values that decided, at entering, as JSON.", nullable=True),
        },
        key=["segment", "customer_id"],
    ),
    contract(
        "segments.stays",
        {
            "segment": key("Name of the segment."),
            "customer_id": key("The person."),
            "entered_at": timestamp("Clock of the build in which the person was first in."),
            "left_at": timestamp("Clock of the first build without them.", nullable=True),
            "why": text("The values that decided, at entering, as JSON.", nullable=True),
        },
        key=["segment", "customer_id", "entered_at"],
    ),
    contract(
        "segments.sizes",
        {
            "segment": key("Key: name of the segment."),
            "description": text("What it is for."),
            "member_count": integer("Customers in it.", ge=0),
            "customer_share": share("Share of all customers."),
            "status": text("Whether it may be activated.", one_of=("ready", "held", "expired")),
            "held_reason": text("Why it is held.", nullable=True),
            "previous_count": integer("Customers in it before.", nullable=True, ge=0),
            "evaluated_at": timestamp("Clock at which its members were found."),
            "definition": text("Fingerprint of its rule."),
            "warning": text("What should be looked at.", nullable=True),
        },
        key=["segment"],
    ),
)
