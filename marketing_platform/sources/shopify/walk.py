"""The walk through Shopify's GraphQL connections, and how it tells that something is wrong."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.shopify.access import ShopifyAccess
from marketing_platform.sources.stream import Checkpoint, Page, Window
from marketing_platform.sources.system import SystemSettings

PATH = "graphql.json"

# Shopify ends a list after 25,000 records; a new list is begun well before.
_LONGEST_LIST = 20_000
_REPEATS = 5
_PASSING = ("INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE")
_DAY = dt.timedelta(1)


class ShopifySettings(ShopifyAccess, SystemSettings):
    """One shop, and how it lets us in.

    `page_size` is how many records are asked for at a time, at most; a stream whose records are
    large asks for fewer. `line_page_size` is how many lines of each, before asking for the rest.
    """

    page_size: int = Field(default=250, ge=1, le=250)
    line_page_size: int = Field(default=250, ge=1, le=250)

    @property
    def url(self) -> str:
        """The shop's address, or the one that stands for it."""
        return self.base_url or self.shop_url


@dataclass(frozen=True)
class Lines:
    """A list within a record that may go on after its first page.

    `holders` is the list of objects in the record that have it; empty: the record itself.
    """

    name: str
    more: str
    holders: str = ""


@dataclass(frozen=True)
class Connection:
    """A list of records: its name in the answer, its query, and how many are asked for at most.

    `has_whole_days`: its time filter knows days only. `is_keyed`: it can be filtered by the key of
    its records.
    """

    name: str
    query: str
    page_size: int = 250
    time: str = "updated_at"
    lines: tuple[Lines, ...] = ()
    has_whole_days: bool = False
    is_keyed: bool = True


@dataclass(frozen=True)
class Connections:
    """The records of one stream: one list after the other, each from page to page."""

    connections: tuple[Connection, ...]

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page with the place after it."""
        assert isinstance(settings, ShopifySettings)  # noqa: S101 - tells the type checker
        place: dict[str, Any] | None = dict(checkpoint or _start(self.connections, 0, settings))
        while place:
            connection = self.connections[place["list"]]
            answer = _page(client, connection, _variables(connection, settings, window, place))
            if answer is None:
                place = {**place, "first": max(1, place["first"] // 2)}
                continue
            is_longer = _complete(client, connection, answer.body, settings)
            content = json.dumps(answer.body).encode() if is_longer else answer.content
            place = self._after(place, answer.body["data"][connection.name], settings)
            yield Page(content, f"$.data.{connection.name}.nodes"), place

    def _after(
        self, place: Mapping[str, Any], found: Mapping[str, Any], settings: ShopifySettings
    ) -> dict[str, Any] | None:
        """The place after this page; None after the last."""
        number = place["list"]
        if not found["pageInfo"].get("hasNextPage"):
            is_last = number + 1 == len(self.connections)
            return None if is_last else _start(self.connections, number + 1, settings)
        read = place["read"] + len(found["nodes"])
        if read >= _LONGEST_LIST and self.connections[number].is_keyed and found["nodes"]:
            above = found["nodes"][-1]["id"].rpartition("/")[2]
            return {**place, "read": 0, "after": None, "above": above}
        return {**place, "read": read, "after": found["pageInfo"]["endCursor"]}


def pause(answer: Answer) -> float | None:
    """The seconds until the shop has the points for the query again; None where it was answered."""
    codes = _codes(answer.body)
    if "THROTTLED" in codes:
        return _seconds_until_affordable(answer.body)
    return 1.0 if codes.intersection(_PASSING) else None


def refuse_errors(body: Any) -> None:
    """A `SourceError` where an answer tells of errors, or has no data."""
    errors = _errors(body)
    if errors:
        said = "; ".join(str(error.get("message", "no message")) for error in errors)
        is_denied = "ACCESS_DENIED" in _codes(body)
        mend = "Give the app's token the right to read this" if is_denied else None
        raise SourceError(f"Shopify says: {said[:300]}", mend=mend)
    if not isinstance(body, Mapping) or not isinstance(body.get("data"), Mapping):
        raise SourceError("Shopify's answer has no data")


def _seconds_until_affordable(body: Any) -> float:
    cost = body.get("extensions", {}).get("cost", {}) if isinstance(body, Mapping) else {}
    status = cost.get("throttleStatus", {})
    missing = float(cost.get("requestedQueryCost") or 0) - float(
        status.get("currentlyAvailable") or 0
    )
    # The slowest plan restores 100 points in a second.
    return max(missing, 1.0) / max(float(status.get("restoreRate") or 100), 1.0)


def _errors(body: Any) -> list[Mapping[str, Any]]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if isinstance(errors, str):
        return [{"message": errors}]
    return [error for error in errors or () if isinstance(error, Mapping)]


def _codes(body: Any) -> set[str]:
    return {str((error.get("extensions") or {}).get("code")) for error in _errors(body)}


def _start(
    connections: tuple[Connection, ...], number: int, settings: ShopifySettings
) -> dict[str, Any]:
    first = min(connections[number].page_size, settings.page_size)
    return {"list": number, "first": first, "after": None, "above": "", "read": 0}


def _variables(
    connection: Connection, settings: ShopifySettings, window: Window, place: Mapping[str, Any]
) -> dict[str, Any]:
    lines = {"lines": settings.line_page_size} if connection.lines else {}
    return {
        "first": place["first"],
        "after": place["after"],
        "query": _filter(connection, window, place["above"]),
        **lines,
    }


def _filter(connection: Connection, window: Window, above: str) -> str:
    """The records of the window; whole days with one more on each side, as they are the shop's."""
    first, end = window.first, window.end
    if connection.has_whole_days:
        first = _midnight(window.first_date - _DAY)
        end = _midnight(window.last_date + 2 * _DAY)
    terms = [
        f"{connection.time}:>='{first:%Y-%m-%dT%H:%M:%SZ}'",
        f"{connection.time}:<'{_whole_second(end):%Y-%m-%dT%H:%M:%SZ}'",
        *([f"id:>{above}"] if above else []),
    ]
    return " ".join(terms)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _whole_second(moment: dt.datetime) -> dt.datetime:
    """The moment, or the next whole second: Shopify's times have no fractions."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + dt.timedelta(seconds=1)


def _page(client: Client, connection: Connection, variables: dict[str, Any]) -> Answer | None:
    """One page; None where it would cost more than one query may."""
    for _ in range(_REPEATS):
        answer = client.send(_request(connection.query, variables))
        if "MAX_COST_EXCEEDED" in _codes(answer.body) and variables["first"] > 1:
            return None
        found = _connection(answer.body, connection.name)
        page = found["pageInfo"] if found else {"hasNextPage": True}
        # A page that says that it goes on where it began was answered from another question.
        if not page.get("hasNextPage") or page.get("endCursor") not in (None, variables["after"]):
            return answer
    raise SourceError(f"Shopify sends no new page of {connection.name}")


def _connection(holder: Any, *path: str) -> dict[str, Any] | None:
    """A page's list of records, `nodes` and `pageInfo`; None where the answer is of another."""
    refuse_errors(holder)
    found = holder["data"]
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) and _is_connection(found) else None


def _is_connection(found: Any) -> bool:
    return (
        isinstance(found, Mapping)
        and isinstance(found.get("nodes"), list)
        and isinstance(found.get("pageInfo"), Mapping)
    )


def _complete(client: Client, connection: Connection, body: Any, settings: ShopifySettings) -> bool:
    """Whether lines had to be asked for and were put into the records of this page."""
    is_longer = False
    for record in body["data"][connection.name]["nodes"]:
        for lines in connection.lines:
            for holder in _holders(record, lines):
                is_longer |= _complete_lines(client, lines, holder, settings)
    return is_longer


def _holders(record: Any, lines: Lines) -> list[dict[str, Any]]:
    """The objects in a record whose lines can be read; what is odd is left to the raw view."""
    inside = record.get(lines.holders) if lines.holders and isinstance(record, dict) else [record]
    holders = inside if isinstance(inside, list) else []
    return [one for one in holders if isinstance(one, dict) and _is_connection(one.get(lines.name))]


def _complete_lines(client: Client, lines: Lines, holder: Any, settings: ShopifySettings) -> bool:
    found = holder[lines.name]
    is_longer = bool(found["pageInfo"].get("hasNextPage"))
    while found["pageInfo"].get("hasNextPage"):
        more = _more_lines(client, lines, holder, settings)
        found["nodes"].extend(more["nodes"])
        found["pageInfo"] = more["pageInfo"]
    return is_longer


def _more_lines(
    client: Client, lines: Lines, holder: Mapping[str, Any], settings: ShopifySettings
) -> dict[str, Any]:
    """The lines after those that the record has; other lines than these are asked for again."""
    known = {_id(line) for line in holder[lines.name]["nodes"]} - {None}
    after = holder[lines.name]["pageInfo"].get("endCursor")
    variables = {"id": holder["id"], "after": after, "lines": settings.line_page_size}
    for _ in range(_REPEATS):
        body = client.send(_request(lines.more, variables)).body
        more = _connection(body, "node", lines.name)
        is_of_record = _id(body["data"].get("node")) == holder["id"]
        if is_of_record and more and known.isdisjoint(map(_id, more["nodes"])):
            return more
    raise SourceError(f"Shopify sends no new page of {lines.name}")


def _id(line: Any) -> Any:
    return line.get("id") if isinstance(line, Mapping) else None


def _request(query: str, variables: Mapping[str, Any]) -> Request:
    return Request(PATH, method="POST", json={"query": query, "variables": dict(variables)})
