"""`run` without an export: the configured systems are pulled, built and activated."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from marketing_platform.commands.looking import read_status
from marketing_platform.commands.running import run_configured, run_export
from marketing_platform.demo.stand import Stand, plan
from marketing_platform.errors import InputError, PlatformError
from marketing_platform.settings import load_settings
from marketing_platform.shop import remember_input

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MARKETING_PLATFORM_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MARKETING_PLATFORM_DATA_DIR", str(tmp_path / "data"))
    shutil.copytree(ROOT / "config" / "segments", tmp_path / "config" / "segments")
    return tmp_path / "config" / "platform.yaml"


def test_a_shop_without_a_source_is_told_where_to_name_one(config: Path) -> None:
    config.write_text("")
    folder = config.parent.parent / "data"
    remember_input(folder, {"sources": {"files": {"orders": {"path": "orders.csv"}}}})
    with pytest.raises(InputError, match=r"platform\.yaml: no source is configured"):
        run_configured(Console(file=io.StringIO()), None)
    assert "orders" in load_settings().platform.sources.files, "what ran before is remembered"


def test_the_systems_become_segments_and_a_second_run_changes_nothing(config: Path) -> None:
    today = dt.datetime.now(dt.UTC).date()
    folder = config.parent.parent / "stand"
    plan(folder, customers=60, seed=5, end=today - dt.timedelta(days=1), days=70)
    with Stand(folder) as stand:
        shop = stand.settings(["new_customers"])
        # Three are enough to see that systems work together.
        shop["sources"] = {n: shop["sources"][n] for n in ("shopify", "stripe", "segment_events")}
        config.write_text(yaml.safe_dump({k: shop[k] for k in shop if k != "replaces"}))
        printed = Console(file=io.StringIO(), width=120)
        run_configured(printed, None)
        first = read_status(load_settings())
        run_configured(printed, None)
        second = read_status(load_settings())
        truth = stand.sandbox
    shown = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "Shopify: customers, orders" in shown
    assert "Segment events: events, identifies" in shown
    assert first["ledger"]["sent"] > 0
    assert second["ledger"] == first["ledger"]
    assert second["tables"] == first["tables"]
    assert first["tables"]["core.events"] == truth.truth("events").height
    assert first["tables"]["core.payments"] >= truth.truth("charges").height


def test_an_export_in_a_currency_without_a_rate_is_told_with_what_to_do(config: Path) -> None:
    config.write_text("")
    orders = config.parent.parent / "orders.csv"
    orders.write_text("Order ID,Customer ID,Order Date,Amount,Currency\n1,k,2024-01-02,5,USD\n")
    with pytest.raises(PlatformError, match=r"no rate of USD .*shop\.currency \(--currency\)"):
        run_export(Console(file=io.StringIO()), {"orders": orders}, [], None, None, None)
