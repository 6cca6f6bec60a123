"""Audiences of ad platforms: people as hashes, and what the platforms answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from token_server import TokenServer
from vendor_calls import ADA, BOTH, Vendor, answers, row, statuses

from marketing_platform.destinations.people import (
    digits,
    google_email,
    hashed,
    letters,
    lower,
    without_blanks,
)
from marketing_platform.destinations.vendors.meta_ads import hashes


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


def sha(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


# Meta and Microsoft

META = {"type": "meta_ads", "access_token": "hush-meta"}


def test_meta_takes_hashed_people_and_keeps_the_columns_in_place() -> None:
    vendor = Vendor(META, answers(("users", 200, {"num_received": 1})), audience="23840")
    vendor.send(row({**ADA, "birth_date": "1815-12-10", "region": None}))
    vendor.send(row(ADA, "remove"))
    added, removed = vendor.asked
    assert (added.method, removed.method) == ("POST", "DELETE")
    assert added.url.path == "/v26.0/23840/users"
    payload = json.loads(added.content)["payload"]
    [person] = payload["data"]
    told = dict(zip(payload["schema"], person, strict=True))
    assert told["EXTERN_ID"] == "c1"
    assert told["EMAIL"] == sha("ada@example.com")
    assert told["PHONE"] == sha("491711234567")
    assert (told["ST"], told["DOBY"]) == ("", sha("1815"))
    assert not added.url.params
    signed = Vendor({**META, "app_secret": "hush"}, answers(("users", 200, {})), audience="23840")
    signed.send(row(ADA))
    proof = hmac.new(b"hush", b"hush-meta", hashlib.sha256).hexdigest()
    assert dict(signed.asked[0].url.params) == {"appsecret_proof": proof}


@pytest.mark.parametrize(
    ("code", "kind"), [(17, "retry"), (80003, "retry"), (190, "stop"), (100, "refused")]
)
def test_meta_says_with_400_what_others_say_with_a_status(code: int, kind: str) -> None:
    usage = {"1": [{"estimated_time_to_regain_access": 2}]}
    vendor = Vendor(
        META,
        answers(
            ("users", 400, {"error": {"code": code, "message": "no"}}),
            **{"X-Business-Use-Case-Usage": json.dumps(usage)},
        ),
        audience="1",
    )
    answer = vendor.send(row(ADA))
    assert answer.kind == kind
    if kind == "retry":
        assert answer.wait_seconds == 120


@pytest.mark.parametrize(
    "error", [{"code": 2}, {"code": 1}, {"code": 368, "is_transient": True}], ids=str
)
def test_what_meta_says_will_pass_is_tried_again(error: dict[str, Any]) -> None:
    body = {"error": {"message": "Please retry your request later.", **error}}
    answer = Vendor(META, answers(("users", 400, body)), audience="1").send(*BOTH)
    assert (answer.kind, answer.may_have_arrived) == ("retry", True)


@pytest.mark.parametrize(
    "error", [{"code": 100, "error_subcode": 33}, {"code": 10}, {"code": 200}], ids=str
)
def test_an_audience_that_meta_does_not_let_us_change_fails_nobody(error: dict[str, Any]) -> None:
    body = {"error": {"message": "Unsupported post request. Object does not exist", **error}}
    answer = Vendor(META, answers(("users", 400, body)), audience="1").send(*BOTH)
    assert (answer.kind, answer.is_of_audience, answer.is_counted) == ("stop", True, False)


def test_meta_says_what_is_wrong_in_the_words_that_are_for_people() -> None:
    error = {
        "code": 100, "message": "Invalid parameter", "error_user_title": "Audience Upload Blocked",
        "error_user_msg": "Go to Audience Manager to appeal",
    }  # fmt: skip
    answer = Vendor(META, answers(("users", 400, {"error": error})), audience="1").send(row(ADA))
    assert answer.reason == "100 Audience Upload Blocked: Go to Audience Manager to appeal"


# The examples that the vendors publish: Meta's and Google's guides on normalising.
@pytest.mark.parametrize(
    ("value", "normalise", "normal"),
    [
        ("John_Smith@gmail.com", lower, "john_smith@gmail.com"),
        (" Ada@Example.COM ", lower, "ada@example.com"),
        ("+1 (650) 555-1212", digits, "16505551212"),
        ("0016505551212", digits, "16505551212"),
        ("Menlo Park", letters, "menlopark"),
        ("St. Louis", letters, "stlouis"),
        ("München", letters, "münchen"),
        (" Some One @Example.com", google_email, "someone@example.com"),
        ("Cloudy.SanFrancisco+shopping@gmail.com", google_email, "cloudysanfrancisco@gmail.com"),
        ("+49151@gmail.com", google_email, "+49151@gmail.com"),
        ("jeff.son@GoogleMail.com", google_email, "jeffson@googlemail.com"),
        ("user.name+NYC@Example.com", google_email, "user.name+nyc@example.com"),
        ("+1 650 555 0123", without_blanks, "+16505550123"),
        ("", lower, ""),
    ],
)
def test_values_are_normalised_before_they_are_hashed(
    value: str, normalise: Any, normal: str
) -> None:
    assert normalise(value) == normal
    assert hashed(value, normalise) == (sha(normal) if normal else "")


def test_an_american_postcode_is_hashed_without_its_suffix() -> None:
    person = hashes(row({"customer_id": "c", "postcode": "94025-1234", "country": "US"}))
    assert person[7] == sha("94025")
    assert hashes(row({"customer_id": "c", "postcode": "EC1A 1BB", "country": "GB"}))[7] == sha(
        "ec1a1bb"
    )


def microsoft(tokens: TokenServer, status: int, body: Any) -> Vendor:
    declared = {
        "type": "microsoft_ads",
        "developer_token": "hush-dev",
        "client_id": "id",
        "refresh_token": "hush-refresh",
        "account_id": "1",
        "customer_id": "2",
        "token_url": tokens.url,
    }
    return Vendor(declared, answers(("Apply", status, body)), audience="77")


@pytest.mark.parametrize("part", ["Errors", "OperationErrors"])
@pytest.mark.parametrize(
    ("code", "kind"), [(117, "retry"), (207, "retry"), (105, "stop"), (106, "stop"), (1, "refused")]
)
def test_microsoft_says_with_400_what_others_say_with_a_status(
    tokens: TokenServer, part: str, code: int, kind: str
) -> None:
    body = {"TrackingId": "t", part: [{"Code": code, "ErrorCode": "X", "Message": "in words"}]}
    answer = microsoft(tokens, 400, body).send(*BOTH)
    assert answer.kind == kind
    assert "in words" in answer.reason
    assert answer.is_counted == (kind == "refused")


def test_microsoft_names_the_emails_that_it_did_not_take(tokens: TokenServer) -> None:
    body = {"PartialErrors": [{"Index": 1, "ErrorCode": "Invalid", "Message": "no hash"}]}
    vendor = microsoft(tokens, 200, body)
    assert statuses(vendor.send(*BOTH), BOTH) == {"c1": "ok", "c2": "error"}
    [content] = vendor.bodies("Apply")
    data = content["CustomerListUserData"]
    assert (data["ActionType"], data["CustomerListItems"][0]) == ("Add", sha("ada@example.com"))
