"""Mails by SMTP: what is sent, and what the server says of each person."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from small_smtp import SmallSmtp
from vendor_calls import ADA, BOB, BOTH, row, statuses

from marketing_platform.destinations.base import Answer, Batch, Place
from marketing_platform.destinations.vendors.smtp import Smtp, SmtpDestination
from marketing_platform.settings import ActivationRule

# SMTP


def mail_rule(**message: str) -> ActivationRule:
    words = {"subject": "Hi {{ first_name }}", "text": "Hello", **message}
    return ActivationRule.model_validate(
        {"segment": "vip", "destination": "mail", "message": words}
    )


def mail(
    server: SmallSmtp,
    *people: dict[str, Any],
    rule: ActivationRule | None = None,
    unsubscribe_url: str = "https://shop.example/leave?c={{ customer_id }}",
    **told: Any,
) -> Answer:
    settings = SmtpDestination(
        type="smtp",
        host="127.0.0.1",
        port=server.port,
        security="none",
        from_email="shop@example.com",
        unsubscribe_url=unsubscribe_url,
        **told,
    )
    chosen = rule or mail_rule()
    smtp = Smtp("mail", settings, Place({chosen.name: chosen}))
    return asyncio.run(smtp.send(Batch("b", "mail", chosen.name, [row(p) for p in people])))


def test_a_mail_can_be_left_with_one_click_and_names_its_row() -> None:
    with SmallSmtp() as server:
        answer = mail(server, ADA)
    [taken] = server.mails
    assert taken["List-Unsubscribe"] == "<https://shop.example/leave?c=c1>"
    assert taken["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert taken["Message-ID"] == "<key-c1@example.com>" == answer.rows["key-c1"].vendor_id
    assert taken["Subject"] == "Hi Ada"


def test_a_long_address_to_unsubscribe_at_is_one_that_mail_programs_can_call() -> None:
    token = "0123456789abcdef" * 6
    url = f"https://shop.example/leave?c={{{{ customer_id }}}}&name={{{{ first_name }}}}&t={token}"
    with SmallSmtp() as server:
        mail(server, {**ADA, "first_name": "J\u00f6rg <3"}, unsubscribe_url=url)
    [taken] = server.mails
    told = f"<https://shop.example/leave?c=c1&name=J%C3%B6rg%20%3C3&t={token}>"
    assert taken["List-Unsubscribe"] == told


def test_nobody_else_can_work_out_the_address_at_which_somebody_unsubscribes() -> None:
    url = "https://shop.example/leave?c={{ customer_id }}&t={{ unsubscribe_token }}"
    with SmallSmtp() as server:
        mail(server, ADA, BOB, unsubscribe_url=url, unsubscribe_secret="hush")
    first, second = (urlsplit(taken["List-Unsubscribe"].strip("<>")) for taken in server.mails)
    # As the shop's page checks it.
    expected = hmac.new(b"hush", b"c1", hashlib.sha256).hexdigest()
    assert parse_qs(first.query) == {"c": ["c1"], "t": [expected]}
    assert parse_qs(second.query)["t"] != [expected]


def test_who_has_a_plus_in_their_address_can_unsubscribe_by_it() -> None:
    url = "https://shop.example/leave?e={{ email }}&of={{ first_name|urlencode }}"
    person = {**ADA, "email": "ada+shop@example.com", "first_name": "A&B"}
    with SmallSmtp() as server:
        mail(server, person, unsubscribe_url=url)
    [taken] = server.mails
    assert parse_qs(urlsplit(taken["List-Unsubscribe"].strip("<>")).query) == {
        "e": ["ada+shop@example.com"],
        "of": ["A&B"],
    }


def test_an_address_to_unsubscribe_at_may_be_a_value_itself() -> None:
    url = "https://shop.example/leave?c=1&t=a+b"
    with SmallSmtp() as server:
        mail(server, {**ADA, "open_cart_url": url}, unsubscribe_url="{{ open_cart_url }}")
    assert server.mails[0]["List-Unsubscribe"] == f"<{url}>"


def test_a_mail_shows_in_its_words_where_to_unsubscribe() -> None:
    words = "Bye: {{ unsubscribe_url }}"
    rule = mail_rule(text=words, html='<a href="{{ unsubscribe_url }}">bye</a>')
    with SmallSmtp() as server:
        mail(server, ADA, {**ADA, "customer_id": "c&2"}, rule=rule)
    text, html = (part.get_payload().strip() for part in server.mails[0].get_payload())
    assert text == "Bye: https://shop.example/leave?c=c1"
    assert html == '<a href="https://shop.example/leave?c=c1">bye</a>'


@pytest.mark.parametrize("blank", ["subject", "text"])
def test_nobody_gets_a_mail_without_a_subject_or_words(blank: str) -> None:
    rule = mail_rule(**{blank: "{{ top_category }} \n"})
    with SmallSmtp() as server:
        answer = mail(server, ADA, {**BOB, "top_category": "Mugs"}, rule=rule)
    assert statuses(answer, BOTH) == {"c1": "error", "c2": "ok"}
    assert "is empty" in answer.rows["key-c1"].message
    assert len(server.mails) == 1


def test_a_mail_server_answers_for_each_person() -> None:
    refuses = {"bob@example.com": "550 no such user", "eve@example.com": "451 try later"}
    eve = {**ADA, "customer_id": "c3", "email": "eve@example.com"}
    with SmallSmtp(refuses) as server:
        answer = mail(server, ADA, BOB, eve)
    assert {key: one.status for key, one in answer.rows.items()} == {
        "key-c1": "ok",
        "key-c2": "error",
        "key-c3": "later",
    }
    assert answer.rows["key-c2"].suppresses == "hard_bounce"


@pytest.mark.parametrize("said", ["553 5.7.1 not owned by user", "550 unknown", "530 log in"])
def test_a_mail_server_that_refuses_the_sender_says_nothing_of_the_people(said: str) -> None:
    with SmallSmtp(of_sender=said) as server:
        answer = mail(server, ADA, BOB)
    assert answer.kind == "stop"
    assert said in answer.reason
    assert not answer.rows


def test_a_mail_that_is_refused_for_what_it_says_bars_nobody_from_the_next() -> None:
    with SmallSmtp(of_data="550 5.7.1 looks like spam") as server:
        answer = mail(server, ADA)
    assert answer.rows["key-c1"].status == "error"
    assert answer.rows["key-c1"].suppresses is None


@pytest.mark.parametrize("said", ["550 5.7.1 unable to relay", "550 5.2.2 mailbox full"])
def test_a_person_is_only_barred_where_the_address_does_not_exist(said: str) -> None:
    with SmallSmtp({"ada@example.com": said, "bob@example.com": "550 5.1.1 unknown"}) as server:
        answer = mail(server, ADA, BOB)
    assert answer.rows["key-c1"].suppresses is None
    assert answer.rows["key-c2"].suppresses == "hard_bounce"


def test_a_mail_server_that_takes_no_more_for_now_leaves_no_mail_in_doubt() -> None:
    eve = {**ADA, "customer_id": "c3", "email": "eve@example.com"}
    with SmallSmtp({"bob@example.com": "421 too many mails, try later"}) as server:
        answer = mail(server, ADA, BOB, eve)
    assert {key: one.status for key, one in answer.rows.items()} == {
        "key-c1": "ok",
        "key-c2": "later",
        "key-c3": "later",
    }


@pytest.mark.parametrize(
    "email", ["ada@", "ada", "ada@example.com,eve@example.com", "ada@example.com; eve@example.com"]
)
def test_what_is_no_single_address_is_told_and_keeps_no_other_mail_back(email: str) -> None:
    with SmallSmtp() as server:
        answer = mail(server, {**ADA, "email": email}, BOB)
    assert statuses(answer, BOTH) == {"c1": "error", "c2": "ok"}
    assert answer.rows["key-c1"].message == "the e-mail is not one address"
    assert [taken["To"] for taken in server.mails] == ["bob@example.com"]


@pytest.mark.parametrize(
    "email",
    [
        "ada@=?utf-8?q?example.com=2ceve=40example.com?=",
        "ada@=?utf-8?q?example.com?=",
        "=?utf-8?b?ZXZlQGV4YW1wbGUuY29t?=@example.org",
    ],
)
def test_an_address_in_other_words_reaches_nobody_else(email: str) -> None:
    with SmallSmtp() as server:
        answer = mail(server, {**ADA, "email": email}, BOB)
    assert server.recipients == ["bob@example.com"]
    assert answer.rows["key-c1"].message == "the e-mail is not one address"


def test_a_mail_goes_to_the_address_as_it_is_known() -> None:
    with SmallSmtp({"ada@example..com": "550 5.1.3 bad address"}) as server:
        answer = mail(server, {**ADA, "email": "ada@example..com"})
    assert server.recipients == ["ada@example..com"]
    assert answer.rows["key-c1"].suppresses == "hard_bounce"


def test_an_address_that_a_mail_server_cannot_carry_keeps_no_other_mail_back() -> None:
    with SmallSmtp() as server:
        answer = mail(server, {**ADA, "email": "j\u00f6rg@example.com"}, BOB)
    assert statuses(answer, BOTH) == {"c1": "error", "c2": "ok"}


def test_a_connection_that_breaks_off_leaves_one_mail_in_doubt_and_no_more() -> None:
    eve = {**ADA, "customer_id": "c3", "email": "eve@example.com"}
    with SmallSmtp(hangs_up_after=1) as server:
        answer = mail(server, ADA, BOB, eve)
    assert {key: one.status for key, one in answer.rows.items()} == {
        "key-c1": "ok",
        "key-c2": "unknown",
        "key-c3": "later",
    }


def test_a_line_break_in_a_value_makes_no_header_of_its_own() -> None:
    evil = {**ADA, "first_name": "Ada\r\nBcc: all@example.com"}
    with SmallSmtp() as server:
        mail(server, evil)
        refused = mail(server, {**ADA, "email": "a@example.com\r\nBcc: all@example.com"})
    assert [taken["Bcc"] for taken in server.mails] == [None]
    assert refused.rows["key-c1"].status == "error"


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with SmallSmtp() as server:
        pass
    assert mail(server, ADA).kind == "retry"
