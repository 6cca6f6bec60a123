"""The HTTP client: what is tried again, what is refused, and what is never told."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from email.utils import format_datetime

import pytest
from paged_shop import SECRET, Vendor, record, serving, shop

from marketing_platform.errors import SourceError
from marketing_platform.sources import client as client_module
from marketing_platform.sources.client import PULLING, Request, open_client

GOOD = (200, {"Content-Type": "application/json"}, b'{"ok": true}')
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving(Vendor([record(1)])) as vendor:
        yield vendor


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_passing_fault_is_tried_again(vendor: Vendor, status: int) -> None:
    vendor.script = [(status, {}, b""), GOOD]
    with open_client(shop(vendor.url)) as client:
        assert client.send(Request("x")).body == {"ok": True}
        assert client.traffic.requests == 2
        assert client.traffic.retries == 1


@pytest.mark.parametrize("content", [b'{"a": [1, 2', b"", b"<html>"])
def test_an_answer_that_claims_to_be_json_and_is_not_is_tried_again(
    vendor: Vendor, content: bytes
) -> None:
    vendor.script = [(200, JSON, content), GOOD]
    with open_client(shop(vendor.url)) as client:
        assert client.send(Request("x")).body == {"ok": True}


@pytest.mark.parametrize("kind", [JSON, {}])
def test_an_answer_that_is_nested_without_end_is_no_json(
    vendor: Vendor, kind: dict[str, str]
) -> None:
    vendor.script = [(200, kind, b"[" * 20_000 + b"]" * 20_000), GOOD]
    with open_client(shop(vendor.url)) as client:
        answer = client.send(Request("x"))
    # It is asked for again where it was to be JSON, and a text elsewhere.
    assert answer.body == ({"ok": True} if kind else None)


def test_a_timeout_and_a_closed_connection_are_tried_again(vendor: Vendor) -> None:
    vendor.script = [(0, {}, b""), GOOD]
    with open_client(shop(vendor.url)) as client:
        assert client.send(Request("x")).body == {"ok": True}
    vendor.pause_seconds = 0.3
    with (
        open_client(shop(vendor.url, timeout_seconds=0.05, attempts=2)) as client,
        pytest.raises(
            SourceError, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.05 s, after 2 attempts"
        ),
    ):
        client.send(Request("x"))


@pytest.mark.parametrize("is_date", [False, True])
def test_retry_after_is_obeyed(vendor: Vendor, is_date: bool) -> None:
    moment = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=3)
    value = format_datetime(moment, usegmt=True) if is_date else "1"
    vendor.script = [(429, {"Retry-After": value}, b""), GOOD]
    started = time.monotonic()
    with open_client(shop(vendor.url)) as client:
        client.send(Request("x"))
        assert client.traffic.waited_seconds > 0
    if is_date:
        assert dt.datetime.now(dt.UTC) >= moment
    else:
        assert time.monotonic() - started > 0.8


def test_how_far_a_long_pull_is_can_be_followed(
    vendor: Vendor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_TOLD_EVERY_SECONDS", 0.0)
    vendor.script = [(429, {"Retry-After": "0.01"}, b""), GOOD]
    with open_client(shop(vendor.url), stream="orders") as client:
        client.send(Request("x"))
    told = [one.getMessage() for one in caplog.records if one.name == PULLING.name]
    assert told == [
        "shop orders: 1 requests, 0.0 MB",
        "shop orders: 1 requests, 0.0 MB, waiting as the vendor asks",
        "shop orders: 2 requests, 0.0 MB",
    ]


def test_a_pause_longer_than_allowed_ends_the_pull(vendor: Vendor) -> None:
    vendor.script = [(429, {"Retry-After": "3600"}, b"")]
    with (
        open_client(shop(vendor.url, max_wait_seconds=5)) as client,
        pytest.raises(SourceError, match="asks to wait 3600 s"),
    ):
        client.send(Request("x"))


def test_a_refusal_is_told_at_once_without_the_secret(vendor: Vendor) -> None:
    told = f'{{"error": {{"message": "bad token {SECRET}, sorry"}}}}'.encode()
    vendor.script = [(401, JSON, told)]
    with (
        open_client(shop(vendor.url)) as client,
        pytest.raises(SourceError, match=r"401: bad token \*\*\*, sorry") as refused,
    ):
        client.send(Request("x"))
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert sum(vendor.asked.values()) == 1


def test_another_host_is_never_asked_with_our_secrets(vendor: Vendor) -> None:
    with serving(Vendor([])) as elsewhere, open_client(shop(vendor.url)) as client:
        with pytest.raises(SourceError, match="another host"):
            client.send(Request(f"{elsewhere.url}/next"))
        vendor.script = [(302, {"Location": f"{elsewhere.url}/next"}, b"")]
        with pytest.raises(SourceError, match="another host"):
            client.send(Request("x"))
        assert not elsewhere.asked
        elsewhere.script = [GOOD]
        client.send(Request(f"{elsewhere.url}/file", is_download=True))
    assert SECRET not in str(elsewhere.headers)


def test_a_redirection_within_the_host_is_followed(vendor: Vendor) -> None:
    vendor.script = [(302, {"Location": "/there"}, b""), GOOD]
    with open_client(shop(vendor.url)) as client:
        assert client.send(Request("x")).body == {"ok": True}
    assert vendor.asked["/there"] == 1


def test_answers_come_in_the_order_of_the_requests(vendor: Vendor) -> None:
    vendor.records = [record(number) for number in range(40)]
    vendor.size, vendor.fault_share = 1, 0.2
    requests = (Request("items", params={"start": n}) for n in range(40))
    with open_client(shop(vendor.url, attempts=20)) as client:
        found = [answer.body["data"][0]["id"] for answer in client.send_all(requests)]
    assert found == list(range(40))


def test_one_failure_ends_the_requests_that_wait(vendor: Vendor) -> None:
    vendor.script = [(404, {}, b"gone")]
    vendor.pause_seconds = 0.01
    with open_client(shop(vendor.url)) as client, pytest.raises(SourceError, match="404: gone"):
        list(client.send_all(Request("items", params={"start": n}) for n in range(500)))
    assert sum(vendor.asked.values()) < 20


def test_the_difference_of_the_clocks_is_known(vendor: Vendor) -> None:
    with open_client(shop(vendor.url)) as client:
        assert client.clock_skew_seconds is None
        client.send(Request("items"))
        assert client.clock_skew_seconds is not None
        assert abs(client.clock_skew_seconds) < 5
