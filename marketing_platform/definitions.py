"""The Dagster code location: joins the engine and the Dagster layer.

The only module of this package that imports `assets`, `sensors` and `resources`. The command line
runs jobs through `run_job`, so that what it did shows in the UI.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.utils import make_new_run_id
from filelock import FileLock

from assets.activation import activation_assets, health_spec
from assets.checks import later_checks
from assets.raw import raw_assets
from assets.tables import table_assets
from marketing_platform.collector import look_seldom
from marketing_platform.errors import ConfigError
from marketing_platform.lake import Lake, write_atomically
from marketing_platform.names import LAYERS
from marketing_platform.settings import DAGSTER_URL_VARIABLE, Settings, load_settings
from marketing_platform.sources.active import HISTORY_DAYS, active_sources
from marketing_platform.sources.coverage import covered
from marketing_platform.sources.files.ingest import SOURCE, coverage
from resources.dead_runs import end_dead_runs, platform_of, process_tag
from resources.event_storage import PooledSqliteEventLogStorage
from resources.run_errors import first_line
from resources.run_history import has_old_runs, trim_run_history
from resources.ticks import set_ticks_right
from resources.warehouse import WarehouseResource
from sensors.activation import activation_sensor
from sensors.alerts import alert_sensors
from sensors.jobs import JOBS, oldest_kept_run
from sensors.schedules import (
    automation,
    daily_ingest,
    days_to_load,
    hourly_pull,
    housekeeping,
    load_tags,
    look_back_days,
)

# Dagster's own processes begin with this module.
look_seldom()
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ROOT = Path(__file__).parent.parent


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of the shop that the environment names."""
    return build_definitions(load_settings())


def build_definitions(settings: Settings) -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules of one shop."""
    start, end = partition_bounds(settings)
    partitions = dg.DailyPartitionsDefinition(
        start_date=start.isoformat(),
        end_date=(end + dt.timedelta(days=1)).isoformat() if end else None,
        end_offset=0 if end else 1,
    )
    tables = table_assets(LAYERS, settings, partitions)
    hourly = hourly_pull(settings, loaded_days)
    return dg.Definitions(
        assets=[*raw_assets(settings, partitions), *tables, *activation_assets(), health_spec()],
        asset_checks=later_checks(settings),
        jobs=JOBS,
        schedules=[
            daily_ingest(settings, loaded_days),
            *([hourly] if hourly else []),
            housekeeping,
        ],
        sensors=[automation, activation_sensor(settings), *alert_sensors(settings)],
        resources={"warehouse": WarehouseResource.of(settings), "platform": platform_of(settings)},
        # Steps share one process: DuckDB lets only one write, and uses all cores by itself.
        executor=dg.in_process_executor,
    )


def partition_bounds(settings: Settings) -> tuple[dt.date, dt.date | None]:
    """First and last day of the daily partitions; no last day for a shop whose clock is now."""
    days = [*_export_days(settings), *_pulled_days(settings)]
    is_open = settings.platform.clock == "now" or not days
    return loaded_days(settings)[0], None if is_open else max(days)


def loaded_days(settings: Settings) -> tuple[dt.date, dt.date | None]:
    """The day on which the partitions begin, and the newest day up to which all was loaded.

    Days that earlier exports brought stay, also where the latest export begins after them. A stream
    that was not read from its beginning is to be read from there, so there is no newest day then.
    """
    today = dt.datetime.now(dt.UTC).date()
    exports = _export_days(settings)
    begins, newest = list(exports), [max(exports)] if exports else []
    is_complete = True
    for source in active_sources(settings):
        own = source.history_start(today)
        begins.append(own)
        for stream in source.streams:
            lies = Lake(settings.lake_dir).stream(source.name, stream.name)
            # What is read whole in any case reaches further back than the history that is wanted.
            if not stream.is_state and stream.reads != "listing":
                begins += lies.days()
            read = covered(lies.note())
            newest += [read.last_date] if read else []
            # Somebody may have tried out a single day in the UI, or set `history_start` earlier.
            is_complete = is_complete and read is not None and read.first_date <= own
    usual = today - dt.timedelta(days=HISTORY_DAYS)
    return min(begins, default=usual), min(newest) if newest and is_complete else None


def _export_days(settings: Settings) -> list[dt.date]:
    covered = coverage(settings)
    days = [covered.first, covered.last] if covered else []
    for stream in settings.platform.sources.files:
        days += Lake(settings.lake_dir).stream(SOURCE, stream).days()
    return days


def _pulled_days(settings: Settings) -> list[dt.date]:
    lake = Lake(settings.lake_dir)
    return [
        day
        for source in active_sources(settings)
        for stream in source.streams
        for day in lake.stream(source.name, stream.name).days()
    ]


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    `failures` has the error of each step that failed (of a step of checks, what those that failed
    found), `failed_checks` what each check that did not pass found, in a line each.
    """

    run_id: str
    success: bool
    failures: dict[str, str]
    failed_checks: dict[str, str]


def run_job(settings: Settings, name: str) -> JobOutcome:
    """Run a job in this process on the shop's Dagster instance, over the days that are due."""
    home = prepare_instance(settings)
    start, end = partition_bounds(settings)
    last = end or dt.datetime.now(dt.UTC).date()
    # Exports are covered whole, for one that lies there is not read again. Systems are asked only
    # for what may have changed since.
    if not settings.platform.sources.files:
        start, last = days_to_load(last, *loaded_days(settings), look_back_days(settings))
    job = build_definitions(settings).resolve_job_def(name)
    tags = load_tags(start, last) if job.partitions_def else {}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        end_dead_runs(instance)
        # Who starts all runs by hand or by cron has no schedule for it.
        if has_old_runs(instance, oldest := oldest_kept_run(settings)):
            trim_run_history(instance, oldest)
        run_id = make_new_run_id()
        result = job.execute_in_process(
            run_id=run_id,
            instance=instance,
            tags=tags | process_tag(run_id),
            raise_on_error=False,
            run_config=_QUIET,
        )
    if any(_is_interrupted(event) for event in result.all_events):
        raise KeyboardInterrupt
    failed_checks = {
        f"{'/'.join(check.asset_key.path)} {check.check_name}": str(check.metadata["found"].value)
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    # A step of checks says only that one failed; what they found tells how to mend it.
    found: dict[str | None, dict[str, str]] = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                name = f"{'.'.join(check.asset_key.path)} {check.check_name}"
                told = str(check.metadata["found"].value)
                found.setdefault(event.step_key, {})[name] = told
    failures: dict[str, str] = {}
    for event in result.all_events:
        if event.is_step_failure:
            step = event.step_key or ""
            failures |= found.get(event.step_key) or {
                step: first_line(event.step_failure_data.error)
            }
    return JobOutcome(result.run_id, result.success, failures, failed_checks)


def _is_interrupted(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error if event.is_step_failure else None
    while error and error.cause:
        error = error.cause
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__


def recent_runs(settings: Settings, limit: int = 5) -> list[dict[str, str | None]]:
    """The last runs on the shop's instance, newest first: run_id, job, status, started_at."""
    if not (settings.dagster_home / "dagster.yaml").exists():
        return []
    with dg.DagsterInstance.from_config(str(prepare_instance(settings))) as instance:
        records = instance.get_run_records(limit=limit)
    return [
        {
            "run_id": record.dagster_run.run_id,
            "job": record.dagster_run.job_name,
            "status": record.dagster_run.status.value,
            "started_at": record.create_timestamp.isoformat(),
        }
        for record in records
    ]


def begin_instance(settings: Settings) -> Path:
    """Prepare the shop's Dagster home for a daemon that starts on it, and name it."""
    home = prepare_instance(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        set_ticks_right(instance, dt.datetime.now(dt.UTC))
    return home


def prepare_instance(settings: Settings) -> Path:
    """Write the shop's Dagster home from `deploy/dagster.yaml`, the one place to edit, and name it.

    Its storage stands when this returns: Dagster's processes, started at once on a home without
    one, make the same tables and trip over each other.
    """
    home = settings.dagster_home
    instance = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))
    storage = {
        "module": PooledSqliteEventLogStorage.__module__,
        "class": PooledSqliteEventLogStorage.__name__,
        "config": {"base_dir": str(home / "history" / "runs")},
    }
    # Whoever names a storage of their own keeps it. The URL has a password, so it is not written.
    if address := os.environ.get(DAGSTER_URL_VARIABLE):
        # Dagster's own storage speaks through this driver alone.
        if not address.startswith("postgresql+psycopg2://"):
            raise ConfigError(
                "not a URL for Dagster's storage",
                where=DAGSTER_URL_VARIABLE,
                mend="Write postgresql+psycopg2://...",
            )
        url = {"env": DAGSTER_URL_VARIABLE}
        instance.setdefault("storage", {"postgres": {"postgres_url": url}})
    if "storage" not in instance:
        instance.setdefault("event_log_storage", storage)
    wanted = yaml.safe_dump(instance, sort_keys=False)
    written = home / "dagster.yaml"
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "prepare.lock"):
        if not written.exists() or written.read_text(encoding="utf-8") != wanted:
            trial = home / "dagster.trial.yaml"
            write_atomically(trial, wanted)
            with dg.DagsterInstance.from_config(str(home), trial.name) as opened:
                opened.get_daemon_heartbeats()
                opened.get_runs(limit=1)
            trial.replace(written)
    return home
