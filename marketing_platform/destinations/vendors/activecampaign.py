"""ActiveCampaign: contacts with tags, and events.

https://developers.activecampaign.com/reference. A contact a call, 5 calls a second for the account.
An event is not known again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line, read_json, stop, vendor_words
from marketing_platform.destinations.base import (
    IDENTIFYING,
    Answer,
    Audience,
    Batch,
    EventName,
    Place,
    Row,
    RowAnswer,
)
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Unusual,
    complete,
    dump,
    errors,
    in_parts,
    part_by_part,
    plain,
)
from marketing_platform.destinations.people import as_text, cleared_as, split, text
from marketing_platform.settings import ActivationRule
from marketing_platform.settings.group import Digits

_STANDARD = {
    "email": "email",
    "phone": "phone",
    "first_name": "firstName",
    "last_name": "lastName",
}
# The most that a page may have.
_PAGE = 100


class ActiveCampaignDestination(HttpSettings):
    """`base_url` is the account's own, `https://ACCOUNT.api-us1.com`, as Settings > Developer says.

    `fields` gives for an attribute the number of the custom field that takes it. Events need
    `account_id` (actid) and `event_key`, as Website > Site Tracking > Event Tracking says.
    """

    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    api_token: SecretStr
    base_url: str = Field(repr=False, min_length=1)
    fields: dict[str, Digits] = Field(default_factory=dict)
    account_id: Digits | None = None
    event_key: SecretStr | None = None
    tracking_url: str = "https://trackcmp.net"
    batch_size: int = Field(default=20, ge=1, le=100)
    concurrency: int = Field(default=2, ge=1, le=5)

    def takes(self, attribute: str) -> bool:
        """What a contact has a field for."""
        return attribute in _STANDARD or attribute in self.fields

    @property
    def place(self) -> str:
        """Where fields are named."""
        return "fields"


class ActiveCampaign(HttpDestination):
    """An audience is a tag, by its number: a list would subscribe people, and unsubscribe them."""

    modes = ("audience", "event")
    repeatable = ("audience",)
    audience = Audience("the number of a tag", is_needed=True)
    event = EventName("a name of at most 32 characters", r".{1,32}")
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((5, 1.0),)

    def __init__(self, name: str, settings: ActiveCampaignDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The token."""
        return {"Api-Token": plain(self._settings.api_token)}

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/3/users/me", method="GET")

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """The tracker says no with 200."""
        is_tracked = str(response.url).startswith(self._settings.tracking_url)
        said = read_json(response) if is_tracked and response.is_success else None
        if not isinstance(said, dict) or said.get("success"):
            return None
        return Answer("refused", one_line(str(said.get("message") or "refused")))

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """For each row the contact, then its tag; or the event.

        Who leaves is looked for: whom it has not is not made a contact to be taken out.
        """
        if rule.event is not None:
            return (yield from self._events(batch, rule.event))
        told: dict[str, RowAnswer] = {}
        for row in batch.rows:
            if row.operation == "remove":
                yield from self._leave(row, rule)
                continue
            content = {"contact": self._contact(row)}
            # 404 and 422 are about this contact: an address that is none.
            response = yield Call("/api/3/contact/sync", content, reads=frozenset({404, 422}))
            if not response.is_success:
                told[row.key] = RowAnswer("error", vendor_words(response))
                continue
            contact = str(read_json(response)["contact"]["id"])
            tagged = {"contactTag": {"contact": contact, "tag": rule.audience}}
            yield Call("/api/3/contactTags", tagged)
        return complete(batch.rows, told)

    def _leave(self, row: Row, rule: ActivationRule) -> Exchange:
        email = text(row, "email")
        if not email:
            # A blank one is no limit: all contacts would be found.
            return {}
        named = Call("/api/3/contacts", method="GET", params={"email": email})
        for contact in read_json((yield named))["contacts"]:
            if str(contact.get("email")).lower() != email.lower():
                continue
            for tag in (yield from self._tags(str(contact["id"]))):
                if str(tag.get("tag")) == rule.audience:
                    path = f"/api/3/contactTags/{tag['id']}"
                    yield Call(path, method="DELETE", reads=frozenset({404}))
        return {}

    def _tags(self, contact: str) -> Generator[Call, httpx.Response, list[dict[str, Any]]]:
        """All tags of a contact: a page of 20 is all that it gives unasked."""
        path, found, page = f"/api/3/contacts/{contact}/contactTags", list[dict[str, Any]](), True
        while page:
            params = {"limit": _PAGE, "offset": len(found)}
            answer = read_json((yield Call(path, method="GET", params=params))) or {}
            tags = answer.get("contactTags", [])
            page = len(tags) == _PAGE and tags[-1] not in found
            found += tags
        return found

    def _events(self, batch: Batch, event: str) -> Exchange:
        if not self._settings.account_id or not self._settings.event_key:
            raise Unusual(stop("events need account_id and event_key; set both"))
        nameless = [row for row in batch.rows if not text(row, "email")]
        named = [row for row in batch.rows if text(row, "email")]
        told = yield from part_by_part(in_parts(named, 1), lambda one: self._event(one[0], event))
        return {**told, **errors(nameless, "an event needs an e-mail")}

    def _event(self, row: Row, event: str) -> Call:
        values = {n: v for n, v in row.payload.items() if n not in IDENTIFYING and n != "email"}
        form = {
            "actid": self._settings.account_id or "",
            "key": plain(self._settings.event_key),
            "event": event,
            "eventdata": dump(values).decode() if values else "",
            "visit": dump({"email": text(row, "email")}).decode(),
        }
        # The token of the API is nothing to the host that tracks.
        url = f"{self._settings.tracking_url.rstrip('/')}/event"
        return Call(url, form=form, headers={"Api-Token": ""})

    def _contact(self, row: Row) -> dict[str, Any]:
        standard, rest = split(row, _STANDARD)
        values = [
            {"field": self._settings.fields[name], "value": as_text(value)}
            for name, value in rest.items()
            if name in self._settings.fields
        ]
        return {**cleared_as("", standard), "email": text(row, "email"), "fieldValues": values}


SETTINGS = ActiveCampaignDestination
DESTINATION = ActiveCampaign
