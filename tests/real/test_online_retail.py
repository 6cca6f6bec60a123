"""A real year of a real shop, whole: every line accounted for, and the known figures come out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from marketing_platform.warehouse import Warehouse

ROOT = Path(__file__).parent.parent.parent


def command(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MARKETING_PLATFORM_DATA_DIR": str(data),
        "MARKETING_PLATFORM_CONFIG_DIR": str(data / "config"),
        "COLUMNS": "120",
    }
    return subprocess.run(
        [sys.executable, "-m", "marketing_platform.cli", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Callable[[str], Path]
) -> tuple[Path, str]:
    """The data folder after `marketing-platform run` on the whole export, and what it printed."""
    export = shared_data("orders/online_retail.parquet")
    data = tmp_path_factory.mktemp("online-retail")
    shutil.copytree(ROOT / "config", data / "config")
    # How good models are is measured elsewhere; fewer days to learn from take half the time.
    settings = data / "config" / "platform.yaml"
    told = settings.read_text().replace("predictions:\n", "predictions:\n  training_origins: 3\n")
    settings.write_text(told)
    done = command(data, "run", "--orders", str(export), "--currency", "GBP")
    assert done.returncode == 0, done.stderr[-2000:]
    return data, done.stdout


@pytest.fixture(scope="module")
def warehouse(shop: tuple[Path, str]) -> Warehouse:
    return Warehouse(shop[0] / "warehouse.duckdb")


def one(warehouse: Warehouse, sql: str) -> Any:
    return warehouse.query(sql).item()


def test_every_line_is_accepted_a_duplicate_or_quarantined_and_the_sums_add_up(
    warehouse: Warehouse,
) -> None:
    row = warehouse.query("select * from quality.reconciliation where stream = 'orders'").row(
        0, named=True
    )
    assert row["arrived_count"] == 541_909
    assert row["duplicate_count"] == 5_268
    counts = ("accepted_count", "duplicate_count", "quarantined_count")
    assert sum(row[name] for name in counts) == 541_909
    assert row["arrived_amount"] == Decimal("9747747.93")
    amounts = ("accepted_amount", "duplicate_amount", "quarantined_amount")
    assert sum(row[name] for name in amounts) == Decimal("9747747.93")
    assert one(warehouse, "select count(*) from quality.quarantine") == row["quarantined_count"]


def test_the_known_figures_of_the_export_come_out(warehouse: Warehouse) -> None:
    lines = "select count(*) from staging.files_order_lines where "
    assert one(warehouse, lines + "source_contact_id is null") == 135_080
    assert one(warehouse, lines + "line_status = 'returned'") == 9_288
    usual = "source_contact_id is not null and quantity > 0 and unit_price_amount > 0"
    assert one(warehouse, lines + usual) == 397_884
    contacts = "select count(distinct source_contact_id) from staging.files_order_lines"
    assert one(warehouse, contacts) == 4_372
    assert one(warehouse, "select count(*) from identity.customers") == 4_372


def test_buyers_orders_guests_and_refunds(warehouse: Warehouse) -> None:
    assert one(warehouse, "select count(*) from profiles.rfm") == 4_338
    assert one(warehouse, "select count(*) from profiles.orders") == 18_532
    guests = "select count(*), count(contact_id) from core.orders where contact_id is null"
    assert warehouse.query(guests).row(0)[0] > 1_000
    refunds = warehouse.read("core.refunds")
    matched = refunds.filter(pl.col("order_id").is_not_null())
    assert refunds.height == 9_251, "the cancellations that are no duplicates"
    assert 0.7 < matched.height / refunds.height < 1
    too_much = """
        select count(*) from (
            select r.order_item_id from core.refunds r
            join core.order_items i on r.order_item_id = i.order_item_id
            group by r.order_item_id, i.quantity having sum(r.quantity) > i.quantity)
    """
    assert one(warehouse, too_much) == 0, "no line is given back more often than it was sold"
    early = """
        select count(*) from core.refunds r join core.orders o on r.order_id = o.order_id
        where r.refunded_at < o.ordered_at or r.contact_id <> o.contact_id
    """
    assert one(warehouse, early) == 0


def test_a_file_of_2011_gives_the_segments_of_2011(warehouse: Warehouse) -> None:
    assert str(one(warehouse, "select as_of_date from core.clock")) == "2011-12-09"
    sizes = dict(warehouse.read("segments.sizes").select("segment", "member_count").iter_rows())
    assert sizes["vip"] == 434, "a tenth of the buyers"
    assert sizes["new_customers"] > 100
    assert sizes["cart_abandoners"] == 0, "the export has no carts"


def test_the_scores_beat_the_baselines_before_they_are_used(warehouse: Warehouse) -> None:
    models = warehouse.read("predictions.models")
    assert sorted(models["task"]) == ["affinity", "churn", "lead", "purchase", "value"]
    models = models.filter(pl.col("task").is_in(["churn", "purchase"]))
    assert models["is_promoted"].all(), models["reason"].to_list()
    assert one(warehouse, "select count(*) from predictions.purchase_14d") == 4_338


def test_the_ledger_adds_up(shop: tuple[Path, str]) -> None:
    data, _ = shop
    first = json.loads(command(data, "status", "--json").stdout)
    assert first["ledger"]["sent"] > 1_000
    parts = ("sent", "suppressed", "deferred", "failed")
    assert sum(first["ledger"][part] for part in parts) == first["ledger"]["eligible"]
    failed = [check for check in first["checks"] if not check["passed"]]
    assert [(check["check"], check["detail"]) for check in failed] == [
        # Somebody ordered 80,995 pieces on its last day, and cancelled them.
        (
            "has_not_drifted",
            "quantity is 990.6 at the mean in the newest day of files, 138.7 to 543.1 before",
        ),
        (
            "no_hour_is_odd",
            "average_order_value jumped: 6,347 in the 6 hours to 2011-12-09 12:00 UTC, 477"
            " expected; most of it in source files (100%); average_order_value of files jumped:"
            " 6,347 in the 6 hours to 2011-12-09 12:00 UTC, 477 expected",
        ),
        # This export has no events.
        ("segments_make_sense", "cart_abandoners is empty"),
    ]


def test_the_sums_are_printed(shop: tuple[Path, str]) -> None:
    printed = shop[1]
    for figure in ("541,909", "5,268", "1,338", "535,303", "9,747,747.93", "4,338", "18,532"):
        assert figure in printed, figure
