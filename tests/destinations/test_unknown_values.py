"""What we do not know of a person is left as it is over there, unless we had told it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from token_server import TokenServer
from vendor_calls import ADA, Vendor, row, statuses

OAUTH = {"client_id": "id", "client_secret": "s3cret-s3cret"}
# Each vendor that keeps people, and its own name for a field of them.
VENDORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "klaviyo": ({"api_key": "hush", "poll_seconds": 0.01}, "phone", "phone_number"),
    "customer_io": ({"site_id": "site", "api_key": "hush"}, "phone", "phone"),
    "iterable": ({"api_key": "hush"}, "phone", "phoneNumber"),
    "hubspot": ({"access_token": "hush"}, "phone", "phone"),
    "salesforce": (OAUTH, "phone", "Phone"),
    "mailchimp": ({"api_key": "hush-us21", "list_id": "a1b2"}, "phone", "PHONE"),
    "omnisend": ({"api_key": "hush"}, "first_name", "firstName"),
    "activecampaign": (
        {"base_url": "https://demo.api-us1.com", "api_token": "hush"}, "phone", "phone",
    ),
    "braze": ({"api_key": "hush", "base_url": "https://rest.fra-02.braze.eu"}, "phone", "phone"),
    "sendgrid": (
        {"api_key": "SG.hush", "from_email": "a@b.example", "poll_seconds": 0.01},
        "first_name", "first_name",
    ),
}  # fmt: skip
WOOCOMMERCE = {
    "base_url": "https://shop.example", "consumer_key": "ck_hush", "consumer_secret": "cs_hush",
}  # fmt: skip
AUDIENCES = {"sendgrid": "ca1b0f9e", "activecampaign": "12"}
ANSWER = {
    "data": {"id": "job1", "attributes": {"status": "complete", "failed_count": 0}},
    "results": [{"id": "101", "properties": {"email": "ada@example.com"}}],
    "contact": {"id": "9"},
    "job_id": "j1",
    "status": "completed",
}


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def told(kind: str, tokens: TokenServer, *cleared: str) -> list[Any]:
    """All values of the field in what is sent about somebody in whom it is not known."""
    _, attribute, field = VENDORS[kind]
    return [v for body in bodies(kind, tokens, attribute, *cleared) for v in values_of(body, field)]


def bodies(kind: str, tokens: TokenServer, attribute: str, *cleared: str, **more: Any) -> list[Any]:
    """What is sent about somebody in whom the attribute is not known."""
    declared = VENDORS[kind][0] if kind in VENDORS else WOOCOMMERCE
    more |= {"base_url": tokens.url} if kind == "salesforce" else {}

    def answer(request: httpx.Request) -> httpx.Response:
        is_collection = "composite" in request.url.path or request.url.path.endswith("/customers")
        return httpx.Response(
            200, json=[{"success": True, "id": "003"}] if is_collection else ANSWER
        )

    audience = {"audience": AUDIENCES[kind]} if kind in AUDIENCES else {}
    vendor = Vendor({"type": kind, **declared, **more}, answer, **audience)
    person = row({**ADA, attribute: None}, "update")
    vendor.send(dataclasses.replace(person, cleared=frozenset(cleared)))
    return [json.loads(request.content) for request in vendor.asked if request.content]


def values_of(content: Any, name: str) -> Iterator[Any]:
    if isinstance(content, dict):
        if name in content:
            yield content[name]
        content = list(content.values())
    if isinstance(content, list):
        for inner in content:
            yield from values_of(inner, name)


@pytest.mark.parametrize("kind", VENDORS)
def test_what_was_never_known_is_left_as_the_vendor_has_it(kind: str, tokens: TokenServer) -> None:
    assert told(kind, tokens) == []


@pytest.mark.parametrize("kind", VENDORS)
def test_what_was_told_and_is_not_known_any_more_is_cleared(kind: str, tokens: TokenServer) -> None:
    _, attribute, _ = VENDORS[kind]
    found = told(kind, tokens, attribute)
    assert len(found) == 1
    assert found[0] in (None, "")


# What takes an attribute that a vendor has no field of its own for.
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "klaviyo": ({}, "top_category"),
    "customer_io": ({}, "top_category"),
    "iterable": ({}, "top_category"),
    "hubspot": ({}, "top_category"),
    "salesforce": ({}, "top_category__c"),
    "mailchimp": ({"merge_fields": {"top_category": "TOPCAT"}}, "TOPCAT"),
    "omnisend": ({}, "top_category"),
    "activecampaign": ({"fields": {"top_category": 71}}, "71"),
    "braze": ({}, "top_category"),
    "sendgrid": ({"custom_fields": {"top_category": "e7_T"}}, "e7_T"),
    "woocommerce": ({}, "top_category"),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_that_the_settings_or_the_shop_made_is_no_other(
    kind: str, tokens: TokenServer
) -> None:
    """A birthday that people gave to the mailing tool alone must not be wiped there."""
    more, field = FIELDS[kind]
    sent = json.dumps(bodies(kind, tokens, "top_category", **more))
    assert "ada@example.com" in sent or kind == "woocommerce"
    assert f'"{field}"' not in sent
    if kind != "sendgrid":
        cleared = json.dumps(bodies(kind, tokens, "top_category", "top_category", **more))
        assert cleared.count(f'"{field}"') == 1


def test_salesforce_keeps_the_last_name_that_it_has_and_makes_nobody_without_one(
    tokens: TokenServer,
) -> None:
    lacking = {"success": False, "errors": [{"statusCode": "REQUIRED_FIELD_MISSING"}]}

    def answer(request: httpx.Request) -> httpx.Response:
        records = json.loads(request.content)["records"]
        known = {"c1", "c3"}
        results = [
            {"success": True, "id": "003"}
            if record["Customer_Id__c"] in known or "LastName" in record
            else lacking
            for record in records
        ]
        return httpx.Response(200, json=results)

    vendor = Vendor({"type": "salesforce", "base_url": tokens.url, **OAUTH}, answer)
    rows = [
        row({**ADA, "customer_id": "c1", "last_name": None}),
        row({**ADA, "customer_id": "c2", "last_name": None}),
        row({**ADA, "customer_id": "c3"}),
    ]
    assert statuses(vendor.send(*rows), rows) == {"c1": "ok", "c2": "ok", "c3": "ok"}
    first, again = (json.loads(request.content)["records"] for request in vendor.asked)
    assert [record.get("LastName") for record in first] == [None, None, "Lovelace"]
    assert [(one["Customer_Id__c"], one["LastName"]) for one in again] == [("c2", "-")]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"subject": "{{ top_category }}", "text": "Hi"}, "the subject is empty"),
        ({"subject": "Hi", "text": "{{ top_category }}\n"}, "the message is empty"),
    ],
)
def test_nobody_gets_a_blank_mail_for_what_is_not_known_of_them(
    message: dict[str, str], told: str
) -> None:
    declared = {"type": "sendgrid", "api_key": "SG.hush", "from_email": "a@b.example"}
    vendor = Vendor(declared, lambda _: httpx.Response(202), message=message)
    answer = vendor.send(row(ADA))
    assert vendor.asked == []
    assert answer.rows["key-c1"].status == "error"
    assert answer.rows["key-c1"].message.startswith(told)


def test_nobody_gets_a_blank_push_for_what_is_not_known_of_them(tokens: TokenServer) -> None:
    declared = {"type": "fcm", "project": "demo-shop", **OAUTH, "refresh_token": "r"}
    vendor = Vendor(
        {**declared, "token_url": f"{tokens.url}/token"},
        lambda _: httpx.Response(200, json={"name": "m"}),
        message={"text": "{{ top_category }}"},
    )
    answer = vendor.send(row({**ADA, "push_token": "t"}))
    assert answer.rows["key-c1"].message == "the message is empty"
    assert vendor.asked == []


@pytest.mark.parametrize("rule", [{}, {"event": "left_cart"}], ids=["audience", "event"])
@pytest.mark.parametrize("kind", ["klaviyo", "customer_io", "iterable", "omnisend", "braze"])
def test_vendors_whose_fields_have_types_get_money_as_a_number(
    kind: str, rule: dict[str, str]
) -> None:
    vendor = Vendor(
        {"type": kind, **VENDORS[kind][0]}, lambda request: httpx.Response(200, json=ANSWER), **rule
    )
    vendor.send(row(ADA))
    sent = [json.loads(request.content) for request in vendor.asked if request.content]
    assert set(values_of(sent, "lifetime_value_amount")) == {120.5}
    assert set(values_of(sent, "price")) <= {"12.50", None}, "it is shown"
    assert ADA["lifetime_value_amount"] == "120.50", "the ledger keeps every digit"


def test_a_vendor_whose_fields_are_texts_gets_money_with_its_digits(tokens: TokenServer) -> None:
    found = [*values_of(bodies("hubspot", tokens, "top_category"), "lifetime_value_amount")]
    assert found == ["120.50"]
