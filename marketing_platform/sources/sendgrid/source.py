"""SendGrid: suppression lists over HTTP, or the events of its webhook from a folder."""

from __future__ import annotations

from typing import Any

import duckdb
from pydantic import SecretStr, model_validator

from marketing_platform.sources.client import Client, Request
from marketing_platform.sources.fields import flag, ident, seconds, text
from marketing_platform.sources.folders import Folder, StoreSettings
from marketing_platform.sources.in_turn import InTurn, Part
from marketing_platform.sources.json_lines import json_files, json_lines
from marketing_platform.sources.paging import Offset, Rest
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

_LISTS = ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
_PAGE_SIZE = 500
# Who left which group, whole and in one answer.
_GROUPS = "v3/asm/suppressions"


class SendGridSettings(StoreSettings):
    """An account: `api_key` reads its suppression lists, and who left its unsubscribe groups.

    With `events_folder`, the events of the webhook that lie there are read instead: they tell of
    the same bounces, complaints and unsubscribes once more.
    """

    api_key: SecretStr | None = None
    events_folder: Folder | None = None

    @model_validator(mode="after")
    def _has_either(self) -> SendGridSettings:
        if self.api_key is None and self.events_folder is None:
            raise ValueError("needs api_key or events_folder")
        return self


def _api(settings: SendGridSettings) -> Api:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    return Api(
        settings.base_url or "https://api.sendgrid.com",
        headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
    )


def _probe(client: Client, settings: SendGridSettings) -> str:
    if settings.events_folder:
        with duckdb.connect() as connection:
            found = json_files(settings.files_in(connection, settings.events_folder))
        return f"{len(found)} files in {settings.events_folder}"
    for name in _LISTS:
        client.send(Request(f"v3/suppression/{name}", params={"limit": 1}))
    client.send(Request(_GROUPS))
    return "all suppression lists and unsubscribe groups can be read"


def _suppression_lists(client: Client, settings: SendGridSettings, window: Window) -> list[Part]:
    # Both ends are included.
    params: dict[str, Any] = {
        "start_time": int(window.first.timestamp()),
        "end_time": int(window.end.timestamp()) - 1,
        "limit": _PAGE_SIZE,
    }
    return [
        Part(Request(f"v3/suppression/{name}", params=params), {"list": name}) for name in _LISTS
    ]


def _event_payloads(
    connection: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window
) -> str:
    """The window's events. What is no event, or has no moment, is in every window.

    `deferred` is left out: SendGrid is still trying, and tells of the end by another event.
    """
    assert isinstance(settings, SendGridSettings)  # noqa: S101 - tells the type checker
    assert settings.events_folder  # noqa: S101 - tells the type checker
    found = json_files(settings.files_in(connection, settings.events_folder))
    return f"""
        select payload
        from ({json_lines(found)})
        where coalesce(payload ->> '$.event', '') <> 'deferred'
            and coalesce(
                try_cast(payload ->> '$.timestamp' as bigint)
                    between {int(window.first.timestamp())} and {int(window.end.timestamp()) - 1},
                true
            )
    """  # noqa: S608 - numbers, and names of files that are quoted


_SUPPRESSED = seconds("occurred_at", "$.created", local_date="engagement_date")

# An address may come off a list and onto it again.
_SUPPRESSIONS = Stream(
    name="suppressions",
    walk=InTurn(_suppression_lists, "$", Offset(_PAGE_SIZE)),
    updated_at=_SUPPRESSED,
    record_keys=("$._page.list", "$.email", "$.created"),
    fields=(
        text("list", "$._page.list"),
        text("email", "$.email"),
        text("status", "$.status"),
        _SUPPRESSED,
    ),
    is_state=True,
)

# Who comes back to a group is not listed any more.
_GROUP_SUPPRESSIONS = Stream(
    name="group_suppressions",
    walk=Rest(lambda *_: Request(_GROUPS), "$"),
    updated_at=seconds("occurred_at", "$.created_at", local_date="engagement_date"),
    record_keys=("$.group_id", "$.email"),
    reads="listing",
    fields=(
        ident("group_id", "$.group_id"),
        text("email", "$.email"),
        seconds("occurred_at", "$.created_at", local_date="engagement_date"),
    ),
)

_OCCURRED = seconds("occurred_at", "$.timestamp", local_date="engagement_date")

_EVENTS = Stream(
    name="events",
    walk=Query(_event_payloads),
    updated_at=_OCCURRED,
    record_keys=("$.sg_event_id",),
    fields=(
        ident("event_id", "$.sg_event_id"),
        text("event", "$.event"),
        text("bounce_kind", "$.type"),
        text("reason", "$.reason"),
        _OCCURRED,
        text("email", "$.email"),
        ident("message_id", "$.sg_message_id"),
        ident("campaign_id", "$.singlesend_id", "$.mc_auto_id", "$.marketing_campaign_id"),
        text("campaign_name", "$.singlesend_name", "$.mc_auto_name", "$.marketing_campaign_name"),
        text("url", "$.url"),
        flag("is_by_machine", "$.sg_machine_open"),
        ident("group_id", "$.asm_group_id"),
    ),
)


def _streams(settings: SendGridSettings) -> tuple[Stream, ...]:
    return (_EVENTS,) if settings.events_folder else (_SUPPRESSIONS, _GROUP_SUPPRESSIONS)


SYSTEM = System(
    name="sendgrid",
    title="SendGrid",
    settings_model=SendGridSettings,
    streams=(_SUPPRESSIONS, _GROUP_SUPPRESSIONS, _EVENTS),
    api=_api,
    probe=_probe,
    streams_of=_streams,
)
