"""Who is held out of what a rule tells, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from held_shop import JULY, enter_again, held_out, ledger, settings_of, told
from pydantic import ValidationError
from small_shop import SEGMENT, SmallShop, small_settings

from marketing_platform.activation import activate, conservation, plan_all
from marketing_platform.demo.receiver import Receiver
from marketing_platform.quality.findings import find_all
from marketing_platform.segments.compile import compile_memberships
from marketing_platform.segments.load import load_segments
from marketing_platform.settings import ActivationRule
from marketing_platform.state import utc_now


def test_a_part_of_the_members_is_held_out_with_a_row_and_the_sums_add_up(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25)
    activate(full.warehouse, engine, settings)
    out = held_out(engine)
    assert 70 <= len(out) <= 130
    assert told(receiver) | out == {f"c{i:05}" for i in range(400)}
    assert not told(receiver) & out
    [balance] = conservation(engine)
    assert (balance.eligible, balance.suppressed) == (400, len(out))
    assert balance.adds_up


def test_who_is_held_out_stays_held_out_when_they_enter_again(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25, repeat_after_days=0)
    activate(full.warehouse, engine, settings)
    out = held_out(engine)
    enter_again(full, JULY)
    activate(full.warehouse, engine, settings)
    assert held_out(engine) == out
    assert not told(receiver) & out
    assert len(receiver.received.rows) == 2 * (400 - len(out))


def test_rules_of_one_bucket_hold_out_the_same_people_and_others_do_not(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    base = settings_of(tmp_path, receiver, state_url)
    found = []
    for event, holdout in (
        ("mail", {"share": 0.25, "bucket": "spring"}),
        ("text", {"share": 0.25, "bucket": "spring"}),
    ):
        destination = {event: base.platform.destinations["crm"]}
        rule = ActivationRule.model_validate(
            {"segment": SEGMENT, "destination": event, "event": event, "holdout": holdout}
        )
        settings = small_settings(tmp_path, destination, rules=[rule])
        plan_all(full.warehouse, engine, settings)
        rows = ledger(engine).filter(pl.col("destination") == event)
        found.append(set(rows.filter(pl.col("reason") == "held_out")["customer_id"]))
    assert found[0] == found[1]
    plan_all(full.warehouse, engine, settings_of(tmp_path, receiver, state_url, holdout=0.25))
    alone = ledger(engine).filter(pl.col("destination") == "crm")
    other = set(alone.filter(pl.col("reason") == "held_out")["customer_id"])
    assert len(other & found[0]) < 0.6 * len(found[0]), "another bucket is another draw"


def test_the_bucket_control_holds_out_the_control_group_of_the_segments(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    shipped = Path(__file__).parent.parent.parent / "config" / "segments"
    group = {"control_group": load_segments(shipped)["control_group"]}
    members = full.warehouse.query(compile_memberships(group))["customer_id"]
    holdout = {"share": 0.1, "bucket": "control"}
    settings = settings_of(tmp_path, receiver, state_url, holdout=holdout)
    plan_all(full.warehouse, engine, settings)
    assert held_out(engine) == set(members)
    assert len(members) >= 20


def test_a_holdout_is_no_audience_that_cannot_be_told(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.5)
    plan_all(full.warehouse, engine, settings)
    full.members(sorted(held_out(engine)))
    enter_again(full, JULY)
    plan_all(full.warehouse, engine, settings)
    last = ledger(engine).filter(pl.col("plan_id") == 2)
    assert set(last["reason"]) == {"held_out"}
    assert last.height >= 100
    found = find_all(engine, settings, now=utc_now())
    assert not [one for one in found if one.key.startswith("suppressed:")]


def test_nobody_is_told_late_of_what_they_were_held_out_of(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    activate(full.warehouse, engine, settings_of(tmp_path, receiver, state_url, holdout=0.25))
    out, before = held_out(engine), told(receiver)
    ended = settings_of(tmp_path, receiver, state_url)
    activate(full.warehouse, engine, ended)
    assert told(receiver) == before
    enter_again(full, JULY)
    activate(full.warehouse, engine, ended)
    assert out <= told(receiver), "the next time they are told as all others"


def test_a_kept_audience_takes_them_in_when_nobody_is_held_out_any_more(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    settings = settings_of(tmp_path, receiver, state_url, event=None, holdout=0.25)
    activate(full.warehouse, engine, settings)
    out = held_out(engine)
    assert not told(receiver) & out
    activate(full.warehouse, engine, settings_of(tmp_path, receiver, state_url, event=None))
    assert out <= told(receiver)


def test_while_a_rule_is_tried_out_nobody_is_held_out(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    only = [f"c{i}@example.com" for i in range(20)]
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.5, only=only)
    activate(full.warehouse, engine, settings)
    assert len(told(receiver)) == 20


def test_who_is_held_out_waits_for_the_turn_they_would_have_had(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path, state_url: str
) -> None:
    with full.warehouse.connect() as connection:
        connection.execute(
            "update segments.memberships set entered_at ="
            " timestamp '2025-06-01' + to_minutes(substr(customer_id, 2)::int)"
        )
    settings = settings_of(tmp_path, receiver, state_url, holdout=0.25, per_day=30)
    activate(full.warehouse, engine, settings)
    assert len(told(receiver)) == 30
    last = max(told(receiver))
    first_waiting = min({f"c{i:05}" for i in range(400)} - told(receiver) - held_out(engine))
    assert last < first_waiting
    assert all(customer < first_waiting for customer in held_out(engine))
    assert 2 <= len(held_out(engine)) <= 25, "as many as are among those whose turn it was"


@pytest.mark.parametrize(
    ("holdout", "told"),
    [
        (0, "greater than 0"),
        (0.6, "0.5"),
        ({"share": 0.1, "bucket": "My test"}, "small letters"),
        (True, "a share, such as 0.1"),
    ],
)
def test_a_holdout_that_cannot_be_is_a_mistake(holdout: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ActivationRule.model_validate(
            {"segment": SEGMENT, "destination": "crm", "holdout": holdout}
        )
