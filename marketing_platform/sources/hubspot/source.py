"""HubSpot: contacts, deals, tickets and owners of the CRM, and what became of its e-mails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pydantic import Field, SecretStr

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import Field as Column
from marketing_platform.sources.fields import (
    flag,
    ident,
    milliseconds,
    number,
    text,
    timestamp,
)
from marketing_platform.sources.hubspot.paths import VERSION, VERSION_PATTERN, crm_path
from marketing_platform.sources.paging import Cursor, Rest, find
from marketing_platform.sources.stream import Checkpoint, Page, Stream, Window
from marketing_platform.sources.system import Api, Rate, System, SystemSettings

# Of all plans the lowest: 100 requests in 10 s, 4 searches a second.
_RATES = (Rate(100, 10.0), Rate(4, 1.0))
_SEARCH_SIZE = 200
_TRIES = 5
_LIST_SIZE = 100
_OWNERS_SIZE = 100
_EVENTS_SIZE = 1000


class HubSpotSettings(SystemSettings):
    """One account, read with a service key, or the token of an app of the account.

    `currency` is that of deals which do not say theirs: accounts with one currency. The e-mail
    events are an older part of the API that HubSpot may move.
    """

    base_url: str = "https://api.hubapi.com"
    access_token: SecretStr
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    email_events_path: str = "/email/public/v1/events"
    api_version: str = Field(default=VERSION, pattern=VERSION_PATTERN)


class _Bearer(httpx.Auth):
    """The token, put on each request."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign one request."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


def _api(settings: HubSpotSettings) -> Api:
    return Api(settings.base_url, auth=_Bearer(settings.access_token), rates=_RATES)


def _probe(client: Client, settings: HubSpotSettings) -> str:
    account = client.send(Request(f"/account-info/{settings.api_version}/details")).body or {}
    return f"account {account.get('portalId')}, {account.get('timeZone')}"


@dataclass(frozen=True)
class _Objects:
    """The walk of one kind of object: those changed in the window, then those archived in it.

    A search shows 10,000 results at most, and its pages shift when a record that was already read
    changes meanwhile. So the pages are not asked for by number: each is a new search for the
    lowest keys above the last one read.
    """

    kind: str
    changed: str
    properties: tuple[str, ...]
    associated: str = ""

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page with the key, or the place among the archived, that goes on after it."""
        assert isinstance(settings, HubSpotSettings)  # noqa: S101
        state: dict[str, Any] = dict(checkpoint or {"above": "0"})
        while "above" in state:
            records = self._found(client, settings, window, state["above"])
            is_last = len(records) < _SEARCH_SIZE
            state = {"after": ""} if is_last else {"above": str(records[-1]["id"])}
            yield self._page(settings, self._with_associated(client, settings, records)), state
        while state:
            answer = client.send(self._list_archived(settings, state["after"]))
            after = find(answer.body, "$.paging.next.after")
            state = {"after": str(after)} if after else {}
            yield self._page(settings, _archived_within(answer, window)), state or None

    def _found(
        self, client: Client, settings: HubSpotSettings, window: Window, above: str
    ) -> list[dict[str, Any]]:
        """The records above a key; an answer to an earlier search is asked for again."""
        for _ in range(_TRIES):
            answer = client.send(self._search(settings, window, above))
            records: list[dict[str, Any]] = find(answer.body, "$.results") or []
            if all(int(record["id"]) > int(above) for record in records):
                return records
        raise SourceError(
            f"HubSpot searched {self.kind} in another order than asked for",
            mend="Run again; it goes on where it stopped",
        )

    def _search(self, settings: HubSpotSettings, window: Window, above: str) -> Request:
        filters = [
            _filter(self.changed, "GTE", _milliseconds(window.first)),
            _filter(self.changed, "LT", _milliseconds(window.end)),
            _filter("hs_object_id", "GT", above),
        ]
        question = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self.properties),
            "limit": _SEARCH_SIZE,
        }
        path = crm_path(settings.api_version, "objects", f"/{self.kind}/search")
        return Request(path, method="POST", json=question)

    def _list_archived(self, settings: HubSpotSettings, after: str) -> Request:
        """HubSpot lists all that were archived, and has no filter for when."""
        asked = {"archived": "true", "limit": _LIST_SIZE, "properties": ",".join(self.properties)}
        path = crm_path(settings.api_version, "objects", f"/{self.kind}")
        return Request(path, {**asked, **({"after": after} if after else {})})

    def _with_associated(
        self, client: Client, settings: HubSpotSettings, records: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The records with the keys of their contacts, in the shape that a listing has them."""
        if not self.associated or not records:
            return records
        rest = f"/{self.kind}/{self.associated}/batch/read"
        path = crm_path(settings.api_version, "associations", rest)
        inputs = [{"id": record["id"]} for record in records]
        answer = client.send(Request(path, method="POST", json={"inputs": inputs}))
        keys = {
            str(one["from"]["id"]): [{"id": str(to["toObjectId"])} for to in one["to"]]
            for one in find(answer.body, "$.results") or []
        }
        return [
            {**one, "associations": {self.associated: {"results": keys.get(str(one["id"]), [])}}}
            for one in records
        ]

    def _page(self, settings: HubSpotSettings, records: list[dict[str, Any]]) -> Page:
        extra = {"currency": settings.currency} if settings.currency else {}
        return Page(orjson.dumps({"results": records}), "$.results", extra=extra)


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(moment: dt.datetime) -> str:
    return str(int(moment.timestamp()) * 1000 + moment.microsecond // 1000)


def _archived_within(answer: Answer, window: Window) -> list[dict[str, Any]]:
    first, end = window.first.isoformat(), window.end.isoformat()
    return [
        one
        for one in find(answer.body, "$.results") or []
        if first <= _comparable(one.get("archivedAt")) < end
    ]


def _comparable(moment: Any) -> str:
    """A moment of HubSpot's as Python writes it; one that cannot be read is before all others."""
    try:
        return dt.datetime.fromisoformat(str(moment)).astimezone(dt.UTC).isoformat()
    except ValueError:
        return ""


def _objects(
    kind: str,
    own: tuple[Column, ...],
    *,
    changed: str = "hs_lastmodifieddate",
    associated: str = "",
    is_state: bool = True,
) -> Stream:
    """A kind of object of the CRM; its properties are those that the fields read."""
    read = (path for field in own for path in field.paths)
    found = (
        path.removeprefix("$.properties.") for path in read if path.startswith("$.properties.")
    )
    properties = tuple(dict.fromkeys(("hs_object_id", "createdate", changed, *found)))
    updated_at = timestamp(
        "updated_at", "$.archivedAt", f"$.properties.{changed}", "$.updatedAt", "$.createdAt"
    )
    common = (
        ident("id", "$.id", "$.properties.hs_object_id"),
        timestamp("created_at", "$.properties.createdate", "$.createdAt"),
        updated_at,
        flag("is_archived", "$.archived"),
    )
    return Stream(
        kind,
        _Objects(kind, changed, properties, associated),
        updated_at,
        (*common, *own),
        is_state=is_state,
    )


_OWNER = ident("owner_id", "$.properties.hubspot_owner_id")
# The keys of those that became part of the record, with semicolons between them.
_MERGED = text("merged_ids", "$.properties.hs_merged_object_ids")
_CONTACT = ident("contact_id", "$.associations.contacts.results[0].id")

_CONTACTS = _objects(
    "contacts",
    (
        text("email", "$.properties.email"),
        text("phone", "$.properties.phone", "$.properties.mobilephone"),
        text("first_name", "$.properties.firstname"),
        text("last_name", "$.properties.lastname"),
        text("country", "$.properties.hs_country_region_code", "$.properties.country"),
        text("street", "$.properties.address"),
        text("city", "$.properties.city"),
        text("postcode", "$.properties.zip"),
        text("region", "$.properties.state"),
        text("language", "$.properties.hs_language"),
        _MERGED,
        text("legal_basis", "$.properties.hs_legal_basis"),
        text("confirmation", "$.properties.hs_emailconfirmationstatus"),
        flag("is_opted_out", "$.properties.hs_email_optout"),
    ),
    changed="lastmodifieddate",
)

_DEALS = _objects(
    "deals",
    (
        _CONTACT,
        _MERGED,
        ident("company_id", "$.properties.hs_primary_associated_company"),
        _OWNER,
        text("title", "$.properties.dealname"),
        text("stage", "$.properties.dealstage"),
        number("amount", "$.properties.amount"),
        text("currency", "$.properties.deal_currency_code", "$._page.currency"),
        flag("is_closed", "$.properties.hs_is_closed"),
        flag("is_won", "$.properties.hs_is_closed_won"),
        timestamp("close_at", "$.properties.closedate", local_date="close_date"),
    ),
    associated="contacts",
)

_TICKETS = _objects(
    "tickets",
    (
        _CONTACT,
        _MERGED,
        _OWNER,
        text("subject", "$.properties.subject"),
        text("status", "$.properties.hs_pipeline_stage"),
        text("priority", "$.properties.hs_ticket_priority"),
        timestamp("closed_at", "$.properties.closed_date"),
    ),
    associated="contacts",
    is_state=False,
)

_OWNERS = Stream(
    "owners",
    Rest(
        lambda settings, window: Request(
            crm_path(settings.api_version, "owners"), {"limit": _OWNERS_SIZE}
        ),
        "$.results",
        Cursor("after", "$.paging.next.after"),
    ),
    timestamp("updated_at", "$.updatedAt", "$.createdAt"),
    (
        ident("id", "$.id"),
        text("email", "$.email"),
        text("first_name", "$.firstName"),
        text("last_name", "$.lastName"),
        timestamp("updated_at", "$.updatedAt", "$.createdAt"),
        flag("is_archived", "$.archived"),
    ),
    reads="listing",
)


def _events_within(settings: HubSpotSettings, window: Window) -> Request:
    # Whether the end belongs to it is not documented; before it nothing is read twice.
    asked = {
        "startTimestamp": _milliseconds(window.first),
        "endTimestamp": _milliseconds(window.end - dt.timedelta(milliseconds=1)),
        "limit": _EVENTS_SIZE,
    }
    return Request(settings.email_events_path, asked)


_OCCURRED = milliseconds("occurred_at", "$.created", local_date="engagement_date")

_EMAIL_EVENTS = Stream(
    "email_events",
    Rest(_events_within, "$.events", Cursor("offset", "$.offset", has_more="$.hasMore")),
    _OCCURRED,
    (
        ident("id", "$.id"),
        _OCCURRED,
        text("event_type", "$.type"),
        text("email", "$.recipient"),
        ident("campaign_id", "$.emailCampaignId", "$.emailCampaignGroupId"),
        # What was sent is the event of the sending: all later ones name it.
        ident("sent_id", "$.sentBy.id"),
        text("url", "$.url"),
        text("smtp_status", "$.status"),
        text("drop_reason", "$.dropReason"),
        text("subscription_status", "$.portalSubscriptionStatus"),
        flag("is_bot", "$.filteredEvent"),
    ),
    # An event is identified by both, says HubSpot.
    record_keys=("$.id", "$.created"),
)

SYSTEM = System(
    "hubspot",
    "HubSpot",
    HubSpotSettings,
    (_CONTACTS, _DEALS, _TICKETS, _OWNERS, _EMAIL_EVENTS),
    api=_api,
    probe=_probe,
)
