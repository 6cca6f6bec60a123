"""What is told once (events, messages, tasks), and who must not be told at all."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import (
    JULY,
    JUNE,
    MAY,
    SEGMENT,
    SmallShop,
    answering,
    becomes,
    ended_a_day_ago,
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
)
from marketing_platform.activation.suppression import forget_suppression, suppress
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations.base import RowAnswer
from marketing_platform.identity.edges import log_changes
from marketing_platform.settings import ActivationRule, Fatigue, Limits
from marketing_platform.state import messages, open_state, reading, utc_now, writing


def test_an_event_is_told_once_however_often_attributes_change(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.know("ada", first_name="Augusta")
    activate(shop.warehouse, engine, settings)
    shop.members([])
    plans_made, _ = activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"]
    assert plans_made[0].counts.remove_count == 0, "nobody is told of who left"


def test_who_comes_back_after_a_while_is_told_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=7)
    shop.enter("ada", MAY)
    activate(shop.warehouse, engine, settings)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"], "too soon"
    assert [(r.reason, r.count) for r in reason_counts(engine)] == [("told_recently", 1)]
    ended_a_day_ago(engine, days=8)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "ada"]
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "ada"]


def test_a_warehouse_that_was_built_anew_tells_nobody_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=0)
    platform = settings.platform.model_copy(update={"limits": Limits(minimum_audience=5)})
    settings = settings.model_copy(update={"platform": platform})
    people = [f"c{number}" for number in range(8)]
    for name in people:
        shop.enter(name, MAY)
    activate(shop.warehouse, engine, settings)
    ended_a_day_ago(engine)
    # Everybody seems to have entered just now.
    for name in people:
        shop.enter(name, JUNE)
    [plan], _ = activate(shop.warehouse, engine, settings)
    assert plan.held_reasons == ("would tell 8 of 8 customers again (100%; limit 50%)",)
    assert len(told(receiver)) == 8
    for name in people[3:]:
        shop.enter(name, MAY)
    [plan], _ = activate(shop.warehouse, engine, settings)
    assert not plan.is_held, "some do come back"
    assert len(told(receiver)) == 11


def test_who_was_told_before_the_warehouse_was_built_anew_is_told_when_they_come_back(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    for name in ("ada", "bob"):
        shop.enter(name, MAY)
    activate(shop.warehouse, engine, settings)
    long_ago = utc_now() - dt.timedelta(days=60)
    with engine.begin() as connection:
        connection.execute(sa.update(messages).values(created_at=long_ago, settled_at=long_ago))
    anew = utc_now().replace(tzinfo=None)
    shop.warehouse.ensure("segments.stays")
    for name in ("ada", "bob", "cleo"):
        shop.enter(name, str(anew))
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into segments.stays by name select segment, customer_id, entered_at"
            " from segments.memberships"
        )
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "bob", "cleo"], "nobody knows that Ada and Bob had left"
    back = str(anew + dt.timedelta(days=3))
    shop.enter("bob", back)
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into segments.stays by name select segment, customer_id, entered_at"
            " from segments.memberships where entered_at = $back",
            {"back": back},
        )
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "bob", "bob", "cleo"]


def test_an_event_and_an_audience_of_one_segment_do_not_mix(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    rules = [
        ActivationRule(segment=SEGMENT, destination="crm", attributes=("email",)),
        ActivationRule(segment=SEGMENT, destination="crm", attributes=("email",), event="entered"),
    ]
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=rules)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "ada"]
    assert {balance.audience for balance in conservation(engine)} == {SEGMENT, f"{SEGMENT}.event"}


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"has_email_consent": False}, "no_consent"),
        ({"has_email_complained": True}, "complaint"),
        ({"has_email_unsubscribed": True}, "unsubscribed"),
        ({"has_email_bounced_hard": True}, "hard_bounce"),
        ({"email_soft_bounced_90d_count": 3}, "soft_bounces"),
        ({"has_fake_email": True}, "fake_address"),
        ({"message_7d_count": 5}, "fatigue"),
        ({"message_1d_count": 2}, "fatigue"),
    ],
)
def test_who_must_not_be_written_to_is_suppressed_with_the_reason_once(
    engine: sa.Engine,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    known: dict[str, Any],
    reason: str,
) -> None:
    settings = events(tmp_path, receiver)
    shop.enter("ada", JUNE)
    shop.know("ada", **known)
    activate(shop.warehouse, engine, settings)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == []
    [row] = reason_counts(engine)
    assert (row.state, row.reason, row.count) == ("suppressed", reason, 1)
    assert all(balance.adds_up for balance in conservation(engine))


def test_two_soft_bounces_are_forgiven(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.enter("ada", JUNE)
    shop.know("ada", email_soft_bounced_90d_count=2)
    activate(shop.warehouse, engine, events(tmp_path, receiver))
    assert told(receiver) == ["ada"]


def test_a_text_goes_to_who_agreed_to_texts_and_did_not_leave_them_whatever_they_said_of_mails(
    shop: SmallShop, tmp_path: Path
) -> None:
    of_mails: dict[str, Any] = {
        "has_email_consent": False, "has_email_unsubscribed": True, "has_email_complained": True,
        "has_email_bounced_hard": True, "email_soft_bounced_90d_count": 9, "has_fake_email": True,
    }  # fmt: skip
    said: dict[str, tuple[dict[str, Any], str | None]] = {
        "agreed": ({"has_sms_consent": True, **of_mails}, None),
        "unsaid": ({"has_sms_consent": None}, "no_consent"),
        "refused": ({"has_sms_consent": False}, "no_consent"),
        "left": ({"has_sms_consent": True, "has_sms_unsubscribed": True}, "unsubscribed"),
        "erased": ({"has_sms_consent": None}, "erased"),
    }
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    for name, (known, _) in said.items():
        shop.enter(name, JUNE)
        shop.know(name, phone="+4915112345678", **known)
    with writing(engine) as connection:
        suppress(connection, ["erased"], "all", "erased", told_by="test", now=utc_now())
    plan_all(shop.warehouse, engine, texts(tmp_path))
    with reading(engine) as connection:
        rows = connection.execute(sa.select(messages.c.customer_id, messages.c.reason)).all()
    assert dict(map(tuple, rows)) == {name: reason for name, (_, reason) in said.items()}


@pytest.mark.parametrize(("channel", "reason"), [("all", "erased"), ("email", "unsubscribed")])
def test_who_leaves_between_plan_and_sending_is_not_written_to(
    engine: sa.Engine,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    channel: Any,
    reason: Any,
) -> None:
    settings = events(tmp_path, receiver)
    for name in ("ada", "bob"):
        shop.enter(name, JUNE)
    plan_all(shop.warehouse, engine, settings)
    with writing(engine) as connection:
        suppress(connection, ["ada"], channel, reason, told_by="test", now=utc_now())
    dispatch(engine, settings)
    assert told(receiver) == ["bob"]
    [row] = reason_counts(engine)
    assert (row.state, row.reason) == ("suppressed", reason)
    assert all(balance.adds_up for balance in conservation(engine))


def test_what_waits_for_a_rule_that_is_taken_out_is_told_to_nobody(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver)
    shop.enter("ada", JUNE)
    plan_all(shop.warehouse, engine, settings)
    platform = settings.platform.model_copy(update={"activations": ()})
    without = settings.model_copy(update={"platform": platform})
    plan_all(shop.warehouse, engine, without, dry_run=True)
    assert ledger_sums(engine)["deferred"] == 1
    shop.know("ada", has_email_consent=False)
    activate(shop.warehouse, engine, without)
    assert told(receiver) == []
    assert [(r.reason, r.count) for r in reason_counts(engine)] == [("superseded", 1)]
    assert all(balance.adds_up for balance in conservation(engine))
    shop.know("ada", has_email_consent=True)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"], "the rule is back, and they are still members"


def test_who_waits_to_be_taken_out_is_taken_out_although_the_rule_is_gone(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)})
    shop.fill(2)
    activate(shop.warehouse, engine, settings)
    shop.members(["c00000"])
    plan_all(shop.warehouse, engine, settings)
    platform = settings.platform.model_copy(update={"activations": ()})
    activate(shop.warehouse, engine, settings.model_copy(update={"platform": platform}))
    removed = [row for row in receiver.received.rows.values() if row["operation"] == "remove"]
    assert [row["customer_id"] for row in removed] == ["c00001"]


def test_who_waits_to_be_taken_out_is_so_though_the_last_plan_of_the_rule_was_held(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, minimum_audience=3)
    shop.fill(5)
    activate(shop.warehouse, engine, settings)
    shop.members([f"c{number:05d}" for number in range(4)])
    plan_all(shop.warehouse, engine, settings)
    shop.members(["c00000"])
    activate(shop.warehouse, engine, settings)
    assert ledger_sums(engine)["deferred"] == 1, "the plan is held"
    platform = settings.platform.model_copy(update={"activations": ()})
    activate(shop.warehouse, engine, settings.model_copy(update={"platform": platform}))
    assert "c00004" not in receiver.received.audiences["crm", SEGMENT]
    assert ledger_sums(engine)["deferred"] == 0


def test_a_suppression_of_another_channel_and_one_taken_back_suppress_nothing(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.enter("ada", JUNE)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "sms", "unsubscribed", told_by="test", now=utc_now())
        suppress(connection, ["ada"], "email", "complaint", told_by="test", now=utc_now())
    assert forget_suppression(engine, "ada", "email")
    assert not forget_suppression(engine, "ada", "email")
    activate(shop.warehouse, engine, events(tmp_path, receiver))
    assert told(receiver) == ["ada"]


def test_an_erased_person_is_taken_out_of_an_audience(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "all", "erased", told_by="test", now=utc_now())
    activate(shop.warehouse, engine, settings)
    assert receiver.received.audiences["crm", SEGMENT] == {}, "the removal itself is not barred"


def test_nobody_gets_more_messages_a_day_and_week_than_the_cap_over_all_segments(
    engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    shops = [SmallShop(segment=f"segment_{number}") for number in range(4)]
    rules = [
        events(tmp_path, receiver).platform.activations[0].model_copy(update={"segment": s.segment})
        for s in shops
    ]
    cap = Fatigue(per_day=2, per_week=3)

    def run(number: int) -> None:
        settings = events(tmp_path, receiver)
        platform = settings.platform.model_copy(
            update={"activations": (rules[number],), "fatigue": cap}
        )
        activate(
            shops[number].warehouse, engine, settings.model_copy(update={"platform": platform})
        )

    for number, shop in enumerate(shops):
        shop.enter("ada", JUNE)
        if number < 3:
            run(number)
    assert told(receiver) == ["ada"] * 2
    ended_a_day_ago(engine)
    run(2)
    run(3)
    assert told(receiver) == ["ada"] * 3, "the week is full"
    assert {row.reason for row in reason_counts(engine)} == {"fatigue"}
    ended_a_day_ago(engine, days=7)
    run(3)
    assert told(receiver) == ["ada"] * 4
    assert all(balance.adds_up for balance in conservation(engine))


@pytest.mark.parametrize("is_planned_before", [False, True], ids=["planned after", "before"])
@pytest.mark.parametrize("steps", [1, 2], ids=["at once", "by way of another"])
def test_who_became_another_customer_is_as_tired_as_before(
    engine: sa.Engine,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    is_planned_before: bool,
    steps: int,
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=0)
    cap = Fatigue(per_day=1, per_week=1)
    platform = settings.platform.model_copy(update={"fatigue": cap})
    settings = settings.model_copy(update={"platform": platform})
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.enter("bob", JULY)
    shop.enter("cleo", JULY)
    if is_planned_before:
        plan_all(shop.warehouse, engine, settings)
    # Twice, as after a merge that was undone and came again.
    for old, new in 2 * [*pairwise(["ada", "between", "bob"] if steps == 2 else ["ada", "bob"])]:
        becomes(engine, old, new)
    if is_planned_before:
        dispatch(engine, settings)
    else:
        activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "cleo"]
    assert {row.reason for row in reason_counts(engine)} == {"fatigue"}
    ended_a_day_ago(engine, days=7)
    shop.enter("bob", "2025-08-01 00:00:00")
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "bob", "cleo"], "a week later there is room again"


@pytest.mark.parametrize("steps", [1, 2], ids=["at once", "by way of another"])
def test_who_became_another_customer_is_not_told_again_too_soon(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, steps: int
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=7)
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    names = ["ada", "bob", "cleo"][: steps + 1]
    contact = {"contact_count": 1, "contact_id": "files:1", "cause": "a test"}
    for old, new in pairwise(names):
        change = {"kind": "merged", "customer_id": old, "other_customer_id": new}
        log_changes(engine, [{**change, **contact}] * 2)
    shop.members([])
    for name in (names[-1], "dora"):
        shop.enter(name, JULY)
    for _ in range(2):
        activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "dora"]
    assert [(r.reason, r.count) for r in reason_counts(engine)] == [("told_recently", 1)]
    ended_a_day_ago(engine, days=8)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == sorted(["ada", "dora", names[-1]])
    assert all(balance.adds_up for balance in conservation(engine))


def test_who_was_parted_from_another_one_is_told_for_themselves_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=7)
    cap = Fatigue(per_day=1, per_week=1)
    platform = settings.platform.model_copy(update={"fatigue": cap})
    settings = settings.model_copy(update={"platform": platform})
    becomes(engine, "ada", "bob")
    becomes(engine, "bob", "ada", "split")
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.enter("bob", JULY)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "bob"]


@pytest.mark.parametrize("repeat_after_days", [7, 0], ids=["told recently", "tired"])
def test_who_is_parted_from_who_was_told_is_not_told_again_too_soon(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, repeat_after_days: int
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=repeat_after_days)
    cap = Fatigue(per_day=1 if repeat_after_days == 0 else 2)
    platform = settings.platform.model_copy(update={"fatigue": cap})
    settings = settings.model_copy(update={"platform": platform})
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    # The address that was written to is of the part that leaves.
    becomes(engine, "ada", "new", "split")
    shop.enter("new", JULY)
    for _ in range(2):
        activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada"]
    ended_a_day_ago(engine, days=8)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "new"]


@pytest.mark.parametrize("repeat_after_days", [7, 0], ids=["told recently", "tired"])
def test_who_left_before_another_one_came_is_not_taken_for_that_one(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, repeat_after_days: int
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=repeat_after_days)
    platform = settings.platform.model_copy(update={"fatigue": Fatigue(per_day=1)})
    settings = settings.model_copy(update={"platform": platform})
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    becomes(engine, "ada", "bob")
    becomes(engine, "cleo", "dora", "split")
    becomes(engine, "bob", "cleo")
    shop.members([])
    for name in ("cleo", "dora"):
        shop.enter(name, JULY)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["ada", "dora"]


def test_the_cap_holds_at_the_moment_of_sending_for_plans_made_before(
    engine: sa.Engine, receiver: Receiver, tmp_path: Path
) -> None:
    shop = SmallShop(segment="one")
    rules = []
    for name in ("one", "two", "three"):
        shop.segment = name
        shop.enter("ada", JUNE)
        rules.append(
            ActivationRule(segment=name, destination="crm", attributes=("email",), event="entered")
        )
    with shop.warehouse.connect() as connection:
        connection.execute(
            "insert into segments.sizes by name select unnest(['two', 'three']) as segment,"
            " '' as description, 0 as member_count, 0.0 as customer_share, 'ready' as status"
        )
    settings = small_settings(
        tmp_path, {"crm": webhook(receiver.url, consent="email")}, rules=rules
    )
    plan_all(shop.warehouse, engine, settings)
    assert ledger_sums(engine)["deferred"] == 3
    dispatch(engine, settings)
    assert told(receiver) == ["ada", "ada"]
    assert ledger_sums(engine) == {
        "eligible": 3,
        "sent": 2,
        "suppressed": 1,
        "deferred": 0,
        "failed": 0,
    }


def test_an_audience_without_a_channel_makes_nobody_tired(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.enter("ada", JUNE)
    for number in range(4):
        shop.know("ada", first_name=f"A{number}")
        activate(shop.warehouse, engine, small_settings(tmp_path, {"crm": webhook(receiver.url)}))
    with reading(engine) as connection:
        reached = connection.execute(sa.select(messages.c.reaches_person)).scalars().all()
    assert reached == [False] * 4


def test_a_rule_tells_so_many_a_day_who_entered_first_first_and_the_others_wait(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    settings = texts(tmp_path)
    [rule] = settings.platform.activations
    paced = rule.model_copy(update={"per_day": 2})
    settings = settings.model_copy(
        update={"platform": settings.platform.model_copy(update={"activations": (paced,)})}
    )
    for number, name in enumerate(("eve", "dan", "cleo", "bob", "ada")):
        shop.enter(name, f"2025-05-{20 + number} 00:00:00")
        shop.know(name, phone="+4915112345678", has_sms_consent=name != "dan")

    def told() -> tuple[int, list[str]]:
        [plan] = plan_all(shop.warehouse, engine, settings)
        dispatch(engine, settings, make=lambda name, settings: answering(RowAnswer("ok")))
        with reading(engine) as connection:
            sent = sa.select(messages.c.customer_id).where(messages.c.state == "sent")
            return plan.counts.waiting_count, sorted(connection.execute(sent).scalars())

    # Who may not be told takes nobody's place.
    assert told() == (2, ["cleo", "eve"])
    assert told() == (2, ["cleo", "eve"]), "the day is not over"
    with engine.begin() as connection:
        moment = utc_now() - dt.timedelta(hours=25)
        connection.execute(sa.update(messages).values(created_at=moment))
    ended_a_day_ago(engine)
    assert told() == (0, ["ada", "bob", "cleo", "eve"])
    assert all(balance.adds_up for balance in conservation(engine))
    with pytest.raises(ValueError, match="an audience is kept whole"):
        ActivationRule(segment=SEGMENT, destination="crm", per_day=5)


def test_after_an_outage_a_rule_tells_no_more_a_day_than_it_may(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = events(tmp_path, receiver, consent=None, per_day=2)
    for number in range(6):
        shop.enter(f"c{number}", f"2025-05-{20 + number} 00:00:00")
    for _ in range(3):
        # Nothing is sent on these days.
        plan_all(shop.warehouse, engine, settings)
        with engine.begin() as connection:
            moment = messages.c.created_at
            for row in connection.execute(sa.select(messages.c.message_key, moment)).all():
                connection.execute(
                    sa.update(messages)
                    .where(messages.c.message_key == row.message_key)
                    .values(created_at=row.created_at - dt.timedelta(days=1))
                )
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["c0", "c1"]
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["c0", "c1"], "they were planned long ago, and told today"
    ended_a_day_ago(engine)
    activate(shop.warehouse, engine, settings)
    assert told(receiver) == ["c0", "c1", "c2", "c3"]


def test_a_state_database_of_an_earlier_version_gets_the_new_columns(state_url: str) -> None:

    engine = open_state(state_url)
    with engine.begin() as connection:
        for index in ("messages_to_person", "messages_reached"):
            connection.execute(sa.text(f"drop index {index}"))
        connection.execute(sa.text("alter table messages drop column reaches_person"))
        for column in ("fingerprint", "holdout"):
            connection.execute(sa.text(f"alter table plans drop column {column}"))
    engine.dispose()
    again = open_state(state_url)
    with again.begin() as connection:
        names = {column["name"] for column in sa.inspect(connection).get_columns("messages")}
        indexes = {index["name"] for index in sa.inspect(connection).get_indexes("messages")}
    again.dispose()
    assert "reaches_person" in names
    assert {"messages_to_person", "messages_reached"} <= indexes
