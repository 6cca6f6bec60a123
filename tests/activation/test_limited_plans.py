"""Plans that are held for their size, and those that a person lets go."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import JUNE, SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import TOLD, activate, held_plans, release
from marketing_platform.activation.cause import Cause
from marketing_platform.activation.diff import Counts
from marketing_platform.activation.guards import size_guards
from marketing_platform.demo.receiver import Receiver
from marketing_platform.errors import InputError
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import ActivationRule, Limits
from marketing_platform.state import open_state, plans, reading, utc_now


def test_a_held_plan_that_a_person_lets_go_is_sent_and_only_that_one(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, minimum_audience=5)
    shop.fill(10)
    activate(shop.warehouse, engine, settings)
    shop.members(["c00000"])
    [held], _ = activate(shop.warehouse, engine, settings)
    assert held.is_held
    assert held.plan_id is not None
    release(engine, held.plan_id, by="Grace")
    # Meanwhile it would do something else than what she looked at.
    shop.members(["c00001"])
    [changed], _ = activate(shop.warehouse, engine, settings)
    assert changed.is_held
    assert changed.plan_id is not None
    release(engine, changed.plan_id, by="Grace")
    [passed], report = activate(shop.warehouse, engine, settings)
    assert not passed.is_held
    assert report.sent_count == 9
    assert held_plans(engine, settings.platform.activations) == []
    with reading(engine) as connection:
        by = connection.execute(
            sa.select(plans.c.released_by).where(plans.c.plan_id == changed.plan_id)
        ).scalar_one()
    assert by == "Grace"


def test_who_lets_a_plan_go_lets_go_what_it_would_have_told(
    shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, min_size=2)
    shop.enter("ada", JUNE)
    for first_name, is_held in (("Ada", True), ("Augusta", True), ("Augusta", False)):
        shop.know("ada", first_name=first_name)
        [plan], _ = activate(shop.warehouse, engine, settings)
        assert plan.is_held == is_held
        if plan.plan_id is not None and is_held:
            release(engine, plan.plan_id, by="Grace")
    assert receiver.received.audiences["crm", SEGMENT]["ada"]["first_name"] == "Augusta"


def test_what_cannot_be_released_is_told(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, min_size=2)
    with pytest.raises(InputError, match="no such plan"):
        release(engine, 99, by="Grace")
    shop.enter("ada", JUNE)
    [first], _ = activate(shop.warehouse, engine, settings)
    [_second], _ = activate(shop.warehouse, engine, settings)
    assert first.plan_id is not None
    with pytest.raises(InputError, match="a later plan has taken its place"):
        release(engine, first.plan_id, by="Grace")
    shop.enter("bob", JUNE)
    [third], _ = activate(shop.warehouse, engine, settings)
    assert third.plan_id is not None
    with pytest.raises(InputError, match="not held but done"):
        release(engine, third.plan_id, by="Grace")


def test_a_release_lifts_no_hold_of_the_segment(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, min_size=2)
    shop.enter("ada", JUNE)
    [held], _ = activate(shop.warehouse, engine, settings)
    assert held.plan_id is not None
    release(engine, held.plan_id, by="Grace")
    shop.hold("the model drifted")
    [again], _ = activate(shop.warehouse, engine, settings)
    assert again.is_held
    assert receiver.received.requests == 0


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"min_size": 3}, "would have 2 customers (at least 3)"),
        ({"max_size": 1}, "would have 2 customers (at most 1)"),
    ],
)
def test_sizes_are_limited_per_destination_from_the_first_plan_on(
    engine: sa.Engine,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    limits: dict[str, int],
    reason: str,
) -> None:
    free = webhook(receiver.url)
    strict = webhook(receiver.url, limits=limits)
    settings = small_settings(tmp_path, {"crm": strict, "other": free})
    for name in ("ada", "bob"):
        shop.enter(name, JUNE)
    made, _ = activate(shop.warehouse, engine, settings)
    assert {plan.destination: plan.held_reasons for plan in made} == {
        "crm": (reason,),
        "other": (),
    }


@pytest.mark.parametrize(
    ("is_once", "at", "beyond"),
    [
        (False, {"audience_count": 100, "wanted_count": 50, "leaving_count": 50},
         {"leaving_count": 51}),
        (False, {"audience_count": 99, "wanted_count": 10, "leaving_count": 89},
         {"audience_count": 100}),
        (False, {"audience_count": 100, "wanted_count": 200}, {"wanted_count": 201}),
        (False, {"audience_count": 99, "wanted_count": 299}, {"audience_count": 100}),
        (False, {"wanted_count": 10}, {"wanted_count": 9}),
        (False, {"wanted_count": 300}, {"wanted_count": 301}),
        (True, {"add_count": 50}, {"add_count": 51}),
        (True, {"told_count": 100, "again_count": 50}, {"again_count": 51}),
        (True, {"told_count": 99, "again_count": 99}, {"told_count": 100}),
    ],
)  # fmt: skip
def test_what_a_limit_names_passes_and_one_more_is_held(
    is_once: bool, at: dict[str, int], beyond: dict[str, int]
) -> None:
    limits = Limits(
        max_removal_share=0.5, max_growth_ratio=2, minimum_audience=100, min_size=10,
        max_size=300, max_messages=50,
    )  # fmt: skip
    nobody = dict.fromkeys(Counts.__dataclass_fields__, 0)
    on, off = Cause(is_on=True), Cause(is_on=False)
    assert size_guards(Counts(**nobody | at), limits, on, is_once=is_once) == []
    suspicious = Counts(**nobody | at | beyond)
    assert len(size_guards(suspicious, limits, on, is_once=is_once)) == 1
    if not is_once:
        assert size_guards(suspicious, limits, off) == [], "what it waits for is over"


def test_too_many_events_at_once_are_held(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    rule = ActivationRule(
        segment=SEGMENT, destination="crm", attributes=("email",), event="entered"
    )
    crm = webhook(receiver.url, limits={"max_messages": 1})
    settings = small_settings(tmp_path, {"crm": crm}, rules=[rule])
    for name in ("ada", "bob"):
        shop.enter(name, JUNE)
    [held], _ = activate(shop.warehouse, engine, settings)
    assert held.held_reasons == ("would tell 2 customers at once (limit 1)",)


def test_that_nearly_nobody_may_be_told_is_said_as_long_as_it_is_so(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, consent="email")})
    shop.fill(120)

    def told() -> list[str]:
        activate(shop.warehouse, engine, settings)
        found = find_all(engine, settings, now=utc_now())
        return [one.detail for one in found if one.key == f"suppressed:crm:{SEGMENT}"]

    with shop.warehouse.connect() as connection:
        connection.execute(
            "update profiles.customers set has_email_consent = customer_id < 'c00010'"
        )
    # The second plan has nothing to suppress any more; they still may not be told.
    assert [told(), told()] == [["110 of 120 are suppressed"]] * 2
    with shop.warehouse.connect() as connection:
        connection.execute("update profiles.customers set has_email_consent = true")
    assert told() == []


def test_an_empty_ledger_beside_data_of_a_shop_that_has_told_people_holds(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)})
    # As in a shell that does not have the URL that the services have.
    other = open_state(f"sqlite:///{tmp_path / 'other.db'}")
    assert find_holds(other, settings) == [], "who begins has an empty one"
    shop.fill(3)
    activate(shop.warehouse, engine, settings)
    assert find_holds(engine, settings) == []
    [hold] = find_holds(other, settings)
    assert "the ledger is empty, and this shop has told people by another one" in hold
    [found] = find_all(other, settings, now=utc_now())
    assert found.title == "the ledger is empty"
    (settings.data_dir / TOLD).unlink()
    assert find_holds(other, settings) == []
