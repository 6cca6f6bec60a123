"""Customer.io: what became of the messages of a workspace."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, SecretStr

from marketing_platform.sources.client import Client, Request
from marketing_platform.sources.fields import ident, seconds, text
from marketing_platform.sources.in_turn import InTurn, Part
from marketing_platform.sources.paging import Cursor, find
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, Rate, System, SystemSettings

# What can become of a message; a list of messages is read for each.
METRICS = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "spammed",
    "unsubscribed",
    "failed",
    "undeliverable",
)
# `opened` and `clicked` count those of mail programs and filters too; these tell whose they were.
_WHOSE = ("human_opened", "prefetch_opened", "human_clicked", "machine_clicked")
# One request reaches six months back from its end, and no further.
_LONGEST = dt.timedelta(days=180)


class CustomerIoSettings(SystemSettings):
    """A workspace: an App API key; `base_url` is `https://api-eu.customer.io` for those in the EU.

    `metrics` are the metrics that are read.
    """

    api_key: SecretStr
    metrics: tuple[str, ...] = METRICS
    page_size: int = Field(default=1000, ge=1, le=1000)


def _api(settings: CustomerIoSettings) -> Api:
    return Api(
        settings.base_url or "https://api.customer.io",
        headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
        rates=(Rate(10, 1),),
    )


def _probe(client: Client, settings: CustomerIoSettings) -> str:
    client.send(Request("v1/messages", params={"limit": 1}))
    return "messages can be read"


def _lists(client: Client, settings: CustomerIoSettings, window: Window) -> list[Part]:
    return [
        Part(_first(settings, metric, start, end), {"metric": metric})
        for metric in settings.metrics
        for start, end in _pieces(window)
    ]


def _first(
    settings: CustomerIoSettings, metric: str, start: dt.datetime, end: dt.datetime
) -> Request:
    return Request(
        "v1/messages",
        params={
            "metric": metric,
            "start_ts": int(start.timestamp()),
            "end_ts": int(end.timestamp()),
            "limit": settings.page_size,
        },
    )


def _has_metric(message: Any, facts: Mapping[str, Any]) -> bool:
    metrics = find(message, "$.metrics")
    return not metrics or metrics.get(facts["metric"]) is not None


def _pieces(window: Window) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    start = window.first
    while start < window.end:
        end = min(start + _LONGEST, window.end)
        yield start, end
        start = end


# The window is that of the messages' creation: what becomes of them later is found by looking back.
_MESSAGES = Stream(
    name="messages",
    walk=InTurn(_lists, "$.messages", Cursor("start", "$.next"), _has_metric),
    updated_at=seconds("created_at", "$.created"),
    record_keys=("$.id", "$._page.metric"),
    fields=(
        ident("message_id", "$.id"),
        text("metric", "$._page.metric"),
        text("message_type", "$.type"),
        ident("customer_id", "$.customer_identifiers.id", "$.customer_id"),
        text("email", "$.customer_identifiers.email"),
        text("recipient", "$.recipient"),
        ident("campaign_id", "$.campaign_id", "$.newsletter_id", "$.broadcast_id"),
        *(
            seconds(f"{metric}_at", f"$.metrics.{metric}", local_date=f"{metric}_date")
            for metric in (*METRICS, *_WHOSE)
        ),
    ),
    look_back_days=30,
)

SYSTEM = System(
    name="customer_io",
    title="Customer.io",
    settings_model=CustomerIoSettings,
    streams=(_MESSAGES,),
    api=_api,
    probe=_probe,
)
