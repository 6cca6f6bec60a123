"""Scores beside the baselines on public data, and what they cost by the size of the shop.

    python benchmarks/predictions.py [FOLDER]     (a folder with orders/*.parquet)

Each file is tested on its last days; only earlier days are trained on. Orders are counted per day
and everyone with an order is scored. Each size has a process of its own, for its peak of memory.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions.affinity import evaluate, fit
from marketing_platform.predictions.backtest import backtest, summary_table
from marketing_platform.predictions.scores import build_scores
from marketing_platform.predictions.tables import TABLES
from marketing_platform.predictions.tasks import SCORE_TABLES
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import PythonTable, SqlTable, Warehouse, sql_tables
from marketing_platform.warehouse.opened import close_all
from marketing_platform.warehouse.tables import in_build_order

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10_000, 100_000, 1_000_000)


def cdnow(data: Path) -> pl.DataFrame:
    """Everybody with an order is scored in the published figures, so those of nothing are a cent.

    The platform itself takes an order of nothing for none: 68 customers had no other.
    """
    frame = pl.read_parquet(data / "orders/cdnow_master.parquet")
    return frame.select(
        "customer_id",
        pl.col("date").alias("order_date"),
        pl.col("dollar_value").clip(0.01).alias("gross_amount"),
    )


def online_retail(data: Path) -> pl.DataFrame:
    frame = pl.read_parquet(data / "orders/online_retail.parquet")
    bought = frame.filter(
        pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & (pl.col("UnitPrice") > 0)
    )
    return bought.select(
        pl.col("CustomerID").cast(pl.String).alias("customer_id"),
        pl.col("InvoiceDate").dt.date().alias("order_date"),
        (pl.col("Quantity") * pl.col("UnitPrice")).alias("gross_amount"),
    )


def scratch_warehouse(orders: pl.DataFrame) -> Warehouse:
    """A scratch warehouse with these orders, without contacts or activity."""
    warehouse = Warehouse(":memory:")
    for name in ("profiles.active_days", "core.engagements", "identity.contact_customers"):
        warehouse.replace(name, CONTRACTS[name].empty())
    money = pl.col("gross_amount").round(2).cast(pl.Decimal(18, 2))
    frame = orders.with_row_index("order_id").select(
        pl.col("order_id").cast(pl.String),
        "customer_id",
        pl.col("order_date").cast(pl.Datetime("us")).alias("ordered_at"),
        "order_date",
        money.alias("gross_amount"),
        money.alias("spent_amount"),
        pl.lit(0).cast(pl.Decimal(18, 2)).alias("refund_amount"),
        money.alias("net_amount"),
        pl.lit(0.0).alias("discount_share"),
        pl.lit(False).alias("is_discounted"),
        pl.lit(1, pl.Int64).alias("quantity"),
    )
    warehouse.replace("profiles.orders", frame)
    last = orders["order_date"].max()
    clock = pl.DataFrame({"as_of": [last], "as_of_date": [last]})
    warehouse.replace("core.clock", clock.cast({"as_of": pl.Datetime("us")}))
    return warehouse


def settings_of(folder: Path) -> Settings:
    """Settings as they come, with models in a scratch folder."""
    return Settings(
        config_dir=folder, data_dir=folder, state_url=SecretStr("sqlite://"), platform=Platform()
    )


def on_public_data(data: Path) -> None:
    """Figures of the platform beside those of the baselines, each in one run."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(Path(folder))
        for name, read in (("CDNOW", cdnow), ("Online Retail", online_retail)):
            warehouse = scratch_warehouse(read(data))
            for task, days, as_of in (
                ("purchase", 14, None),
                ("purchase", 30, None),
                ("churn", 30, None),
                ("value", 273, dt.date(1997, 9, 30)) if name == "CDNOW" else ("value", 90, None),
            ):
                start = time.perf_counter()
                found = backtest(
                    warehouse, task=task, horizon_days=days, as_of=as_of, settings=settings
                )
                seconds = time.perf_counter() - start
                print(f"\n{name}, {summary_table(found)}\nbacktest {seconds:.1f} s")
    bought = baskets(data)
    day = bought["order_date"].max()
    assert isinstance(day, dt.date)
    start = time.perf_counter()
    fitted = fit(bought, day - dt.timedelta(days=30), 3000)
    found = evaluate(bought, fitted, 30, 3000)
    assert found
    print("\nOnline Retail, products of the last 30 days, of the 3,000 that sell most:")
    for model, kinds in found.told["models"].items():
        told = ", ".join(
            f"{kind}: NDCG@10 {figures['ndcg_at_10']:.4f}, hit rate {figures['hit_rate_at_10']:.4f}"
            for kind, figures in kinds.items()
        )
        print(f"  {model:<20}{told}")
    print(f"  {time.perf_counter() - start:.1f} s")


def baskets(data: Path) -> pl.DataFrame:
    """Who bought which product on which day."""
    frame = pl.read_parquet(data / "orders/online_retail.parquet")
    return (
        frame.filter(
            pl.col("CustomerID").is_not_null()
            & (pl.col("Quantity") > 0)
            & (pl.col("UnitPrice") > 0)
        )
        .select(
            pl.col("CustomerID").cast(pl.String).alias("customer_id"),
            pl.col("StockCode").alias("product_id"),
            pl.col("InvoiceDate").dt.date().alias("order_date"),
        )
        .unique()
    )


# A shop of buyers with rates of their own; of each, orders until they leave.
DRAWN = """
    with people as (
        select
            person,
            -ln((hash(person, 'rate') % 999983 + 1) / 999984.0) / 60 as rate,
            cast(hash(person, 'first') % 300 as int) as first_day,
            -ln((hash(person, 'stay') % 999979 + 1) / 999980.0) * 300 as stays
        from range($customers) as numbers(person)
    ),
    orders as (
        select
            person, number,
            first_day + cast(floor(number / greatest(rate, 0.001) * 0.7
                + hash(person, number) % 9) as int) as day, first_day, stays
        from people
        cross join range(12) as numbers(number)
    )
    select
        'o' || person || '-' || number as order_id, 'c' || person as customer_id,
        (date '2025-01-01' + day)::timestamp + interval 12 hour as ordered_at,
        date '2025-01-01' + day as order_date,
        (10 + hash(person, number, 'amount') % 90)::decimal(18, 2) as gross_amount,
        (10 + hash(person, number, 'amount') % 90)::decimal(18, 2) as spent_amount,
        0::decimal(18, 2) as refund_amount,
        (10 + hash(person, number, 'amount') % 90)::decimal(18, 2) as net_amount,
        0.0::double as discount_share, false as is_discounted, 1::bigint as quantity
    from orders
    where day < 365 and (number = 0 or day - first_day <= stays)
"""


def at_size(customers: int) -> None:
    """Seconds of each table of a shop with so many buyers, and the memory at its peak."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(Path(folder))
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        for name in CONTRACTS:
            if name.split(".")[0] in ("core", "identity", "profiles"):
                warehouse.ensure(name)
        orders = warehouse.query(DRAWN, {"customers": customers})
        warehouse.replace("profiles.orders", orders)
        last = dt.date(2025, 12, 31)
        clock = pl.DataFrame({"as_of": [last], "as_of_date": [last]})
        warehouse.replace("core.clock", clock.cast({"as_of": pl.Datetime("us")}))
        before = peak_memory()
        sql = {n: t for n, t in sql_tables().items() if n.startswith("predictions.")}
        tables = in_build_order({**sql, **{str(table.name): table for table in TABLES}})
        spent = {}
        for name, table in tables.items():
            start = time.perf_counter()
            if isinstance(table, SqlTable):
                warehouse.build(name, table.sql)
            elif isinstance(table, PythonTable):
                table.build(warehouse, settings)
            spent[name] = time.perf_counter() - start
        close_all()
        peak = peak_memory()
        scored = subprocess.run(
            [sys.executable, __file__],
            env={**os.environ, "BENCH_SCORED": folder},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    total = sum(spent.values())
    print(
        f"\n{customers:,} buyers, {orders.height:,} orders: {total:.1f} s,"
        f" peak {peak:.1f} GB ({before:.1f} GB before)"
    )
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1])[:8]:
        print(f"  {name:<32}{seconds:>8.2f} s")
    print(scored.stdout, end="")


def peak_memory() -> float:
    """The most memory that this process had, in GB; `ru_maxrss` has the parent's in it."""
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in told.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024**2


def scoring(folder: Path) -> None:
    """What scoring alone takes: both tasks, in a process that does nothing else."""
    settings = settings_of(folder)
    warehouse = Warehouse(folder / "warehouse.duckdb", memory_limit="1GB")
    start = time.perf_counter()
    for task in SCORE_TABLES:
        build_scores(task, warehouse, settings)
    seconds = time.perf_counter() - start
    print(f"  scoring alone, 1 GB for DuckDB: {seconds:.1f} s, peak {peak_memory():.1f} GB")


def main() -> None:
    """Print the figures of public data where it is there, and those of sizes."""
    if os.environ.get("BENCH_SCORED"):
        scoring(Path(os.environ["BENCH_SCORED"]))
        return
    if os.environ.get("BENCH_SIZE"):
        at_size(int(os.environ["BENCH_SIZE"]))
        return
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if (data / "orders").is_dir():
        on_public_data(data)
    else:
        print(f"no data sets in {data}; name their folder: python benchmarks/predictions.py FOLDER")
    for size in SIZES:
        subprocess.run(
            [sys.executable, __file__], env={**os.environ, "BENCH_SIZE": str(size)}, check=True
        )


if __name__ == "__main__":
    main()
