"""Rows that may have arrived: none of them is lost, and nobody is told twice because of one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import sqlalchemy as sa
from small_shop import (
    JULY,
    JUNE,
    SmallShop,
    becomes,
    events,
    told,
)

from marketing_platform.activation import activate, ledger_sums, plan_all, reason_counts
from marketing_platform.demo.receiver import Fault, Receiver
from marketing_platform.settings import Settings
from marketing_platform.state import messages, utc_now


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
