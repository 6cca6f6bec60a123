"""What is told once (events, messages, tasks), and who must not be told at all."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, Standing, small_settings, webhook
from test_merged_people import becomes
from typer.testing import CliRunner

from marketing_platform.activation import (
    activate,
    conservation,
    dispatch,
    held_plans,
    ledger_sums,
    plan_all,
    reason_counts,
    release,
)
from marketing_platform.activation.suppression import (
    forget_suppression,
    suppress,
)
from marketing_platform.activation_cli import activation_app
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer
from marketing_platform.destinations.base import RowAnswer
from marketing_platform.destinations.vendors.fcm import FcmDestination
from marketing_platform.destinations.vendors.meta_ads import MetaAdsDestination
from marketing_platform.destinations.vendors.sendgrid import SendGridDestination
from marketing_platform.destinations.vendors.smtp import SmtpDestination
from marketing_platform.destinations.vendors.twilio import TwilioDestination
from marketing_platform.errors import ConfigError, InputError
from marketing_platform.identity.edges import log_changes
from marketing_platform.settings import (
    ActivationRule,
    DestinationSettings,
    Fatigue,
    Limits,
    Platform,
    Settings,
)
from marketing_platform.state import (
    messages,
    open_state,
    plans,
    reading,
    suppressions,
    utc_now,
    writing,
)

MAY, JUNE, JULY = "2025-05-01 00:00:00", "2025-06-01 00:00:00", "2025-07-01 00:00:00"


def events(folder: Path, receiver: Receiver, *, consent: Any = "email", **rule: Any) -> Settings:
    told = {"segment": SEGMENT, "destination": "crm", "event": "entered", **rule}
    chosen = ActivationRule.model_validate({"attributes": ("email", "first_name"), **told})
    return small_settings(folder, {"crm": webhook(receiver.url, consent=consent)}, rules=[chosen])


def told(receiver: Receiver) -> list[str]:
    return sorted(row["customer_id"] for row in receiver.received.rows.values())


def ended_a_day_ago(engine: sa.Engine, days: int = 1) -> None:
    """Let all that was sent be sent some days ago."""
    with engine.begin() as connection:
        moment = utc_now() - dt.timedelta(days=days, minutes=1)
        connection.execute(
            sa.update(messages).values(settled_at=moment).where(messages.c.settled_at.is_not(None))
        )


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
def test_who_became_another_customer_is_as_tired_as_before(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path, is_planned_before: bool
) -> None:
    settings = events(tmp_path, receiver, repeat_after_days=0)
    cap = Fatigue(per_day=1, per_week=1)
    platform = settings.platform.model_copy(update={"fatigue": cap})
    settings = settings.model_copy(update={"platform": platform})
    change = {"kind": "merged", "customer_id": "ada", "other_customer_id": "bob"}
    contact = {"contact_count": 1, "contact_id": "files:1", "cause": "a test"}
    shop.enter("ada", JUNE)
    activate(shop.warehouse, engine, settings)
    shop.enter("bob", JULY)
    shop.enter("cleo", JULY)
    if is_planned_before:
        plan_all(shop.warehouse, engine, settings)
    # Twice, as after a merge that was undone and came again.
    log_changes(engine, [{**change, **contact}] * 2)
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


def answering(answer: RowAnswer, name: str = "sms") -> Standing:
    """A vendor that answers so for every row."""
    return Standing(
        name,
        "message",
        lambda batch: Answer("accepted", rows={row.key: answer for row in batch.rows}),
    )


def texts(folder: Path) -> Settings:
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "sms", "message": {"text": "Hi"}}
    )
    sms = TwilioDestination(
        type="twilio",
        account_sid="AC" + "0" * 32,
        auth_token="hush",  # type: ignore[arg-type]
        from_number="+15005550006",
        # These tests run by night too.
        quiet_hours=None,
    )
    return small_settings(folder, {"sms": sms}, rules=[rule])


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (RowAnswer("ok", vendor_id="SM1"), "sent"),
        (RowAnswer("error", "stopped", suppresses="unsubscribed"), "failed"),
        (RowAnswer("later", "busy"), "deferred"),
        (RowAnswer("unknown", "broken off"), "failed"),
    ],
)
def test_what_a_vendor_says_of_a_row_is_kept(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path, answer: RowAnswer, state: str
) -> None:
    settings = texts(tmp_path)
    shop.enter("ada", JUNE)
    shop.know("ada", phone="+4915112345678", has_sms_consent=True)
    plan_all(shop.warehouse, engine, settings)
    dispatch(engine, settings, make=lambda name, settings: answering(answer))
    with reading(engine) as connection:
        [row] = connection.execute(sa.select(messages)).all()
        barred = connection.execute(sa.select(suppressions)).all()
    assert (row.state, row.vendor_id) == (state, answer.vendor_id)
    assert row.may_have_arrived == (answer.status == "unknown")
    assert [(one.customer_id, one.channel, one.reason) for one in barred] == (
        [("ada", "sms", "unsubscribed")] if answer.suppresses else []
    )


def test_failures_of_a_segment_are_tried_again_whatever_its_rules_tell(
    engine: sa.Engine,
    state_url: str,
    shop: SmallShop,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = ActivationRule(segment=SEGMENT, destination="crm", event="came")
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[rule])
    shop.fill(1)
    receiver.bad_customers["c00000"] = "row"
    activate(shop.warehouse, engine, settings)
    (tmp_path / "platform.yaml").write_text(
        f"destinations: {{crm: {{type: webhook, url: '{receiver.url}'}}}}\n"
        f"activations: [{{segment: {SEGMENT}, destination: crm, event: came}}]\n"
    )
    monkeypatch.setenv("MARKETING_PLATFORM_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MARKETING_PLATFORM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MARKETING_PLATFORM_STATE_URL", state_url)
    done = CliRunner().invoke(activation_app, ["retry", "--segment", SEGMENT])
    assert done.output == "1 message(s) wait for the next activation\n"
    receiver.bad_customers.clear()
    _, report = activate(shop.warehouse, engine, settings)
    assert report.sent_count == 1


GONE = RowAnswer("error", "no such app", suppresses="hard_bounce")


class Pushes:
    """A shop that pushes to whoever enters; `enter` gives what became of the message."""

    def __init__(self, shop: SmallShop, engine: sa.Engine, folder: Path) -> None:
        rule = ActivationRule.model_validate(
            {
                "segment": SEGMENT,
                "destination": "app",
                "attributes": ["push_token"],
                "message": {"text": "Hi"},
            }
        )
        fcm = FcmDestination(
            type="fcm", project="demo-shop", client_id="id", quiet_hours=None,
            client_secret="hush", refresh_token="hush",  # type: ignore[arg-type]
        )  # fmt: skip
        self._settings = small_settings(folder, {"app": fcm}, rules=[rule])
        self._shop, self._engine = shop, engine

    def enter(self, moment: str, push_token: str, answer: RowAnswer) -> tuple[str, str | None]:
        self._shop.enter("ada", moment)
        self._shop.know("ada", push_token=push_token)
        plan_all(self._shop.warehouse, self._engine, self._settings)
        dispatch(self._engine, self._settings, make=lambda *_: answering(answer, "app"))
        last = sa.select(messages.c.state, messages.c.reason).order_by(messages.c.sequence.desc())
        with reading(self._engine) as connection:
            state, reason = connection.execute(last.limit(1)).one()
        return state, reason


def test_an_address_that_does_not_exist_bars_nobody_from_the_next_one(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    pushes = Pushes(shop, engine, tmp_path)
    assert pushes.enter(MAY, "old", GONE) == ("failed", "no such app")
    assert pushes.enter(JUNE, "old", RowAnswer("ok")) == ("suppressed", "hard_bounce")
    assert pushes.enter(JULY, "new", RowAnswer("ok")) == ("sent", None)


def test_who_wants_nothing_more_is_not_written_to_at_another_address(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    pushes = Pushes(shop, engine, tmp_path)
    pushes.enter(MAY, "old", GONE)
    with writing(engine) as connection:
        suppress(connection, ["ada"], "push", "unsubscribed", told_by="command", now=utc_now())
    assert pushes.enter(JULY, "new", RowAnswer("ok")) == ("suppressed", "unsubscribed")


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


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"message": {"text": "Hi"}}, "webhook takes audience or event, not message"),
        ({"task": {"text": "Call"}}, "webhook takes audience or event, not task"),
    ],
)
def test_what_a_destination_cannot_do_is_told_before_anything_is_planned(
    shop: SmallShop, receiver: Receiver, tmp_path: Path, rule: dict[str, Any], told: str
) -> None:
    chosen = ActivationRule.model_validate({"segment": SEGMENT, "destination": "crm", **rule})
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[chosen])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


@pytest.mark.parametrize(
    ("audience", "told"),
    [(None, "meta_ads needs the number of a custom audience"), ("vip", "needs the number")],
)
def test_a_rule_without_the_vendors_audience_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, audience: str | None, told: str
) -> None:
    meta = MetaAdsDestination(type="meta_ads", access_token="hush")  # type: ignore[arg-type]
    rule = ActivationRule(segment=SEGMENT, destination="ads", audience=audience)
    settings = small_settings(tmp_path, {"ads": meta}, rules=[rule])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


def test_two_segments_do_not_share_an_audience_out_of_which_one_would_take_the_members_of_the_other(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    meta = MetaAdsDestination.model_validate({"type": "meta_ads", "access_token": "t"})
    rules = [
        ActivationRule(segment=name, destination="meta", audience="123", attributes=("email",))
        for name in (SEGMENT, "other")
    ]
    with pytest.raises(ConfigError) as refused:
        plan_all(shop.warehouse, engine, small_settings(tmp_path, {"meta": meta}, rules=rules))
    assert "other to meta: its audience, 123, is that of winback too" in str(refused.value)
    apart = [rules[0], rules[1].model_copy(update={"audience": "124"})]
    assert plan_all(shop.warehouse, engine, small_settings(tmp_path, {"meta": meta}, rules=apart))
    crm = [rule.model_copy(update={"destination": "crm"}) for rule in rules]
    hook = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=crm)
    assert plan_all(shop.warehouse, engine, hook), "a receiver keeps them apart by their names"


@pytest.mark.parametrize(
    ("kind", "declared", "told"),
    [
        (
            "mailchimp",
            {"api_key": "hush-us21", "list_id": "a1b2"},
            "mailchimp has no place for 'order_count'. Name its field under merge_fields of there",
        ),
        ("meta_ads", {"access_token": "hush"}, "meta_ads has no place for 'order_count'. Take it"),
        (
            "sendgrid",
            {"api_key": "hush", "from_email": "a@b.example", "custom_fields": {"tier": "w1"}},
            "Name its field under custom_fields of there",
        ),
    ],
)
def test_an_attribute_that_would_be_left_out_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, kind: str, declared: dict[str, Any], told: str
) -> None:
    told_of = Platform.model_validate({"destinations": {"there": {"type": kind, **declared}}})
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "there", "audience": "12"}
    )
    asking = rule.model_validate({**rule.model_dump(exclude_unset=True),
                                  "attributes": ["email", "order_count"]})  # fmt: skip
    needing = asking.model_validate(
        {**asking.model_dump(exclude_unset=True), "needs": ["order_count"]}
    )
    for one, is_refused in ((rule, False), (asking, True), (needing, False)):
        settings = small_settings(tmp_path, told_of.destinations, rules=[one])
        with pytest.raises(ConfigError, match=told) if is_refused else nullcontext():
            plan_all(shop.warehouse, open_state("sqlite://"), settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Hi {{ frist_name }}", "asks for 'frist_name', which the rule does not send along"),
        ("Hi {{ first_name", "not a template"),
        ("{% for x in %}", "not a template"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, text: str, told: str
) -> None:
    settings = texts(tmp_path)
    rule = settings.platform.activations[0].model_copy(
        update={
            "message": settings.platform.activations[0].message.model_copy(update={"text": text})
        }  # type: ignore[union-attr]
    )
    platform = settings.platform.model_copy(update={"activations": (rule,)})
    with pytest.raises(ConfigError, match=told):
        plan_all(
            shop.warehouse,
            sa.create_engine("sqlite://"),
            settings.model_copy(update={"platform": platform}),
        )


MAIL = {"from_email": "shop@shop.example"}
SMTP = SmtpDestination.model_validate(
    {"type": "smtp", "host": "127.0.0.1", **MAIL, "unsubscribe_url": "https://shop.example/leave"}
)
SENDGRID = SendGridDestination.model_validate({"type": "sendgrid", "api_key": "hush", **MAIL})


@pytest.mark.parametrize(
    ("declared", "message", "told"),
    [
        (SMTP, {"text": "Hi"}, "message.text does not show people how to unsubscribe"),
        (
            SMTP,
            {"text": "{{ unsubscribe_url }}", "html": "<p>Hi</p>"},
            "message.html does not show people how to unsubscribe",
        ),
        (SENDGRID, {"template": "d-1"}, "could not unsubscribe"),
        (
            SENDGRID.model_copy(update={"unsubscribe_url": "https://shop.example/leave"}),
            {"subject": "Hi", "text": "Hi"},
            "message.text does not show people how to unsubscribe",
        ),
    ],
)
def test_mails_that_nobody_could_stop_are_refused_before_anything_is_planned(
    shop: SmallShop,
    tmp_path: Path,
    declared: DestinationSettings,
    message: dict[str, str],
    told: str,
) -> None:
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "mail", "attributes": ["email"], "message": message}
    )
    settings = small_settings(tmp_path, {"mail": declared}, rules=[rule])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


@pytest.mark.parametrize(
    "way_out",
    [
        {"unsubscribe_group_id": 7},
        {"has_subscription_tracking": True},
        {"unsubscribe_url": "https://shop.example/leave"},
    ],
)
def test_a_template_of_sendgrid_may_leave_the_way_out_to_sendgrid(
    shop: SmallShop, tmp_path: Path, way_out: dict[str, Any]
) -> None:
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "mail", "attributes": ["email"],
         "message": {"template": "d-1"}}
    )  # fmt: skip
    declared = SENDGRID.model_copy(update=way_out)
    settings = small_settings(tmp_path, {"mail": declared}, rules=[rule])
    [plan] = plan_all(shop.warehouse, open_state("sqlite://"), settings)
    assert not plan.is_held


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
