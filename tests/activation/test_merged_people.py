"""Who said no is not written to under another id either, and the other one is free again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, Standing, become, becomes, small_settings

from marketing_platform.activation import dispatch, plan_all
from marketing_platform.activation.suppression import forget_suppression, suppress
from marketing_platform.destinations import Answer, Batch
from marketing_platform.destinations.base import RowAnswer
from marketing_platform.destinations.vendors.twilio import TwilioDestination
from marketing_platform.settings import ActivationRule
from marketing_platform.state import reading, suppressions, utc_now, writing


def says_no(engine: sa.Engine, customer: str, channel: Literal["email", "sms"] = "email") -> None:
    with writing(engine) as connection:
        suppress(connection, [customer], channel, "unsubscribed", told_by="test", now=utc_now())


def barred(engine: sa.Engine) -> set[tuple[str, str]]:
    query = sa.select(suppressions.c.customer_id, suppressions.c.channel)
    with reading(engine) as connection:
        return {(customer, channel) for customer, channel in connection.execute(query)}


def test_who_said_no_is_barred_as_who_they_become_however_often(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    becomes(engine, "ann", "bob")
    becomes(engine, "bob", "cleo")
    becomes(engine, "dora", "cleo")
    assert barred(engine) == {("ann", "email"), ("bob", "email"), ("cleo", "email")}


def test_after_the_merge_is_undone_only_those_who_said_no_are_barred(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    says_no(engine, "bob", "sms")
    becomes(engine, "ann", "bob")
    assert barred(engine) == {("ann", "email"), ("bob", "email"), ("bob", "sms")}
    becomes(engine, "bob", "ann", "split")
    assert barred(engine) == {("ann", "email"), ("bob", "sms")}


def test_what_was_said_while_they_were_one_holds_for_both(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    becomes(engine, "ann", "bob")
    says_no(engine, "bob")
    says_no(engine, "bob", "sms")
    becomes(engine, "bob", "ann", "split")
    assert barred(engine) == {
        (name, channel) for name in ("ann", "bob") for channel in ("email", "sms")
    }


def test_who_was_one_with_others_for_a_while_is_not_barred_for_what_these_said_before(
    engine: sa.Engine,
) -> None:
    says_no(engine, "ann")
    becomes(engine, "ann", "bob")
    becomes(engine, "dora", "bob")
    becomes(engine, "bob", "dora", "split")
    assert barred(engine) == {("ann", "email"), ("bob", "email")}
    becomes(engine, "dora", "bob")
    says_no(engine, "bob")
    becomes(engine, "bob", "dora", "split")
    assert barred(engine) == {("ann", "email"), ("bob", "email"), ("dora", "email")}


def test_a_part_that_was_always_there_takes_along_what_was_said(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    becomes(engine, "ann", "new", "split")
    assert barred(engine) == {("ann", "email"), ("new", "email")}


def test_it_can_be_taken_back_for_who_they_are_now(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    becomes(engine, "ann", "bob")
    assert forget_suppression(engine, "bob", "email")
    becomes(engine, "dora", "bob")
    assert barred(engine) == {("ann", "email")}


def test_said_before_and_told_again_it_keeps_its_first_moment(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    with reading(engine) as connection:
        first = connection.execute(sa.select(suppressions.c.created_at)).scalar_one()
    says_no(engine, "ann")
    with reading(engine) as connection:
        again = connection.execute(sa.select(suppressions.c.created_at)).scalar_one()
    assert again == first <= dt.datetime.now(dt.UTC)


def test_who_joined_and_said_no_stays_barred_when_another_one_who_said_no_leaves(
    engine: sa.Engine,
) -> None:
    says_no(engine, "ann")
    says_no(engine, "cleo")
    becomes(engine, "ann", "bob")
    becomes(engine, "cleo", "bob")
    becomes(engine, "bob", "ann", "split")
    assert barred(engine) == {("ann", "email"), ("bob", "email"), ("cleo", "email")}
    becomes(engine, "bob", "cleo", "split")
    assert barred(engine) == {("ann", "email"), ("cleo", "email")}


def test_who_was_allowed_again_stays_so_when_another_one_leaves(engine: sa.Engine) -> None:
    says_no(engine, "ann")
    says_no(engine, "cleo")
    becomes(engine, "ann", "bob")
    becomes(engine, "cleo", "bob")
    assert forget_suppression(engine, "bob", "email")
    becomes(engine, "bob", "ann", "split")
    assert barred(engine) == {("ann", "email"), ("cleo", "email")}


def test_who_comes_as_another_one_leaves_brings_what_they_said_and_who_leaves_takes_it(
    engine: sa.Engine,
) -> None:
    says_no(engine, "ann")
    says_no(engine, "cleo")
    becomes(engine, "ann", "bob")
    become(engine, ("cleo", "bob", "merged"), ("bob", "ann", "split"))
    assert barred(engine) == {("ann", "email"), ("bob", "email"), ("cleo", "email")}
    becomes(engine, "ann", "bob")
    become(engine, ("bob", "ann", "split"), ("bob", "cleo", "split"))
    assert barred(engine) == {("ann", "email"), ("cleo", "email")}


def test_who_says_stop_to_a_message_of_before_they_became_another_one_is_barred_as_that_one(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    rule = ActivationRule.model_validate(
        {
            "segment": SEGMENT,
            "destination": "sms",
            "message": {"text": "Hi"},
            "attributes": ["phone"],
        }
    )
    sms = TwilioDestination.model_validate(
        {
            "type": "twilio",
            "account_sid": "AC" + "0" * 32,
            "auth_token": "hush",
            "from_number": "+15005550006",
            "quiet_hours": None,
        }
    )
    settings = small_settings(tmp_path, {"sms": sms}, rules=[rule])
    shop.know("ann", phone="+4915112345678", has_sms_consent=True)
    shop.members(["ann"])
    becomes(engine, "ann", "dora", "split")
    plan_all(shop.warehouse, engine, settings)

    def stops(batch: Batch) -> Answer:
        # Builds end while the message is under way.
        becomes(engine, "ann", "bob")
        becomes(engine, "bob", "cleo")
        said = {
            row.key: RowAnswer("error", "STOP", suppresses="unsubscribed") for row in batch.rows
        }
        return Answer("accepted", rows=said)

    dispatch(engine, settings, make=lambda name, _: Standing(name, "message", stops))
    assert barred(engine) == {(name, "sms") for name in ("ann", "bob", "cleo")}
    becomes(engine, "bob", "ann", "split")
    assert ("bob", "sms") not in barred(engine)
