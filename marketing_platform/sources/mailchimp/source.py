"""Mailchimp: the members of one audience with their consent, and what became of its campaigns.

https://mailchimp.com/developer/marketing/api
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
from pydantic import Field, SecretStr, model_validator

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import ident, text, timestamp
from marketing_platform.sources.in_turn import InTurn, Part
from marketing_platform.sources.paging import Offset, Rest, find
from marketing_platform.sources.restated import restated
from marketing_platform.sources.stream import Items, Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

_PAGE_SIZE = 1000
# What people do with a mail they do in the first days; each day that is read again costs a request
# for each thousand who were written to on it.
_LOOK_BACK_DAYS = 14
_PAUSE_SECONDS = 10.0


class MailchimpSettings(SystemSettings):
    """One audience: `api_key` ends in the data centre, `...-us21`; `list_id` is the audience's.

    Campaigns sent in the last `look_back_days` are read again: people open and click later.
    """

    api_key: SecretStr
    list_id: str = Field(pattern=r"^[0-9A-Za-z]+$")
    look_back_days: int = Field(default=_LOOK_BACK_DAYS, ge=1, le=365)

    @model_validator(mode="after")
    def _has_data_centre(self) -> MailchimpSettings:
        if not self.base_url and "-" not in self.api_key.get_secret_value():
            raise ValueError("the API key does not end in a data centre, such as -us21")
        return self


def _api(settings: MailchimpSettings) -> Api:
    key = settings.api_key.get_secret_value()
    return Api(
        settings.base_url or f"https://{key.rpartition('-')[2]}.api.mailchimp.com",
        auth=httpx.BasicAuth("key", key),
        headers={"Accept": "application/json"},
        pause=_pause,
    )


def _pause(answer: Answer) -> float | None:
    # Too many connections at a time may be told as 403, and not as JSON.
    return _PAUSE_SECONDS if answer.status == 403 and not answer.is_json else None


def _probe(client: Client, settings: MailchimpSettings) -> str:
    asked = {"fields": "name,stats.member_count"}
    try:
        found = client.send(Request(f"3.0/lists/{settings.list_id}", params=asked)).body
    except SourceError as error:
        if " 404" in error.what:
            mend = "list_id is the audience's id, in its settings at Mailchimp"
            raise SourceError(error.what, where=error.where, mend=mend) from None
        raise
    client.send(Request("3.0/campaigns", params={"count": 1, "fields": "total_items"}))
    return f"{find(found, '$.name')}, {find(found, '$.stats.member_count')} members"


def _total(answer: Answer) -> int | None:
    told = find(answer.body, "$.total_items")
    return told if isinstance(told, int) else None


def _member_lists(client: Client, settings: MailchimpSettings, window: Window) -> list[Part]:
    # Who is archived is in no list but that of the archived.
    path = f"3.0/lists/{settings.list_id}/members"
    params: dict[str, Any] = {
        "since_last_changed": _before(window.first),
        "before_last_changed": _moment(window.end),
        "sort_field": "last_changed",
        "sort_dir": "ASC",
        "count": _PAGE_SIZE,
        "exclude_fields": "members._links,members.tags,_links",
    }
    return [
        Part(Request(path, params=params), {}),
        Part(Request(path, params={**params, "status": "archived"}), {}),
    ]


def _reports(name: str) -> Any:
    """The lists of a kind of report, one of each campaign that was sent in the window."""

    def parts(client: Client, settings: MailchimpSettings, window: Window) -> list[Part]:
        records = {"email-activity": "emails", "unsubscribed": "unsubscribes"}[name]
        params = {"count": _PAGE_SIZE, "exclude_fields": f"{records}._links,_links"}
        return [
            Part(
                Request(f"3.0/reports/{campaign['id']}/{name}", params=params),
                {
                    "campaign_id": campaign["id"],
                    "campaign_name": find(campaign, "$.settings.title")
                    or find(campaign, "$.settings.subject_line"),
                    "sent_at": campaign["send_time"],
                },
            )
            for campaign in _campaigns(client, settings, window)
        ]

    return parts


def _campaigns(client: Client, settings: MailchimpSettings, window: Window) -> Iterator[Any]:
    paging = Offset(_PAGE_SIZE)
    wanted = ("id", "send_time", "settings.title", "settings.subject_line")
    request: Request | None = Request(
        "3.0/campaigns",
        params={
            "status": "sent",
            "list_id": settings.list_id,
            "since_send_time": _before(window.first),
            "before_send_time": _moment(window.end),
            "sort_field": "send_time",
            "sort_dir": "ASC",
            "count": _PAGE_SIZE,
            "fields": ",".join(f"campaigns.{name}" for name in wanted),
        },
    )
    while request:
        answer = client.send(request)
        listed = partial(find, answer.body, "$.campaigns")
        yield from listed() or ()
        request = paging.following(request, answer, listed)


def _first_abuse(settings: MailchimpSettings, window: Window) -> Request:
    asked = {"count": _PAGE_SIZE, "exclude_fields": "abuse_reports._links,_links"}
    return Request(f"3.0/lists/{settings.list_id}/abuse-reports", params=asked)


def _before(moment: dt.datetime) -> str:
    # Both ends are exclusive.
    return _moment(moment - dt.timedelta(seconds=1))


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S+00:00}"


_UPDATED = timestamp("updated_at", "$.last_changed")
_HOME = "$.merge_fields.ADDRESS"

_MEMBERS = Stream(
    name="members",
    walk=InTurn(_member_lists, "$.members", Offset(_PAGE_SIZE), total=_total),
    updated_at=_UPDATED,
    # `id` is a hash of the e-mail, and another one when that changes.
    record_keys=("$.contact_id",),
    fields=(
        ident("contact_id", "$.contact_id"),
        text("email", "$.email_address"),
        text("status", "$.status"),
        text("phone", "$.sms_phone_number", "$.merge_fields.PHONE"),
        text("sms_status", "$.sms_subscription_status"),
        text("first_name", "$.merge_fields.FNAME"),
        text("last_name", "$.merge_fields.LNAME"),
        text("street", f"{_HOME}.addr1"),
        text("city", f"{_HOME}.city"),
        text("postcode", f"{_HOME}.zip"),
        text("region", f"{_HOME}.state"),
        text("country", f"{_HOME}.country"),
        text("language", "$.language"),
        timestamp("created_at", "$.timestamp_signup", "$.timestamp_opt"),
        _UPDATED,
    ),
    is_state=True,
)

# What became of a campaign lies on the day on which it was sent, and is read again with it.
_SENT = timestamp("sent_at", "$._page.sent_at", local_date="sent_date")
_TO_WHOM = (
    ident("campaign_id", "$._page.campaign_id"),
    text("campaign_name", "$._page.campaign_name"),
    ident("email_id", "$.email_id"),
    text("email", "$.email_address"),
)
_ACTIVITY = Items(
    "activity",
    ("$.activity",),
    (
        ident("campaign_id", "$._page.campaign_id", level=0),
        text("campaign_name", "$._page.campaign_name", level=0),
        ident("email_id", "$.email_id", level=0),
        text("email", "$.email_address", level=0),
        text("action", "$.action"),
        text("bounce_type", "$.type"),
        text("url", "$.url"),
        timestamp("occurred_at", "$.timestamp", local_date="engagement_date"),
    ),
)

_EMAIL_ACTIVITY = Stream(
    name="email_activity",
    walk=InTurn(_reports("email-activity"), "$.emails", Offset(_PAGE_SIZE), total=_total),
    updated_at=_SENT,
    record_keys=("$._page.campaign_id", "$.email_id"),
    fields=(*_TO_WHOM, _SENT),
    items=(_ACTIVITY,),
    look_back_days=_LOOK_BACK_DAYS,
)

_UNSUBSCRIBES = Stream(
    name="unsubscribes",
    walk=InTurn(_reports("unsubscribed"), "$.unsubscribes", Offset(_PAGE_SIZE), total=_total),
    updated_at=_SENT,
    record_keys=("$._page.campaign_id", "$.email_id"),
    fields=(*_TO_WHOM, timestamp("occurred_at", "$.timestamp", local_date="engagement_date")),
    look_back_days=_LOOK_BACK_DAYS,
)

_REPORTED = timestamp("occurred_at", "$.date", local_date="engagement_date")

_ABUSE_REPORTS = Stream(
    name="abuse_reports",
    walk=Rest(_first_abuse, "$.abuse_reports", Offset(_PAGE_SIZE), total=_total),
    updated_at=_REPORTED,
    fields=(
        ident("report_id", "$.id"),
        ident("campaign_id", "$.campaign_id"),
        ident("email_id", "$.email_id"),
        text("email", "$.email_address"),
        _REPORTED,
    ),
    reads="listing",
)


def _streams(settings: MailchimpSettings) -> tuple[Stream, ...]:
    reports = restated((_EMAIL_ACTIVITY, _UNSUBSCRIBES))(settings)
    return (_MEMBERS, *reports, _ABUSE_REPORTS)


SYSTEM = System(
    name="mailchimp",
    title="Mailchimp",
    settings_model=MailchimpSettings,
    streams=(_MEMBERS, _EMAIL_ACTIVITY, _UNSUBSCRIBES, _ABUSE_REPORTS),
    api=_api,
    probe=_probe,
    streams_of=_streams,
)
