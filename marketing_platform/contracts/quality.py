"""Contracts of `quality`: what became of what arrived."""

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
    text,
    timestamp,
)

KINDS = ("", "spike", "dip", "level_shift", "flat")

_OF_SLICE = {
    "metric": key("What is measured."),
    "slice_kind": key("By what the business is cut: all, source, country, channel, ..."),
    "slice": key("Which part."),
}
_SERIES = {**_OF_SLICE, "series_date": date("Day.")}
QUALITY: tuple[Contract, ...] = (
    contract(
        "quality.freshness",
        {
            "entity": key("What kind of record: orders, events or engagements."),
            "source": key("Where the records come from."),
            "newest_at": timestamp("When the newest of them happened."),
            "usual_gap_hours": number(
                "99 of 100 gaps are shorter; of engagements, none is longer.", ge=0
            ),
            "late_hours": number("The age from which it is late.", ge=0),
            "stale_hours": number("The age from which it holds activation.", ge=0),
        },
        key=["entity", "source"],
    ),
    contract(
        "quality.series",
        {
            **_SERIES,
            "amount": number("The figure, or what a ratio is taken of."),
            "volume": number("What it is a ratio of; null: it is none.", nullable=True),
            "sample_size": number("Of how many things it tells: orders, clicks, messages.", ge=0),
        },
        key=["metric", "slice_kind", "slice", "series_date"],
    ),
    contract(
        "quality.judged_series",
        {
            **_SERIES,
            "value": number("The figure.", nullable=True),
            "expected": number("What the days before made of this one.", nullable=True),
            "low": number("Below it a day is odd.", nullable=True),
            "high": number("Above it a day is odd.", nullable=True),
            "score": number("Distance in robust standard deviations.", nullable=True),
            "kind": text("What is odd about it, if anything.", nullable=True, one_of=KINDS[1:]),
        },
        key=["metric", "slice_kind", "slice", "series_date"],
    ),
    contract(
        "quality.anomalies",
        {
            **_SERIES,
            "kind": text("What is odd about it.", one_of=KINDS[1:]),
            "value": number("The figure.", nullable=True),
            "expected": number("What was expected."),
            "score": number("Distance in robust standard deviations."),
            "began_on": date("First of the odd days in a row."),
            "is_open": flag("It is of the newest day."),
            "finding": text("In words, with the slices that explain most of it."),
        },
        key=["metric", "slice_kind", "slice", "series_date"],
    ),
    contract(
        "quality.hourly_series",
        {
            **_OF_SLICE,
            "hour_at": timestamp("Start of the hour."),
            "amount": number("The figure, or what a ratio is taken of."),
            "volume": number("What it is a ratio of; null: it is none.", nullable=True),
            "told_until_at": timestamp("The hours up to here are known."),
        },
        key=["metric", "slice_kind", "slice", "hour_at"],
    ),
    contract(
        "quality.judged_hours",
        {
            **_OF_SLICE,
            "hour_at": timestamp("Start of the hour."),
            "hour_count": integer("The figure is of so many hours, this one the last.", ge=1),
            "value": number("The figure.", nullable=True),
            "expected": number("What the days before made of it.", nullable=True),
            "low": number("Below it an hour is odd.", nullable=True),
            "high": number("Above it an hour is odd.", nullable=True),
            "score": number("Distance in robust standard deviations.", nullable=True),
            "kind": text("What is odd about it, if anything.", nullable=True, one_of=KINDS[1:]),
            "is_open": flag("It is odd, and of the newest hours."),
            "finding": text("What is odd in words, and which slices explain it.", nullable=True),
        },
        key=["metric", "slice_kind", "slice", "hour_at"],
    ),
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
