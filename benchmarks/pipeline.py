"""What the house costs around the work: each figure is a ratio to the bare work in the same run.

- building: from export files to profiles, to one DuckDB query over the same order file
- orchestration: the part of a daily build under Dagster that is spent outside of its steps
- events: a year of daily partitions on the pooled event log, to Dagster's own
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
import duckdb
from dagster._core.execution.plan import execute_step
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from pydantic import SecretStr

from marketing_platform.definitions import run_job
from marketing_platform.demo.shop import make_shop
from marketing_platform.demo.stand import Stand, plan
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Platform, Settings, load_settings
from marketing_platform.shop import remember_input
from marketing_platform.warehouse import Warehouse
from resources.event_storage import PooledSqliteEventLogStorage
from sensors.schedules import range_tags

ROOT = Path(__file__).parent.parent
CUSTOMERS, DEMO_CUSTOMERS = 20_000, 3_000
DAYS = 365


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def settings_of(folder: Path, **platform: object) -> Settings:
    """Settings of a shop in a scratch folder."""
    return Settings(
        config_dir=ROOT / "config",
        data_dir=folder,
        state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
        platform=Platform.model_validate({"clock": "newest_record", **platform}),
    )


def bench_building(folder: Path) -> None:
    """Export files to profiles."""
    shop = make_shop(folder / "exports", customers=CUSTOMERS, seed=1, end=dt.date(2026, 1, 31))
    streams = ("orders", "contacts", "products", "events", "ad_performance")
    files = {stream: {"path": getattr(shop, stream)} for stream in streams}
    settings = settings_of(folder / "data", sources={"files": files})
    query = (
        'select "Customer ID", count(*), sum(try_cast("Quantity" as double)), max("Order Date")'
        " from read_csv($path, ignore_errors = true) group by 1"
    )
    bare = median(
        seconds(lambda: duckdb.connect().execute(query, {"path": str(shop.orders)}).fetchall())
        for _ in range(3)
    )
    warehouse = Warehouse(settings.warehouse_path)
    whole = seconds(lambda: build_all(warehouse, settings, until=["profiles.customers"]))
    rows = sum(shop.row_counts.values())
    print(f"building  {rows:,} records to profiles: {whole:.1f} s, {rows / whole:,.0f} records/s")
    print(f"          {whole / bare:.0f} times one query over the order file ({bare:.2f} s)")


def bench_orchestration(folder: Path) -> None:
    """The daily build of the demo shop in Dagster, and what of it lies outside of its steps."""
    data = folder / "data"
    end = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    plan(data, customers=DEMO_CUSTOMERS, seed=7, end=end, days=540)
    with Stand(data) as stand:
        remember_input(data, stand.settings(["vip"]))
        settings = load_settings(config_dir=ROOT / "config", data_dir=data)
        assert run_job(settings, "build").success
        whole, within, steps = [], [], 0
        for _ in range(3):
            with timed_steps() as spent:
                whole.append(seconds(lambda: run_job(settings, "build")))
            within.append(sum(spent))
            steps = len(spent)
    share = 1 - median(within) / median(whole)
    print(f"orchestration  {share:.0%} of a daily build of {DEMO_CUSTOMERS:,} customers")
    print(f"          ({median(whole):.1f} s, of which {median(within):.1f} s in {steps} steps)")


@contextmanager
def timed_steps() -> Iterator[list[float]]:
    """The seconds that each step of a run spends in our own code, as they come."""
    spent: list[float] = []
    original = execute_step.execute_core_compute

    def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        events, total = original(*args, **kwargs), 0.0
        while True:
            started = time.perf_counter()
            event = next(events, None)
            total += time.perf_counter() - started
            if event is None:
                spent.append(total)
                return
            yield event

    execute_step.execute_core_compute = timed
    try:
        yield spent
    finally:
        execute_step.execute_core_compute = original


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2025-01-01", end_date="2026-01-01"),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def daily() -> None:
    """An asset that does nothing, every day."""


def bench_events(folder: Path) -> None:
    """A year of partitions in one run, on both event logs."""
    job = dg.Definitions(assets=[daily], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    tags = range_tags(dt.date(2025, 1, 1), dt.date(2025, 12, 31))
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    spent = {}
    for storage in (SqliteEventLogStorage, PooledSqliteEventLogStorage):
        home = folder / storage.__name__
        home.mkdir(parents=True)
        config = {
            "telemetry": {"enabled": False},
            "event_log_storage": {
                "module": storage.__module__,
                "class": storage.__name__,
                "config": {"base_dir": str(home / "events")},
            },
        }
        (home / "dagster.yaml").write_text(json.dumps(config), encoding="utf-8")
        with dg.DagsterInstance.from_config(str(home)) as instance:
            spent[storage] = seconds(
                lambda opened=instance: job.execute_in_process(
                    instance=opened, tags=tags, run_config=quiet
                )
            )
    stock, pooled = spent[SqliteEventLogStorage], spent[PooledSqliteEventLogStorage]
    print(f"events    {DAYS} partitions: {pooled / stock:.2f} of the time of Dagster's own log")
    print(f"          ({pooled:.1f} s and {stock:.1f} s)")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        bench_building(Path(scratch) / "building")
        bench_orchestration(Path(scratch) / "orchestration")
        bench_events(Path(scratch) / "events")


if __name__ == "__main__":
    main()
