"""Reports that a vendor prepares: waited for, asked for anew, and given up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from json_answers import json_answer

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.prepared import Prepared, PreparedSettings, Status
from marketing_platform.sources.stream import Page, Window

FAST = PreparedSettings(type="x", days_per_report=3, poll_seconds=0.001)


class Vendor(Client):
    """Prepares reports; `statuses` are its answers to the question whether one is ready."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.asked: list[str] = []

    def send(self, request: Request) -> Answer:
        self.asked.append(request.path)
        body: Any = {"key": f"r{len(self.asked)}"}
        if request.path == "/status":
            body = {"status": self.statuses.pop(0) if self.statuses else "ready"}
        return json_answer(body)


class Steps:
    """Two pages a report."""

    def asking(self, settings: Any, first: dt.date, last: dt.date) -> Request:
        return Request(f"/{first}/{last}")

    def key(self, answer: Answer) -> str:
        return str(answer.body["key"])

    def polling(self, settings: Any, key: str) -> Request:
        return Request("/status")

    def status(self, answer: Answer) -> Status:
        found: Status = answer.body["status"]
        return found

    def reading(
        self, client: Client, settings: Any, key: str, polled: Answer, place: Mapping[str, Any]
    ) -> Iterator[tuple[Page, Mapping[str, Any]]]:
        if not place:
            yield Page(b"one"), {"page": 2}
        yield Page(b"two"), {}


def walk(
    client: Client, settings: PreparedSettings = FAST, days: int = 3, checkpoint: Any = None
) -> list[tuple[bytes, Any]]:
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    window = Window(first, first + dt.timedelta(days))
    pages = Prepared(Steps()).pages(client, settings, window, checkpoint)
    return [(page.content, state) for page, state in pages]


def test_a_window_is_covered_report_by_report() -> None:
    vendor = Vendor("preparing", "preparing")
    pages = walk(vendor, days=5)
    assert [content for content, _ in pages] == [b"[]", b"one", b"two"] * 2
    assert pages[-1][1] is None
    asked = [path for path in vendor.asked if path != "/status"]
    assert asked == ["/2026-01-01/2026-01-03", "/2026-01-04/2026-01-05"]


def test_a_pull_goes_on_with_the_same_report_from_any_page() -> None:
    whole = walk(Vendor(), days=5)
    for place, (_, state) in enumerate(whole[:-1], start=1):
        vendor = Vendor()
        rest = walk(vendor, days=5, checkpoint=state)
        assert [content for content, _ in rest] == [content for content, _ in whole[place:]]


def test_a_report_that_failed_is_asked_for_anew() -> None:
    vendor = Vendor("failed", "preparing", "failed")
    assert walk(vendor)[-1] == (b"two", None)
    assert vendor.asked.count("/2026-01-01/2026-01-03") == 3


def test_a_vendor_that_keeps_failing_is_given_up() -> None:
    with pytest.raises(SourceError, match="failed 3 times to prepare the report of 2026-01-01"):
        walk(Vendor(*["failed"] * 9))


def test_a_report_that_is_never_ready_is_not_waited_for_without_end() -> None:
    settings = FAST.model_copy(update={"longest_report_seconds": 0.02})
    with pytest.raises(SourceError, match="not ready after"):
        walk(Vendor(*["preparing"] * 1000), settings)
