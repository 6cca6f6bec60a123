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
from marketing_platform.commands.running import run_backtest, run_configured, run_export
from marketing_platform.demo.stand import Stand, plan
from marketing_platform.errors import ConfigError, InputError, PlatformError
from marketing_platform.settings import load_settings
from marketing_platform.shop import remember_input
from marketing_platform.warehouse import Warehouse

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


@pytest.mark.parametrize(
    ("remembered", "reason"),
    [
        ('{"clok": "now"}', "clok: no such key, perhaps clock"),
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
    ],
)
def test_what_was_remembered_and_is_no_use_any_more_is_told_with_its_file(
    remembered: str, reason: str, config: Path
) -> None:
    config.write_text("")
    file = config.parent.parent / "data" / "shop.json"
    file.parent.mkdir()
    file.write_text(remembered)
    with pytest.raises(ConfigError, match=rf"{file}: .*{reason}.*Delete this file"):
        load_settings()
    config.write_text("clok: now")
    with pytest.raises(ConfigError, match=rf"{config}: clok"):
        load_settings()


def test_the_systems_become_segments_and_a_second_run_changes_nothing(config: Path) -> None:
    today = dt.datetime.now(dt.UTC).date()
    folder = config.parent.parent / "stand"
    plan(folder, customers=60, seed=5, end=today - dt.timedelta(days=1), days=70)
    with Stand(folder) as stand:
        shop = stand.settings({"new_customers": ["email", "viewed_products"]})
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


HEADER = "Order ID,Customer ID,Order Date,Amount,Currency\n"


def test_an_export_in_a_currency_without_a_rate_is_told_with_what_to_do(config: Path) -> None:
    config.write_text("shop: {currency: EUR}")
    orders = config.parent.parent / "orders.csv"
    orders.write_text(f"{HEADER}1,k,2024-01-02,5,USD\n")
    with pytest.raises(PlatformError, match=r"no rate of USD .*shop\.currency \(--currency\)"):
        run_export(Console(file=io.StringIO()), {"orders": orders}, [], None, None, None)


def test_a_shop_that_tells_no_currency_has_that_of_its_orders(config: Path) -> None:
    config.write_text("")
    orders = config.parent.parent / "orders.csv"
    orders.write_text(f"{HEADER}1,k,2024-01-02,5,usd\n2,m,2024-01-03,7,USD\n")
    printed = Console(file=io.StringIO(), width=120)
    run_export(printed, {"orders": orders}, [], None, None, None)
    settings = load_settings()
    assert settings.platform.shop.currency == "USD", "the UI sees it too"
    worth = Warehouse(settings.warehouse_path).query(
        "select customer_id, first_order_amount from profiles.customers order by 2"
    )
    assert [float(amount) for _, amount in worth.iter_rows()] == [5, 7]
    assert "currency: USD" in printed.file.getvalue()  # type: ignore[attr-defined]
    orders.write_text(f"{HEADER}1,k,2024-01-02,5,USD\n2,m,2024-01-03,7,USD\n3,m,2024-01-04,7,CHF\n")
    with pytest.raises(PlatformError, match="no rate of CHF for 1 orders"):
        run_export(printed, {"orders": orders}, [], None, None, None)


def test_a_backtest_counts_in_the_currency_of_its_orders(config: Path) -> None:
    config.write_text("")
    orders = config.parent.parent / "orders.csv"
    lines = [
        f"{number},k{number % 40},{dt.date(2024, 1, 1) + dt.timedelta(days=number % 200)},5,USD"
        for number in range(400)
    ]
    orders.write_text(HEADER + "\n".join(lines) + "\n")
    remember_input(config.parent.parent / "data", {"shop": {"currency": "GBP"}})
    assert run_backtest(orders, "purchase", 14, None, [], None, None)["customers"] == 40
