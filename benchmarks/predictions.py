"""Predicts real orders of the past and prints ours beside the baselines, and the time it takes.

    python benchmarks/predictions.py [folder with orders/*.parquet]

Each file is tested on its last 14 and 30 days; only earlier days are trained on. Orders are counted
per day and everyone with an order is scored. Seconds are one run on this machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions.backtest import backtest, summary_table
from marketing_platform.predictions.tables import TABLES
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse, sql_tables

ROOT = Path(__file__).resolve().parent.parent


def cdnow(data: Path) -> pl.DataFrame:
    frame = pl.read_parquet(data / "orders/cdnow_master.parquet")
    return frame.select(
        "customer_id",
        pl.col("date").alias("order_date"),
        pl.col("dollar_value").alias("gross_amount"),
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
    for name in ("profiles.daily_activity", "identity.contact_customers"):
        warehouse.replace(name, CONTRACTS[name].empty())
    money = pl.col("gross_amount").round(2).cast(pl.Decimal(18, 2))
    frame = orders.with_row_index("order_id").select(
        pl.col("order_id").cast(pl.String),
        "customer_id",
        pl.col("order_date").cast(pl.Datetime("us")).alias("ordered_at"),
        "order_date",
        money.alias("gross_amount"),
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


def build(warehouse: Warehouse, settings: Settings) -> list[tuple[str, float, int]]:
    """Build all tables of predictions: name, seconds and rows of each."""
    tables = {str(table.name): table for table in TABLES}
    order = ("as_of_dates", "features", "outcomes", "models", "purchase_14d", "churn_30d")
    done = []
    for name in (f"predictions.{table}" for table in order):
        start = time.perf_counter()
        built = (
            tables[name].build(warehouse, settings)
            if name in tables
            else warehouse.build(name, sql_tables()[name].sql)
        )
        done.append((name, time.perf_counter() - start, built.row_count))
    return done


def main(data: Path) -> None:
    if not (data / "orders").is_dir():
        print(f"no data sets in {data}; name their folder: python benchmarks/predictions.py FOLDER")
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            config_dir=Path(folder),
            data_dir=Path(folder),
            state_url=SecretStr("sqlite://"),
            platform=Platform(),
        )
        for name, read in (("CDNOW", cdnow), ("Online Retail", online_retail)):
            warehouse = scratch_warehouse(read(data))
            for task, days in (("purchase", 14), ("purchase", 30), ("churn", 30)):
                start = time.perf_counter()
                found = backtest(warehouse, task=task, horizon_days=days, settings=settings)
                seconds = time.perf_counter() - start
                print(f"\n{name}, {summary_table(found)}\nbacktest {seconds:.1f} s")
            print(f"\n{name}, all tables of predictions:")
            for table, seconds, rows in build(warehouse, settings):
                print(f"  {table:<28}{seconds:>7.2f} s {rows:>9,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
