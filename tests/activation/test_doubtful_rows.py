"""Rows that may have arrived: none of them is lost, and nobody is told twice because of one."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import (
    JULY,
    JUNE,
    SEGMENT,
    SmallShop,
    Standing,
    becomes,
    events,
    small_settings,
    texts,
    told,
    webhook,
)

from marketing_platform.activation import (
    activate,
    conservation,
    dispatch,
    ledger_sums,
    plan_all,
    reason_counts,
    retry,
)
from marketing_platform.activation.claims import OTHERS, Holder, claim
from marketing_platform.activation.suppression import suppress
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.destinations import Answer, Batch, make_destination
from marketing_platform.destinations.vendors.webhook import WebhookDestination
from marketing_platform.settings import Fatigue, Settings
from marketing_platform.state import messages, utc_now, writing


class KnownByEmail(WebhookDestination):
    known_by = ("email",)


def due_now(engine: sa.Engine) -> None:
    """Let what was put off be due."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(messages)
            .where(messages.c.next_attempt_at.is_not(None))
            .values(next_attempt_at=utc_now() - dt.timedelta(minutes=1))
        )


def in_doubt(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings, *customers: str
) -> None:
    """Tell the receiver of who enters; it fails in a way that does not say how far it came."""
    for customer in customers:
        shop.enter(customer, JUNE)
    receiver.misbehave(Fault("status", times=4, status=502))
    activate(shop.warehouse, engine, settings)
    assert ledger_sums(engine)["deferred"] == len(customers)


def test_an_event_that_may_have_arrived_is_tried_again_though_it_is_planned_again_in_between(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    in_doubt(engine, shop, receiver, settings, "ada")
    plan_all(shop.warehouse, engine, settings)
    due_now(engine)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"]
    assert ledger_sums(engine)["sent"] == ledger_sums(engine)["eligible"] == 1


def test_who_leaves_or_takes_consent_back_while_in_doubt_is_not_told(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    in_doubt(engine, shop, receiver, settings, "ada", "bob")
    shop.members([])
    shop.enter("bob", JUNE)
    shop.know("bob", has_email_consent=False)
    due_now(engine)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == []
    assert {(row.reason, row.count) for row in reason_counts(engine)} == {
        ("superseded", 2),
        ("no_consent", 1),
    }


def test_who_enters_anew_while_it_is_in_doubt_whether_they_were_told_is_not_told_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    in_doubt(engine, shop, receiver, settings, "ada")
    shop.enter("ada", JULY)
    for _ in range(2):
        due_now(engine)
        activate(shop.warehouse, engine, settings)
    assert told(receiver) == []
    assert {row.reason for row in reason_counts(engine)} == {"superseded", "told_recently"}


def test_who_became_another_one_while_in_doubt_is_not_told_as_that_one(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    in_doubt(engine, shop, receiver, settings, "ada")
    becomes(engine, "ada", "bob")
    shop.members([])
    shop.enter("bob", JULY)
    for _ in range(2):
        due_now(engine)
        activate(shop.warehouse, engine, settings)
    assert told(receiver) == []
    assert {row.reason for row in reason_counts(engine)} == {"superseded", "told_recently"}


AFTER = [Fault("status", times=9, status=503), Fault("status", status=401)]


@pytest.mark.parametrize("after", AFTER, ids=["is busy", "refuses the token"])
def test_who_may_be_in_an_audience_is_taken_out_though_a_later_call_did_not_arrive(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, after: Fault
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1)
    shop.enter("ada", JUNE)
    receiver.misbehave(Fault("act_then_drop"), after)
    activate(shop.warehouse, engine, settings)
    assert list(receiver.received.audiences["crm", SEGMENT]) == ["ada"]
    receiver.behave()
    shop.members([])
    activate(shop.warehouse, engine, settings)
    assert list(receiver.received.audiences["crm", SEGMENT]) == []


@pytest.mark.parametrize("after", AFTER, ids=["is busy", "refuses the token"])
def test_who_may_be_in_an_audience_through_a_run_that_died_is_taken_out(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, after: Fault
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1)
    shop.enter("ada", JUNE)
    plan_all(shop.warehouse, engine, settings)
    crm = make_destination("crm", settings)
    claimed = claim(engine, crm, OTHERS, Holder("gone|1|1|x", utc_now(), utc_now()))
    assert claimed
    asyncio.run(crm.send(claimed.batch))
    receiver.misbehave(after)
    shop.members([])
    activate(shop.warehouse, engine, settings)
    receiver.behave()
    due_now(engine)
    activate(shop.warehouse, engine, settings)
    assert list(receiver.received.audiences["crm", SEGMENT]) == []


def test_a_message_that_may_have_arrived_counts_for_how_often_a_person_is_written_to(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    [first] = settings.platform.activations
    rules = (first, first.model_copy(update={"segment": "other"}))
    update = {"activations": rules, "fatigue": Fatigue(per_day=1)}
    settings = settings.model_copy(update={"platform": settings.platform.model_copy(update=update)})
    in_doubt(engine, shop, receiver, settings, "ada")
    shop.segment = "other"
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    due_now(engine)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"]
    assert {row.reason for row in reason_counts(engine)} == {"fatigue"}


def test_a_removal_that_may_have_arrived_is_tried_again_though_it_is_planned_again_in_between(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.members([])
    receiver.misbehave(Fault("status", times=4, status=502))
    activate(shop.warehouse, engine, settings)
    plan_all(shop.warehouse, engine, settings)
    due_now(engine)
    activate(shop.warehouse, engine, settings)
    assert list(receiver.received.audiences["crm", SEGMENT]) == []
    assert ledger_sums(engine)["sent"] == ledger_sums(engine)["eligible"] == 2


def test_who_was_to_come_back_and_did_not_is_taken_out_where_the_removal_is_in_doubt(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.members([])
    receiver.misbehave(Fault("status", times=4, status=502))
    activate(shop.warehouse, engine, settings)
    shop.enter("ada", JULY)
    plan_all(shop.warehouse, engine, settings)
    shop.members([])
    activate(shop.warehouse, engine, settings)
    assert list(receiver.received.audiences["crm", SEGMENT]) == []


def test_an_address_of_before_is_taken_out_before_the_new_one_enters_though_it_is_in_doubt(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    ads = KnownByEmail(type="webhook", url="http://127.0.0.1:9")
    settings = small_settings(tmp_path, {"ads": ads}, max_removal_share=1)
    known: set[str] = set()
    answers = [Answer("accepted"), Answer("retry", "502", may_have_arrived=True)]

    def answer(batch: Batch) -> Answer:
        said = answers.pop(0) if answers else Answer("accepted")
        for row in batch.rows if said.kind == "accepted" else ():
            change = known.discard if row.operation == "remove" else known.add
            change(row.payload["email"])
        return said

    vendor = Standing("ads", "audience", answer)
    vendor.is_idempotent = True
    shop.enter("ada", JUNE)
    for email in ("old@example.com", "new@example.com"):
        shop.know("ada", email=email)
        for _ in range(4):
            plan_all(shop.warehouse, engine, settings)
            due_now(engine)
            dispatch(engine, settings, make=lambda name, _: vendor)
    assert known == {"new@example.com"}


def dies_with(engine: sa.Engine, settings: Settings) -> None:
    """Let a run die after it has claimed a batch, before it sends."""
    holder = Holder("gone|1|1|x", utc_now(), utc_now())
    assert claim(engine, make_destination("crm", settings), OTHERS, holder)


def test_who_leaves_after_a_run_died_is_not_told_by_the_one_that_takes_over(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    for customer in ("ada", "bob", "cleo"):
        shop.enter(customer, JUNE)
    plan_all(shop.warehouse, engine, settings)
    dies_with(engine, settings)
    with writing(engine) as connection:
        for customer, reason in (("ada", "erased"), ("bob", "unsubscribed")):
            suppress(connection, [customer], "all", reason, told_by="test", now=utc_now())
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["cleo"]
    assert {row.reason for row in reason_counts(engine)} == {"superseded", "erased", "unsubscribed"}
    assert all(balance.adds_up for balance in conservation(engine))
    assert ledger_sums(engine)["deferred"] == 0


def test_nor_where_other_rules_of_the_destination_are_told_at_most_once(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    for customer in ("ada", "bob"):
        shop.enter(customer, JUNE)
    plan_all(shop.warehouse, engine, settings)
    dies_with(engine, settings)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "all", "erased", told_by="test", now=utc_now())
    sent: list[str] = []

    def answer(batch: Batch) -> Answer:
        sent.extend(row.customer_id for row in batch.rows)
        return Answer("accepted")

    vendor = Standing("crm", "event", answer)
    # Its own is known again, that of another rule would not be.
    vendor.repeated = frozenset(rule.name for rule in settings.platform.activations)
    dispatch(engine, settings, make=lambda name, _: vendor)
    assert sent == ["bob"]


def test_all_who_were_in_a_batch_of_a_run_that_died_may_leave(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    shop.enter("ada", JUNE)
    plan_all(shop.warehouse, engine, settings)
    dies_with(engine, settings)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "email", "unsubscribed", told_by="test", now=utc_now())
    report = dispatch(engine, settings)
    assert (told(receiver), report.in_flight_count) == ([], 0)
    assert [(row.reason, row.count) for row in reason_counts(engine)] == [("unsubscribed", 1)]


def test_what_a_run_that_was_killed_has_claimed_is_not_told_when_its_rule_is_taken_out(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    shop.enter("ada", JUNE)
    plan_all(shop.warehouse, engine, settings)
    dies_with(engine, settings)
    platform = settings.platform.model_copy(update={"activations": ()})
    without = settings.model_copy(update={"platform": platform})
    activate(shop.warehouse, engine, without)
    assert told(receiver) == []
    assert [(row.reason, row.count) for row in reason_counts(engine)] == [("superseded", 1)]
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == [], "they may have been told, and are in the segment since then"


def test_a_text_that_a_killed_run_has_claimed_is_not_sent_again_when_its_rule_is_back(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    settings = texts(tmp_path)
    shop.enter("ada", JUNE)
    shop.know("ada", phone="+4915112345678", has_sms_consent=True)
    plan_all(shop.warehouse, engine, settings)
    holder = Holder("gone|1|1|x", utc_now(), utc_now())
    assert claim(engine, make_destination("sms", settings), OTHERS, holder)
    platform = settings.platform.model_copy(update={"activations": ()})
    activate(shop.warehouse, engine, settings.model_copy(update={"platform": platform}))
    assert retry(engine) == 0
    [plan] = plan_all(shop.warehouse, engine, settings)
    assert plan.eligible_count == 0


def test_what_a_dead_run_has_claimed_is_not_told_in_quiet_hours(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    for customer in ("ada", "bob"):
        shop.enter(customer, JUNE)
    plan_all(shop.warehouse, engine, settings)
    dies_with(engine, settings)
    with engine.begin() as connection:
        late = utc_now() - dt.timedelta(minutes=1)
        quiet = messages.c.customer_id == "ada"
        connection.execute(sa.update(messages).where(quiet).values(not_after=late))
    dispatch(engine, settings)
    assert told(receiver) == ["bob"]
    assert ledger_sums(engine)["deferred"] == 1, "the next plan says when"
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "bob"], "there are no quiet hours"
