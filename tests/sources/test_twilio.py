"""Twilio: what is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from samples.twilio import SAMPLES
from spec_client import SpecClient, pages
from staged_samples import stage

from marketing_platform.settings import Settings
from marketing_platform.sources.stream import Window
from marketing_platform.sources.twilio.source import SYSTEM, TwilioSettings

SPEC = "twilio/twilio_api_v2010.json"
ACCOUNT = "AC" + "a" * 32
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
WINDOW = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 8, tzinfo=dt.UTC))
SETTINGS = TwilioSettings(type="twilio", account_sid=ACCOUNT, auth_token=SecretStr("t"))


def answer(path: str, params: dict[str, str]) -> Any:
    following = f"{PATH}?DateSent%3E=2026-01-01T00%3A00%3A00Z&PageSize=1000&Page=1&PageToken=PASM1"
    messages = [{"sid": str(params)}]
    return {"messages": messages, "next_page_uri": None if "PageToken" in params else following}


def test_messages_of_the_window_are_read_page_by_page() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    read = list(pages(SYSTEM.stream("messages").walk, client, SETTINGS, WINDOW))
    assert [page.records for page, _ in read] == ["$.messages"] * 2
    assert read[-1][1] is None
    assert [path for path, _ in client.asked] == [PATH, PATH]
    assert client.asked[0][1] == {
        "DateSent>": "2026-01-01T00:00:00Z",
        "DateSent<": "2026-01-08T00:00:00Z",
        "PageSize": "1000",
    }
    assert client.asked[1][1]["PageToken"] == "PASM1"


def test_doctor_asks_for_one_message() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer, SPEC)
    assert SYSTEM.probe
    assert SYSTEM.probe(client, SETTINGS) == f"messages of account {ACCOUNT}"
    assert client.asked == [(PATH, {"PageSize": "1"})]


def test_what_is_no_account_is_told() -> None:
    with pytest.raises(ValidationError, match="account_sid"):
        TwilioSettings(type="twilio", account_sid="../AC", auth_token=SecretStr("t"))


def test_a_message_is_what_became_of_it_and_a_reply_is_its_keyword(
    make_settings: Callable[..., Settings],
) -> None:
    given = {"account_sid": ACCOUNT, "auth_token": "${TWILIO_TOKEN}"}
    rows = stage(make_settings, "twilio", given, SAMPLES)
    columns = ("channel", "engagement", "bounce_type", "phone", "occurred_at", "quarantine_reason")
    sent = dt.datetime(2026, 1, 5, 10)
    assert [tuple(row.values()) for row in rows("engagements", *columns)] == [
        ("sms", "delivered", None, "+15125550101", sent, None),
        ("sms", "bounced", "hard", "+15125550101", sent, None),
        ("whatsapp", "replied_stop", None, "+15125550101", sent, None),
        ("sms", None, None, "+15125550101", dt.datetime(2026, 1, 5, 9, 59, 58), "not sent: queued"),
    ]


@pytest.mark.parametrize(("code", "engagement"), [(21610, "unsubscribed"), (30008, "failed")])
def test_whom_twilio_refuses_to_write_to_has_left(
    code: int, engagement: str, make_settings: Callable[..., Settings]
) -> None:
    refused = {**SAMPLES["messages"][0], "status": "failed", "error_code": code}
    given = {"account_sid": ACCOUNT, "auth_token": "${TWILIO_TOKEN}"}
    rows = stage(make_settings, "twilio", given, {"messages": [refused]})
    (found,) = rows("engagements", "channel", "engagement", "phone", "outcome")
    assert tuple(found.values()) == ("sms", engagement, "+15125550101", "accepted")


@pytest.mark.parametrize(
    ("body", "engagement"),
    [
        ("STOP !", "replied_stop"),
        ("Stop all", "replied_stop"),
        ("opt out", "replied_stop"),
        ("Opt-Out.", "replied_stop"),
        ('"Stop"', "replied_stop"),
        ("unsubscribe\n", "replied_stop"),
        ("Stopp!", "replied_stop"),
        ("Arrêt", "replied_stop"),
        ("abmelden ", "replied_stop"),
        ("Baja.", "replied_stop"),
        ("Start!", "resubscribed"),
        (" start \n", "resubscribed"),
        ("“Start”", "resubscribed"),
        ("Un stop", None),
        ("Start 5", None),
        ("Start now", None),
        ("When does it end?", None),
        ("Please don't stop", None),
        ("🙂", None),
        (None, None),
    ],
)
def test_who_asks_to_be_left_alone_is_however_it_is_written(
    body: str | None, engagement: str | None, make_settings: Callable[..., Settings]
) -> None:
    reply = {**SAMPLES["messages"][2], "body": body}
    given = {"account_sid": ACCOUNT, "auth_token": "${TWILIO_TOKEN}"}
    rows = stage(make_settings, "twilio", given, {"messages": [reply]})
    (found,) = rows("engagements", "engagement", "quarantine_reason")
    reason = None if engagement else "a reply that is no keyword"
    assert tuple(found.values()) == (engagement, reason)


def test_who_leaves_rcs_has_left_text_messages(make_settings: Callable[..., Settings]) -> None:
    reply = {**SAMPLES["messages"][2], "from": "rcs:+15125550101", "to": "rcs:shop_agent"}
    other = {**reply, "sid": "SM2", "from": "messenger:4711"}
    given = {"account_sid": ACCOUNT, "auth_token": "${TWILIO_TOKEN}"}
    rows = stage(make_settings, "twilio", given, {"messages": [reply, other]})
    columns = ("channel", "engagement", "phone", "quarantine_reason")
    found = {tuple(row.values()) for row in rows("engagements", *columns)}
    assert ("sms", "replied_stop", "+15125550101", None) in found
    assert "not a channel that we know" in {reason for *_, reason in found}
