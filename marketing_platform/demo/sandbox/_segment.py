"""What the web site hands to Segment: calls (track, identify) as JSON lines, a file a month."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from marketing_platform.demo.sandbox.facts import Facts

NAME = "segment_events"
# What the browser of each kind of device says of itself.
_AGENTS = {
    "mobile": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/139.0.0.0 Mobile Safari/537.36",
    "tablet": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/139.0.0.0 Safari/537.36",
    "desktop": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/139.0.0.0 Safari/537.36",
}
_ISO = "%Y-%m-%dT%H:%M:%S%.3fZ"


def write_calls(facts: Facts, folder: Path) -> int:
    """Write all calls of the shop into the folder, and say how many there are.

    A visitor without an account is known by the anonymous id of the device alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    calls = pl.concat([_tracks(facts), _identifies(facts)]).sort("at", "line")
    for (month,), rows in calls.group_by(pl.col("at").dt.strftime("%Y-%m"), maintain_order=True):
        text = "\n".join(rows["line"]) + "\n"
        (folder / f"{month}.jsonl").write_text(text, encoding="utf-8", newline="\n")
    return calls.height


def _tracks(facts: Facts) -> pl.DataFrame:
    campaign = pl.struct(source="utm_source", medium="utm_medium", name="utm_campaign")
    # A browser tells it where the address has it, which is on arrival. A visitor visits once a day.
    visit = "anonymous_id", pl.col("occurred_at").dt.date()
    has_arrived = pl.col("occurred_at") == pl.col("occurred_at").min().over(visit)
    call = pl.struct(
        messageId="event_id",
        type=pl.lit("track"),
        event="event",
        timestamp=_iso("occurred_at"),
        userId=pl.col("account_id").cast(pl.String),
        anonymousId="anonymous_id",
        context=pl.struct(
            page=pl.struct(url="page_url"),
            campaign=pl.when(pl.col("utm_source").is_not_null() & has_arrived).then(campaign),
            userAgent=pl.col("device_type").replace_strict(_AGENTS),
        ),
        properties=pl.struct(
            product_id=pl.col("product_id").cast(pl.String),
            sku="sku",
            order_id=pl.col("order_id").cast(pl.String),
            email="email",
        ),
    )
    return facts.events.select(at=_at("occurred_at"), line=call.struct.json_encode())


def _identifies(facts: Facts) -> pl.DataFrame:
    """Each version of an account, told when it began."""
    call = pl.struct(
        messageId=pl.concat_str(
            pl.lit("idn-"), "account_id", pl.lit("-"), pl.col("updated_at").dt.epoch("us")
        ),
        type=pl.lit("identify"),
        timestamp=_iso("updated_at"),
        userId=pl.col("account_id").cast(pl.String),
        traits=pl.struct(
            email="email",
            firstName="first_name",
            lastName="last_name",
            createdAt=_iso("created_at"),
            address=pl.struct("street", "city", "country", postalCode="postcode", state="region"),
        ),
    )
    return facts.accounts.select(at=_at("updated_at"), line=call.struct.json_encode())


def _iso(column: str) -> pl.Expr:
    return pl.col(column).dt.to_string(_ISO)


def _at(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Datetime("us", "UTC"))
