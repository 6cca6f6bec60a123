"""Predictions of real orders: published parameters, and figures that must not get worse.

Bounds lie a little under what was measured (benchmarks/predictions.py prints the measured ones), so
that a library's rounding does not fail them and a worse model does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions import bg_nbd, gamma_gamma
from marketing_platform.predictions.affinity import evaluate, fit
from marketing_platform.predictions.backtest import backtest
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

Data = Callable[[str], Path]


def warehouse_of(orders: pl.DataFrame) -> Warehouse:
    """`orders`: customer_id, order_date and gross_amount."""
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
    return warehouse


def settings_of(folder: Path) -> Settings:
    return Settings(
        config_dir=folder,
        data_dir=folder,
        state_url=SecretStr("sqlite://"),
        platform=Platform(),
    )


def cdnow(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).select(
        "customer_id",
        pl.col("date").alias("order_date"),
        # The file's orders of nothing count as purchases in its published figures.
        pl.col("dollar_value").clip(0.01).alias("gross_amount"),
    )


def online_retail(path: Path) -> pl.DataFrame:
    bought = pl.read_parquet(path).filter(
        pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & (pl.col("UnitPrice") > 0)
    )
    return bought.select(
        pl.col("CustomerID").cast(pl.String).alias("customer_id"),
        pl.col("InvoiceDate").dt.date().alias("order_date"),
        (pl.col("Quantity") * pl.col("UnitPrice")).alias("gross_amount"),
    )


READERS = {"cdnow_master": cdnow, "online_retail": online_retail}


def test_bg_nbd_finds_the_published_parameters_of_cdnow(shared_data: Data) -> None:
    summary = pl.read_csv(shared_data("orders/cdnow_customers_summary_with_transactions.csv"))
    x, t_x, t = (summary[name].cast(pl.Float64).to_numpy() for name in ("x", "t_x", "T"))
    found = bg_nbd.fit(x, t_x, t)
    assert found.r == pytest.approx(0.243, abs=0.0006)
    assert found.alpha == pytest.approx(4.414, abs=0.006)
    assert found.a == pytest.approx(0.793, abs=0.002)
    assert found.b == pytest.approx(2.426, abs=0.006)
    assert found.log_likelihood == pytest.approx(-9582.4, abs=0.05)


def test_gamma_gamma_finds_the_published_parameters_of_cdnow(shared_data: Data) -> None:
    summary = pl.read_csv(shared_data("orders/cdnow_customers_summary_with_transactions.csv"))
    x, z = (summary[name].cast(pl.Float64).to_numpy() for name in ("x", "zbar"))
    found = gamma_gamma.fit(x, z)
    assert (found.p, found.q, found.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)


def test_lifetime_value_is_closer_and_better_ordered_than_by_bg_nbd_and_gamma_gamma(
    shared_data: Data, tmp_path: Path
) -> None:
    """The first 39 weeks of CDNOW against the next 39."""
    orders = cdnow(shared_data("orders/cdnow_master.parquet"))
    found = backtest(
        warehouse_of(orders), task="value", horizon_days=273, as_of=dt.date(1997, 9, 30),
        settings=settings_of(tmp_path),
    )["models"]  # fmt: skip
    assert found["platform"]["mae"] < found["bg_nbd"]["mae"] < 33
    assert found["platform"]["spearman"] > found["bg_nbd"]["spearman"] > 0.42


def test_new_and_known_products_are_ranked_better_than_by_the_simpler_ways(
    shared_data: Data, tmp_path: Path
) -> None:
    frame = pl.read_parquet(shared_data("orders/online_retail.parquet"))
    bought = frame.filter(
        pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & (pl.col("UnitPrice") > 0)
    ).select(
        pl.col("CustomerID").cast(pl.String).alias("customer_id"),
        pl.col("StockCode").alias("product_id"),
        pl.col("InvoiceDate").dt.date().alias("order_date"),
    )
    bought = bought.unique()
    found = evaluate(bought, fit(bought, dt.date(2011, 11, 9), 3000), 30, 3000)
    assert found is not None
    models = found.told["models"]
    assert (
        models["platform"]["new"]["ndcg_at_10"] > 0.14 > 2 * models["item_knn"]["new"]["ndcg_at_10"]
    )
    assert models["popularity"]["new"]["ndcg_at_10"] == pytest.approx(0.033, abs=0.002)
    assert models["platform"]["all"]["ndcg_at_10"] > 0.36
    assert models["personal_frequency"]["all"]["ndcg_at_10"] < 0.34


@pytest.mark.parametrize(
    ("name", "horizon", "roc_auc", "average_precision", "log_loss", "ece"),
    [
        ("cdnow_master", 14, 0.8750, 0.2400, 0.0957, 0.012),
        ("online_retail", 14, 0.7695, 0.5239, 0.3956, 0.030),
        ("online_retail", 30, 0.7425, 0.6480, 0.5504, 0.050),
    ],
)
def test_purchases_are_predicted_better_than_by_recency_and_bg_nbd(
    name: str,
    horizon: int,
    roc_auc: float,
    average_precision: float,
    log_loss: float,
    ece: float,
    shared_data: Data,
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path)
    orders = READERS[name](shared_data(f"orders/{name}.parquet"))
    found = backtest(
        warehouse_of(orders), task="purchase", horizon_days=horizon, settings=settings
    )["models"]
    ours = found["platform"]
    assert ours["roc_auc"] >= roc_auc
    assert ours["average_precision"] >= average_precision
    assert ours["log_loss"] <= log_loss
    assert ours["ece"] <= ece
    for baseline in ("recency", "bg_nbd"):
        assert ours["roc_auc"] > found[baseline]["roc_auc"]
        assert ours["average_precision"] > found[baseline]["average_precision"]
        assert ours["log_loss"] < found[baseline]["log_loss"]
