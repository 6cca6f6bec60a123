"""What is wrong with the tables holds whom they decide about, and nothing else does."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from marketing_platform.pipeline import all_tables, needed
from marketing_platform.quality.holds import MESSAGES, SUMS_ADD_UP, find_holds
from marketing_platform.quality.results import CheckResult, record_build, record_check
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state, plans, writing


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        config_dir=tmp_path,
        data_dir=tmp_path,
        state_url=SecretStr(f"sqlite:///{tmp_path / 'state.db'}"),
        platform=Platform.model_validate({"sources": {"files": {"orders": {"path": "o.csv"}}}}),
    )


@pytest.fixture
def state(settings: Settings) -> sa.Engine:
    return open_state(settings.state_url.get_secret_value())


def test_a_failed_check_of_any_table_up_to_the_segments_holds(
    settings: Settings, state: sa.Engine
) -> None:
    tables = ["raw.files_orders", *all_tables(settings)]
    before = {"raw", "staging", "core", "identity", "profiles", "predictions", "segments"}
    holding = {name for name in tables if name.partition(".")[0] in before}
    assert {name.partition(".")[0] for name in holding} == before
    others = {name.partition(".")[0] for name in {*tables} - holding}
    assert others == {"activation", "quality"}
    one_of_each = {name.partition(".")[0]: name for name in tables}
    for passed, is_blocking in ((True, True), (False, False), (False, True)):
        for name in one_of_each.values():
            record_check(state, CheckResult(name, "c", passed, "why", is_blocking=is_blocking))
        held = {hold.partition(":")[0] for hold in find_holds(state, settings)}
        expected = {one_of_each[schema] for schema in before}
        assert held == (expected if is_blocking and not passed else set())


def test_each_table_that_people_are_chosen_by_holds_while_it_is_older_than_what_it_reads(
    settings: Settings, state: sa.Engine
) -> None:
    tables = all_tables(settings)
    read = ("profiles.customers", "segments.memberships", "segments.sizes")
    chosen_by = set(needed(settings, read))
    for name in tables:
        record_build(state, name, 1)
    assert find_holds(state, settings) == [], "built in order"
    # Each in turn is built again, and nothing after it.
    for name in ("core.orders", "profiles.rfm", "profiles.customers", "quality.series"):
        record_build(state, name, 1)
        holds = find_holds(state, settings)
        readers = [one for one in tables if one in chosen_by and name in tables[one].reads]
        assert len(holds) == min(len(readers), 3) + (len(readers) > 3)
        told = [f"{reader}: not built again since {name} changed" for reader in readers]
        assert holds[:3] == told[:3]
        for later in tables:
            record_build(state, later, 1)


def test_the_table_of_odd_days_holds_only_where_a_rule_waits_for_one(
    settings: Settings, state: sa.Engine
) -> None:
    for name in ("quality.anomalies", "quality.judged_series"):
        record_build(state, name, 1)
    assert find_holds(state, settings) == []
    rule = {"segment": "all", "destination": "crm", "event": "odd", "when": {"metric": "revenue"}}
    crm = {"type": "webhook", "url": "https://crm.example/"}
    waits = Platform.model_validate({"destinations": {"crm": crm}, "activations": [rule]})
    [hold] = find_holds(state, settings.model_copy(update={"platform": waits}))
    assert hold == "quality.anomalies: not built again since quality.judged_series changed"


def test_a_plan_that_does_not_add_up_holds_until_it_does(
    settings: Settings, state: sa.Engine
) -> None:
    now = dt.datetime.now(dt.UTC)
    counts = [column.name for column in plans.columns if column.name.endswith("_count")]
    row = dict.fromkeys(counts, 0) | {"eligible_count": 1, "status": "planned"}
    row |= {"destination": "crm", "audience": "vips", "created_at": now, "as_of": now}
    with writing(state) as connection:
        connection.execute(sa.insert(plans).values(row))
    assert find_holds(state, settings) == [], "nobody has looked yet"
    record_check(state, CheckResult(MESSAGES, SUMS_ADD_UP, False, "1 plan"))
    [hold] = find_holds(state, settings)
    assert hold == f"{MESSAGES}: the sums of plan 1 (vips to crm) do not add up"
    with writing(state) as connection:
        connection.execute(sa.update(plans).values(eligible_count=0))
    assert find_holds(state, settings) == [], "they are counted anew"


def test_the_newest_order_may_be_as_old_as_is_allowed_and_not_older(
    settings: Settings, state: sa.Engine
) -> None:
    newest = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    allowed = newest + dt.timedelta(hours=settings.platform.freshness.stale_hours)
    for name in ("core.orders", "core.events", "core.refunds"):
        record_build(state, name, 1, newest_at=newest)
    assert find_holds(state, settings, now=allowed) == []
    later = find_holds(state, settings, now=allowed + dt.timedelta(minutes=1))
    assert [hold.partition(":")[0] for hold in later] == ["core.events", "core.orders"]
