"""Who said no is not written to under another id either, and the other one is free again."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.suppression import forget_suppression, suppress
from marketing_platform.identity.edges import log_changes
from marketing_platform.identity.inherited import inherit_suppressions
from marketing_platform.state import reading, suppressions, utc_now, writing

Kind = Literal["merged", "split"]


def becomes(engine: sa.Engine, customer: str, other: str, kind: Kind = "merged") -> None:
    """What a build does when all of a customer, or a part, becomes another one."""
    become(engine, (customer, other, kind))


def become(engine: sa.Engine, *changes: tuple[str, str, Kind]) -> None:
    """What one build does when several do."""
    told = [
        {
            "kind": kind,
            "customer_id": customer,
            "other_customer_id": other,
            "contact_count": 1,
            "contact_id": f"files:{customer}",
        }
        for customer, other, kind in changes
    ]
    inherit_suppressions(engine, pl.DataFrame(told))
    log_changes(engine, [{**change, "cause": "a test"} for change in told])


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
