"""Whether a destination lets us in is told before anybody is written to, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from small_smtp import SmallSmtp
from token_server import TokenServer
from vendor_calls import ADA, Vendor, check_graphql, check_openapi, row

from marketing_platform.destinations.base import Answer
from marketing_platform.destinations.probes import try_destinations
from marketing_platform.settings import Settings, destination_types

SHOPIFY = {"shop": "demo", "access_token": "shpat_hush"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "hush", "from_number": "+15005550006"}
# Each vendor that is asked something, and the path of it.
ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "klaviyo": ({"api_key": "hush"}, "/api/lists"),
    "customer_io": ({"site_id": "site", "api_key": "hush"}, "/api/v1/accounts/region"),
    "iterable": ({"api_key": "hush"}, "/api/lists"),
    "hubspot": ({"access_token": "hush"}, "/crm/objects/2026-03/contacts"),
    "mailchimp": ({"api_key": "hush-us21", "list_id": "a1b2"}, "/3.0/lists/a1b2"),
    "omnisend": ({"api_key": "hush"}, "/api/contacts"),
    "activecampaign": (
        {"base_url": "https://demo.api-us1.com", "api_token": "hush"}, "/api/3/users/me",
    ),
    "shopify": (SHOPIFY, "/admin/api/2026-10/graphql.json"),
    "woocommerce": (
        {"base_url": "https://shop.example", "consumer_key": "ck", "consumer_secret": "hush"},
        "/wp-json/wc/v3/customers",
    ),
    "sendgrid": ({"api_key": "hush", "from_email": "a@b.example"}, "/v3/scopes"),
    "twilio": (TWILIO, f"/2010-04-01/Accounts/{TWILIO['account_sid']}/Messages.json"),
    "slack": ({"token": "hush", "channel": "C1"}, "/api/auth.test"),
    "meta_ads": ({"access_token": "hush"}, "/v26.0/me"),
}  # fmt: skip
# Those with tokens of their own, which are asked for.
CLIENT = {"client_id": "id", "client_secret": "hush", "refresh_token": "hush"}
TOKENS: dict[str, Callable[[str], dict[str, Any]]] = {
    "salesforce": lambda url: {"base_url": url, "client_id": "id", "client_secret": "hush"},
    "google_ads": lambda url: {**CLIENT, "token_url": url, "account_id": "1"},
    "fcm": lambda url: {**CLIENT, "token_url": url, "project": "demo-shop"},
    "google_merchant": lambda url: {
        **CLIENT, "token_url": url, "account_id": "1", "data_source_id": "2", "language": "de",
        "feed_label": "DE",
    },
    "microsoft_ads": lambda url: {
        **CLIENT, "token_url": url, "account_id": "1", "customer_id": "2", "developer_token": "d",
    },
}  # fmt: skip
SILENT = {"braze", "webhook", "files", "amqp", "kafka", "redis_streams"}


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def probed(vendor: Vendor) -> Answer | None:
    async def probe() -> Answer | None:
        vendor.destination.transport = httpx.MockTransport(vendor._handle)
        try:
            return await vendor.destination.probe()
        finally:
            await vendor.destination.close()

    return asyncio.run(probe())


def vendor_of(kind: str, answer: httpx.Response) -> Vendor:
    modes = {"twilio": {"message": {"text": "Hi"}}, "slack": {"message": {"text": "Hi"}}}
    return Vendor({"type": kind, **ASKED[kind][0]}, lambda request: answer, **modes.get(kind, {}))


@pytest.mark.parametrize("kind", ASKED)
def test_a_vendor_is_asked_one_small_thing(kind: str) -> None:
    vendor = vendor_of(kind, httpx.Response(200, json={"ok": True, "data": {}}))
    assert probed(vendor) == Answer("accepted")
    [request] = vendor.asked
    assert request.url.path == ASKED[kind][1]
    assert request.method == ("POST" if kind in ("shopify", "slack") else "GET")
    if kind == "klaviyo":
        check_openapi("klaviyo/stable.json", request)
    if kind == "twilio":
        check_openapi("twilio/twilio_api_v2010.json", request)
    if kind == "shopify":
        check_graphql(request)


@pytest.mark.parametrize("kind", ASKED)
def test_a_key_that_is_refused_is_told_without_it(kind: str) -> None:
    secret = next(str(value) for value in ASKED[kind][0].values() if "hush" in str(value))
    said = {"error": "invalid_auth", "ok": False, "message": f"bad key {secret}"}
    answer = probed(vendor_of(kind, httpx.Response(200 if kind == "slack" else 401, json=said)))
    assert answer
    assert answer.kind == "stop"
    assert secret not in answer.reason


@pytest.mark.parametrize("kind", TOKENS)
def test_a_vendor_with_tokens_is_asked_for_one(kind: str, tokens: TokenServer) -> None:
    message = {"message": {"text": "Hi"}} if kind == "fcm" else {"audience": "1"}
    vendor = Vendor({"type": kind, **TOKENS[kind](tokens.url)}, lambda request: _never(), **message)
    assert probed(vendor) == Answer("accepted")
    assert len(tokens.asked) == 1


@pytest.mark.parametrize(
    ("kind", "setting", "rule"),
    [
        ("google_ads", "validate_only", {"audience": "1"}),
        ("fcm", "validate_only", {"message": {"text": "Hi"}}),
        ("sendgrid", "sandbox", {"message": {"template": "d-1"}}),
    ],
)
def test_what_a_vendor_only_checks_counts_as_told_to_nobody(
    kind: str, setting: str, rule: dict[str, Any], tokens: TokenServer
) -> None:
    declared = ASKED[kind][0] if kind in ASKED else TOKENS[kind](tokens.url)
    vendor = Vendor(
        {"type": kind, **declared, setting: True},
        lambda _: httpx.Response(200, json={"requestId": "r1", "name": "m"}),
        **rule,
    )
    answer = vendor.send(row({**ADA, "push_token": "tok"}))
    assert (answer.kind, answer.is_counted) == ("stop", False)
    assert answer.reason == f"only checked what it was asked; take out {setting} to tell it"
    assert len(vendor.asked) == 1


def _never() -> httpx.Response:
    raise AssertionError("nothing but the token is asked for")


def test_every_type_is_asked_or_known_to_be_silent() -> None:
    assert {*ASKED, *TOKENS, *SILENT, "smtp"} == set(destination_types())


def test_each_destination_has_a_line(make_settings: Callable[..., Settings]) -> None:
    mail = {"type": "smtp", "host": "127.0.0.1", "security": "none", "from_email": "a@b.example",
            "unsubscribe_url": "https://b.example"}  # fmt: skip
    with SmallSmtp() as server:
        settings = make_settings(
            destinations={
                "mail": {**mail, "port": server.port},
                "feeds": {"type": "files"},
                "crm": {"type": "klaviyo", "api_key": "hush", "base_url": "http://127.0.0.1:9"},
            }
        )
        found = {one.destination: (one.is_well, one.found) for one in try_destinations(settings)}
        assert not server.mails
    assert found == {
        "mail": (True, "lets us in"),
        "feeds": (None, "cannot be tried without sending"),
        "crm": (False, "no connection to 127.0.0.1"),
    }
    # The server is gone.
    mail_tried = try_destinations(settings)[0]
    assert mail_tried.is_well is False
    assert "no connection to 127.0.0.1" in mail_tried.found


@pytest.mark.parametrize("kind", ["twilio", "mailchimp", "fcm"])
def test_who_repeats_what_let_us_in_is_not_quoted(kind: str, tokens: TokenServer) -> None:
    declared = ASKED[kind][0] if kind in ASKED else TOKENS[kind](tokens.url)
    rule = {"audience": "vip"} if kind == "mailchimp" else {"message": {"text": "Hi"}}

    def repeats(request: httpx.Request) -> httpx.Response:
        said = f"who is this? {request.headers['Authorization']}"
        return httpx.Response(402, json={"message": said})

    vendor = Vendor({"type": kind, **declared}, repeats, **rule)
    told = vendor.send(row({**ADA, "push_token": "tok"})).reason
    [used] = {request.headers["Authorization"].partition(" ")[2] for request in vendor.asked}
    assert "who is this?" in told
    assert used not in told
