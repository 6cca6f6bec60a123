"""Events in the Segment spec (track, page, screen, identify): JSON lines in a folder or bucket."""

from __future__ import annotations

import duckdb

from marketing_platform.sources.fields import (
    flag,
    ident,
    milliseconds,
    person,
    seconds,
    text,
    timestamp,
)
from marketing_platform.sources.folders import FolderSettings
from marketing_platform.sources.json_lines import json_files, json_lines
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import System, SystemSettings

_MOMENTS = ("$.timestamp", "$.originalTimestamp", "$.receivedAt", "$.sentAt")
_CREATED = ("$.traits.createdAt", "$.traits.created_at")
_IS_IDENTIFY = "coalesce(call ->> '$.type', '') = 'identify'"


class SegmentEventsSettings(FolderSettings):
    """A folder in which files of JSON lines lie, at any depth; gzip too."""


def _events(connection: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window) -> str:
    return _calls(connection, settings, window, f"not {_IS_IDENTIFY}")


def _identifies(
    connection: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window
) -> str:
    return _calls(connection, settings, window, _IS_IDENTIFY)


def _calls(
    connection: duckdb.DuckDBPyConnection,
    settings: SystemSettings,
    window: Window,
    condition: str,
) -> str:
    """The calls of the window, and earlier ones that were received in it.

    An app that was offline tells of its events days later. A line that is no call, or has no
    moment, is in every window.
    """
    assert isinstance(settings, SegmentEventsSettings)  # noqa: S101 - tells the type checker
    moments = ", ".join(f"try_cast(payload ->> '{path}' as timestamptz)" for path in _MOMENTS)
    first, end = (f"timestamptz '{moment.isoformat()}'" for moment in (window.first, window.end))
    return f"""
        select payload
        from (
            select
                payload,
                cast(payload as json) as call,
                coalesce({moments}) as moment,
                try_cast(payload ->> '$.receivedAt' as timestamptz) as received_at
            from ({json_lines(json_files(settings.files(connection)))})
        )
        where {condition}
            and (
                moment is null
                or (moment >= {first} and moment < {end})
                or (moment < {first} and received_at >= {first} and received_at < {end})
            )
    """  # noqa: S608 - made of names of our own


def _probe(client: object, settings: SegmentEventsSettings) -> str:
    with duckdb.connect() as connection:
        found = json_files(settings.files(connection))
    return f"{len(found)} files in {settings.folder}"


_EVENTS = Stream(
    name="events",
    walk=Query(_events),
    updated_at=timestamp("called_at", *_MOMENTS),
    record_keys=("$.messageId",),
    fields=(
        text("call_type", "$.type"),
        ident("message_id", "$.messageId"),
        text("event", "$.event"),
        timestamp("occurred_at", *_MOMENTS, local_date="event_date"),
        person("user_id", "$.userId"),
        person("anonymous_id", "$.anonymousId"),
        text("email", "$.properties.email", "$.context.traits.email", "$.traits.email"),
        ident("product_id", "$.properties.product_id"),
        ident("order_id", "$.properties.order_id"),
        text("page_url", "$.context.page.url", "$.properties.url"),
        text("utm_source", "$.context.campaign.source"),
        text("utm_medium", "$.context.campaign.medium"),
        text("utm_campaign", "$.context.campaign.name"),
        text("user_agent", "$.context.userAgent"),
        flag("is_mobile", "$.context.userAgentData.mobile"),
        text("app_system", "$.context.device.type"),
    ),
)
_IDENTIFIES = Stream(
    name="identifies",
    walk=Query(_identifies),
    updated_at=timestamp("called_at", *_MOMENTS),
    record_keys=("$.messageId",),
    fields=(
        ident("message_id", "$.messageId"),
        person("user_id", "$.userId"),
        timestamp("updated_at", *_MOMENTS),
        timestamp("created_at", *_CREATED, is_loose=True),
        seconds("created_seconds_at", *_CREATED, is_loose=True),
        milliseconds("created_milliseconds_at", *_CREATED, is_loose=True),
        text("email", "$.traits.email", "$.context.traits.email"),
        text("phone", "$.traits.phone", "$.context.traits.phone"),
        text("first_name", "$.traits.firstName", "$.traits.first_name"),
        text("last_name", "$.traits.lastName", "$.traits.last_name"),
        text("country", "$.traits.address.country", "$.context.location.country"),
        text("street", "$.traits.address.street"),
        text("city", "$.traits.address.city"),
        text("postcode", "$.traits.address.postalCode", "$.traits.address.postal_code"),
        text("region", "$.traits.address.state"),
        text("language", "$.traits.language", "$.context.locale"),
        text("push_token", "$.context.device.token"),
    ),
    is_state=True,
)

SYSTEM = System(
    name="segment_events",
    title="Segment events",
    settings_model=SegmentEventsSettings,
    streams=(_EVENTS, _IDENTIFIES),
    probe=_probe,
)
