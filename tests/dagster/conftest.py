"""A tiny shop and its Dagster instance on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from tiny_orders import order_lines

from marketing_platform.definitions import prepare_instance
from marketing_platform.settings import Settings


@pytest.fixture
def tiny_shop(tmp_path: Path, make_settings: Callable[..., Settings]) -> Settings:
    """Settings of a shop with three weeks of orders; nothing is built yet."""
    path = tmp_path / "orders.csv"
    path.write_text(order_lines(), encoding="utf-8")
    return make_settings(
        sources={"files": {"orders": {"path": path}}},
        destinations={"feeds": {"type": "files"}},
        activations=[{"segment": "new_customers", "destination": "feeds"}],
    )


@pytest.fixture
def instance(tiny_shop: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the tiny shop."""
    home = prepare_instance(tiny_shop)
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened
