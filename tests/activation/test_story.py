"""Why somebody was told something, or nothing: by the ledger, and by each rule as of now."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, becomes, small_settings, webhook

from marketing_platform.activation import Story, activate, plan_all, story_of
from marketing_platform.activation.suppression import suppress
from marketing_platform.demo.receiver import Receiver
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import utc_now, writing


def settings_of(folder: Path, receiver: Receiver) -> Settings:
    return small_settings(
        folder,
        {"crm": webhook(receiver.url, consent="email")},
        rules=[
            ActivationRule(segment=SEGMENT, destination="crm", attributes=("email", "first_name")),
            ActivationRule(segment="other", destination="crm", event="came"),
        ],
        max_removal_share=1.0,
    )


def stands(story: Story, audience: str = SEGMENT) -> str:
    [found] = [one.stands for one in story.standings if one.audience == audience]
    return found


def test_each_turn_of_a_persons_way_is_told(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, receiver)

    def story() -> Story:
        return story_of(shop.warehouse, engine, settings, "ada")

    shop.know("ada", first_name="Ada")
    shop.members(["ada", "bob"])
    shop.know("bob")
    assert stands(story()) == "to be told by the next activation"
    assert stands(story(), "other.event") == "not in the segment"
    assert story().said == ()
    plan_all(shop.warehouse, engine, settings)
    assert stands(story()) == "waits to be sent"
    activate(shop.warehouse, engine, settings)
    told = stands(story())
    assert told.startswith("told on 20") and told.endswith(" UTC")
    [said] = story().said
    assert (said.operation, said.state, said.destination) == ("add", "sent", "crm")
    assert json.loads(said.payload or "") == {
        "customer_id": "ada", "email": "ada@example.com", "first_name": "Ada",
    }  # fmt: skip
    shop.know("ada", first_name="Adele")
    assert stands(story()) == "what changed is to be told by the next activation"
    shop.members(["bob"])
    assert stands(story()) == "to be taken out by the next activation"
    activate(shop.warehouse, engine, settings)
    assert stands(story()).startswith("not in the segment; taken out on 20")
    assert [said.operation for said in story().said] == ["remove", "add"]
    assert {said.customer_id for said in story().said} == {"ada"}, "of nobody else"


def test_why_a_person_is_not_told_is_said_before_and_after_it_is_written_down(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, receiver)
    shop.know("ada", has_email_consent=False)
    shop.know("bob")
    shop.members(["ada", "bob"])
    with writing(engine) as connection:
        suppress(
            connection, ["bob"], "all", "erased", told_by="command", now=utc_now()
        )  # fmt: skip
    for _ in range(2):
        ada, bob = (story_of(shop.warehouse, engine, settings, name) for name in ("ada", "bob"))
        assert stands(ada) == "not told: no_consent"
        assert stands(bob) == "not told: erased"
        activate(shop.warehouse, engine, settings)
    assert ada.consents == {"email": False, "sms": False, "push": False}
    assert [(bar.channel, bar.reason, bar.told_by) for bar in bob.bars] == [
        ("all", "erased", "command")
    ]
    assert [said.reason for said in ada.said] == ["no_consent"]


def test_what_holds_a_rule_is_told_of_each_person(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, receiver)
    shop.know("ada")
    shop.members(["ada"])
    shop.hold("its scores are not promoted")
    activate(shop.warehouse, engine, settings)
    found = story_of(shop.warehouse, engine, settings, "ada").standings[0]
    assert found.held_reason is not None
    assert "its scores are not promoted" in found.held_reason
    assert found.is_member


def test_messages_to_who_became_this_person_are_theirs(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, receiver)
    for name in ("old", "older"):
        shop.know(name)
    shop.members(["old", "older"])
    activate(shop.warehouse, engine, settings)
    becomes(engine, "older", "old")
    becomes(engine, "old", "ada")
    shop.know("ada")
    shop.members(["ada"])
    story = story_of(shop.warehouse, engine, settings, "ada")
    assert story.former_ids == ("old", "older")
    assert {said.customer_id for said in story.said} == {"old", "older"}
    assert stands(story) == "to be told by the next activation"


def test_after_a_merge_is_undone_nobody_is_shown_what_the_other_one_is_told(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, receiver)

    def told_about(name: str) -> set[str]:
        return {one.customer_id for one in story_of(shop.warehouse, engine, settings, name).said}

    for name in ("mother", "maiden", "ada"):
        shop.know(name)
    shop.members(["mother", "maiden", "ada"])
    activate(shop.warehouse, engine, settings)
    becomes(engine, "maiden", "mother")
    becomes(engine, "mother", "ada")
    assert told_about("ada") == {"mother", "maiden", "ada"}
    becomes(engine, "ada", "mother", "split")
    shop.know("mother", first_name="Anne")
    activate(shop.warehouse, engine, settings)
    assert told_about("ada") == {"ada"}
    assert told_about("mother") == {"mother", "maiden"}
    becomes(engine, "ada", "mother")
    assert told_about("mother") == {"mother", "maiden", "ada"}


def test_who_was_told_shortly_before_they_became_another_one_is_not_said_to_be_told_next(
    shop: SmallShop, engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    rule = ActivationRule(segment=SEGMENT, destination="crm", event="came", attributes=("email",))
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[rule])
    shop.enter("ada", "2025-06-01 00:00:00")
    activate(shop.warehouse, engine, settings)
    becomes(engine, "ada", "bob")
    shop.members([])
    shop.enter("bob", "2025-07-01 00:00:00")
    for _ in range(2):
        story = story_of(shop.warehouse, engine, settings, "bob")
        assert stands(story, f"{SEGMENT}.event") == "not told: told_recently"
        plan_all(shop.warehouse, engine, settings)
    shop.members([])
    story = story_of(shop.warehouse, engine, settings, "bob")
    assert stands(story, f"{SEGMENT}.event") == "not in the segment"
