"""Old runs go; what assets, days and checks were last told stays."""

import datetime as dt
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.storage.schedules import SqlScheduleStorage
from dagster._core.storage.schedules.schema import AssetDaemonAssetEvaluationsTable

from marketing_platform.definitions import prepare_instance, run_job
from marketing_platform.settings import Settings
from resources.event_storage import PooledSqliteEventLogStorage
from resources.run_history import has_old_runs, trim_run_history
from sensors.schedules import range_tags

DAYS = dg.DailyPartitionsDefinition("2024-03-01", end_date="2024-03-11")
FIRST = dt.date(2024, 3, 1)
DAY = dt.timedelta(days=1)


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def daily(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"of": context.run.run_id}, tags={"kind": "told"})


@dg.asset_check(asset=daily)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


JOB = dg.Definitions(
    assets=[daily], asset_checks=[sound], jobs=[dg.define_asset_job("all")]
).resolve_job_def("all")
Open = Callable[[], dg.DagsterInstance]


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens an instance on one of the storages that a shop may have."""
    written: dict[str, Any] = {"telemetry": {"enabled": False}}
    if request.param == "sqlite":
        written["event_log_storage"] = {
            "module": PooledSqliteEventLogStorage.__module__,
            "class": PooledSqliteEventLogStorage.__name__,
            "config": {"base_dir": str(tmp_path / "runs")},
        }
    else:
        url = request.getfixturevalue("postgres_url").replace("+psycopg", "+psycopg2")
        written["storage"] = {"postgres": {"postgres_url": url}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(written))
    return lambda: dg.DagsterInstance.from_config(str(tmp_path))


def load(instance: dg.DagsterInstance, first: dt.date, last: dt.date) -> str:
    result = JOB.execute_in_process(instance=instance, tags=range_tags(first, last))
    assert result.success
    return result.run_id


def newest_run_of_each_day(instance: dg.DagsterInstance) -> dict[str, str]:
    told: dict[str, str] = {}
    for row in instance.fetch_materializations(daily.key, limit=100, ascending=True).records:
        assert row.partition_key and row.asset_materialization
        told[row.partition_key] = str(row.asset_materialization.metadata["of"].value)
    return told


def test_a_day_stays_loaded_however_old_and_what_was_told_anew_since_goes(opened: Open) -> None:
    with opened() as instance:
        superseded = load(instance, FIRST, FIRST + 3 * DAY)
        counts_still = load(instance, FIRST, FIRST + 6 * DAY)
        between = dt.datetime.now(dt.UTC)
        new = load(instance, FIRST + 4 * DAY, FIRST + 9 * DAY)
        before = newest_run_of_each_day(instance)
        partitions = instance.get_materialized_partitions(daily.key)
        assert len(partitions) == 10
        checked = instance.event_log_storage.get_asset_check_summary_records([sound.check_key])
        for run_id in (superseded, counts_still):
            age_log(instance, run_id)

        assert has_old_runs(instance, between)
        trimmed = trim_run_history(instance, between)
        assert trimmed.runs == 1
        assert trimmed.events > 10
        assert trimmed.check_results > 0
        assert not has_old_runs(instance, between)

        assert newest_run_of_each_day(instance) == before
        assert set(before.values()) == {counts_still, new}
        assert instance.get_materialized_partitions(daily.key) == partitions
        after = instance.event_log_storage.get_asset_check_summary_records([sound.check_key])
        assert after == checked
        assert {run.run_id for run in instance.get_runs()} == {counts_still, new}
        events = [
            r.dagster_event.event_type_value for r in instance.all_logs(new) if r.dagster_event
        ]
        assert "RUN_SUCCESS" in events or "PIPELINE_SUCCESS" in events, "the new run has its log"
        assert trim_run_history(instance, between).events == 0

    with opened() as again:
        assert newest_run_of_each_day(again) == before
        assert again.get_materialized_partitions(daily.key) == partitions
        tags = again.event_log_storage.get_event_tags_for_asset(daily.key)
        assert len(tags) == 10, "those of the newest alone"
        load(again, FIRST, FIRST + 9 * DAY)
        assert set(newest_run_of_each_day(again).values()).isdisjoint({counts_still, new})


def test_the_file_of_an_old_run_is_gone_and_its_place_can_be_used_again(tmp_path: Path) -> None:
    storage = PooledSqliteEventLogStorage(base_dir=str(tmp_path / "runs"))
    for run_id in ("old", "going", "new"):
        with storage.run_connection(run_id) as connection:
            assert connection.dialect.name == "sqlite"
    for name in ("old", "going"):
        os.utime(tmp_path / "runs" / f"{name}.db", (0, 0))
    removed = storage.remove_logs(dt.datetime.now(dt.UTC) - DAY, kept={"going"})
    assert removed == 1
    left = {path.stem for path in (tmp_path / "runs").glob("*.db")}
    assert left == {"index", "going", "new"}
    assert storage.get_logs_for_run("old") == [], "a page that still names it finds it empty"
    storage.dispose()


def test_what_a_run_that_has_not_ended_told_stays(opened: Open) -> None:
    with opened() as instance:
        going = instance.create_run_for_job(JOB)
        instance.report_engine_event("waits for its turn", going)
        age_log(instance, going.run_id)
        later = dt.datetime.now(dt.UTC) + DAY
        trim_run_history(instance, later)
        assert instance.get_run_by_id(going.run_id) is not None
        assert "waits for its turn" in str(instance.all_logs(going.run_id))


def test_why_tables_were_built_is_known_for_a_day(opened: Open) -> None:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with opened() as instance:
        storage = instance.schedule_storage
        assert isinstance(storage, SqlScheduleStorage)
        rows = [
            {"evaluation_id": hours, "asset_key": "a", "asset_evaluation_body": "{}",
             "num_requested": 0, "create_timestamp": now - dt.timedelta(hours=hours)}
            for hours in (2, 23, 25, 900)
        ]  # fmt: skip
        with storage.connect() as connection:
            connection.execute(AssetDaemonAssetEvaluationsTable.insert(), rows)
        trim_run_history(instance, dt.datetime.now(dt.UTC) - 30 * DAY)
        kept = sa.select(AssetDaemonAssetEvaluationsTable.c.evaluation_id)
        with storage.connect() as connection:
            assert sorted(connection.scalars(kept)) == [2, 23]


def test_a_shop_run_by_hand_does_not_keep_the_logs_of_years(built: Settings) -> None:
    home = prepare_instance(built)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (old,) = instance.get_runs()
        counts = {key: newest_of(instance, key) for key in instance.all_asset_keys()}
    log = home / "history/runs" / f"{old.run_id}.db"
    assert log.exists()
    age_everything(home)
    assert run_job(built, "activation").success
    assert not log.exists()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"build", "activation"}
        assert {key: newest_of(instance, key) for key in counts} == counts
    assert run_job(built, "housekeeping").success


def newest_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> object:
    told = instance.get_latest_materialization_event(key)
    return told and told.run_id


def age_everything(home: Path) -> None:
    """All that an instance on SQLite knows happened two months ago."""
    history = home / "history"
    for file, columns in {
        history / "runs/index.db": {
            "event_logs": ["timestamp"],
            "asset_event_tags": ["event_timestamp"],
            "asset_check_executions": ["create_timestamp"],
        },
        history / "runs.db": {"runs": ["create_timestamp", "update_timestamp"]},
    }.items():
        with closing(sqlite3.connect(file)) as connection:
            for table, names in columns.items():
                for name in names:
                    aged = f"strftime('%Y-%m-%d %H:%M:%f', {name}, '-60 days')"
                    connection.execute(f"update {table} set {name} = {aged}")
            connection.commit()
    for path in (history / "runs").glob("*-*.db"):
        os.utime(path, (0, 0))


def age_log(instance: dg.DagsterInstance, run_id: str) -> None:
    """The file of a run was last written long ago."""
    storage = instance.event_log_storage
    if isinstance(storage, PooledSqliteEventLogStorage):
        storage.dispose()
        os.utime(storage.path_for_shard(run_id), (0, 0))
