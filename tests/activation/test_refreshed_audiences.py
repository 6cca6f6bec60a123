"""Audiences that forget their members after some time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, ended_a_day_ago, small_settings, webhook

from marketing_platform.activation import Plan, activate, conservation, plan_all
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations.vendors.google_ads import GoogleAdsDestination
from marketing_platform.destinations.vendors.microsoft_ads import MicrosoftAdsDestination
from marketing_platform.settings import ActivationRule, Settings


def forgetful(folder: Path, receiver: Receiver, **rule: object) -> Settings:
    told = ActivationRule.model_validate({"segment": SEGMENT, "destination": "crm", **rule})
    there = {"crm": webhook(receiver.url, refresh_days=90)}
    return small_settings(folder, there, rules=[told], max_removal_share=1.0)


def planned(shop: SmallShop, engine: sa.Engine, settings: Settings) -> dict[str, int]:
    [plan] = plan_all(shop.warehouse, engine, settings)
    return counts(plan)


def counts(plan: Plan) -> dict[str, int]:
    found = {"add": plan.counts.add_count, "update": plan.counts.update_count}
    return {
        name: count
        for name, count in {**found, "remove": plan.counts.remove_count}.items()
        if count
    }


def test_members_are_told_again_before_a_destination_forgets_them(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = forgetful(tmp_path, receiver)
    for name in ("ada", "bob"):
        shop.know(name)
    shop.members(["ada", "bob"])
    activate(shop.warehouse, engine, settings)
    ended_a_day_ago(engine, days=88)
    assert planned(shop, engine, settings) == {}
    for _ in range(3):
        ended_a_day_ago(engine, days=90)
        activate(shop.warehouse, engine, settings)
        assert planned(shop, engine, settings) == {}
    told = [row["operation"] for row in receiver.received.rows.values()]
    assert sorted(told) == ["add"] * 2 + ["update"] * 6
    assert all(balance.adds_up for balance in conservation(engine))
    ended_a_day_ago(engine, days=90)
    shop.members(["ada"])
    assert planned(shop, engine, settings) == {"update": 1, "remove": 1}


def test_what_is_told_once_is_not_refreshed(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = forgetful(tmp_path, receiver, event="entered")
    shop.know("ada")
    shop.members(["ada"])
    activate(shop.warehouse, engine, settings)
    ended_a_day_ago(engine, days=400)
    assert planned(shop, engine, settings) == {}


def test_lists_that_forget_are_refreshed_unless_the_settings_say_otherwise() -> None:
    microsoft = {
        "type": "microsoft_ads",
        "developer_token": "hush",
        "client_id": "app",
        "refresh_token": "hush",
        "account_id": "1",
        "customer_id": "2",
    }
    assert MicrosoftAdsDestination.model_validate(microsoft).refresh_days == 28
    never = {**microsoft, "refresh_days": None}
    assert MicrosoftAdsDestination.model_validate(never).refresh_days is None
    assert GoogleAdsDestination.model_fields["refresh_days"].default == 90
