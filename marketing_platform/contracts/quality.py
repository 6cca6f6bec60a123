"""Contracts of `quality`: what became of what arrived."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Contract,
    contract,
    date,
    integer,
    key,
    money,
    text,
)

QUALITY: tuple[Contract, ...] = (
    contract(
        "quality.quarantine",
        {
            "source": key("Where the record comes from."),
            "stream": key("Which stream of it."),
            "record_id": key("Key within the stream."),
            "line_number": integer(
                "Place in the file, without its header; null for a record of a system.",
                nullable=True,
                ge=1,
            ),
            "received_date": date("Day of the raw partition."),
            "reason": key("Why it is quarantined."),
            "payload": text("The record as it came, as JSON."),
        },
        key=["source", "stream", "record_id"],
    ),
    contract(
        "quality.reconciliation",
        {
            "source": key("Where the records come from."),
            "stream": key("Which stream of it."),
            "arrived_count": integer("Records in the lake.", ge=0),
            "accepted_count": integer("Records that went on.", ge=0),
            "duplicate_count": integer("Repetitions and older versions.", ge=0),
            "quarantined_count": integer("Records held back.", ge=0),
            "arrived_amount": money("Sum of what their lines say.", nullable=True),
            "accepted_amount": money("Of it accepted.", nullable=True),
            "duplicate_amount": money("Of it on duplicates.", nullable=True),
            "quarantined_amount": money("Of it quarantined.", nullable=True),
        },
        key=["source", "stream"],
    ),
)
