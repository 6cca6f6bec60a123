"""Building the tiny shop through Dagster: what runs, what is kept, what stops."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest
from tiny_orders import key

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.contract import Contract, integer
from marketing_platform.definitions import build_definitions, recent_runs, run_job
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse
from sensors.schedules import range_tags


def holds_of(settings: Settings) -> list[str]:
    return find_holds(open_state(settings.state_url.get_secret_value()), settings)


def test_a_build_shows_rows_lineage_and_passed_checks(
    built: Settings, instance: dg.DagsterInstance
) -> None:
    event = instance.get_latest_materialization_event(key("profiles.rfm"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 12
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert lineage["lifetime_value_amount"][0].asset_key == key("profiles.orders")
    plot = instance.get_latest_materialization_event(key("segments.sizes"))
    assert plot is not None
    assert plot.asset_materialization is not None
    assert "data:image/png;base64" in str(plot.asset_materialization.metadata["plot"].value)
    assert holds_of(built) == []
    assert recent_runs(built)[0]["status"] == "SUCCESS"


def test_a_day_can_be_backfilled_and_changes_nothing_else(
    built: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    warehouse = Warehouse(built.warehouse_path)
    before = warehouse.read("core.orders").sort("order_id")
    day = before["order_date"][0]
    path = tmp_path / "orders.csv"
    path.write_text(path.read_text().replace(",1,", ",2,"), encoding="utf-8")
    job = build_definitions(built).resolve_job_def("ingest")
    tags = range_tags(day, day)
    assert job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
    after = warehouse.read("core.orders").sort("order_id")
    changed = after.filter(after["quantity"] != before["quantity"])
    assert set(changed["order_date"]) == {day}
    assert after.height == before.height


def test_partitions_end_with_the_export_whose_clock_is_its_newest_record(built: Settings) -> None:
    spec = build_definitions(built).resolve_asset_graph().get(key("core.orders"))
    keys = spec.partitions_def.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2024-03-01", "2024-03-20", 20)


def stricter(name: str, column: str) -> Contract:
    """The contract of a table, with a column that no row can satisfy."""
    contract = CONTRACTS[name]
    impossible = integer("Never.", ge=10**9)
    return Contract(
        contract.name, {**contract.columns, column: impossible}, contract.key, contract.partition_by
    )


def test_a_broken_contract_keeps_the_table_stops_what_follows_and_holds_activation(
    built: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(built.warehouse_path)
    before = warehouse.read("profiles.rfm")
    monkeypatch.setitem(CONTRACTS, "profiles.rfm", stricter("profiles.rfm", "order_count"))
    outcome = run_job(built, "build")
    assert not outcome.success
    assert "order_count" in outcome.failures["profiles__rfm"]
    assert warehouse.read("profiles.rfm").equals(before)
    run = instance.get_run_records(limit=1)[0].dagster_run
    steps = {
        stats.step_key: stats.status.value for stats in instance.get_run_step_stats(run.run_id)
    }
    assert steps["profiles__rfm"] == "FAILURE"
    assert "segments__memberships" not in steps, "nothing is built on a table that failed"
    assert any("profiles.rfm" in hold for hold in holds_of(built))

    monkeypatch.undo()
    assert run_job(built, "build").success
    assert holds_of(built) == [], "a hold ends by itself when the cause is gone"


def test_a_backfill_never_sends(built: Settings, instance: dg.DagsterInstance) -> None:
    job = build_definitions(built).resolve_job_def("activation")
    result = job.execute_in_process(
        instance=instance, tags={"dagster/backfill": "b"}, raise_on_error=False
    )
    assert not result.success
    assert not list(built.feeds_dir.rglob("*.csv"))
    assert run_job(built, "activation").success
    assert list(built.feeds_dir.rglob("*.csv"))


def test_a_stale_shop_holds_until_it_is_fresh(built: Settings) -> None:
    lives = built.model_copy(
        update={"platform": built.platform.model_copy(update={"clock": "now"})}
    )
    state = open_state(built.state_url.get_secret_value())
    newest = dt.datetime(2024, 3, 20, 10, tzinfo=dt.UTC)
    assert find_holds(state, lives, now=newest + dt.timedelta(hours=49)) == []
    (hold,) = find_holds(state, lives, now=newest + dt.timedelta(hours=51))
    assert "core.orders: the newest record is 51 hours old" in hold
    assert find_holds(state, built, now=newest + dt.timedelta(days=900)) == []
