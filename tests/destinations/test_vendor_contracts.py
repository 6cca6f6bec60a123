"""What vendors' documentation says of their answers and limits, held against what we do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from token_server import TokenServer
from vendor_calls import ADA, BOB, BOTH, Vendor, answers, row, statuses

CUSTOMER_IO = {"type": "customer_io", "site_id": "site", "api_key": "hush"}

HUBSPOT = {"type": "hubspot", "access_token": "pat-hush"}


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def test_who_leaves_and_is_no_person_of_customer_io_is_not_made_one() -> None:
    vendor = Vendor(CUSTOMER_IO, answers(("batch", 200, {})))
    vendor.send(row(ADA), row(BOB, "remove"))
    [content] = vendor.bodies("/batch")
    entered, left = (thing["attributes"] for thing in content["batch"])
    assert "_update" not in entered
    assert left == {"segment_vip": False, "_update": True}


def test_a_400_of_customer_io_takes_nobody_even_where_it_names_one() -> None:
    """It says that of the entire request, a 207 that all others are accepted."""
    body = {"errors": [{"batch_index": 1, "reason": "invalid", "message": "bad email"}]}
    answer = Vendor(CUSTOMER_IO, answers(("batch", 400, body))).send(*BOTH)
    assert answer.kind == "refused"
    assert {key: told.status for key, told in answer.rows.items()} == {"key-c2": "error"}


def salesforce(tokens: TokenServer) -> dict[str, Any]:
    own = {"client_id": "id", "client_secret": "s3cret-s3cret"}
    return {"type": "salesforce", "base_url": tokens.url, **own}


def test_an_event_that_salesforce_does_not_have_fails_nobody(tokens: TokenServer) -> None:
    missing = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    said = {"compositeResponse": [{"body": missing, "httpStatusCode": 404}] * 2}
    vendor = Vendor(salesforce(tokens), answers(("composite", 200, said)), event="Left_Crat__e")
    answer = vendor.send(*BOTH)
    assert (answer.kind, answer.is_of_audience, answer.is_counted) == ("stop", True, False)
    assert "Left_Crat__e" in answer.reason


def test_an_org_of_salesforce_with_a_picklist_of_countries_gets_their_codes(
    tokens: TokenServer,
) -> None:
    problem = {
        "statusCode": "FIELD_INTEGRITY_EXCEPTION",
        "message": "There's a problem with this country, even though it may appear correct.",
        "fields": ["MailingCountry"],
    }
    lacking = {"statusCode": "REQUIRED_FIELD_MISSING", "message": "[LastName]"}

    def answer(request: httpx.Request) -> httpx.Response:
        results = [
            {"success": False, "errors": [lacking if "LastName" not in record else problem]}
            if "LastName" not in record or "MailingCountry" in record
            else {"success": True, "id": "003"}
            for record in json.loads(request.content)["records"]
        ]
        return httpx.Response(200, json=results)

    vendor = Vendor(salesforce(tokens), answer)
    rows = (row(ADA), row({**BOB, "last_name": None}), row({**BOB, "customer_id": "c3"}))
    assert statuses(vendor.send(*rows), rows) == {"c1": "ok", "c2": "ok", "c3": "ok"}
    asked = [json.loads(request.content)["records"] for request in vendor.asked]
    assert [len(records) for records in asked] == [3, 3, 1]
    assert {one["MailingCountryCode"] for one in (*asked[1][::2], *asked[2])} == {"DE"}
    # What one batch has found out, the next ones know.
    vendor.send(row(ADA))
    assert len(vendor.asked) == 4


@pytest.mark.parametrize("code", ["LIMIT_EXCEEDED", "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE"])
def test_events_beyond_the_hour_s_at_salesforce_are_published_later(
    code: str, tokens: TokenServer
) -> None:
    taken = {"body": {"id": "e01", "success": True, "errors": []}, "httpStatusCode": 201}
    full = {"body": [{"errorCode": code, "message": "try again later"}], "httpStatusCode": 400}
    said = {"compositeResponse": [taken, full]}
    vendor = Vendor(salesforce(tokens), answers(("composite", 200, said)), event="Became_Vip__e")
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "later"}


ACTIVECAMPAIGN = {
    "type": "activecampaign", "base_url": "https://demo.api-us1.com", "api_token": "hush",
}  # fmt: skip


@pytest.mark.parametrize("count", [21, 100, 230])
@pytest.mark.parametrize("is_paged", [True, False])
def test_the_tag_of_who_leaves_is_found_among_many_at_activecampaign(
    count: int, is_paged: bool
) -> None:
    tags = [{"id": str(n), "tag": str(n + 1000)} for n in range(count - 1)]
    tags.append({"id": "7000", "tag": "12"})

    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.method == "DELETE":
            return httpx.Response(200, json={})
        if not request.url.path.endswith("/contactTags"):
            return httpx.Response(200, json={"contacts": [{"id": "9", "email": ADA["email"]}]})
        start = int(params.get("offset", 0)) if is_paged else 0
        end = start + int(params.get("limit", 20)) if is_paged else count
        return httpx.Response(200, json={"contactTags": tags[start:end]})

    vendor = Vendor(ACTIVECAMPAIGN, answer, audience="12")
    vendor.send(row(ADA, "remove"))
    assert "DELETE /api/3/contactTags/7000" in vendor.paths


def test_who_leaves_is_found_at_hubspot_by_a_second_address_of_a_merged_contact() -> None:
    merged = {"email": "ada@work.example", "hs_additional_emails": "a@x.example;Ada@example.com"}
    plain = {"id": "102", "properties": {"email": "carl@x.example", "hs_additional_emails": None}}
    found = {"results": [{"id": "101", "properties": merged}, plain]}
    vendor = Vendor(
        HUBSPOT,
        answers(("batch/read", 200, found), ("memberships", 200, {})),
        audience="55",
    )
    leaving = (row(ADA, "remove"), row({**BOB, "email": None}, "remove"))
    assert statuses(vendor.send(*leaving), leaving) == {"c1": "ok", "c2": "ok"}
    [search, membership] = vendor.asked
    assert "hs_additional_emails" in json.loads(search.content)["properties"]
    assert json.loads(membership.content) == ["101"]


def test_an_event_that_hubspot_may_have_is_not_told_again() -> None:
    """Of its uuid HubSpot says that it matches data, and not that it is known again."""
    vendor = Vendor(HUBSPOT, answers(("send/batch", 500, {})), event="pe1_left_a_cart")
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)
    assert not vendor.destination.is_idempotent
    [content] = vendor.bodies("send/batch")
    assert uuid.UUID(content["inputs"][0]["uuid"])


def test_a_task_whose_contact_hubspot_may_have_is_still_to_be_made() -> None:
    vendor = Vendor(HUBSPOT, answers(("upsert", 500, {})), task={"subject": "Call"})
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", False)
    found = {"results": [{"id": "101", "properties": {"email": ADA["email"]}}]}
    replies = answers(("upsert", 200, found), ("tasks", 500, {}))
    assert Vendor(HUBSPOT, replies, task={"subject": "Call"}).send(row(ADA)).may_have_arrived


@pytest.mark.parametrize("version", ["2026-03", "v3"])
def test_events_go_to_hubspot_under_the_version_of_the_settings(version: str) -> None:
    declared = {**HUBSPOT, "api_version": version}
    vendor = Vendor(declared, answers(("send/batch", 204, None)), event="pe1_left_a_cart")
    vendor.send(row(ADA))
    assert vendor.paths == [f"POST /events/{version}/send/batch"]


OMNISEND = {"type": "omnisend", "api_key": "hush"}
EVENTS_AT_ACTIVECAMPAIGN = {
    **ACTIVECAMPAIGN, "account_id": "77", "event_key": "mistyped", "batch_size": 50,
}  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "status", "said"),
    [
        (OMNISEND, 400, {"title": "no such event"}),
        (EVENTS_AT_ACTIVECAMPAIGN, 200, {"success": 0, "message": "no such event"}),
    ],
)
def test_an_event_that_a_vendor_takes_of_nobody_does_not_fail_everybody(
    declared: dict[str, Any], status: int, said: dict[str, Any]
) -> None:
    vendor = Vendor(declared, answers(("/event", status, said)), event="Left a cart")
    people = [row({**ADA, "customer_id": f"c{n}", "email": f"{n}@x.example"}) for n in range(50)]
    answer = vendor.send(*people)
    assert (answer.kind, answer.is_counted) == ("stop", False)
    assert answer.reason == "refused 20 rows in a row (no such event)" or "400" in answer.reason
    assert [told.status for told in answer.rows.values()] == ["error"] * 20


SLOW = {
    "salesforce": {"base_url": "https://x.example", "client_id": "i", "client_secret": "hush"},
    "woocommerce": {
        "base_url": "https://x.example", "consumer_key": "ck_h", "consumer_secret": "cs_h",
    },
    "shopify": {"shop": "demo", "access_token": "shpat_hush"},
    "hubspot": {"access_token": "hush"},
}  # fmt: skip


@pytest.mark.parametrize("kind", SLOW)
def test_vendors_that_write_a_batch_record_by_record_are_waited_for(kind: str) -> None:
    """A batch that is given up after ten seconds is given up each time, and never told."""
    waited: list[dict[str, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        waited.append(request.extensions["timeout"])
        return httpx.Response(503)

    vendor = Vendor({"type": kind, **SLOW[kind]}, answer)
    vendor.destination._auth = None
    vendor.send(row(ADA))
    assert waited[0]["read"] >= 60
    assert waited[0]["connect"] == 10


@pytest.mark.parametrize(
    ("declared", "rule", "said"),
    [
        (
            EVENTS_AT_ACTIVECAMPAIGN,
            {"event": "Left a cart"},
            {"success": 1, "message": "Event spawned"},
        ),
        (
            {"type": "webhook", "url": "https://crm.example/in"},
            {},
            {"results": [{"key": "key-c1", "status": "ok"}]},
        ),
    ],
)
def test_json_that_is_called_html_is_no_web_page(
    declared: dict[str, Any], rule: dict[str, str], said: dict[str, Any]
) -> None:
    """An event that was taken would be told again, and a person written to again."""
    html = {"Content-Type": "text/html; charset=UTF-8"}
    vendor = Vendor(
        declared, lambda _: httpx.Response(200, text=json.dumps(said), headers=html), **rule
    )
    assert statuses(vendor.send(row(ADA)), (row(ADA),)) == {"c1": "ok"}
    page = Vendor(declared, lambda _: httpx.Response(200, text="<p>Log in", headers=html), **rule)
    assert page.send(row(ADA)).kind == "retry"


@pytest.mark.parametrize("rule", [{}, {"audience": "12"}, {"event": "Left a cart"}])
def test_who_iterable_did_not_take_and_does_not_name_is_looked_for(rule: dict[str, str]) -> None:
    vendor = Vendor(
        {"type": "iterable", "api_key": "hush"},
        answers(("POST", 200, {"successCount": 1, "failCount": 1, "failedUpdates": {}})),
        **rule,
    )
    answer = vendor.send(*BOTH)
    assert (answer.kind, dict(answer.rows)) == ("refused", {})


def test_who_leaves_and_is_no_user_of_iterable_is_not_made_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_ada = request.url.params.get("email") == ADA["email"]
        return httpx.Response(200, json={"user": {"email": ADA["email"]}} if is_ada else {})

    vendor = Vendor({"type": "iterable", "api_key": "hush"}, answer)
    nameless = row({**ADA, "customer_id": "c3", "email": None}, "remove")
    leaving = (row(ADA, "remove"), row(BOB, "remove"), nameless)
    assert statuses(vendor.send(*leaving), leaving) == {"c1": "ok", "c2": "ok", "c3": "ok"}
    [content] = vendor.bodies("bulkUpdate")
    assert [user["email"] for user in content["users"]] == ["ada@example.com"]
    assert vendor.paths[2] == "GET /api/users/byUserId"


def test_who_iterable_names_in_small_letters_is_found() -> None:
    refused = {"failCount": 1, "failedUpdates": {"invalidEmails": ["ada@example.com"]}}
    vendor = Vendor({"type": "iterable", "api_key": "hush"}, answers(("POST", 200, refused)))
    rows = (row({**ADA, "email": "Ada@Example.com"}), row(BOB))
    assert statuses(vendor.send(*rows), rows) == {"c1": "error", "c2": "ok"}


MAILCHIMP = {"type": "mailchimp", "api_key": "hush-us21", "list_id": "abc123"}


def test_mailchimp_takes_who_lacks_a_required_field_and_whose_address_two_share() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        members, is_lenient = json.loads(request.content)["members"], request.url.params
        said = []
        for member in members:
            if is_lenient.get("skip_duplicate_check") != "true" and len(members) > 1:
                said.append((member, "Duplicate items found for this email."))
            elif is_lenient.get("skip_merge_validation") != "true" and not member["merge_fields"]:
                said.append((member, "Your merge fields were invalid."))
        errors = [{"email_address": m["email_address"], "error": words} for m, words in said]
        return httpx.Response(200, json={"errors": errors})

    nameless = {"customer_id": "c1", "email": "office@example.com", "first_name": None}
    rows = (row(nameless), row({**nameless, "customer_id": "c2"}))
    vendor = Vendor(MAILCHIMP, answer, attributes=("email", "first_name"))
    assert statuses(vendor.send(*rows), rows) == {"c1": "ok", "c2": "ok"}
    assert statuses(vendor.send(rows[0]), rows[:1]) == {"c1": "ok"}


def test_a_segment_of_mailchimp_is_not_asked_for_nobody() -> None:
    said = {"errors": [{"email_address": ADA["email"], "error": "looks fake"}]}
    vendor = Vendor(MAILCHIMP, answers(("POST /3.0/lists/abc123", 200, said)), audience="77")
    answer = vendor.send(row(ADA))
    assert answer.rows["key-c1"].message == "looks fake"
    assert vendor.paths == ["POST /3.0/lists/abc123"]


def test_a_long_list_of_products_fits_into_a_field_of_mailchimp() -> None:
    declared = {**MAILCHIMP, "merge_fields": {"cart_products": "CART"}}
    vendor = Vendor(declared, answers(("lists/abc123", 200, {})))
    products = [{"title": "Müsli " * 20, "product_id": str(n)} for n in range(5)]
    vendor.send(row({**ADA, "cart_products": products}))
    [content] = vendor.bodies("lists/abc123")
    told = content["members"][0]["merge_fields"]["CART"]
    assert told.startswith("Müsli Müsli")
    assert 250 < len(told.encode()) <= 255


BRAZE = {"type": "braze", "api_key": "hush", "base_url": "https://rest.fra-02.braze.eu"}


@pytest.mark.parametrize("rule", [{}, {"event": "Left a cart"}])
def test_no_product_that_braze_is_told_of_has_a_null(rule: dict[str, str]) -> None:
    vendor = Vendor(BRAZE, answers(("track", 201, {"message": "success"})), **rule)
    vendor.send(row(ADA))
    [content] = vendor.bodies("/users/track")
    [one] = content.get("attributes") or content["events"]
    products = one.get("properties", one)["cart_products"]
    assert products[1] == {"product_id": "8", "title": "Cup", "quantity": 1}


def test_a_language_is_told_to_braze_without_its_region() -> None:
    vendor = Vendor(BRAZE, answers(("track", 201, {"message": "success"})))
    vendor.send(row({**ADA, "language": "pt-BR"}), row({**BOB, "language": None}))
    [content] = vendor.bodies("/users/track")
    assert [one.get("language") for one in content["attributes"]] == ["pt", None]


def test_braze_gets_as_many_people_a_call_as_every_contract_allows() -> None:
    assert Vendor(BRAZE, answers()).destination.batch_size == 50


def test_a_job_of_klaviyo_that_takes_long_is_not_begun_again_in_the_same_run() -> None:
    waiting = {"data": {"id": "job1", "attributes": {"status": "processing"}}}
    vendor = Vendor(
        {"type": "klaviyo", "api_key": "pk_hush", "poll_seconds": 0.001},
        answers(("POST", 202, waiting), ("GET", 200, waiting)),
    )
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "unknown", "c2": "unknown"}
    assert vendor.destination.is_idempotent
