"""A tiny shop and its Dagster instance on SQLite."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from marketing_platform.definitions import prepare_instance
from marketing_platform.settings import Settings

HEADER = "Order ID,Customer ID,Email,Order Date,SKU,Quantity,Unit Price\n"
FIRST_DAY = dt.date(2024, 3, 1)


def order_lines(days: int = 20, customers: int = 12) -> str:
    """An order a day and more, by a dozen customers."""
    lines = [
        f"{number},k{number % customers},k{number % customers}@example.com,"
        f"{FIRST_DAY + dt.timedelta(days=number % days)} 10:00:00,sku{number % 4},1,{5 + number % 9}"
        for number in range(days * 2)
    ]
    return HEADER + "\n".join(lines) + "\n"


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
