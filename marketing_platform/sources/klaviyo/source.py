"""Klaviyo: what became of messages (events), profiles with their consent, and reviews."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field, SecretStr

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import flag, ident, integer, text, timestamp
from marketing_platform.sources.in_turn import InTurn, Part
from marketing_platform.sources.paging import NextUrl, Rest, find
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, Rate, System, SystemSettings

# The metrics that tell of messages; `engagements.sql` says what each means. All others, such as
# orders and page views, are not read: Klaviyo has them from systems that are read themselves.
METRICS = (
    "Received Email",
    "Opened Email",
    "Clicked Email",
    "Bounced Email",
    "Dropped Email",
    "Marked Email as Spam",
    "Unsubscribed",
    "Unsubscribed from Email Marketing",
    "Subscribed to Email Marketing",
    "Received SMS",
    "Clicked SMS",
    "Failed to Deliver SMS",
    "Unsubscribed from SMS",
    "Unsubscribed from SMS Marketing",
    "Consented to Receive SMS",
    "Subscribed to SMS Marketing",
    "Received Push",
    "Opened Push",
    "Bounced Push",
)


class KlaviyoSettings(SystemSettings):
    """An account: its private key needs the scopes `events:read`, `metrics:read`, `profiles:read`,
    and `reviews:read` where `streams` names the reviews.

    `metrics` are the names of the metrics whose events are read.
    """

    api_key: SecretStr
    revision: str = "2026-07-15"
    metrics: tuple[str, ...] = METRICS
    events_per_page: int = Field(default=200, ge=1, le=1000)
    profiles_per_page: int = Field(default=100, ge=1, le=100)


def _api(settings: KlaviyoSettings) -> Api:
    return Api(
        settings.base_url or "https://a.klaviyo.com",
        headers={
            "Authorization": f"Klaviyo-API-Key {settings.api_key.get_secret_value()}",
            "Accept": "application/vnd.api+json",
            "revision": settings.revision,
        },
        # Those of profiles; the account's own limits on events are higher, on metrics lower.
        rates=(Rate(75, 1), Rate(700, 60)),
    )


def _probe(client: Client, settings: KlaviyoSettings) -> str:
    there = {name for _, name in _metrics(client)}
    client.send(Request("api/profiles", params={"page[size]": 1}))
    return f"{len(there & set(settings.metrics))} metrics about messages"


def _metrics(client: Client) -> list[tuple[str, str]]:
    """The account's metrics: key and name. Two integrations may have the same name."""
    paging = NextUrl("$.links.next")
    request: Request | None = Request("api/metrics", params={"fields[metric]": "name"})
    found: list[tuple[str, str]] = []
    while request:
        answer: Answer = client.send(request)
        listed = partial(find, answer.body, "$.data")
        found += [(str(one["id"]), str(find(one, "$.attributes.name"))) for one in listed() or []]
        request = paging.following(request, answer, listed)
    return found


def _event_lists(client: Client, settings: KlaviyoSettings, window: Window) -> list[Part]:
    # The filter takes one metric at a time, and an event names its metric by key only.
    return [
        Part(_first_events(settings, window, key), {"metric": name, "metric_id": key})
        for key, name in _metrics(client)
        if name in settings.metrics
    ]


def _is_of_metric(event: Any, facts: Mapping[str, Any]) -> bool:
    return find(event, "$.relationships.metric.data.id") in (None, facts["metric_id"])


def _first_events(settings: KlaviyoSettings, window: Window, metric: str) -> Request:
    conditions = (
        f'equals(metric_id,"{metric}")',
        f"greater-or-equal(datetime,{_moment(window.first)})",
        f"less-than(datetime,{_moment(window.end)})",
    )
    return Request(
        "api/events",
        params={
            "filter": ",".join(conditions),
            "sort": "datetime",
            "page[size]": settings.events_per_page,
        },
    )


def _first_profiles(settings: KlaviyoSettings, window: Window) -> Request:
    # Both ends are exclusive.
    after = window.first - dt.timedelta(seconds=1)
    return Request(
        "api/profiles",
        params={
            "filter": f"greater-than(updated,{_moment(after)}),"
            f"less-than(updated,{_moment(window.end)})",
            "sort": "updated",
            "page[size]": settings.profiles_per_page,
            "additional-fields[profile]": "subscriptions",
        },
    )


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


_OCCURRED = timestamp("occurred_at", "$.attributes.datetime", local_date="engagement_date")
_PROPERTIES = "$.attributes.event_properties"

_EVENTS = Stream(
    name="events",
    walk=InTurn(_event_lists, "$.data", NextUrl("$.links.next"), _is_of_metric),
    updated_at=_OCCURRED,
    fields=(
        ident("event_id", "$.id"),
        text("metric", "$._page.metric"),
        _OCCURRED,
        ident("profile_id", "$.relationships.profile.data.id"),
        text("email", f'{_PROPERTIES}."Recipient Email Address"'),
        text("phone", f'{_PROPERTIES}."To Number"'),
        text("bounce_type", f'{_PROPERTIES}."Bounce Type"'),
        ident("flow_id", f'{_PROPERTIES}."$flow"'),
        ident("message_id", f'{_PROPERTIES}."$message"'),
        # When the message was handed over, and its key: a flow sends a message again.
        text("sending", f'{_PROPERTIES}."$_cohort$message_send_cohort"'),
        text("campaign_name", f'{_PROPERTIES}."Campaign Name"'),
        text("url", f"{_PROPERTIES}.URL"),
        # The first two of an open, by Apple's mail privacy; the last of a click.
        flag(
            "is_by_machine",
            f"{_PROPERTIES}.machine_open",
            f'{_PROPERTIES}."Apple Privacy Open"',
            f'{_PROPERTIES}."Bot Click"',
        ),
    ),
)

_UPDATED = timestamp("updated_at", "$.attributes.updated")
_CONSENT = "$.attributes.subscriptions"

_PROFILES = Stream(
    name="profiles",
    walk=Rest(_first_profiles, "$.data", NextUrl("$.links.next")),
    updated_at=_UPDATED,
    fields=(
        ident("profile_id", "$.id"),
        text("email", "$.attributes.email"),
        text("phone", "$.attributes.phone_number"),
        text("first_name", "$.attributes.first_name"),
        text("last_name", "$.attributes.last_name"),
        text("country", "$.attributes.location.country"),
        text("street", "$.attributes.location.address1"),
        text("city", "$.attributes.location.city"),
        text("postcode", "$.attributes.location.zip"),
        text("region", "$.attributes.location.region"),
        text("language", "$.attributes.locale"),
        text("email_consent", f"{_CONSENT}.email.marketing.consent"),
        flag("can_receive_email", f"{_CONSENT}.email.marketing.can_receive_email_marketing"),
        text("sms_consent", f"{_CONSENT}.sms.marketing.consent"),
        flag("can_receive_sms", f"{_CONSENT}.sms.marketing.can_receive_sms_marketing"),
        timestamp("created_at", "$.attributes.created"),
        _UPDATED,
    ),
    is_state=True,
)


def _first_reviews(settings: KlaviyoSettings, window: Window) -> Request:
    return Request(
        "api/reviews",
        params={"filter": 'equals(status,"all")', "sort": "created", "page[size]": 100},
    )


_REVIEWED = timestamp("reviewed_at", "$.attributes.created", local_date="review_date")

# They cannot be asked for by their last change: so all are read.
_REVIEWS = Stream(
    name="reviews",
    walk=Rest(_first_reviews, "$.data", NextUrl("$.links.next")),
    updated_at=_REVIEWED,
    fields=(
        ident("review_id", "$.id"),
        text("review_type", "$.attributes.review_type"),
        text("email", "$.attributes.email"),
        ident("product_id", "$.attributes.product.external_id"),
        integer("rating", "$.attributes.rating"),
        flag("is_verified", "$.attributes.verified"),
        text("status", "$.attributes.status.value"),
        _REVIEWED,
        timestamp("updated_at", "$.attributes.updated"),
    ),
    reads="listing",
    is_optional=True,
)

SYSTEM = System(
    name="klaviyo",
    title="Klaviyo",
    settings_model=KlaviyoSettings,
    streams=(_EVENTS, _PROFILES, _REVIEWS),
    api=_api,
    probe=_probe,
)
