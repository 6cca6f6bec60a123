"""Klaviyo: profiles, lists, and events that start flows.

https://developers.klaviyo.com/en/reference/api_overview, revision 2026-07-15. Profiles go as bulk
import jobs, which are waited for and clear nothing (what is to be cleared goes profile by profile);
an event is known again by its `unique_id`.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json, vendor_words
from marketing_platform.destinations.base import Answer, Batch, EventName, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Pause,
    Rows,
    Unusual,
    complete,
    in_parts,
    plain,
)
from marketing_platform.destinations.people import flag_name, only_known_by, split, text
from marketing_platform.settings import ActivationRule

_STANDARD = {
    "email": "email",
    "phone": "phone_number",
    "first_name": "first_name",
    "last_name": "last_name",
    "language": "locale",
}
_PLACE = {
    "city": "city",
    "region": "region",
    "country": "country",
    "postcode": "zip",
    "timezone": "timezone",
}
_IDS_A_CALL = 100
_ERRORS_A_CALL = 100
_LOOKS = 60
# What a call about one profile may be refused with.
_OF_A_ROW = frozenset({400, 404, 409})


class KlaviyoDestination(HttpSettings):
    """`api_key` is a private key with the scopes profiles, lists and events."""

    api_key: SecretStr
    revision: str = Field(default="2026-07-15", pattern=r"^\d{4}-\d{2}-\d{2}$")
    base_url: str = Field(default="https://a.klaviyo.com", repr=False)
    batch_size: int = Field(default=1000, ge=1, le=1000)
    # Between two looks at a job.
    poll_seconds: float = Field(default=2.0, gt=0, le=30)


class Klaviyo(HttpDestination):
    """An audience is a list (its id), or by itself the property `segment_<name>`."""

    modes = ("audience", "event")
    has_numbers = True
    event = EventName("a name of less than 128 characters", r".{1,127}")
    # Of a burst of 10 a second and 150 a minute for bulk jobs, as their descriptions say.
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((10, 1.0), (150, 60.0))

    def __init__(self, name: str, settings: KlaviyoDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The key, and the revision that every call has to name."""
        return {
            "Authorization": f"Klaviyo-API-Key {plain(self._settings.api_key)}",
            "revision": self._settings.revision,
            "Accept": "application/vnd.api+json",
        }

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/lists", method="GET", params={"fields[list]": "name"})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Profiles by a job, then those who leave a list; or events."""
        if rule.event is not None:
            return (yield from self._events(batch, rule.event))
        leaves = [row for row in batch.rows if row.operation == "remove"]
        stays = [row for row in batch.rows if row.operation != "remove"]
        told: Rows = {}
        if rule.audience is None:
            flag, known = flag_name(rule.label), set[str]()
            for part in in_parts(leaves, _IDS_A_CALL):
                known |= (yield from self._found(part)).keys()
            # Who is not there is not made a profile to be taken out.
            leaves = [row for row in leaves if row.customer_id in known]
            flagged = [_profile(row, {flag: True}) for row in stays]
            flagged += [_profile(only_known_by(row), {flag: False}) for row in leaves]
            if flagged:
                told = yield from self._import([*stays, *leaves], flagged, None)
                told = yield from self._clear(stays, told)
            return complete(batch.rows, told)
        if stays:
            told = yield from self._import(stays, [_profile(row, {}) for row in stays], rule)
            told = yield from self._clear(stays, told)
        for part in in_parts(leaves, _IDS_A_CALL):
            yield from self._leave(part, rule.audience)
        return complete(batch.rows, told)

    def _import(
        self, rows: Sequence[Row], profiles: list[dict[str, Any]], rule: ActivationRule | None
    ) -> Exchange:
        lists = [{"type": "list", "id": rule.audience}] if rule else None
        job = {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": profiles}},
            **({"relationships": {"lists": {"data": lists}}} if lists else {}),
        }
        response = yield _call("/api/profile-bulk-import-jobs", {"data": job})
        path = f"/api/profile-bulk-import-jobs/{read_json(response)['data']['id']}"
        for _ in range(_LOOKS):
            attributes = read_json((yield Call(path, method="GET")))["data"]["attributes"]
            if attributes["status"] == "cancelled":
                raise Unusual(Answer("retry", "the job was cancelled", may_have_arrived=True))
            if attributes["status"] == "complete":
                break
            yield Pause(self._settings.poll_seconds)
        else:
            # Another job now would only wait behind this one.
            return {row.key: RowAnswer("unknown", "the job has not ended yet") for row in rows}
        if not attributes.get("failed_count"):
            return {}
        found: list[Any] = []
        params = {"page[size]": str(_ERRORS_A_CALL)}
        while params:
            page = read_json((yield Call(f"{path}/import-errors", method="GET", params=params)))
            found += page["data"]
            params = dict(httpx.URL((page.get("links") or {}).get("next") or "").params)
        if not found:
            count = attributes["failed_count"]
            raise Unusual(Answer("refused", f"{count} profiles were not taken"))
        return _import_errors(rows, found)

    def _clear(self, rows: Sequence[Row], told: Rows) -> Exchange:
        """Take away what was told and is not known any more: an import leaves it there."""
        refused: dict[str, RowAnswer] = {}
        for row in rows:
            if row.cleared and row.key not in told:
                gone = replace(row, payload=dict.fromkeys(row.cleared))
                call = _call("/api/profile-import", {"data": _profile(gone, {}, is_blank=True)})
                response = yield replace(call, reads=_OF_A_ROW)
                if not response.is_success:
                    refused[row.key] = RowAnswer("error", vendor_words(response))
        return {**told, **refused}

    def _leave(self, rows: Sequence[Row], list_id: str) -> Exchange:
        """Take profiles off a list; who is not there any more has left it already."""
        if found := (yield from self._found(rows)):
            data = [{"type": "profile", "id": profile} for profile in found.values()]
            path = f"/api/lists/{list_id}/relationships/profiles"
            yield _call(path, {"data": data}, method="DELETE")
        return {}

    def _found(self, rows: Sequence[Row]) -> Generator[Call, httpx.Response, dict[str, str]]:
        """The ids of the profiles that are there, by our own."""
        ids = ",".join(json.dumps(row.customer_id) for row in rows)
        params = {
            "filter": f"any(external_id,[{ids}])",
            "fields[profile]": "external_id",
            "page[size]": str(_IDS_A_CALL),
        }
        answer = read_json((yield Call("/api/profiles", method="GET", params=params)))
        return {one["attributes"]["external_id"]: one["id"] for one in answer["data"]}

    def _events(self, batch: Batch, event: str) -> Exchange:
        events = [
            {
                "type": "event-bulk-create",
                "attributes": {
                    "profile": {"data": _profile(row, {})},
                    "events": {"data": [_event(row, event, batch.audience)]},
                },
            }
            for row in batch.rows
        ]
        job = {
            "type": "event-bulk-create-job",
            "attributes": {"events-bulk-create": {"data": events}},
        }
        yield _call("/api/event-bulk-create-jobs", {"data": job})
        return {}


def _call(path: str, content: Any, *, method: str = "POST") -> Call:
    return Call(path, content, method, headers={"Content-Type": "application/vnd.api+json"})


def _profile(row: Row, flags: Mapping[str, bool], *, is_blank: bool = False) -> dict[str, Any]:
    """A profile; what is not known is left as it is there, or blank."""
    if not is_blank:
        row = replace(row, cleared=frozenset())
    standard, others = split(row, _STANDARD)
    place, _ = split(row, _PLACE)
    rest = {name: value for name, value in others.items() if name not in _PLACE}
    attributes: dict[str, Any] = {"external_id": row.customer_id, **standard}
    if place:
        attributes["location"] = place
    if rest or flags:
        attributes["properties"] = {**rest, **flags}
    return {"type": "profile", "attributes": attributes}


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    return {
        "type": "event",
        "attributes": {
            "metric": {"data": {"type": "metric", "attributes": {"name": name}}},
            "properties": {**row.payload, "audience": audience},
            "unique_id": row.key,
        },
    }


def _import_errors(rows: Sequence[Row], found: Sequence[Mapping[str, Any]]) -> dict[str, RowAnswer]:
    """The errors of a job by row. One that names none of them is found by halving."""
    by_customer = {row.customer_id: row for row in rows}
    by_email = {text(row, "email"): row for row in rows if text(row, "email")}
    told: dict[str, RowAnswer] = {}
    for error in found:
        said = error["attributes"]
        payload = said.get("original_payload") or {}
        row = by_customer.get(str(payload.get("external_id"))) or by_email.get(
            str(payload.get("email"))
        )
        words = f"{said.get('title', '')}: {said.get('detail', '')}"
        if row is None:
            raise Unusual(Answer("refused", words))
        told.setdefault(row.key, RowAnswer("error", words))
    return told


SETTINGS = KlaviyoDestination
DESTINATION = Klaviyo
