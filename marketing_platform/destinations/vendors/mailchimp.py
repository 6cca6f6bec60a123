"""Mailchimp: members of one list, with tags or static segments, and events.

https://mailchimp.com/developer/marketing/api. At most 500 members a call and 10 connections; a
throttled call may be a 403 that is no JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import httpx
from pydantic import Field, SecretStr, model_validator

from marketing_platform.destinations.answers import read_json
from marketing_platform.destinations.base import Answer, Batch, EventName, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    basic,
    complete,
    errors,
    in_parts,
    part_by_part,
    plain,
)
from marketing_platform.destinations.people import as_text, cleared_as, cut, split, text
from marketing_platform.settings import ActivationRule

_STANDARD = {"first_name": "FNAME", "last_name": "LNAME", "phone": "PHONE"}
_MOST_OF_FIELD = 255
# Who lacks a field that the list's form asks for is taken all the same, and so is an address that
# two customers share, once.
_LENIENT = {"skip_merge_validation": "true", "skip_duplicate_check": "true"}


class MailchimpDestination(HttpSettings):
    """`api_key` ends in the data centre, `...-us21`; `list_id` is the audience at Mailchimp.

    `status_if_new` is what a member becomes who was not there: `subscribed` only where the people
    have agreed, so together with `consent: email`; so is `pending`, for Mailchimp writes to them to
    ask once more. `merge_fields` gives for an attribute the tag of
    the audience field that takes it.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    api_key: SecretStr
    list_id: str = Field(pattern=r"^[0-9A-Za-z]+$")
    status_if_new: Literal["subscribed", "pending", "transactional"] = "transactional"
    merge_fields: dict[str, Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,10}$")]] = Field(
        default_factory=dict
    )
    batch_size: int = Field(default=500, ge=1, le=500)
    concurrency: int = Field(default=4, ge=1, le=10)
    timeout_seconds: float = Field(default=120.0, gt=0)
    requires: tuple[Literal["email", "phone"], ...] = ("email",)

    @model_validator(mode="after")
    def _agreed(self) -> MailchimpDestination:
        if self.status_if_new != "transactional" and self.consent != "email":
            told = f"status_if_new: {self.status_if_new} needs consent: email beside it"
            raise ValueError(told)
        if not self.base_url and "-" not in plain(self.api_key):
            raise ValueError("the API key does not end in a data centre, such as -us21")
        return self

    def takes(self, attribute: str) -> bool:
        """What a member has a field for."""
        return attribute in {"email", "language", *_STANDARD, *self.merge_fields}

    @property
    def place(self) -> str:
        """Where fields are named."""
        return "merge_fields"


class Mailchimp(HttpDestination):
    """An audience is a static segment (its number), or a tag of its name or the segment's."""

    modes = ("audience", "event")
    event = EventName("a name of 2 to 30 characters", r".{2,30}")
    repeatable = ("audience",)

    def __init__(self, name: str, settings: MailchimpDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    @property
    def base_url(self) -> str:
        """The data centre that the key names."""
        centre = plain(self._settings.api_key).rpartition("-")[2]
        return self._settings.base_url or f"https://{centre}.api.mailchimp.com"

    def headers(self) -> Mapping[str, str]:
        """The key."""
        return basic("key", plain(self._settings.api_key))

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """A 403 without a body of JSON is a call too many, not a wrong key."""
        if response.status_code == 403 and read_json(response) is None:
            return Answer("retry", "403 without a word: too many calls", is_counted=False)
        return None

    def probing(self) -> Call:
        """Read something small."""
        return Call(f"/3.0/lists/{self._settings.list_id}", method="GET", params={"fields": "id"})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """Members first, then tags or the static segment; or events."""
        base = f"/3.0/lists/{self._settings.list_id}"
        if rule.event is not None:
            return (yield from self._events(base, batch.rows, rule.event))
        is_static = bool(rule.audience) and str(rule.audience).isdigit()
        tag = rule.audience or rule.label
        stays = [row for row in batch.rows if row.operation != "remove"]
        leaves = [row for row in batch.rows if row.operation == "remove"]
        told: dict[str, RowAnswer] = {}
        content: dict[str, Any]
        if stays:
            members = [self._member(row, None if is_static else tag) for row in stays]
            content = {"members": members, "update_existing": True, "sync_tags": False}
            answer = read_json((yield Call(base, content, params=_LENIENT)))
            told = _errors(stays, answer)
        content = {
            "members_to_add": [text(row, "email") for row in stays if row.key not in told],
            "members_to_remove": [text(row, "email") for row in leaves],
        }
        if is_static and any(content.values()):
            answer = read_json((yield Call(f"{base}/segments/{rule.audience}", content)))
            told |= _errors_of_segment(stays, answer)
        for row in leaves if not is_static else ():
            inactive = {"tags": [{"name": tag, "status": "inactive"}]}
            yield Call(f"{base}/members/{_hash(row)}/tags", inactive, reads=frozenset({404}))
        return complete(batch.rows, told)

    def _events(self, base: str, rows: Sequence[Row], event: str) -> Exchange:
        def call(one: Sequence[Row]) -> Call:
            [row] = one
            values = {n: as_text(v) for n, v in row.payload.items() if v is not None}
            content = {"name": event, "properties": values}
            path = f"{base}/members/{_hash(row)}/events"
            return Call(path, content, reads=frozenset({404}))

        def read(one: Sequence[Row], response: httpx.Response) -> dict[str, RowAnswer]:
            return {} if response.is_success else errors(one, "is no member of the list")

        return (yield from part_by_part(in_parts(rows, 1), call, read))

    def _member(self, row: Row, tag: str | None) -> dict[str, Any]:
        fields, rest = split(row, _STANDARD)
        more = {
            tag: _birthday(rest[name]) if tag == "BIRTHDAY" else _field(rest[name])
            for name, tag in self._settings.merge_fields.items()
            if name in rest
        }
        language = rest.pop("language", None)
        return {
            "email_address": text(row, "email"),
            "status_if_new": self._settings.status_if_new,
            "merge_fields": {**cleared_as("", fields), **more},
            **({"language": str(language)[:2]} if language else {}),
            **({"tags": [tag]} if tag else {}),
        }


def _field(value: Any) -> str:
    """A value for a field; of a list of products as many titles as it takes."""
    return cut(as_text(value), _MOST_OF_FIELD) if isinstance(value, list) else as_text(value)


def _birthday(date: Any) -> str:
    """Month and day, as Mailchimp's fields of birthdays want them."""
    return "/".join(as_text(date)[:10].split("-")[1:])


def _hash(row: Row) -> str:
    """A member's id: Mailchimp takes the MD5 of the address in small letters."""
    address = text(row, "email").lower().encode()
    return hashlib.md5(address, usedforsecurity=False).hexdigest()


def _errors(rows: Sequence[Row], content: Any) -> dict[str, RowAnswer]:
    said = {
        str(error.get("email_address", "")).lower(): str(error.get("error", "refused"))
        for error in content.get("errors", [])
    }
    pairs = ((row.key, said.get(text(row, "email").lower())) for row in rows)
    return {key: RowAnswer("error", words) for key, words in pairs if words}


def _errors_of_segment(rows: Sequence[Row], content: Any) -> dict[str, RowAnswer]:
    said = {
        str(address).lower(): str(error.get("error", "refused"))
        for error in content.get("errors", [])
        for address in error.get("email_addresses", [])
    }
    pairs = ((row.key, said.get(text(row, "email").lower())) for row in rows)
    return {key: RowAnswer("error", words) for key, words in pairs if words}


SETTINGS = MailchimpDestination
DESTINATION = Mailchimp
