"""Customer.io: people, manual segments, and events that start campaigns (Track API).

https://docs.customer.io/integrations/api/track. Batches of at most 500 KB; an event is known again
by its id. Where the descriptions of the limits differ, the lower one is kept: 100 calls a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json, refusal
from marketing_platform.destinations.base import (
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
    Rows,
    Unusual,
    basic,
    complete,
    dump,
    plain,
)
from marketing_platform.destinations.people import (
    by_size,
    cut,
    flag_name,
    flat,
    only_known_by,
    split,
)
from marketing_platform.settings import ActivationRule
from marketing_platform.state import utc_now

_STANDARD = {"email": "email", "phone": "phone"}
_MOST_BYTES = 450_000
_MOST_OF_VALUE = 1000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class CustomerIoDestination(HttpSettings):
    """`site_id` and `api_key` of the Track API; the EU has `https://track-eu.customer.io`."""

    site_id: str
    api_key: SecretStr
    base_url: str = Field(default="https://track.customer.io", repr=False)
    batch_size: int = Field(default=500, ge=1, le=1000)


class CustomerIo(HttpDestination):
    """An audience is a manual segment (its number), or the attribute `segment_<name>`."""

    modes = ("audience", "event")
    has_numbers = True
    audience = Audience("the number of a manual segment")
    event = EventName("a name of at most 100 characters", r".{1,100}")
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((100, 1.0),)

    def __init__(self, name: str, settings: CustomerIoDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """Site and key."""
        return basic(self._settings.site_id, plain(self._settings.api_key))

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/v1/accounts/region", method="GET")

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """People first, then the segment; or events.

        Who leaves a segment is not made a person to be taken out.
        """
        if rule.event is not None:
            things = [_event(row, rule.event, batch.audience) for row in batch.rows]
            return complete(batch.rows, (yield from _batches(batch.rows, things)))
        flag = None if rule.audience else flag_name(rule.label)
        rows = [row for row in batch.rows if flag or row.operation != "remove"]
        told = yield from _batches(rows, [_person(row, flag) for row in rows])
        if rule.audience:
            for operation, verb in (("remove", "remove_customers"), ("", "add_customers")):
                ids = [
                    row.customer_id
                    for row in batch.rows
                    if (row.operation == "remove") == (operation == "remove")
                    and row.key not in told
                ]
                if ids:
                    path = f"/api/v1/segments/{rule.audience}/{verb}"
                    yield Call(path, {"ids": ids}, params={"id_type": "id"})
        return complete(batch.rows, told)


def _batches(rows: Sequence[Row], things: Sequence[Mapping[str, Any]]) -> Exchange:
    told: dict[str, RowAnswer] = {}
    pairs = list(zip(rows, things, strict=True))
    for part in by_size(pairs, lambda pair: len(dump(pair[1])), most=_MOST_BYTES, count=1000):
        content = {"batch": [thing for _, thing in part]}
        response = yield Call("/api/v2/batch", content, reads=frozenset({400}))
        told.update(_errors([row for row, _ in part], response))
    return told


def _person(row: Row, flag: str | None) -> dict[str, Any]:
    is_leaving = row.operation == "remove"
    if is_leaving:
        row = only_known_by(row)
    standard, rest = split(row, _STANDARD)
    flags: dict[str, Any] = {flag: not is_leaving} if flag else {}
    if is_leaving:
        # Who is not there is not made a person to be taken out.
        flags["_update"] = True
    return {
        "type": "person",
        "identifiers": {"id": row.customer_id},
        "action": "identify",
        "attributes": {**standard, **_short(flat(rest)), **flags},
    }


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values; an attribute of a person has at most 1,000 bytes, an event's has more room."""
    return {
        name: cut(value, _MOST_OF_VALUE) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _event(row: Row, name: str, audience: str) -> dict[str, Any]:
    return {
        "type": "person",
        "identifiers": {"id": row.customer_id},
        "action": "event",
        "name": name,
        "id": _ulid(row.key),
        "attributes": {**row.payload, "audience": audience},
    }


def _ulid(key: str) -> str:
    """A ULID that is always the same for a key: its time is the epoch, the rest the key's hash."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10])
    return "0" * 10 + "".join(
        _CROCKFORD[(number >> (5 * place)) & 31] for place in range(15, -1, -1)
    )


def _errors(rows: Sequence[Row], response: httpx.Response) -> Rows:
    """A 207 names the rows that were not taken by their place; after a 400 none were.

    What is refused without a name is found by halving.
    """
    content = read_json(response)
    found = content.get("errors") if isinstance(content, dict) else None
    told: dict[str, RowAnswer] = {}
    for error in found or []:
        place = error.get("batch_index")
        words = " ".join(str(error.get(part) or "") for part in ("reason", "field", "message"))
        if not isinstance(place, int) or not 0 <= place < len(rows):
            raise Unusual(Answer("refused", words.strip()))
        told[rows[place].key] = RowAnswer("error", words.strip())
    if response.status_code == 400:
        raise Unusual(replace(refusal(response, utc_now()), rows=told))
    return told


SETTINGS = CustomerIoDestination
DESTINATION = CustomerIo
