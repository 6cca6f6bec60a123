"""HubSpot: contacts, static lists, events that start workflows, and tasks for a person.

https://developers.hubspot.com/docs/reference/api. Contacts are upserted by e-mail, at most 100 a
call. HubSpot promises to know neither a task nor an event again (its `uuid` is for matching data),
so that an unknown outcome is never repeated.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line, read_json
from marketing_platform.destinations.base import Audience, Batch, EventName, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    Failed,
    HttpDestination,
    HttpSettings,
    Unusual,
    complete,
    plain,
)
from marketing_platform.destinations.people import (
    NotTold,
    as_text,
    flag_name,
    known,
    render,
    render_marked,
    split,
    text,
)
from marketing_platform.settings import ActivationRule
from marketing_platform.settings.group import Digits
from marketing_platform.sources.hubspot.paths import VERSION, VERSION_PATTERN, crm_path
from marketing_platform.state import utc_now

_STANDARD = {
    "email": "email",
    "phone": "phone",
    "first_name": "firstname",
    "last_name": "lastname",
    "city": "city",
    "region": "state",
    "postcode": "zip",
    "country": "country",
}
# A contact that was made of two is found by each address of theirs, and shows one as its own.
_OTHER_EMAILS = "hs_additional_emails"
# HubSpot's own kind of association: a task to a contact.
_TASK_TO_CONTACT = 204
_SPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
# By which an answer names a record that was to be made.
_TRACE = "objectWriteTraceId"


class HubSpotDestination(HttpSettings):
    """`access_token` is a service key: crm.objects.contacts, crm.lists, and for events more.

    Attributes that HubSpot has no property for go to properties of the same name, which have to be
    made there first. `task_owner_id` is who gets the tasks.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    access_token: SecretStr
    api_version: str = Field(default=VERSION, pattern=VERSION_PATTERN)
    # Where events go, where that is not their place in the version.
    events_path: str | None = None
    task_owner_id: Digits | None = None
    base_url: str = Field(default="https://api.hubapi.com", repr=False)
    batch_size: int = Field(default=100, ge=1, le=100)
    timeout_seconds: float = Field(default=60.0, gt=0)
    requires: tuple[Literal["email", "phone"], ...] = ("email",)


class HubSpot(HttpDestination):
    """An audience is a static list (its number), or the property `segment_<name>`."""

    modes = ("audience", "event", "task")
    audience = Audience("the number of a static list")
    event = EventName("the full name of a custom event, such as pe12345_left_a_cart", r"pe\d+_\w+")
    repeatable = ("audience",)
    # 100 calls in 10 seconds, the least that an account has.
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((100, 10.0),)

    def __init__(self, name: str, settings: HubSpotDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The service key."""
        return {"Authorization": f"Bearer {plain(self._settings.access_token)}"}

    def probing(self) -> Call:
        """Read something small."""
        return Call(self._path("objects", "/contacts"), method="GET", params={"limit": 1})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Contacts first, which gives their ids; then the list or the tasks. Or events.

        Who leaves is looked for: whom HubSpot has not is not made a contact to be taken out.
        """
        rows = batch.rows
        if rule.event is not None:
            inputs = [_event(row, rule.event, batch.audience) for row in rows]
            version = self._settings.api_version
            path = self._settings.events_path or f"/events/{version}/send/batch"
            yield Call(path, {"inputs": inputs})
            return {}
        has_flag = rule.mode == "audience" and rule.audience is None
        flag = flag_name(rule.label) if has_flag else None
        told: dict[str, RowAnswer] = {}
        stays = [row for row in rows if row.operation != "remove"]
        leaves = [row for row in rows if row.operation == "remove"]
        if leaves:
            yield from self._leave(leaves, rule, flag)
        if stays:
            inputs = [_contact(row, flag) for row in stays]
            path = self._path("objects", "/contacts/batch/upsert")
            try:
                response = yield Call(path, {"inputs": inputs}, reads=frozenset({207}))
            except Failed as failed:
                # Contacts can be told again, and no task was made yet.
                raise Unusual(replace(failed.answer, may_have_arrived=False)) from None
            ids = _ids(stays, response)
            told = _not_upserted(stays, ids, response)
            if rule.task is not None:
                told.update((yield from self._tasks(stays, ids, rule)))
            elif rule.audience and ids:
                rest = f"/{rule.audience}/memberships/add"
                yield Call(self._path("lists", rest), list(ids.values()), "PUT")
        return complete(rows, told)

    def _leave(self, rows: Sequence[Row], rule: ActivationRule, flag: str | None) -> Exchange:
        emails = [{"id": text(row, "email")} for row in rows]
        search = {
            "idProperty": "email",
            "inputs": emails,
            "properties": ["email", _OTHER_EMAILS],
            "propertiesWithHistory": [],
        }
        path = self._path("objects", "/contacts/batch/read")
        ids = _ids(rows, (yield Call(path, search, reads=frozenset({207}))))
        members = list(ids.values())
        if members and flag:
            inputs = [{"id": contact, "properties": {flag: "false"}} for contact in members]
            yield Call(self._path("objects", "/contacts/batch/update"), {"inputs": inputs})
        elif members:
            rest = f"/{rule.audience}/memberships/remove"
            yield Call(self._path("lists", rest), members, "PUT")
        return {}

    def _tasks(self, rows: Sequence[Row], ids: Mapping[str, str], rule: ActivationRule) -> Exchange:
        told: dict[str, RowAnswer] = {}
        inputs = []
        for row in rows:
            if row.key not in ids:
                continue
            try:
                inputs.append(self._task(row, ids[row.key], rule))
            except NotTold as error:
                told[row.key] = RowAnswer("error", str(error))
        if inputs:
            path = self._path("objects", "/tasks/batch/create")
            response = yield Call(path, {"inputs": inputs}, reads=frozenset({207}))
            told.update(_made({one[_TRACE] for one in inputs}, read_json(response) or {}))
        return told

    def _path(self, resource: str, rest: str) -> str:
        return crm_path(self._settings.api_version, resource, rest)

    def _task(self, row: Row, contact_id: str, rule: ActivationRule) -> dict[str, Any]:
        task = rule.task
        assert task is not None  # noqa: S101 - tells the type checker
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _TASK_TO_CONTACT}
        properties = {
            "hs_task_subject": render(task.subject, row) or rule.segment,
            # It is shown as HTML, to somebody who trusts what their CRM says.
            "hs_task_body": render_marked(task.text, row),
            "hs_task_status": "NOT_STARTED",
            "hs_timestamp": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "hubspot_owner_id": self._settings.task_owner_id,
        }
        return {
            "properties": known(properties),
            "associations": [{"to": {"id": contact_id}, "types": [kind]}],
            # With it HubSpot makes those that it can, and says which it could not.
            _TRACE: row.key,
        }


def _contact(row: Row, flag: str | None) -> dict[str, Any]:
    standard, rest = split(row, _STANDARD)
    flags = {flag: True} if flag else {}
    values = {name: as_text(value) for name, value in {**standard, **rest, **flags}.items()}
    # `id` is the address: HubSpot looks for it, and makes the contact where there is none.
    email = text(row, "email")
    return {"id": email, "idProperty": "email", "properties": {**values, "email": email}}


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    values = {name: as_text(value) for name, value in row.payload.items() if value is not None}
    return {
        "eventName": name,
        "email": text(row, "email"),
        "uuid": str(uuid.uuid5(_SPACE, row.key)),
        "occurredAt": utc_now().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "properties": {**values, "audience": audience},
    }


def _ids(rows: Sequence[Row], response: httpx.Response) -> dict[str, str]:
    by_email: dict[str, str] = {}
    for found in read_json(response).get("results", []):
        known_as = found.get("properties") or {}
        for name in ("email", _OTHER_EMAILS):
            for address in str(known_as.get(name) or "").lower().split(";"):
                by_email.setdefault(address.strip(), str(found["id"]))
    by_email.pop("", None)
    pairs = ((row.key, by_email.get(text(row, "email").lower())) for row in rows)
    return {key: found for key, found in pairs if found}


def _not_upserted(
    rows: Sequence[Row], ids: Mapping[str, str], response: httpx.Response
) -> dict[str, RowAnswer]:
    said = {}
    for error in read_json(response).get("errors", []):
        for who in (error.get("context") or {}).get("ids", []):
            said[str(who).lower()] = one_line(str(error.get("message", "refused")))
    return {
        row.key: RowAnswer("error", said.get(text(row, "email").lower(), "HubSpot gave no contact"))
        for row in rows
        if row.key not in ids
    }


def _made(keys: Collection[str], content: Any) -> dict[str, RowAnswer]:
    """What became of the tasks with these traces; all were made where there are no errors."""
    told = {
        str(one.get(_TRACE)): RowAnswer("ok", vendor_id=str(one["id"]))
        for one in content.get("results", [])
    }
    errors = content.get("errors", [])
    for error in errors:
        for key in (error.get("context") or {}).get(_TRACE, []):
            told[str(key)] = RowAnswer("error", one_line(str(error.get("message", "refused"))))
    if errors:
        untold = RowAnswer("unknown", "HubSpot does not say what became of it")
        told = {key: told.get(key, untold) for key in keys}
    return {key: answer for key, answer in told.items() if key in keys}


SETTINGS = HubSpotDestination
DESTINATION = HubSpot
