"""What each vendor is told, and what its answers mean row by row."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from small_bucket import SmallBucket
from token_server import TokenServer
from vendor_calls import ADA, BOB, BOTH, Vendor, answers, row, statuses

from marketing_platform.destinations.base import Batch, Place
from marketing_platform.destinations.vendors.files import Files, FilesDestination
from marketing_platform.destinations.vendors.webhook import signature
from marketing_platform.settings import ActivationRule, Platform, destination_types


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def sha(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


# Customer.io

CUSTOMER_IO = {"type": "customer_io", "site_id": "site", "api_key": "hush"}


def test_customer_io_takes_people_then_the_segment_without_those_refused() -> None:
    errors = {"errors": [{"batch_index": 1, "reason": "invalid", "message": "bad email"}]}
    vendor = Vendor(
        CUSTOMER_IO, answers(("batch", 207, errors), ("segments", 200, None)), audience="7"
    )
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [people, members] = vendor.asked
    assert json.loads(people.content)["batch"][0]["identifiers"] == {"id": "c1"}
    assert members.url.path == "/api/v1/segments/7/add_customers"
    assert json.loads(members.content) == {"ids": ["c1"]}


@pytest.mark.parametrize("body", [{"meta": {"error": "no"}}, {"errors": [{"reason": "no"}]}])
def test_a_refusal_of_customer_io_that_names_nobody_is_looked_for(body: Any) -> None:
    answer = Vendor(CUSTOMER_IO, answers(("batch", 400, body))).send(*BOTH)
    assert (answer.kind, dict(answer.rows)) == ("refused", {})


def test_customer_io_knows_an_event_again_by_a_ulid_of_the_key() -> None:
    vendor = Vendor(CUSTOMER_IO, answers(("batch", 200, {})), event="entered")
    vendor.send(*BOTH)
    vendor.send(*BOTH)
    first, again = vendor.bodies("/batch")
    assert first == again
    [one, two] = [thing["id"] for thing in first["batch"]]
    assert one != two
    assert len(one) == 26


def test_customer_io_takes_a_list_as_titles_for_a_person_and_whole_in_an_event() -> None:
    products = [{"title": "Mug " + "ü" * 400, "product_id": str(n)} for n in range(5)]
    person = row({**ADA, "cart_products": products})
    kept = Vendor(CUSTOMER_IO, answers(("batch", 200, {})))
    kept.send(person)
    [content] = kept.bodies("/batch")
    told = content["batch"][0]["attributes"]["cart_products"]
    assert told.startswith("Mug ü")
    assert 990 < len(told.encode()) <= 1000
    started = Vendor(CUSTOMER_IO, answers(("batch", 200, {})), event="entered")
    started.send(person)
    [content] = started.bodies("/batch")
    assert content["batch"][0]["attributes"]["cart_products"] == products


# Iterable


def test_iterable_updates_users_and_subscribes_those_it_took() -> None:
    refused = {"failCount": 1, "failedUpdates": {"invalidEmails": ["bob@example.com"]}}
    vendor = Vendor(
        {"type": "iterable", "api_key": "hush"},
        answers(("bulkUpdate", 200, refused), ("subscribe", 200, {})),
        audience="12",
    )
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [content] = vendor.bodies("lists/subscribe")
    assert content == {"listId": 12, "subscribers": [{"email": "ada@example.com"}]}


def test_an_event_that_iterable_has_no_room_for_was_not_taken() -> None:
    said = {"successCount": 0, "failCount": 2, "disallowedEventNames": ["Left a cart"]}
    vendor = Vendor(
        {"type": "iterable", "api_key": "hush"},
        answers(("trackBulk", 200, said)),
        event="Left a cart",
    )
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "error", "c2": "error"}


def test_who_leaves_a_list_of_iterable_is_not_made_a_user_anew() -> None:
    vendor = Vendor(
        {"type": "iterable", "api_key": "hush"}, answers(("unsubscribe", 200, {})), audience="12"
    )
    leaving = (row(ADA, "remove"),)
    assert statuses(vendor.send(*leaving), leaving) == {"c1": "ok"}
    assert vendor.paths == ["POST /api/lists/unsubscribe"]


# HubSpot

HUBSPOT = {"type": "hubspot", "access_token": "pat-hush"}
CONTACTS = {
    "results": [{"id": "101", "properties": {"email": "ada@example.com"}}],
    "errors": [{"message": "invalid e-mail", "context": {"ids": ["bob@example.com"]}}],
}


def test_hubspot_upserts_by_email_in_text_and_puts_the_contacts_on_the_list() -> None:
    vendor = Vendor(
        HUBSPOT, answers(("upsert", 207, CONTACTS), ("memberships", 200, {})), audience="55"
    )
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [upsert, membership] = vendor.asked
    [first, _] = json.loads(upsert.content)["inputs"]
    assert first["idProperty"] == "email"
    assert {type(value) for value in first["properties"].values()} == {str}
    assert first["properties"]["is_buyer"] == "true"
    assert membership.url.path == "/crm/lists/2026-03/55/memberships/add"
    assert json.loads(membership.content) == ["101"]


def test_who_leaves_is_looked_for_at_hubspot_and_never_made_anew() -> None:
    found = {"results": CONTACTS["results"]}
    vendor = Vendor(
        HUBSPOT, answers(("batch/read", 207, found), ("memberships", 200, {})), audience="55"
    )
    leaving = (row(ADA, "remove"), row(BOB, "remove"))
    assert statuses(vendor.send(*leaving), leaving) == {"c1": "ok", "c2": "ok"}
    [search, membership] = vendor.asked
    assert json.loads(search.content)["inputs"] == [
        {"id": "ada@example.com"},
        {"id": "bob@example.com"},
    ]
    assert membership.url.path == "/crm/lists/2026-03/55/memberships/remove"
    assert json.loads(membership.content) == ["101"]

    flagged = Vendor(HUBSPOT, answers(("batch/read", 207, found), ("batch/update", 200, {})))
    flagged.send(*leaving)
    [content] = flagged.bodies("batch/update")
    assert content["inputs"] == [{"id": "101", "properties": {"segment_vip": "false"}}]


def test_hubspot_is_asked_under_the_version_that_the_settings_name() -> None:
    for version, paths in (
        ("2026-09", ("/crm/objects/2026-09/contacts/batch/upsert",
                     "/crm/lists/2026-09/55/memberships/add")),
        ("v3", ("/crm/v3/objects/contacts/batch/upsert", "/crm/v3/lists/55/memberships/add")),
    ):  # fmt: skip
        vendor = Vendor(
            {**HUBSPOT, "api_version": version},
            answers(("upsert", 200, CONTACTS), ("memberships", 200, {})),
            audience="55",
        )
        vendor.send(row(ADA))
        assert tuple(request.url.path for request in vendor.asked) == paths


def test_hubspot_makes_a_task_for_a_person_and_never_repeats_a_doubtful_one() -> None:
    vendor = Vendor(
        HUBSPOT,
        answers(("upsert", 200, CONTACTS), ("tasks", 201, {})),
        task={"subject": "Call {{ first_name }}", "text": "{{ order_count }} orders"},
    )
    vendor.send(row(ADA))
    [content] = vendor.bodies("tasks/batch/create")
    [task] = content["inputs"]
    assert task["properties"]["hs_task_subject"] == "Call Ada"
    assert task["associations"][0]["to"] == {"id": "101"}
    assert not vendor.destination.is_idempotent


def test_a_name_puts_no_link_into_a_task_of_hubspot() -> None:
    template = "<b>{{ last_name }}</b> wants a call"
    vendor = Vendor(
        HUBSPOT,
        answers(("upsert", 200, CONTACTS), ("tasks", 201, {})),
        task={"subject": "Call", "text": template},
    )
    vendor.send(row({**ADA, "last_name": "<a href='https://evil.example'>O'Neill & Co</a>"}))
    [content] = vendor.bodies("tasks/batch/create")
    assert content["inputs"][0]["properties"]["hs_task_body"] == (
        "<b>&lt;a href='https://evil.example'&gt;O'Neill &amp; Co&lt;/a&gt;</b> wants a call"
    )


MADE = {"id": "9", "objectWriteTraceId": "key-c1"}
WRONG = {"message": "owner is\nnobody", "context": {"objectWriteTraceId": ["key-c2"]}}


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (201, {"results": [MADE, {**MADE, "objectWriteTraceId": "key-c2"}]}, ("ok", "ok")),
        (207, {"results": [MADE], "numErrors": 1, "errors": [WRONG]}, ("ok", "error")),
        (207, {"results": [MADE], "errors": [{"message": "no"}]}, ("ok", "unknown")),
    ],
)
def test_of_tasks_that_hubspot_did_not_make_the_others_are_told(
    status: int, content: dict[str, Any], expected: tuple[str, str]
) -> None:
    bob = {"id": "102", "properties": {"email": "bob@example.com"}}
    people = {"results": [*CONTACTS["results"], bob]}
    replies = answers(("upsert", 200, people), ("tasks", status, content))
    vendor = Vendor(HUBSPOT, replies, task={"subject": "Call {{ first_name }}"})
    answer = vendor.send(*BOTH)
    assert tuple(statuses(answer, BOTH).values()) == expected
    assert answer.rows["key-c1"].vendor_id == "9"
    if expected[1] == "error":
        assert answer.rows["key-c2"].message == "owner is nobody"


# Salesforce


def test_salesforce_answers_for_each_record_in_its_order(tokens: TokenServer) -> None:
    results = [
        {"success": True, "id": "003A"},
        {"success": False, "errors": [{"statusCode": "INVALID_EMAIL", "message": "no address"}]},
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("token"):
            return httpx.Response(200, json={"access_token": "t"})
        return httpx.Response(200, json=results)

    declared = {
        "type": "salesforce",
        "base_url": tokens.url,
        "client_id": "id",
        "client_secret": "s3cret-s3cret",
    }
    vendor = Vendor(declared, answer, audience="Is_Vip__c")
    answered = vendor.send(*BOTH)
    assert statuses(answered, BOTH) == {"c1": "ok", "c2": "error"}
    assert answered.rows["key-c1"].vendor_id == "003A"
    [request] = vendor.asked
    assert request.method == "PATCH"
    assert request.url.path.endswith("/composite/sobjects/Contact/Customer_Id__c")
    [record, _] = json.loads(request.content)["records"]
    assert (record["Is_Vip__c"], record["Customer_Id__c"]) == (True, "c1")


def test_a_record_that_salesforce_has_locked_is_written_later(tokens: TokenServer) -> None:
    error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}
    results = [{"success": True, "id": "003A"}, {"success": False, "errors": [error]}]
    declared = {
        "type": "salesforce",
        "base_url": tokens.url,
        "client_id": "id",
        "client_secret": "s3cret-s3cret",
    }
    vendor = Vendor(declared, lambda request: httpx.Response(200, json=results))
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "later"}


def test_salesforce_events_are_published_25_a_call_and_each_is_answered_for(
    tokens: TokenServer,
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("token"):
            return httpx.Response(200, json={"access_token": "t"})
        asked = json.loads(request.content)["compositeRequest"]
        taken = {"body": {"id": "e01", "success": True, "errors": []}, "httpStatusCode": 201}
        bad = {"body": [{"errorCode": "INVALID_FIELD", "message": "no"}], "httpStatusCode": 400}
        wrong = [one["body"]["Customer_Id__c"] == "c3" for one in asked]
        return httpx.Response(200, json={"compositeResponse": [bad if w else taken for w in wrong]})

    declared = {
        "type": "salesforce", "base_url": tokens.url, "client_id": "id", "client_secret": "hush",
    }  # fmt: skip
    vendor = Vendor(declared, answer, event="Became_Vip__e")
    people = [row({**ADA, "customer_id": f"c{n}"}) for n in range(30)]
    answered = vendor.send(*people)
    assert [len(json.loads(r.content)["compositeRequest"]) for r in vendor.asked] == [25, 5]
    first = json.loads(vendor.asked[0].content)["compositeRequest"][0]
    assert first["url"] == "/services/data/v66.0/sobjects/Became_Vip__e/"
    assert first["body"]["email__c"] == "ada@example.com"
    assert {c for c, s in statuses(answered, people).items() if s != "ok"} == {"c3"}
    assert answered.rows["key-c3"].message == "INVALID_FIELD no"
    assert not vendor.destination.is_idempotent


# Mailchimp

MAILCHIMP = {"type": "mailchimp", "api_key": "hush-us21", "list_id": "abc123"}


def test_mailchimp_takes_attributes_into_the_fields_that_the_settings_name() -> None:
    fields = {"cart_products": "CART", "birth_date": "BIRTHDAY", "top_category": "TOP"}
    vendor = Vendor({**MAILCHIMP, "merge_fields": fields}, answers(("lists/abc123", 200, {})))
    person = row({**ADA, "birth_date": "1815-12-10"}, "update")
    vendor.send(dataclasses.replace(person, cleared=frozenset({"top_category"})))
    [content] = vendor.bodies("lists/abc123")
    [member] = content["members"]
    told = {tag: member["merge_fields"][tag] for tag in ("FNAME", "CART", "BIRTHDAY", "TOP")}
    # What we had written into such a field must not stay there.
    assert told == {"FNAME": "Ada", "CART": "Mug, Cup", "BIRTHDAY": "12/10", "TOP": ""}


def test_mailchimp_tags_members_and_never_subscribes_who_has_not_agreed() -> None:
    body = {"errors": [{"email_address": "BOB@example.com", "error": "looks fake"}]}
    vendor = Vendor(MAILCHIMP, answers(("lists/abc123", 200, body)))
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [request] = vendor.asked
    where = str(request.url.copy_with(query=None))
    assert where == "https://us21.api.mailchimp.com/3.0/lists/abc123"
    [member, _] = json.loads(request.content)["members"]
    assert (member["tags"], member["status_if_new"]) == (["vip"], "transactional")


@pytest.mark.parametrize("status", ["subscribed", "pending"])
def test_mailchimp_subscribes_and_asks_only_together_with_consent(status: str) -> None:
    with pytest.raises(ValidationError, match=f"{status} needs consent: email"):
        Vendor({**MAILCHIMP, "status_if_new": status}, answers())
    assert Vendor({**MAILCHIMP, "status_if_new": status, "consent": "email"}, answers())


def test_mailchimp_takes_the_tag_from_who_leaves() -> None:
    vendor = Vendor(MAILCHIMP, answers(("tags", 204, None)))
    vendor.send(row(ADA, "remove"))
    [request] = vendor.asked
    address = hashlib.md5(b"ada@example.com", usedforsecurity=False).hexdigest()
    assert request.url.path == f"/3.0/lists/abc123/members/{address}/tags"
    assert json.loads(request.content) == {"tags": [{"name": "vip", "status": "inactive"}]}


def test_an_event_of_who_is_no_member_at_mailchimp_keeps_nobody_else_waiting() -> None:
    ada = hashlib.md5(b"ada@example.com", usedforsecurity=False).hexdigest()
    missing = {"title": "Resource Not Found", "status": 404}
    vendor = Vendor(
        MAILCHIMP, answers((f"{ada}/events", 404, missing), ("/events", 204, None)), event="Hello"
    )
    answer = vendor.send(*BOTH)
    assert statuses(answer, BOTH) == {"c1": "error", "c2": "ok"}
    assert "no member" in answer.rows["key-c1"].message


def test_a_403_without_a_word_from_mailchimp_is_a_limit() -> None:
    vendor = Vendor(MAILCHIMP, lambda request: httpx.Response(403, text="Forbidden"))
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.is_counted) == ("retry", False)


# Omnisend, ActiveCampaign, Braze, WooCommerce


def test_omnisend_starts_no_welcome_and_waits_as_the_body_says() -> None:
    declared = {"type": "omnisend", "api_key": "hush"}
    vendor = Vendor(declared, answers(("contacts", 200, {})))
    vendor.send(row(ADA))
    [contact] = vendor.bodies("/contacts")
    assert all(one["sendWelcomeMessage"] is False for one in contact["identifiers"])
    assert contact["tags"] == ["vip"]
    busy = Vendor(declared, answers(("contacts", 429, {"retryAfter": 9})))
    assert busy.send(row(ADA)).wait_seconds == 9


def test_omnisend_takes_the_tag_from_who_leaves_together() -> None:
    vendor = Vendor({"type": "omnisend", "api_key": "hush"}, answers(("tags", 202, {})))
    vendor.send(row(ADA, "remove"), row(BOB, "remove"))
    [request] = vendor.asked
    assert request.method == "DELETE"
    emails = ["ada@example.com", "bob@example.com"]
    assert json.loads(request.content) == {"tags": ["vip"], "emails": emails}


ACTIVECAMPAIGN = {
    "type": "activecampaign",
    "base_url": "https://demo.api-us1.com",
    "api_token": "hush",
    "fields": {"order_count": "4", "cart_products": "5"},
}


def test_activecampaign_tags_a_contact_and_never_touches_a_subscription() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if b"bob@" in request.content:
            return httpx.Response(422, json={"errors": [{"title": "not an address"}]})
        return httpx.Response(201, json={"contact": {"id": "9"}})

    vendor = Vendor(ACTIVECAMPAIGN, answer, audience="12")
    answered = vendor.send(*BOTH)
    assert statuses(answered, BOTH) == {"c1": "ok", "c2": "error"}
    assert answered.rows["key-c2"].message == "not an address"
    assert [path.rpartition("/")[2] for path in vendor.paths] == ["sync", "contactTags", "sync"]
    assert json.loads(vendor.asked[0].content)["contact"]["fieldValues"] == [
        {"field": "4", "value": "3"},
        {"field": "5", "value": "Mug, Cup"},
    ]
    assert json.loads(vendor.asked[1].content) == {"contactTag": {"contact": "9", "tag": "12"}}


def test_activecampaign_events_go_to_its_tracker_without_the_token_of_the_api() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_bob = "bob" in parse_qs(request.content.decode())["visit"][0]
        said = {"success": 0, "message": "no such contact"} if is_bob else {"success": 1}
        return httpx.Response(200, json=said)

    declared = {**ACTIVECAMPAIGN, "account_id": "77", "event_key": "evkey"}
    vendor = Vendor(declared, answer, event="Became a VIP")
    nobody = row({**ADA, "customer_id": "c3", "email": None})
    answered = vendor.send(*BOTH, nobody)
    assert statuses(answered, (*BOTH, nobody)) == {"c1": "ok", "c2": "error", "c3": "error"}
    first = vendor.asked[0]
    assert str(first.url) == "https://trackcmp.net/event"
    assert first.headers["Api-Token"] == ""
    form = {name: values[0] for name, values in parse_qs(first.content.decode()).items()}
    assert form["actid"] == "77"
    assert form["event"] == "Became a VIP"
    assert json.loads(form["visit"]) == {"email": "ada@example.com"}
    assert json.loads(form["eventdata"])["order_count"] == 3
    assert json.loads(form["eventdata"])["cart_products"][1]["title"] == "Cup"


def test_activecampaign_without_its_event_key_is_told_before_anything_is_sent() -> None:
    vendor = Vendor(ACTIVECAMPAIGN, answers(), event="Became a VIP")
    answered = vendor.send(row(ADA))
    assert answered.kind == "stop"
    assert "account_id and event_key" in answered.reason
    shown = vendor.destination.preview(Batch("b", "it", vendor.rule.name, [row(ADA)]))
    assert shown == answered.reason


@pytest.mark.parametrize(
    ("declared", "path"),
    [(MAILCHIMP, "/events"), ({"type": "omnisend", "api_key": "hush"}, "/api/events")],
)
@pytest.mark.parametrize(
    ("status", "became"), [(429, "retry"), (500, "unknown"), (400, "error"), (401, "stop")]
)
def test_events_that_a_vendor_does_not_know_again_are_not_repeated_for_a_later_one(
    declared: dict[str, Any], path: str, status: int, became: str
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path.endswith(path)
        asked.append(request.content.decode())
        return httpx.Response(status if len(asked) == 3 else 202, json={})

    vendor = Vendor(declared, answer, event="Hello")
    people = [row({**ADA, "customer_id": f"c{n}", "email": f"{n}@example.com"}) for n in range(5)]
    answered = vendor.send(*people)
    if became in ("retry", "stop"):
        # The others wait for as long as the vendor asks, and lose no attempt.
        assert (answered.kind, answered.is_counted) == (became, False)
        assert {key: told.status for key, told in answered.rows.items()} == {
            "key-c0": "ok", "key-c1": "ok",
        }  # fmt: skip
        return
    after = "ok" if became == "error" else "later"
    assert list(statuses(answered, people).values()) == ["ok", "ok", became, after, after]


def test_activecampaign_removes_the_tag_by_its_association() -> None:
    tags = {"contactTags": [{"id": "70", "tag": "12"}, {"id": "71", "tag": "13"}]}
    vendor = Vendor(
        ACTIVECAMPAIGN,
        answers(
            ("GET /api/3/contacts/9/contactTags", 200, tags),
            ("GET /api/3/contacts", 200, {"contacts": [{"id": "9", "email": "Ada@example.com"}]}),
            ("DELETE /api/3/contactTags/70", 200, {}),
        ),
        audience="12",
    )
    vendor.send(row(ADA, "remove"))
    assert vendor.asked[0].url.params["email"] == "ada@example.com"
    assert vendor.paths[-1] == "DELETE /api/3/contactTags/70"


def test_who_leaves_is_looked_for_at_activecampaign_and_never_made_anew() -> None:
    vendor = Vendor(ACTIVECAMPAIGN, answers(("GET", 200, {"contacts": []})), audience="12")
    nameless = row({**ADA, "customer_id": "c3", "email": None}, "remove")
    assert vendor.send(row(ADA, "remove"), nameless).kind == "accepted"
    assert vendor.paths == ["GET /api/3/contacts"]


def test_braze_knows_a_segment_by_an_attribute() -> None:
    body = {"message": "success", "errors": [{"type": "bad phone", "index": 1}]}
    declared = {"type": "braze", "api_key": "hush", "base_url": "https://rest.fra-02.braze.eu"}
    vendor = Vendor(declared, answers(("track", 201, body)))
    rows = (row(ADA, "remove"), row(BOB, "remove"))
    assert statuses(vendor.send(*rows), rows) == {"c1": "ok", "c2": "error"}
    [content] = vendor.bodies("/users/track")
    assert content["attributes"][0]["segment_vip"] is False


WOOCOMMERCE = {
    "type": "woocommerce",
    "base_url": "https://shop.example",
    "consumer_key": "ck_hush",
    "consumer_secret": "cs_hush",
}


def test_woocommerce_writes_meta_data_of_the_customers_it_knows() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            is_ada = request.url.params["email"] == "ada@example.com"
            return httpx.Response(200, json=[{"id": 31}] if is_ada else [])
        return httpx.Response(200, json={"update": [{"id": 31}]})

    vendor = Vendor(WOOCOMMERCE, answer)
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [content] = vendor.bodies("customers/batch")
    [update] = content["update"]
    assert {"key": "segment_vip", "value": "yes"} in update["meta_data"]
    assert all("cs_hush" not in str(request.url) for request in vendor.asked)
    dropping = Vendor({**WOOCOMMERCE, "keys_in_query": True}, answer)
    dropping.send(*BOTH)
    assert {request.url.params["consumer_secret"] for request in dropping.asked} == {"cs_hush"}
    assert not any("Authorization" in request.headers for request in dropping.asked)


def test_woocommerce_takes_nobody_for_a_customer_without_an_email() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        # A blank e-mail limits nothing: it answers with the first customers of the shop.
        is_asked = request.method == "GET"
        return httpx.Response(200, json=[{"id": 1}] if is_asked else {"update": [{"id": 1}]})

    vendor = Vendor(WOOCOMMERCE, answer)
    nameless = {**ADA, "email": None}
    assert statuses(vendor.send(row(nameless)), (row(nameless),)) == {"c1": "error"}
    assert vendor.send(row(nameless, "remove")).kind == "accepted"
    assert vendor.bodies("customers/batch") == []


def test_woocommerce_takes_a_list_as_titles_and_a_flag_as_others_do() -> None:
    found = answers(("GET", 200, [{"id": 31}]), ("POST", 200, {"update": [{"id": 31}]}))
    vendor = Vendor(WOOCOMMERCE, found)
    vendor.send(row(ADA))
    [content] = vendor.bodies("customers/batch")
    told = {one["key"]: one["value"] for one in content["update"][0]["meta_data"]}
    assert (told["cart_products"], told["is_buyer"]) == ("Mug, Cup", "true")


def test_of_who_leaves_woocommerce_is_told_that_and_nothing_more() -> None:
    found = answers(("GET", 200, [{"id": 31}]), ("POST", 200, {"update": [{"id": 31}]}))
    vendor = Vendor(WOOCOMMERCE, found)
    vendor.send(row(ADA, "remove"))
    [content] = vendor.bodies("customers/batch")
    assert content["update"][0]["meta_data"] == [{"key": "segment_vip", "value": "no"}]


# Slack

SLACK = {"type": "slack", "token": "xoxb-hush", "channel": "C1"}
LINE = {"message": {"text": "{{ first_name }} is a VIP"}}


def test_slack_escapes_what_would_be_a_link_or_a_mention() -> None:
    vendor = Vendor(SLACK, answers(("postMessage", 200, {"ok": True, "ts": "1.2"})), **LINE)
    answer = vendor.send(row({**ADA, "first_name": "<!channel> & co"}))
    [content] = vendor.bodies("chat.postMessage")
    assert content["text"] == "&lt;!channel&gt; &amp; co is a VIP"
    assert answer.rows["key-c1"].vendor_id == "1.2"


def test_slack_shows_quotes_as_they_are() -> None:
    vendor = Vendor(SLACK, answers(("postMessage", 200, {"ok": True, "ts": "1.2"})), **LINE)
    vendor.send(row({**ADA, "first_name": """Ada "Augusta" O'Neil &#39;"""}))
    [content] = vendor.bodies("chat.postMessage")
    assert content["text"] == """Ada "Augusta" O'Neil &amp;#39; is a VIP"""


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable"])
def test_what_goes_wrong_within_slack_leaves_a_line_in_doubt(error: str) -> None:
    vendor = Vendor(SLACK, answers(("postMessage", 200, {"ok": False, "error": error})), **LINE)
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_auth", "stop"),
        ("channel_not_found", "stop"),
        ("msg_too_long", "refused"),
        ("ratelimited", "retry"),
        ("rate_limited", "retry"),
    ],
)
def test_slack_says_no_with_200(error: str, kind: str) -> None:
    vendor = Vendor(SLACK, answers(("postMessage", 200, {"ok": False, "error": error})), **LINE)
    assert vendor.send(row(ADA)).kind == kind


# Who leaves


FLAGGED: dict[str, tuple[dict[str, Any], Any]] = {
    "klaviyo": ({"api_key": "hush"}, None),
    "customer_io": ({"site_id": "site", "api_key": "hush"}, {"errors": []}),
    "iterable": ({"api_key": "hush"}, {"user": {"email": "ada@example.com"}}),
    "braze": ({"api_key": "hush", "base_url": "https://rest.fra-02.braze.eu"}, {}),
    "salesforce": ({"client_id": "id", "client_secret": "s3cret-s3cret"}, [{"success": True}]),
}


@pytest.mark.parametrize("kind", FLAGGED)
def test_of_who_leaves_a_vendor_is_told_that_and_nothing_more(
    kind: str, tokens: TokenServer
) -> None:
    declared, body = FLAGGED[kind]
    job = {"data": {"id": "j", "attributes": {"status": "complete", "failed_count": 0}}}
    base = {"base_url": tokens.url} if kind == "salesforce" else {}
    found = {"data": [{"id": "01A", "attributes": {"external_id": "c1"}}]}
    replies = answers(("GET /api/profiles", 200, found), ("", 200, body or job))
    vendor = Vendor({"type": kind, **base, **declared}, replies)
    answer = vendor.send(row(ADA, "remove"))
    assert statuses(answer, (row(ADA),)) == {"c1": "ok"}
    [told] = [request.content.decode() for request in vendor.asked if request.content]
    assert "false" in told
    assert not [word for word in ("Lovelace", "+4917", "Berlin", "Mug", "120.50") if word in told]


def test_who_leaves_a_segment_of_customer_io_is_not_made_a_person_anew() -> None:
    vendor = Vendor(CUSTOMER_IO, answers(("remove_customers", 200, {})), audience="7")
    vendor.send(row(ADA, "remove"))
    assert vendor.paths == ["POST /api/v1/segments/7/remove_customers"]


def test_who_leaves_and_is_no_contact_of_salesforce_is_not_made_one(tokens: TokenServer) -> None:
    error = {"statusCode": "REQUIRED_FIELD_MISSING", "message": "[LastName]"}
    missing = [{"success": False, "errors": [error]}]
    declared = {"type": "salesforce", "base_url": tokens.url, **FLAGGED["salesforce"][0]}
    vendor = Vendor(declared, answers(("PATCH", 200, missing)))
    assert statuses(vendor.send(row(ADA, "remove")), (row(ADA),)) == {"c1": "ok"}
    [asked] = vendor.asked
    [record] = json.loads(asked.content)["records"]
    assert set(record) == {"attributes", "Customer_Id__c", "Segment_vip__c"}


def test_who_leaves_and_is_no_user_of_braze_is_not_made_one() -> None:
    declared = {"type": "braze", **FLAGGED["braze"][0]}
    vendor = Vendor(declared, answers(("track", 201, {})))
    vendor.send(row(ADA, "remove"))
    [content] = vendor.bodies("/users/track")
    assert content["attributes"] == [
        {"external_id": "c1", "segment_vip": False, "_update_existing_only": True}
    ]


# What is no answer


@pytest.mark.parametrize(
    ("declared", "rule"),
    [
        ({"type": "klaviyo", "api_key": "hush"}, {}),
        ({"type": "hubspot", "access_token": "hush"}, {"audience": "12"}),
        ({"type": "mailchimp", "api_key": "hush-us21", "list_id": "abc123"}, {}),
        (ACTIVECAMPAIGN, {"audience": "12"}),
    ],
)
@pytest.mark.parametrize("body", ["", "OK", "[]"])
def test_a_success_that_cannot_be_read_is_tried_again(
    declared: dict[str, Any], rule: dict[str, Any], body: str
) -> None:
    vendor = Vendor(declared, lambda request: httpx.Response(200, text=body), **rule)
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)
    assert answer.reason == "its answer of 200 cannot be read"


# Webhook, feeds in a bucket, settings


def test_a_signature_is_the_one_that_standard_webhooks_publishes() -> None:
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_with_a_secret_is_signed() -> None:
    declared = {
        "type": "webhook",
        "url": "https://hooks.example/in",
        "signing_secret": base64.b64encode(b"a long secret").decode(),
    }
    vendor = Vendor(declared, answers(("", 200, {})), event="entered_vip")
    vendor.send(row(ADA))
    [request] = vendor.asked
    seconds = int(request.headers["webhook-timestamp"])
    expected = signature(SecretStr(declared["signing_secret"]), "b1", seconds, request.content)
    assert request.headers["webhook-signature"] == expected["webhook-signature"]
    assert json.loads(request.content)["event"] == "entered_vip"


@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_a_feed_is_written_into_a_bucket(kind: str) -> None:
    with SmallBucket("feeds", {}, kind) as bucket:
        rule = ActivationRule(segment="vip", destination="feed", attributes=("email",))
        declared = FilesDestination.model_validate(
            {"type": "files", "folder": f"{kind}://feeds/daily", "store": bucket.store}
        )
        files = Files("feed", declared, Place({"vip": rule}))
        assert files.missing() == ["vip"]
        answer = asyncio.run(files.send(Batch("b", "feed", "vip", [row(ADA)])))
        assert answer.kind == "accepted"
        assert files.missing() == []
        assert bucket.objects["daily/vip.csv"].decode().splitlines()[1] == "c1,s1,ada@example.com"


def test_a_bucket_that_refuses_is_an_answer() -> None:
    with SmallBucket("feeds", {}) as bucket:
        store = {**bucket.store, "access_key_id": "another", "secret_access_key": "wrong-secret"}
        declared = FilesDestination.model_validate(
            {"type": "files", "folder": "s3://feeds/daily", "store": store}
        )
        answer = asyncio.run(
            Files("feed", declared, Place()).send(Batch("b", "feed", "vip", [row(ADA)]))
        )
    assert answer.kind == "retry"
    assert bucket.objects == {}
    assert "wrong-secret" not in answer.reason


def test_every_type_has_settings_and_a_class_with_modes() -> None:
    assert len(destination_types()) >= 20
    for kind in destination_types():
        with pytest.raises(ValidationError) as caught:
            Platform.model_validate({"destinations": {"it": {"type": kind, "nonsense": 1}}})
        assert "nonsense" in str(caught.value) or "required" in str(caught.value)


def test_a_mistyped_type_is_told_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="perhaps klaviyo"):
        Platform.model_validate({"destinations": {"it": {"type": "klavyio"}}})


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"type": "webhook", "url": "https://a.example", "signing_secret": ""}, "secret is empty"),
        ({"type": "webhook", "url": "https://a.example", "signing_secret": "whsec_"}, "is empty"),
        ({"type": "sendgrid", "api_key": "k", "from_email": "a@b.c", "reply_to": "us"}, "reply_to"),
    ],
)
def test_a_setting_that_would_go_wrong_with_each_message_is_refused(
    declared: dict[str, str], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Platform.model_validate({"destinations": {"it": declared}})


def test_a_preview_shows_the_request_without_secrets(tmp_path: Path) -> None:
    vendor = Vendor(CUSTOMER_IO, answers())
    shown = vendor.destination.preview(Batch("b", "it", "vip", [row(ADA)]))
    assert shown.startswith("POST https://track.customer.io/api/v2/batch\n")
    assert "ada@example.com" in shown
    assert "hush" not in shown


def test_a_form_is_what_twilio_takes() -> None:
    declared = {
        "type": "twilio",
        "account_sid": "AC" + "0" * 32,
        "auth_token": "hush-hush",
        "messaging_service_sid": "MG" + "0" * 32,
    }
    vendor = Vendor(declared, answers(("Messages", 201, {})), message={"text": "Hi"})
    vendor.send(row(ADA))
    form = parse_qs(vendor.asked[0].content.decode())
    assert form["MessagingServiceSid"] == ["MG" + "0" * 32]
    assert form["To"] == ["+491711234567"]
