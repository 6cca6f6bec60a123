"""A rule that is tried out on some of its members, before it is live."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from rich.console import Console
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import activate, conservation, story_of
from marketing_platform.demo.receiver import Receiver
from marketing_platform.report import print_trials
from marketing_platform.settings import ActivationRule, Settings


def settings_of(folder: Path, receiver: Receiver, **rule: Any) -> Settings:
    told = ActivationRule(segment=SEGMENT, destination="crm", attributes=("email",), **rule)
    crm = webhook(receiver.url, consent="email")
    return small_settings(folder, {"crm": crm}, rules=[told], minimum_audience=10)


def told(receiver: Receiver) -> list[str]:
    return sorted(row["customer_id"] for row in receiver.received.rows.values())


def shop_of(shop: SmallShop, *customers: str) -> None:
    for name in customers:
        shop.know(name)
    shop.members(customers)


def test_only_who_is_named_is_told_and_when_it_is_live_the_others_once(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    shop_of(shop, "ada", "bob", "cee", "dan")
    shop.know("bob", phone="+4915112345678")
    names = [" ADA@example.com", "+4915112345678", "cee", "nobody@example.com"]
    trial = settings_of(tmp_path, receiver, event="came", only=names)
    plans, _ = activate(shop.warehouse, engine, trial)
    assert told(receiver) == ["ada", "bob", "cee"]
    assert plans[0].finding == "tried out: only the 4 named under `only` may be told"
    assert plans[0].counts.suppressed_count == 0, "of the others there is no word in the ledger"
    dan = story_of(shop.warehouse, engine, trial, "dan").standings[0]
    assert (dan.is_member, dan.stands) == (True, "not named under only")
    live = settings_of(tmp_path, receiver, event="came")
    plans, _ = activate(shop.warehouse, engine, live)
    assert told(receiver) == ["ada", "bob", "cee", "dan"]
    assert plans[0].counts.add_count == 1, "who was told in the trial is not told again"
    assert all(balance.adds_up for balance in conservation(engine))


def test_who_tries_a_rule_out_must_have_agreed_as_everybody(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    shop_of(shop, "ada", "bob")
    shop.know("ada", has_email_consent=False)
    trial = settings_of(tmp_path, receiver, event="came", only=["ada", "bob"])
    for _ in range(2):
        activate(shop.warehouse, engine, trial)
        assert told(receiver) == ["bob"]
        [standing] = story_of(shop.warehouse, engine, trial, "ada").standings
        assert standing.stands == "not told: no_consent"


def test_a_live_audience_is_not_emptied_by_trying_something_out(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    shop_of(shop, *(f"c{number:02}" for number in range(30)))
    activate(shop.warehouse, engine, settings_of(tmp_path, receiver))
    assert len(told(receiver)) == 30
    trial = settings_of(tmp_path, receiver, only=["c01"])
    plans, _ = activate(shop.warehouse, engine, trial)
    assert plans[0].is_held
    assert "would remove 29 of 30 customers" in plans[0].held_reasons[0]
    assert len(receiver.received.seen) == 30


def test_a_run_says_which_rules_are_tried_out() -> None:
    rules = [
        ActivationRule(segment=SEGMENT, destination="crm", event="came", only=("ada", "bob")),
        ActivationRule(segment=SEGMENT, destination="feeds"),
    ]
    printed = Console(file=io.StringIO(), width=80)
    print_trials(printed, rules)
    shown = printed.file.getvalue()  # type: ignore[attr-defined]
    assert shown == (
        f"{SEGMENT}.event -> crm: tried out: only the 2 named under `only` may be told\n"
    )


def test_a_trial_on_nobody_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="only"):
        ActivationRule(segment=SEGMENT, destination="crm", only=())
