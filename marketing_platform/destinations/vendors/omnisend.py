"""Omnisend: contacts with tags, and events that start automations.

https://api-docs.omnisend.com, version 2026-03-15. A contact a call, 400 a minute; tags are taken
away from 250 at a time, 60 calls a minute. No welcome message is ever started from here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json
from marketing_platform.destinations.base import Answer, Batch, Place, Row
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    in_parts,
    part_by_part,
    plain,
)
from marketing_platform.destinations.people import cleared_as, flat, known, split, text
from marketing_platform.settings import ActivationRule

_STANDARD = {
    "first_name": "firstName",
    "last_name": "lastName",
    "country": "countryCode",
    "city": "city",
    "postcode": "postalCode",
    "birth_date": "birthdate",
}
# Omnisend checks what stands there, and a blank is none.
_NOT_BLANK = ("countryCode", "birthdate")
_SPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


class OmnisendDestination(HttpSettings):
    """`api_key` may write contacts and events."""

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email", "phone")

    api_key: SecretStr
    version: str = Field(default="2026-03-15", pattern=r"^\d{4}-\d{2}-\d{2}$")
    base_url: str = Field(default="https://api.omnisend.com", repr=False)
    batch_size: int = Field(default=50, ge=1, le=250)


class Omnisend(HttpDestination):
    """An audience is a tag, of its own name or the segment's."""

    modes = ("audience", "event")
    has_numbers = True
    # Omnisend knows an event again only where it is of the past.
    repeatable = ("audience",)
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((400, 60.0),)

    def __init__(self, name: str, settings: OmnisendDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The key, and the version that every call has to name."""
        key = plain(self._settings.api_key)
        return {
            "Authorization": f"Omnisend-API-Key {key}",
            "Omnisend-Version": self._settings.version,
        }

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """A 429 says in its body how long to wait."""
        if response.status_code == 429:
            content = read_json(response)
            wait = content.get("retryAfter") if isinstance(content, dict) else None
            seconds = float(wait) if isinstance(wait, int | float) else None
            return Answer("retry", "429", wait_seconds=seconds, is_counted=False)
        return None

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/contacts", method="GET", params={"limit": 1})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """A call for each contact or event; tags are taken away together."""
        tag = rule.audience or rule.label
        if rule.event is not None:
            return (yield from self._events(batch, rule.event))
        for row in batch.rows:
            if row.operation != "remove":
                yield Call("/api/contacts", _contact(row, tag))
        leaves = [row for row in batch.rows if row.operation == "remove"]
        for name, field in (("email", "emails"), ("phone", "phones")):
            # By e-mail where there is one, by phone only where there is none.
            chosen = [
                r for r in leaves if text(r, name) and (name == "email" or not text(r, "email"))
            ]
            if chosen:
                content = {"tags": [tag], field: [text(row, name) for row in chosen]}
                yield Call("/api/contacts/tags", content, "DELETE")
        return {}

    def _events(self, batch: Batch, event: str) -> Exchange:
        def call(one: Sequence[Row]) -> Call:
            return Call("/api/events", _event(one[0], event, batch.audience))

        return (yield from part_by_part(in_parts(batch.rows, 1), call))


def _identifiers(row: Row) -> list[dict[str, Any]]:
    return [
        {"type": name, "id": text(row, name), "sendWelcomeMessage": False}
        for name in ("email", "phone")
        if text(row, name)
    ]


def _contact(row: Row, tag: str) -> dict[str, Any]:
    standard, rest = split(row, _STANDARD)
    for name in ("email", "phone"):
        rest.pop(name, None)
    properties = {**cleared_as("", flat(rest)), "customer_id": row.customer_id}
    return {
        "identifiers": _identifiers(row),
        **known({name: standard.get(name) for name in _NOT_BLANK}),
        **cleared_as("", {n: v for n, v in standard.items() if n not in _NOT_BLANK}),
        "tags": [tag],
        "customProperties": properties,
    }


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    who = {name: text(row, name) for name in ("email", "phone") if text(row, name)}
    return {
        "eventName": name,
        "eventID": str(uuid.uuid5(_SPACE, row.key)),
        "origin": "api",
        "properties": {**row.payload, "audience": audience},
        "contact": who,
    }


SETTINGS = OmnisendDestination
DESTINATION = Omnisend
