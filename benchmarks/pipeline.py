"""What the house costs around the work: each figure is a ratio to the bare work in the same run.

- building: from export files to profiles, to one DuckDB query over the same order file
- sending: ledger, plan and dispatch of a segment, to a bare httpx loop with the same batches
- events: a year of daily partitions on the pooled event log, to Dagster's own
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import dagster as dg
import duckdb
import httpx
import polars as pl
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from pydantic import SecretStr

from marketing_platform.activation import activate
from marketing_platform.contracts import CONTRACTS
from marketing_platform.demo.receiver import Receiver
from marketing_platform.demo.shop import make_shop
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Platform, Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse
from resources.event_storage import PooledSqliteEventLogStorage
from sensors.schedules import range_tags

CUSTOMERS = 20_000
MEMBERS = 20_000
DAYS = 365


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def settings_of(folder: Path, **platform: object) -> Settings:
    """Settings of a shop in a scratch folder."""
    return Settings(
        config_dir=Path(__file__).parent.parent / "config",
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


def bench_sending(folder: Path) -> None:
    """A segment to a receiver on the loopback."""
    with Receiver() as receiver:
        rule = {"segment": "everybody", "destination": "receiver"}
        settings = settings_of(
            folder,
            destinations={"receiver": {"type": "webhook", "url": receiver.url}},
            activations=[rule],
        )
        (folder / "segments").mkdir(parents=True)
        (folder / "segments" / "everybody.yaml").write_text(
            "description: All.\nmembers: {field: order_count, at_least: 0}\n", encoding="utf-8"
        )
        settings = settings.model_copy(update={"config_dir": folder})
        warehouse = Warehouse(settings.warehouse_path)
        fill_segment(warehouse)
        state = open_state(settings.state_url.get_secret_value())
        ours = seconds(lambda: activate(warehouse, state, settings))
        bodies = list(receiver.received.bodies.values())
        assert len(receiver.received.rows) == MEMBERS
    with Receiver() as receiver, httpx.Client() as client:
        bare = seconds(lambda: [client.post(receiver.url, content=body) for body in bodies])
    print(f"sending   {MEMBERS:,} rows with plan and ledger: {MEMBERS / ours:,.0f} rows/s")
    print(f"          {bare / ours:.2f} of the rate of a bare loop over {len(bodies)} batches")


def fill_segment(warehouse: Warehouse) -> None:
    """Write profiles and a segment of `MEMBERS` customers."""
    moment = dt.datetime(2026, 1, 31)
    now = {"as_of": [moment], "as_of_date": [moment.date()]}
    warehouse.replace("core.clock", pl.DataFrame(now).cast({"as_of": pl.Datetime("us")}))
    ids = pl.Series("customer_id", [f"c{number:06}" for number in range(MEMBERS)])
    needed = {
        name: column.dtype
        for name, column in CONTRACTS["profiles.customers"].columns.items()
        if not column.nullable and name not in ("customer_id", "lifecycle_stage", "is_buyer")
    }
    profiles = CONTRACTS["profiles.customers"].empty()
    frame = ids.to_frame().with_columns(
        pl.concat_str(ids, pl.lit("@example.com")).alias("email"),
        pl.lit(True).alias("is_buyer"),
        pl.lit("loyal").alias("lifecycle_stage"),
        *(pl.lit(0).cast(pl.Int64).cast(dtype).alias(name) for name, dtype in needed.items()),
    )
    warehouse.replace("profiles.customers", pl.concat([profiles, frame], how="diagonal"))
    members = ids.to_frame().select(
        pl.lit("everybody").alias("segment"),
        "customer_id",
        pl.lit(moment).cast(pl.Datetime("us")).alias("entered_at"),
    )
    warehouse.replace("segments.memberships", members)
    sizes = {"segment": ["everybody"], "description": ["All."], "member_count": [MEMBERS],
             "customer_share": [1.0], "status": ["ready"], "held_reason": [None]}  # fmt: skip
    schema = CONTRACTS["segments.sizes"].empty().schema
    warehouse.replace("segments.sizes", pl.DataFrame(sizes, schema=schema))


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
    """Print the three figures."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        bench_building(Path(scratch) / "building")
        bench_sending(Path(scratch) / "sending")
        bench_events(Path(scratch) / "events")


if __name__ == "__main__":
    main()
