"""Odd days of the business start what a rule asks for, and end it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import activate, conservation
from marketing_platform.contracts import contract_of
from marketing_platform.demo.receiver import Receiver
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule, Limits, Settings, When

METRIC = "conversion_7d"
JUNE = "2025-06-01 00:00:00"
PEOPLE = [f"c{number}" for number in range(8)]


def rules_of(folder: Path, receiver: Receiver, **rule: Any) -> Settings:
    chosen = ActivationRule.model_validate(
        {
            "segment": SEGMENT,
            "destination": "crm",
            "attributes": ("email",),
            "when": {"metric": METRIC, "kind": "dip"},
            **rule,
        }
    )
    settings = small_settings(folder, {"crm": webhook(receiver.url)}, rules=[chosen])
    strict = Limits(minimum_audience=2, max_messages=100)
    platform = settings.platform.model_copy(update={"limits": strict})
    return settings.model_copy(update={"platform": platform})


def judge(shop: SmallShop, *kinds: str | None, slice_name: str = "all") -> None:
    """The last days of the series: odd in a way, or none."""
    first = dt.date(2025, 6, 1)
    began = first
    judged, odd = [], []
    for place, kind in enumerate(kinds):
        day = first + dt.timedelta(days=place)
        if kind and (place == 0 or kinds[place - 1] is None):
            began = day
        one = {"metric": METRIC, "slice_kind": "all", "slice": slice_name, "series_date": day}
        judged.append({**one, "value": 1.0, "kind": kind})
        if kind:
            is_open = place == len(kinds) - 1
            words = {"kind": kind, "expected": 2.0, "score": -5.0, "finding": "it fell"}
            odd.append({**one, **words, "value": 1.0, "began_on": began, "is_open": is_open})
    for table, rows in (
        ("quality.series", [{**row, "amount": 1.0, "sample_size": 1.0} for row in judged]),
        ("quality.judged_series", judged),
        ("quality.anomalies", odd),
    ):
        empty = contract_of(table).empty()
        frame = pl.DataFrame(rows, schema_overrides=dict(empty.schema)) if rows else empty
        frame = pl.concat([empty, frame], how="diagonal").select(empty.columns)
        shop.warehouse.replace(table, frame)


def told(receiver: Receiver) -> list[str]:
    return sorted(row["customer_id"] for row in receiver.received.rows.values())


@pytest.fixture
def full(shop: SmallShop) -> SmallShop:
    for name in PEOPLE:
        shop.enter(name, JUNE)
    return shop


def test_what_is_told_once_is_told_while_the_series_is_odd_and_once_for_each_time_that_it_is(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = rules_of(tmp_path, receiver, event="conversion_fell", repeat_after_days=0)
    activate(full.warehouse, engine, settings)
    judge(full, None, None)
    activate(full.warehouse, engine, settings)
    assert told(receiver) == []
    for days in ([None, "dip"], [None, "dip", "dip"], [None, "dip", "dip", None]):
        judge(full, *days)
        activate(full.warehouse, engine, settings)
        assert told(receiver) == PEOPLE, days
    judge(full, None, "dip", "dip", None, "dip")
    [plan], _ = activate(full.warehouse, engine, settings)
    assert not plan.is_held
    assert told(receiver) == sorted(PEOPLE * 2)
    assert conservation(engine, only_broken=True) == []


def test_an_audience_is_filled_while_the_series_is_odd_and_emptied_when_it_is_not(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = rules_of(tmp_path, receiver)
    name = f"{SEGMENT}_when_{METRIC}_dip"
    sizes = []
    for days in ([None], [None, "dip"], [None, "dip", "spike"], [None, "dip", None, "dip"]):
        judge(full, *days)
        [plan], _ = activate(full.warehouse, engine, settings)
        assert not plan.is_held, plan.held_reasons
        sizes.append(len(receiver.received.audiences.get(("crm", name), {})))
    assert sizes == [0, 8, 0, 8]


def test_an_audience_that_collapses_while_the_series_is_odd_is_held(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = rules_of(tmp_path, receiver)
    judge(full, None, "dip")
    [plan], _ = activate(full.warehouse, engine, settings)
    assert plan.finding == "it fell"
    full.members(PEOPLE[:2])
    [plan], _ = activate(full.warehouse, engine, settings)
    assert plan.held_reasons == ("would remove 6 of 8 customers (75%; limit 50%)",)
    judge(full, None, "dip", None)
    [plan], _ = activate(full.warehouse, engine, settings)
    assert not plan.is_held, "it is over"
    assert plan.finding == f"waits: {METRIC} is not odd"


def test_a_rule_that_waits_and_one_that_does_not_call_their_members_differently() -> None:
    always = ActivationRule(segment=SEGMENT, destination="crm")
    waits = ActivationRule(segment=SEGMENT, destination="crm", when=When(metric=METRIC))
    assert always.label == SEGMENT
    assert waits.label == f"{SEGMENT}_when_{METRIC}"


def test_rules_that_wait_for_other_parts_or_ways_of_a_series_stand_beside_each_other() -> None:
    waits = [
        {},
        {"kind": "dip"},
        {"slice_kind": "channel", "slice": "Paid Search"},
        {"slice_kind": "channel", "slice": "Paid Search", "kind": "dip"},
    ]
    labels = [
        ActivationRule.model_validate(
            {"segment": SEGMENT, "destination": "crm", "when": {"metric": METRIC, **when}}
        ).label.removeprefix(f"{SEGMENT}_when_{METRIC}")
        for when in waits
    ]
    assert labels == ["", "_dip", "_channel_paid_search", "_channel_paid_search_dip"]


def test_a_day_can_count_for_longer(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = rules_of(tmp_path, receiver, when={"metric": METRIC, "days": 3})
    name = f"{SEGMENT}_when_{METRIC}"
    sizes = []
    for quiet in range(4):
        judge(full, None, "spike", *[None] * quiet)
        activate(full.warehouse, engine, settings)
        sizes.append(len(receiver.received.audiences.get(("crm", name), {})))
    assert sizes == [8, 8, 8, 0]


def test_a_series_that_there_is_not_is_told_with_the_nearest(
    engine: sa.Engine, full: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    judge(full, None)
    settings = rules_of(tmp_path, receiver, when={"metric": "conversoin_7d"})
    with pytest.raises(ConfigError, match=f"no series conversoin_7d all all.*{METRIC} all all"):
        activate(full.warehouse, engine, settings)
