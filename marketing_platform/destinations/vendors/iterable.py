"""Iterable: users, static lists, and events that start journeys.

https://api.iterable.com/api/docs. Users are updated in bulk; an event is known again by its id.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json
from marketing_platform.destinations.base import Answer, Audience, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Unusual,
    complete,
    errors,
    plain,
)
from marketing_platform.destinations.people import flag_name, only_known_by, split, text
from marketing_platform.settings import ActivationRule

_STANDARD = {
    "phone": "phoneNumber",
    "first_name": "firstName",
    "last_name": "lastName",
    "language": "locale",
}


class IterableDestination(HttpSettings):
    """`api_key` is a server-side key; the EU has `https://api.eu.iterable.com`."""

    known_by: ClassVar[tuple[str, ...]] = ("email",)

    api_key: SecretStr
    base_url: str = Field(default="https://api.iterable.com", repr=False)
    batch_size: int = Field(default=500, ge=1, le=1000)


class IterableVendor(HttpDestination):
    """An audience is a static list (its number), or the field `segment_<name>`."""

    modes = ("audience", "event")
    has_numbers = True
    audience = Audience("the number of a static list")
    # Of the bulk paths: 5 users/bulkUpdate calls a second, 10 of events a second.
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((5, 1.0),)

    def __init__(self, name: str, settings: IterableDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The key."""
        return {"Api-Key": plain(self._settings.api_key)}

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/lists", method="GET")

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Users first, then the list; or events."""
        rows = batch.rows
        if rule.event is not None:
            events = [_event(row, rule.event, batch.audience) for row in rows]
            content = read_json((yield Call("/api/events/trackBulk", {"events": events})))
            if why := dict(_failures(content, "")).get(rule.event):
                return errors(rows, why)
            return complete(rows, _refused(rows, content))
        flag = None if rule.audience else flag_name(rule.label)
        # Who leaves is not made a user to be taken out.
        known = (yield from self._known(rows)) if flag else frozenset[str]()
        users = [_user(row, flag) for row in rows if row.operation != "remove" or row.key in known]
        told: dict[str, RowAnswer] = {}
        if users:
            answer = read_json((yield Call("/api/users/bulkUpdate", {"users": users})))
            told = _refused(rows, answer)
        if rule.audience:
            for path, part in (
                ("unsubscribe", [row for row in rows if row.operation == "remove"]),
                ("subscribe", [row for row in rows if row.operation != "remove"]),
            ):
                people = [_who(row) for row in part if row.key not in told]
                if people:
                    content = {"listId": int(rule.audience), "subscribers": people}
                    answer = read_json((yield Call(f"/api/lists/{path}", content)))
                    if path == "subscribe":
                        told.update(_refused(part, answer))
        return complete(rows, told)

    def _known(self, rows: Sequence[Row]) -> Generator[Call, httpx.Response, frozenset[str]]:
        """Those who leave and are users: an update would make users of the others."""
        found = set()
        for row in rows:
            if row.operation != "remove":
                continue
            [(name, value)] = _who(row).items()
            path = "/api/users/getByEmail" if name == "email" else "/api/users/byUserId"
            # 100 a second may be looked up.
            look = Call(path, method="GET", params={name: value}, is_paced=False)
            answer = read_json((yield replace(look, reads=frozenset({400, 404})))) or {}
            if answer.get("user"):
                found.add(row.key)
        return frozenset(found)


def _who(row: Row) -> dict[str, Any]:
    """By e-mail where there is one: projects whose users are e-mails know nothing else."""
    email = text(row, "email")
    return {"email": email} if email else {"userId": row.customer_id}


def _user(row: Row, flag: str | None) -> dict[str, Any]:
    if row.operation == "remove":
        row = only_known_by(row, "email")
    standard, rest = split(row, _STANDARD)
    rest.pop("email", None)
    flags = {flag: row.operation != "remove"} if flag else {}
    fields = {**standard, **rest, **flags, "customer_id": row.customer_id}
    return {**_who(row), "preferUserId": True, "mergeNestedObjects": True, "dataFields": fields}


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    fields = {**row.payload, "audience": audience}
    return {**_who(row), "eventName": name, "id": row.key, "dataFields": fields}


def _refused(rows: Sequence[Row], content: Any) -> dict[str, RowAnswer]:
    """The rows whose e-mail or id stands in one of the lists of an answer's failures.

    Failures that it does not name are found by halving.
    """
    words = {who.lower(): said for who, said in _failures(content, "")}
    told = {}
    for row in rows:
        said = words.get(text(row, "email").lower()) or words.get(row.customer_id.lower())
        if said:
            told[row.key] = RowAnswer("error", said)
    count = content.get("failCount") or 0
    if count and not told:
        raise Unusual(Answer("refused", f"{count} were not taken"))
    return told


def _failures(content: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _failures(value, key)
    elif isinstance(content, list) and name.startswith(
        ("invalid", "notFound", "forgotten", "conflict", "disallowed")
    ):
        for who in content:
            yield str(who), name


SETTINGS = IterableDestination
DESTINATION = IterableVendor
