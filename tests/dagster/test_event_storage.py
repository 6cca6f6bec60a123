"""The pooled event log holds what Dagster's own holds."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from resources.event_storage import PooledSqliteEventLogStorage
from sensors.schedules import range_tags

DAYS = dg.DailyPartitionsDefinition("2024-03-01", end_date="2024-03-11")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def daily() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3}, tags={"kind": "told"})


@dg.asset_check(asset=daily)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def instance_with(home: Path, storage: type) -> dg.DagsterInstance:
    home.mkdir()
    base = home / "events"
    (home / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\nevent_log_storage:\n  module: {storage.__module__}\n"
        f"  class: {storage.__name__}\n  config: {{base_dir: {base}}}\n"
    )
    return dg.DagsterInstance.from_config(str(home))


def run(instance: dg.DagsterInstance) -> list[str]:
    job = dg.Definitions(
        assets=[daily], asset_checks=[sound], jobs=[dg.define_asset_job("all")]
    ).resolve_job_def("all")
    tags = range_tags(dt.date(2024, 3, 1), dt.date(2024, 3, 10))
    result = job.execute_in_process(instance=instance, tags=tags)
    records = instance.all_logs(result.run_id)
    return [r.dagster_event.event_type_value for r in records if r.dagster_event]


def test_both_storages_hold_the_same_events_and_the_same_partitions(tmp_path: Path) -> None:
    found = []
    for storage in (SqliteEventLogStorage, PooledSqliteEventLogStorage):
        with instance_with(tmp_path / storage.__name__, storage) as instance:
            assert type(instance.event_log_storage) is storage
            events = run(instance)
            partitions = instance.get_materialized_partitions(daily.key)
            (record,) = instance.get_asset_records([daily.key])
            entry = record.asset_entry
            newest = entry.last_materialization
            assert newest is not None
            told = instance.fetch_materializations(daily.key, limit=20).records
            found.append(
                {
                    "events": Counter(events),
                    "partitions": sorted(partitions),
                    "days": [row.partition_key for row in told],
                    "tags": [row.asset_materialization.tags["kind"] for row in told],
                    "newest": newest.asset_materialization.partition,
                    "is of the last run": entry.last_run_id == newest.run_id,
                    "ids": [row.storage_id for row in told],
                    "checks": instance.event_log_storage.get_asset_check_summary_records(
                        [sound.check_key]
                    )[sound.check_key].last_check_execution_record.status,
                }
            )
    assert found[0] == found[1]
    assert len(found[0]["partitions"]) == 10


def test_what_the_pooled_storage_wrote_the_stock_one_reads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with instance_with(home, PooledSqliteEventLogStorage) as instance:
        run(instance)
    stock = SqliteEventLogStorage(base_dir=str(home / "events"))
    assert len(stock.get_materialized_partitions(daily.key)) == 10
    stock.dispose()


def test_a_process_that_sees_many_runs_does_not_keep_their_files_open(tmp_path: Path) -> None:
    job = dg.Definitions(assets=[daily], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    with instance_with(tmp_path / "home", PooledSqliteEventLogStorage) as instance:
        for _ in range(40):
            instance.report_engine_event("queued", instance.create_run_for_job(job))
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        files = {str(link.readlink()) for link in links}
        assert len([name for name in files if str(tmp_path) in name and name.endswith(".db")]) < 10
