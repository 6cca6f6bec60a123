"""Braze: users and events (`/users/track`); a segment is an attribute, as there are no lists.

https://www.braze.com/docs/api/endpoints/user_data/post_user_track. At most 75 objects a call,
50 for who pays by monthly users. Braze knows no event again: an unknown outcome is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json
from marketing_platform.destinations.base import Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    complete,
    plain,
)
from marketing_platform.destinations.people import flag_name, known, split
from marketing_platform.settings import ActivationRule
from marketing_platform.state import utc_now

_STANDARD = {
    "email": "email",
    "phone": "phone",
    "first_name": "first_name",
    "last_name": "last_name",
    "country": "country",
    "language": "language",
    "city": "home_city",
    "birth_date": "dob",
    "timezone": "time_zone",
}


class BrazeDestination(HttpSettings):
    """`api_key` may use users.track; `base_url` is the instance, `https://rest.fra-02.braze.eu`."""

    api_key: SecretStr
    base_url: str = Field(repr=False, min_length=1)
    batch_size: int = Field(default=50, ge=1, le=75)


class Braze(HttpDestination):
    """An audience is the attribute that it names, or `segment_<name>`, true or false."""

    modes = ("audience", "event")
    has_numbers = True
    repeatable = ("audience",)
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((1000, 1.0),)

    def __init__(self, name: str, settings: BrazeDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The REST key."""
        return {"Authorization": f"Bearer {plain(self._settings.api_key)}"}

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for all rows."""
        if rule.event is not None:
            kind, objects = "events", [_event(r, rule.event, batch.audience) for r in batch.rows]
        else:
            flag = rule.audience or flag_name(rule.label)
            kind, objects = "attributes", [_user(row, flag) for row in batch.rows]
        content = read_json((yield Call("/users/track", {kind: objects}))) or {}
        told = {}
        for error in content.get("errors") or []:
            place = error.get("index") if isinstance(error, dict) else None
            if isinstance(place, int) and 0 <= place < len(batch.rows):
                words = str(error.get("type", "refused"))
                told[batch.rows[place].key] = RowAnswer("error", words)
        return complete(batch.rows, told)


def _user(row: Row, flag: str) -> dict[str, Any]:
    if row.operation == "remove":
        # Who is not there is not made a user to be taken out.
        return {"external_id": row.customer_id, flag: False, "_update_existing_only": True}
    standard, rest = split(row, _STANDARD)
    if standard.get("language"):
        # It knows languages without their region alone.
        standard["language"] = str(standard["language"]).partition("-")[0].lower()
    return {"external_id": row.customer_id, **standard, **_whole(rest), flag: True}


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, lists of products without what is not known of one.

    A null within makes Braze drop all nested attributes of the request, without a word.
    """
    return {
        name: [known(one) for one in value] if isinstance(value, list) else value
        for name, value in values.items()
    }


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    return {
        "external_id": row.customer_id,
        "name": name,
        "time": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "properties": {**_whole(row.payload), "audience": audience, "message_key": row.key},
    }


SETTINGS = BrazeDestination
DESTINATION = Braze
