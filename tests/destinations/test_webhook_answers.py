"""What each answer of a webhook means; the protocol is in docs/ledger.md."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import httpx
import pytest

from marketing_platform.destinations.answers import retry_after
from marketing_platform.destinations.base import Batch, Row, RowAnswer
from marketing_platform.destinations.vendors.webhook import (
    Webhook,
    WebhookDestination,
    read_answer,
    request_body,
)

NOW = dt.datetime(2025, 6, 1, 12, 0, tzinfo=dt.UTC)
BATCH = Batch(
    "b1",
    "crm",
    "winback",
    [
        Row("k1", "add", "ada", {"customer_id": "ada", "first_name": "Zoë"}),
        Row("k2", "remove", "bob", {"customer_id": "bob"}),
    ],
)


def answer(status: int, body: Any = "", **headers: str) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, content=content, headers=headers)


@pytest.mark.parametrize("body", ["", "OK", "{}", '{"id": 7}', "[1]", '{"results": "many"}'])
def test_success_without_results_accepts_the_whole_batch(body: str) -> None:
    read = read_answer(answer(200, body), BATCH, NOW)
    assert (read.kind, dict(read.rows)) == ("accepted", {})


def test_success_with_results_answers_row_by_row() -> None:
    results = [
        {"key": "k1", "status": "duplicate"},
        {"key": "k2", "status": "error", "message": "no\n such   customer"},
        {"key": "other", "status": "ok"},
        {"key": "k2"},
        "nonsense",
    ]
    read = read_answer(answer(202, {"results": results}), BATCH, NOW)
    assert dict(read.rows) == {
        "k1": RowAnswer("duplicate"),
        "k2": RowAnswer("error", "no such customer"),
    }


@pytest.mark.parametrize("results", [[], [{"key": "other", "status": "ok"}]])
def test_results_that_name_no_row_of_the_batch_accept_nothing(results: list[Any]) -> None:
    read = read_answer(answer(200, {"results": results}), BATCH, NOW)
    assert (read.kind, read.may_have_arrived) == ("retry", True)


def test_a_web_page_is_not_an_answer() -> None:
    page = answer(200, "<html>sign in</html>", **{"Content-Type": "text/html; charset=utf-8"})
    assert read_answer(page, BATCH, NOW).kind == "retry"
    refused = answer(422, "<html>no</html>", **{"Content-Type": "text/html"})
    assert read_answer(refused, BATCH, NOW).reason == "422 Unprocessable Entity"


def test_json_that_is_called_a_page_is_an_answer() -> None:
    results = [{"key": "k1", "status": "ok"}, {"key": "k2", "status": "error", "message": "no"}]
    called_so = answer(200, {"results": results}, **{"Content-Type": "text/html; charset=UTF-8"})
    read = read_answer(called_so, BATCH, NOW)
    assert read.kind == "accepted"
    assert dict(read.rows) == {"k1": RowAnswer("ok"), "k2": RowAnswer("error", "no")}


@pytest.mark.parametrize(
    ("status", "kind", "may_have_arrived"),
    [
        (301, "stop", False),
        (400, "refused", False),
        (401, "stop", False),
        (402, "stop", False),
        (403, "stop", False),
        (404, "stop", False),
        (405, "stop", False),
        (407, "stop", False),
        (408, "retry", False),
        (409, "refused", False),
        (410, "stop", False),
        (413, "refused", False),
        (422, "refused", False),
        (423, "stop", False),
        (425, "retry", False),
        (429, "retry", False),
        (500, "retry", True),
        (501, "stop", False),
        (502, "retry", True),
        (503, "retry", False),
        (504, "retry", True),
    ],
)
def test_each_status_has_its_meaning(status: int, kind: str, may_have_arrived: bool) -> None:
    read = read_answer(answer(status), BATCH, NOW)
    assert (read.kind, read.may_have_arrived) == (kind, may_have_arrived)
    assert read.is_of_audience == (status in (404, 410)), "its list may be gone"
    # What the rows had no part in costs them no attempt.
    assert read.is_counted == (kind != "stop" and status != 429)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "no such field"}, "422 no such field"),
        ({"error": "no such field"}, "422 no such field"),
        ("plain\nwords", "422 plain words"),
        ("", "422 Unprocessable Entity"),
        ("x" * 1000, f"422 {'x' * 297}..."),
    ],
)
def test_the_vendors_words_are_kept_in_one_short_line(body: Any, said: str) -> None:
    assert read_answer(answer(422, body), BATCH, NOW).reason == said


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Sun, 01 Jun 2025 12:00:30 GMT", 30.0),
        ("Sun, 01 Jun 2025 12:00:30 -0000", 30.0),
        ("Sun, 01 Jun 2025 14:00:30 +0200", 30.0),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_the_same_batch_gives_the_same_body() -> None:
    assert request_body(BATCH) == request_body(BATCH)
    assert json.loads(request_body(BATCH)) == {
        "batch_id": "b1",
        "destination": "crm",
        "audience": "winback",
        "rows": [
            {"key": "k1", "operation": "add", "customer_id": "ada", "first_name": "Zoë"},
            {"key": "k2", "operation": "remove", "customer_id": "bob"},
        ],
    }


def test_a_destination_shows_neither_token_nor_url() -> None:
    declared = WebhookDestination.model_validate(
        {"type": "webhook", "url": "https://x.example/path-secret", "token": "hush"}
    )
    for shown in (repr(declared), str(declared), repr(Webhook("crm", declared))):
        assert "hush" not in shown
        assert "path-secret" not in shown


async def send(token: str) -> str:
    declared = WebhookDestination.model_validate(
        {"type": "webhook", "url": "http://127.0.0.1:9", "token": token}
    )
    read = await Webhook("crm", declared).send(BATCH)
    return f"{read.kind}: {read.reason}"


@pytest.mark.parametrize("token", ["two\nlines", "schlüssel"])
def test_a_token_that_no_header_can_carry_stops_the_destination(token: str) -> None:
    assert asyncio.run(send(token)) == "stop: its token has characters that a header cannot carry"
