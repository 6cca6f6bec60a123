"""Vendors whose descriptions we have: each request is what they describe, and nothing more."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from token_server import TokenServer
from vendor_calls import (
    ADA,
    BOB,
    Vendor,
    answers,
    check_discovery,
    check_graphql,
    check_openapi,
    row,
    statuses,
)

from marketing_platform.destinations.base import Answer
from marketing_platform.destinations.people import NotTold, render

KLAVIYO = {"type": "klaviyo", "api_key": "pk_secret_1234", "poll_seconds": 0.01}
TWILIO = {
    "type": "twilio",
    "account_sid": "AC" + "0" * 32,
    "auth_token": "hush-hush",
    "from_number": "+15005550006",
}
SENDGRID = {
    "type": "sendgrid",
    "api_key": "SG.secret",
    "from_email": "shop@example.com",
    "from_name": "Shop",
    "poll_seconds": 0.01,
}
SHOPIFY = {"type": "shopify", "shop": "demo", "access_token": "shpat_secret"}
ATTRIBUTES = {"attributes": ("email", "first_name")}


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def google(tokens: TokenServer, kind: str, **more: Any) -> dict[str, Any]:
    client = {"client_id": "id", "client_secret": "s3cret", "refresh_token": "fresh-one"}
    return {"type": kind, "token_url": tokens.url, **client, **more}


def job(status: str = "complete", failed: int = 0) -> dict[str, Any]:
    attributes = {"status": status, "created_at": "x", "total_count": 2, "failed_count": failed}
    return {"data": {"type": "profile-bulk-import-job", "id": "job1", "attributes": attributes}}


FOUND = {"type": "profile", "id": "01A", "attributes": {"external_id": "c1"}}


def klaviyo(**rule: Any) -> Vendor:
    error = {
        "title": "Invalid input",
        "detail": "Invalid email",
        "original_payload": {"external_id": "c2"},
    }
    return Vendor(
        KLAVIYO,
        answers(
            ("import-errors", 200, {"data": [{"attributes": error}]}),
            ("POST /api/profile-bulk-import-jobs", 202, job()),
            ("GET /api/profile-bulk-import-jobs/job1", 200, job(failed=1)),
            ("GET /api/profiles", 200, {"data": [FOUND]}),
            ("/relationships/profiles", 204, None),
            ("/event-bulk-create-jobs", 202, None),
        ),
        **rule,
    )


def check_klaviyo(vendor: Vendor) -> None:
    for request in vendor.asked:
        check_openapi("klaviyo/stable.json", request)
        assert request.headers["revision"] == "2026-07-15"


def test_klaviyo_imports_profiles_into_the_list_and_reads_the_errors_row_by_row() -> None:
    vendor = klaviyo(audience="LIST1")
    rows = (row(ADA), row(BOB))
    answer = vendor.send(*rows)
    check_klaviyo(vendor)
    assert statuses(answer, rows) == {"c1": "ok", "c2": "error"}
    assert "Invalid email" in answer.rows["key-c2"].message
    [posted] = vendor.bodies("/profile-bulk-import-jobs")
    assert posted["data"]["relationships"]["lists"]["data"] == [{"type": "list", "id": "LIST1"}]
    attributes = posted["data"]["attributes"]["profiles"]["data"][0]["attributes"]
    assert attributes["external_id"] == "c1"
    assert attributes["location"] == {"city": "Berlin", "country": "DE", "zip": "10115"}
    assert attributes["properties"]["order_count"] == 3
    assert attributes["properties"]["cart_products"] == ADA["cart_products"]


def test_klaviyo_is_asked_for_all_errors_of_a_job() -> None:
    people = [{**ADA, "customer_id": f"c{n}", "email": f"{n}@example.com"} for n in range(150)]

    def answer(request: httpx.Request) -> httpx.Response:
        params, path = request.url.params, request.url.path
        if not path.endswith("/import-errors"):
            return httpx.Response(202, json=job(failed=130))
        start = int(params.get("page[cursor]", 0))
        end = min(start + int(params.get("page[size]", 20)), 130)
        wrong = [
            {"title": "Invalid", "original_payload": {"external_id": f"c{n}"}}
            for n in range(start, end)
        ]
        following = f"https://a.klaviyo.com{path}?page%5Bcursor%5D={end}" if end < 130 else None
        found = [{"attributes": one} for one in wrong]
        return httpx.Response(200, json={"data": found, "links": {"next": following}})

    vendor = Vendor(KLAVIYO, answer)
    rows = [row(person) for person in people]
    told = list(statuses(vendor.send(*rows), rows).values())
    check_klaviyo(vendor)
    assert told == ["error"] * 130 + ["ok"] * 20


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"attributes": {"title": "Invalid", "original_payload": None}}], "Invalid"),
        ([], "1 profiles were not taken"),
    ],
)
def test_an_error_of_a_klaviyo_job_that_names_nobody_is_looked_for(
    errors: list[dict[str, Any]], said: str
) -> None:
    vendor = Vendor(
        KLAVIYO,
        answers(
            ("import-errors", 200, {"data": errors}),
            ("/profile-bulk-import-jobs", 202, job(failed=1)),
        ),
    )
    answer = vendor.send(row(ADA), row(BOB))
    assert (answer.kind, dict(answer.rows)) == ("refused", {})
    assert said in answer.reason


def test_klaviyo_takes_who_leaves_off_the_list_and_unsubscribes_nobody() -> None:
    vendor = klaviyo(audience="LIST1")
    vendor.send(row(ADA, "remove"))
    check_klaviyo(vendor)
    assert vendor.paths == ["GET /api/profiles", "DELETE /api/lists/LIST1/relationships/profiles"]
    assert vendor.asked[0].url.params["filter"] == 'any(external_id,["c1"])'


@pytest.mark.parametrize("rule", [{}, {"audience": "LIST1"}])
def test_what_is_not_known_any_more_is_cleared_at_klaviyo_by_a_call_that_can(
    rule: dict[str, str],
) -> None:
    """Its guide: an import job does not support null to clear a field, this endpoint does."""
    said = {"errors": [{"title": "Invalid input", "detail": "no such profile"}]}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/profile-import"):
            is_bob = b'"c2"' in request.content
            return httpx.Response(400, json=said) if is_bob else httpx.Response(200, json={})
        return httpx.Response(202, json=job())

    vendor = Vendor(KLAVIYO, answer, **rule)
    gone = {"phone": None, "city": None, "order_count": None}
    rows = [
        dataclasses.replace(row({**person, **gone}, "update"), cleared=frozenset(gone))
        for person in (ADA, BOB)
    ]
    rows.append(row({**ADA, "customer_id": "c3"}))
    told = statuses(vendor.send(*rows), rows)
    check_klaviyo(vendor)
    assert told == {"c1": "ok", "c2": "error", "c3": "ok"}
    [imported] = vendor.bodies("/profile-bulk-import-jobs")
    [first, *_] = imported["data"]["attributes"]["profiles"]["data"]
    assert "null" not in json.dumps(first["attributes"]["location"])
    assert not {"phone_number", "order_count"} & {
        *first["attributes"], *first["attributes"]["properties"],
    }  # fmt: skip
    [cleared, _] = vendor.bodies("/profile-import")
    assert cleared["data"]["attributes"] == {
        "external_id": "c1",
        "phone_number": None,
        "location": {"city": None},
        "properties": {"order_count": None},
    }


def test_klaviyo_without_a_list_is_told_by_a_property() -> None:
    vendor = Vendor(
        KLAVIYO, answers(("GET /api/profiles", 200, {"data": [FOUND]}), ("bulk-import", 202, job()))
    )
    rows = (row(ADA, "remove"), row(BOB, "remove"))
    assert statuses(vendor.send(*rows), rows) == {"c1": "ok", "c2": "ok"}
    check_klaviyo(vendor)
    [posted] = vendor.bodies("/profile-bulk-import-jobs")
    [profile] = posted["data"]["attributes"]["profiles"]["data"]
    assert profile["attributes"]["properties"]["segment_vip"] is False


def test_klaviyo_knows_an_event_again_by_the_rows_key() -> None:
    vendor = klaviyo(event="Entered VIP")
    vendor.send(row(ADA))
    check_klaviyo(vendor)
    [posted] = vendor.bodies("/event-bulk-create-jobs")
    [entry] = posted["data"]["attributes"]["events-bulk-create"]["data"]
    [event] = entry["attributes"]["events"]["data"]
    assert event["attributes"]["unique_id"] == "key-c1"
    assert event["attributes"]["metric"]["data"]["attributes"]["name"] == "Entered VIP"


def test_a_klaviyo_job_that_does_not_end_is_tried_again_later() -> None:
    vendor = Vendor(
        KLAVIYO,
        answers(
            ("POST /api/profile-bulk-import-jobs", 202, job()),
            ("GET /api/profile-bulk-import-jobs/job1", 200, job("cancelled")),
        ),
    )
    answer = vendor.send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)


def twilio(status: int, body: dict[str, Any], **rule: Any) -> Vendor:
    message = {"text": "Hi {{ first_name }}"}
    return Vendor(TWILIO, answers(("Messages", status, body)), **{"message": message, **rule})


def test_twilio_sends_one_message_and_keeps_its_sid() -> None:
    vendor = twilio(201, {"sid": "SM1"})
    answer = vendor.send(row(ADA))
    [request] = vendor.asked
    check_openapi("twilio/twilio_api_v2010.json", request)
    assert request.url.path == f"/2010-04-01/Accounts/{TWILIO['account_sid']}/Messages.json"
    assert answer.rows["key-c1"].vendor_id == "SM1"
    assert not vendor.destination.is_idempotent


@pytest.mark.parametrize(("left", "wait"), [(-5, 1), (600, 600), (20 * 3600, 36_000)])
def test_a_text_does_not_wait_at_twilio_until_quiet_hours_have_begun(left: int, wait: int) -> None:
    vendor = twilio(201, {"sid": "SM1"})
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=left)
    vendor.send(dataclasses.replace(row(ADA), not_after=end))
    [request] = vendor.asked
    check_openapi("twilio/twilio_api_v2010.json", request)
    told = dict(httpx.QueryParams(request.content.decode()))
    assert wait - 5 <= int(told["ValidityPeriod"]) <= wait


def test_an_api_key_of_twilio_stands_for_the_account() -> None:
    key = "SK" + "1" * 32
    vendor = Vendor({**TWILIO, "key_sid": key}, answers(("", 201, {})), message={"text": "Hi"})
    vendor.send(row(ADA))
    [request] = vendor.asked
    assert f"/Accounts/{TWILIO['account_sid']}/" in request.url.path
    credentials = httpx.BasicAuth(key, TWILIO["auth_token"])
    [signed] = credentials.sync_auth_flow(httpx.Request("GET", "https://x"))
    assert request.headers["Authorization"] == signed.headers["Authorization"]


def test_who_answered_stop_is_not_written_to_again() -> None:
    answer = twilio(400, {"code": 21610, "message": "unsubscribed recipient"}).send(row(ADA))
    assert answer.rows["key-c1"].suppresses == "unsubscribed"


@pytest.mark.parametrize(
    ("code", "suppresses"),
    [(21211, "hard_bounce"), (21614, "hard_bounce"), (21635, "hard_bounce"), (21408, None)],
)
def test_a_phone_that_takes_no_texts_bars_its_person_until_they_have_another(
    code: int, suppresses: str | None
) -> None:
    answer = twilio(400, {"code": code, "message": "not a mobile number"}).send(row(ADA))
    assert answer.rows["key-c1"].status == "error"
    assert answer.rows["key-c1"].suppresses == suppresses


def test_a_full_queue_at_twilio_is_nobodys_failure() -> None:
    answer = twilio(429, {"code": 21611, "message": "queue is full"}).send(row(ADA))
    assert (answer.kind, answer.is_counted) == ("retry", False)


def test_a_template_of_twilio_is_filled_in_with_the_rule_s_variables() -> None:
    variables = {1: "{{ first_name }}", "shop": "{{ top_category|default('our shop') }}"}
    message = {"template": "HX" + "0" * 32, "variables": variables}
    vendor = twilio(201, {"sid": "SM1"}, message=message)
    vendor.send(row(ADA))
    [request] = vendor.asked
    check_openapi("twilio/twilio_api_v2010.json", request)
    form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
    assert json.loads(form["ContentVariables"]) == {"1": "Ada", "shop": "our shop"}
    answer = vendor.send(row({**ADA, "first_name": None}))
    assert "variable 1 would be blank" in answer.rows["key-c1"].message
    assert len(vendor.asked) == 1


def test_a_text_that_is_too_long_is_told_and_not_cut() -> None:
    vendor = twilio(201, {"sid": "SM1"})
    answer = vendor.send(row({**ADA, "first_name": "A" * 1600}))
    assert answer.rows["key-c1"].message == "the message has 1603 characters, more than 1600"
    assert not vendor.asked


def test_a_template_is_filled_in_once_and_values_stay_text() -> None:
    vendor = twilio(201, {"sid": "SM1"})
    vendor.send(row({**ADA, "first_name": "{{ 7*7 }} {% raw %}"}))
    assert "Hi+%7B%7B+7%2A7+%7D%7D" in vendor.asked[0].content.decode()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hi {{ first_name }}!", "Hi !"),
        ("Hi {{ first_name|default('there') }}!", "Hi there!"),
        ("Hi {{ first_name or 'you' }}!", "Hi you!"),
        ("{% if first_name %}Hi {{ first_name|upper }}{% else %}Hello{% endif %}", "Hello"),
        ("{% for p in cart_products %}{{ p.title }}: {{ p.price|default('?') }}; {% endfor %}",
         "Mug: 12.50; Cup: ?; "),
    ],
)  # fmt: skip
def test_nobody_is_called_none(template: str, expected: str) -> None:
    assert render(template, row({**ADA, "first_name": None})) == expected


def test_what_cannot_be_reckoned_with_fails_its_row_and_sends_nothing() -> None:
    with pytest.raises(NotTold, match="order_count"):
        render("{% if order_count > 3 %}Again{% endif %}", row({**ADA, "order_count": None}))


@pytest.mark.parametrize(
    "template", ["{{ cart_products.pop().title }}", "{{ 'Dear {name}'.format(n=first_name) }}"]
)
def test_what_a_template_does_with_a_value_that_is_odd_fails_its_row_alone(template: str) -> None:
    with pytest.raises(NotTold, match="cannot be filled in"):
        render(template, row({**ADA, "cart_products": []}))


def sendgrid(**rule: Any) -> Vendor:
    found = {"result": {"ada@example.com": {"contact": {"id": "contact-1"}}}}
    return Vendor(
        SENDGRID,
        answers(
            ("/v3/mail/send", 202, None),
            ("PUT /v3/marketing/contacts", 202, {"job_id": "j1"}),
            ("/imports/j1", 200, {"id": "j1", "status": "completed"}),
            ("/search/emails", 200, found),
            ("DELETE /v3/marketing/lists", 202, {"job_id": "j2"}),
            **{"X-Message-Id": "sg-1"},
        ),
        **rule,
    )


def test_sendgrid_sends_a_template_to_many_in_one_call() -> None:
    vendor = sendgrid(message={"template": "d-0123456789abcdef0123456789abcdef"})
    rows = (row(ADA), row(BOB))
    answer = vendor.send(*rows)
    [request] = vendor.asked
    check_openapi("sendgrid/tsg_mail_v3.json", request)
    people = json.loads(request.content)["personalizations"]
    assert [one["custom_args"]["message_key"] for one in people] == ["key-c1", "key-c2"]
    assert {one.vendor_id for one in answer.rows.values()} == {"sg-1"}
    assert vendor.destination.batch_size == 500


def test_sendgrid_sends_words_of_our_own_one_by_one_and_escapes_html() -> None:
    vendor = sendgrid(message={"subject": "Hi {{ first_name }}", "html": "<p>{{ first_name }}</p>"})
    assert vendor.destination.batch_size == 1
    vendor.send(row({**ADA, "first_name": "<b>Ada</b>"}))
    [request] = vendor.asked
    check_openapi("sendgrid/tsg_mail_v3.json", request)
    content = json.loads(request.content)
    assert content["content"][0]["value"] == "<p>&lt;b&gt;Ada&lt;/b&gt;</p>"


@pytest.mark.parametrize(
    "message",
    [
        {"template": "d-0123456789abcdef0123456789abcdef"},
        {"subject": "Hi", "text": "Bye: {{ unsubscribe_url }}"},
    ],
)
def test_sendgrid_tells_mail_programs_how_each_person_unsubscribes(message: dict[str, str]) -> None:
    declared = {**SENDGRID, "unsubscribe_url": "https://shop.example/leave?c={{ customer_id }}"}
    vendor = Vendor(declared, answers(("/v3/mail/send", 202, None)), message=message)
    people = [row(ADA), row(BOB)][: vendor.destination.batch_size]
    vendor.send(*people)
    [request] = vendor.asked
    check_openapi("sendgrid/tsg_mail_v3.json", request)
    content = json.loads(request.content)
    told = [one["headers"] for one in content["personalizations"]]
    assert told == [
        {"List-Unsubscribe": f"<https://shop.example/leave?c={person.customer_id}>",
         "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        for person in people
    ]  # fmt: skip
    if "template" in message:
        data = [one["dynamic_template_data"] for one in content["personalizations"]]
        assert [one["unsubscribe_url"][-2:] for one in data] == ["c1", "c2"]
    else:
        assert content["content"][0]["value"] == "Bye: https://shop.example/leave?c=c1"


def test_a_name_that_is_too_long_for_sendgrid_does_not_stop_the_others() -> None:
    vendor = sendgrid(audience="ca1b0f9e-5d4e-4b3a-8c2d-0123456789ab")
    vendor.send(row({**ADA, "first_name": "A" * 80, "city": "ü" * 80}))
    check_openapi("sendgrid/tsg_mc_contacts_v3.json", vendor.asked[0])
    [contact] = json.loads(vendor.asked[0].content)["contacts"]
    assert (len(contact["first_name"]), len(contact["city"])) == (50, 60)


def test_sendgrid_keeps_a_list() -> None:
    vendor = sendgrid(audience="ca1b0f9e-5d4e-4b3a-8c2d-0123456789ab")
    vendor.send(row(ADA))
    vendor.send(row(ADA, "remove"))
    assert [path.rpartition("/")[0] for path in vendor.paths] == [
        "PUT /v3/marketing",
        "GET /v3/marketing/contacts/imports",
        "POST /v3/marketing/contacts/search",
        "DELETE /v3/marketing/lists/ca1b0f9e-5d4e-4b3a-8c2d-0123456789ab",
    ]
    for request in vendor.asked:
        is_list = "/lists/" in request.url.path
        document = "tsg_mc_lists_v3.json" if is_list else "tsg_mc_contacts_v3.json"
        check_openapi(f"sendgrid/{document}", request)


def sha(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def test_google_takes_hashed_members_by_the_data_manager(tokens: TokenServer) -> None:
    vendor = Vendor(
        google(tokens, "google_ads", account_id="123", consent_given=True),
        answers(("audienceMembers", 200, {"requestId": "r1"})),
        audience="987",
    )
    rows = (row({**ADA, "email": " Ada @Example.com"}), row({"customer_id": "c3"}))
    answer = vendor.send(*rows)
    assert statuses(answer, rows) == {"c1": "ok", "c3": "error"}
    vendor.send(row(ADA, "remove"))
    ingested, removed = vendor.asked
    check_discovery("datamanager.v1.json", "IngestAudienceMembersRequest", ingested)
    check_discovery("datamanager.v1.json", "RemoveAudienceMembersRequest", removed)
    assert ingested.headers["Authorization"] == "Bearer token-1"
    [member] = json.loads(ingested.content)["audienceMembers"]
    email, phone, address = member["userData"]["userIdentifiers"]
    assert email["emailAddress"] == sha("ada@example.com")
    assert phone["phoneNumber"] == sha("+491711234567")
    assert address["address"]["postalCode"] == "10115"
    assert "ada" not in ingested.content.decode().lower().replace("adata", "")


def test_who_leaves_a_list_of_google_leaves_under_each_hash_of_a_gmail_address(
    tokens: TokenServer,
) -> None:
    ada = {"customer_id": "c1", "email": "ada.l+shop@gmail.com"}
    vendor = Vendor(
        google(tokens, "google_ads", account_id="1"),
        answers(("audienceMembers", 200, {"requestId": "r"})),
        audience="9",
        attributes=("email",),
    )
    vendor.send(row(ada))
    vendor.send(row(ada, "remove"))
    added, removed = (
        json.loads(request.content)["audienceMembers"][0]["userData"]["userIdentifiers"]
        for request in vendor.asked
    )
    known, as_it_came = (
        {"emailAddress": hashlib.sha256(email).hexdigest()}
        for email in (b"adal@gmail.com", b"ada.l+shop@gmail.com")
    )
    assert added == [known]
    assert removed == [known, as_it_came]


def test_a_token_that_is_refused_is_asked_for_once_more(tokens: TokenServer) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_fresh = request.headers["Authorization"] == "Bearer token-2"
        return httpx.Response(200 if is_fresh else 401, json={"requestId": "r1"})

    vendor = Vendor(google(tokens, "google_ads", account_id="123"), answer, audience="987")
    assert vendor.send(row(ADA)).kind == "accepted"
    assert len(tokens.asked) == 2


def test_fcm_sends_to_the_token_of_the_app(tokens: TokenServer) -> None:
    declared = google(tokens, "fcm", project="demo-shop")
    message = {"subject": "Back in stock", "text": "Hi {{ first_name }}"}
    vendor = Vendor(
        declared,
        answers(("messages:send", 200, {"name": "projects/p/messages/1"})),
        message=message,
    )
    answer = vendor.send(row({**ADA, "push_token": "tok"}))
    [request] = vendor.asked
    check_discovery("fcm.v1.json", "SendMessageRequest", request)
    assert answer.rows["key-c1"].vendor_id == "projects/p/messages/1"


def test_a_push_is_not_shown_on_another_day(tokens: TokenServer) -> None:
    declared = google(tokens, "fcm", project="demo-shop", hours_to_live=2)
    vendor = Vendor(declared, answers(("send", 200, {"name": "m"})), message={"text": "Hi"})
    vendor.send(row({**ADA, "push_token": "tok"}))
    check_discovery("fcm.v1.json", "SendMessageRequest", vendor.asked[0])
    told = json.loads(vendor.asked[0].content)["message"]
    assert told["android"] == {"ttl": "7200s"}
    assert told["webpush"] == {"headers": {"TTL": "7200"}}
    ends_at = int(told["apns"]["headers"]["apns-expiration"])
    assert 0 <= time.time() + 7200 - ends_at < 60


def fcm_error(tokens: TokenServer, status: int, code: str | None, words: str) -> Answer:
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
    error = {"code": status, "message": words, **({"details": details} if code else {})}
    declared = google(tokens, "fcm", project="demo-shop")
    answered = answers(("messages:send", status, {"error": error}))
    vendor = Vendor(declared, answered, message={"text": "Hi"})
    return vendor.send(row({**ADA, "push_token": "tok"}))


def test_a_push_token_whose_app_is_gone_is_not_used_again(tokens: TokenServer) -> None:
    answer = fcm_error(tokens, 404, "UNREGISTERED", "Requested entity was not found.")
    assert answer.rows["key-c1"].suppresses == "hard_bounce"


def test_a_project_that_is_not_there_says_nothing_of_a_push_token(tokens: TokenServer) -> None:
    answer = fcm_error(tokens, 404, None, "Requested entity was not found.")
    assert answer.kind == "stop"


def test_a_push_token_of_another_project_keeps_nobody_else_waiting(tokens: TokenServer) -> None:
    answer = fcm_error(tokens, 403, "SENDER_ID_MISMATCH", "SenderId mismatch")
    assert answer.rows["key-c1"].status == "error"
    assert "SenderId mismatch" in answer.rows["key-c1"].message
    assert fcm_error(tokens, 403, None, "Permission denied").kind == "stop"


def shopify(request: httpx.Request) -> httpx.Response:
    content = json.loads(request.content)
    if "customerByIdentifier" in content["query"]:
        customers = {
            f"c{place}": {"id": f"gid://shopify/Customer/{place}"}
            if who.get("emailAddress") != "bob@example.com"
            else None
            for place, who in enumerate(content["variables"].values())
        }
        return httpx.Response(200, json={"data": customers})
    if "metafieldsSet" in content["query"]:
        return httpx.Response(200, json={"data": {"metafieldsSet": {"userErrors": []}}})
    return httpx.Response(200, json={"data": {"c0": {"userErrors": []}}})


def test_shopify_is_told_by_tags_and_metafields_and_strangers_are_errors() -> None:
    vendor = Vendor(SHOPIFY, shopify)
    rows = (row(ADA), row(BOB))
    answer = vendor.send(*rows)
    for request in vendor.asked:
        check_graphql(request)
    assert statuses(answer, rows) == {"c1": "ok", "c2": "error"}
    fields = vendor.bodies("graphql.json")[2]["variables"]["fields"]
    told = {field["key"]: field["value"] for field in fields}
    assert (told["order_count"], told["cart_products"]) == ("3", "Mug, Cup")


def test_a_metafield_of_what_is_not_known_any_more_is_deleted() -> None:
    vendor = Vendor(SHOPIFY, shopify)
    person = row({**ADA, "order_count": None, "phone": None}, "update")
    vendor.send(dataclasses.replace(person, cleared=frozenset({"order_count", "phone"})))
    for request in vendor.asked:
        check_graphql(request)
    [deleted] = [b for b in vendor.bodies("graphql.json") if "metafieldsDelete" in b["query"]]
    assert deleted["variables"]["gone"] == [
        {"ownerId": "gid://shopify/Customer/0", "namespace": "marketing", "key": "order_count"}
    ]


def test_shopify_is_told_of_a_consent_taken_back_and_never_of_one_given() -> None:
    for consent in (True, None, False):
        vendor = Vendor(SHOPIFY, shopify, attributes=("email", "has_email_consent"))
        vendor.send(
            row({"customer_id": "c1", "email": "a@x.example", "has_email_consent": consent})
        )
        for request in vendor.asked:
            check_graphql(request)
        queries = [body["query"] for body in vendor.bodies("graphql.json")]
        assert any("MarketingConsent" in query for query in queries) == (consent is False)


def test_an_app_of_shopify_gets_a_token_of_a_day_for_its_own_credentials(
    tokens: TokenServer,
) -> None:
    app = {"client_id": "app", "client_secret": "shpss_secret", "base_url": tokens.url}
    vendor = Vendor({"type": "shopify", "shop": "demo", **app}, shopify)
    vendor.send(row(ADA), row(BOB))
    vendor.send(row(ADA))
    assert tokens.asked == [
        {"grant_type": ["client_credentials"], "client_id": ["app"],
         "client_secret": ["shpss_secret"]}
    ]  # fmt: skip
    assert {request.headers["X-Shopify-Access-Token"] for request in vendor.asked} == {"token-1"}
    assert not any("Authorization" in request.headers for request in vendor.asked)


def test_a_metafield_that_shopify_refuses_keeps_no_other_one_back() -> None:
    kept: dict[str, set[str]] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        content = json.loads(request.content)
        if "metafieldsSet" not in content["query"]:
            return shopify(request)
        fields = content["variables"]["fields"]
        wrong = [
            {"field": ["metafields", str(place), "value"], "message": "must be an integer"}
            for place, one in enumerate(fields)
            if one["ownerId"].endswith("/1") and one["key"] == "order_count"
        ]
        if not wrong:
            # It writes all of them or none.
            for one in fields:
                kept.setdefault(one["ownerId"][-1], set()).add(one["key"])
        return httpx.Response(200, json={"data": {"metafieldsSet": {"userErrors": wrong}}})

    vendor = Vendor(SHOPIFY, answer)
    people = [row({**ADA, "customer_id": f"c{n}", "email": f"{n}@example.com"}) for n in range(3)]
    answered = vendor.send(*people)
    for request in vendor.asked:
        check_graphql(request)
    assert statuses(answered, people) == {"c0": "ok", "c1": "error", "c2": "ok"}
    assert "must be an integer" in answered.rows["key-c1"].message
    told = {"order_count", "cart_products", "lifetime_value_amount"}
    assert kept["0"] >= told
    assert kept["2"] >= told


def test_what_goes_wrong_within_shopify_is_tried_again() -> None:
    error = {"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    answer = Vendor(SHOPIFY, answers(("graphql", 200, {"errors": [error]}))).send(row(ADA))
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)


def test_shopify_that_has_no_points_left_asks_to_wait() -> None:
    body = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    answer = Vendor(SHOPIFY, answers(("graphql", 200, body))).send(row(ADA))
    assert (answer.kind, answer.wait_seconds, answer.is_counted) == ("retry", 2.0, False)


@pytest.mark.parametrize("declared", [KLAVIYO, SENDGRID | {"consent": None}])
def test_a_vendor_that_repeats_the_key_does_not_bring_it_into_the_ledger(
    declared: dict[str, Any],
) -> None:
    body = {"errors": [{"detail": f"bad key {declared['api_key']}"}]}
    answer = Vendor(declared, answers(("", 400, body)), audience="L1").send(row(ADA))
    assert answer.kind == "refused"
    assert declared["api_key"] not in answer.reason
    assert "bad key" in answer.reason
