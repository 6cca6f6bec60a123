"""Scores of the simulated shop, whose people's true chances to buy are known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import SecretStr

from marketing_platform.demo.shop import make_shop
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

CONFIG = Path(__file__).parent.parent.parent / "config"


def test_scores_recover_the_true_chances_to_buy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = make_shop(tmp_path / "exports", customers=2000, seed=3, end=dt.date(2026, 1, 31))
    files = {stream: {"path": getattr(shop, stream)} for stream in ("orders", "contacts", "events")}
    settings = Settings(
        config_dir=CONFIG,
        data_dir=tmp_path / "data",
        state_url=SecretStr(""),
        platform=Platform.model_validate({"clock": "newest_record", "sources": {"files": files}}),
    )
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["predictions.purchase_14d"])
    truth = pl.read_parquet(shop.truth).select(
        contact_id="files:" + pl.col("account_id"), true="purchase_probability_14d"
    )
    found = (
        warehouse.read("predictions.purchase_14d")
        .join(warehouse.read("identity.contact_customers"), on="customer_id")
        .join(truth, on="contact_id")
        .unique("customer_id")
    )
    assert found.height > 1300
    tenths = found.with_columns(
        (pl.col("score").rank("ordinal") * 10 // (pl.len() + 1)).alias("tenth")
    )
    bins = tenths.group_by("tenth").agg(pl.col("score", "true").mean(), pl.len()).sort("tenth")
    error = float(((bins["score"] - bins["true"]).abs() * bins["len"]).sum() / found.height)
    rank = float(np.corrcoef(found["score"].rank(), found["true"].rank())[0, 1])
    with capsys.disabled():
        print(f"\nscores against true chances: calibration error {error:.4f}, rank {rank:.3f}")
    assert error < 0.03
    assert rank > 0.6
