"""The export of the tiny shop, and names in tests."""

from __future__ import annotations

import datetime as dt

import dagster as dg

HEADER = "Order ID,Customer ID,Email,Order Date,SKU,Quantity,Unit Price\n"
FIRST_DAY = dt.date(2024, 3, 1)


def order_lines(days: int = 20, customers: int = 12) -> str:
    """Two orders a day by a dozen customers, as CSV."""
    lines = [
        f"{number},k{number % customers},k{number % customers}@example.com,"
        f"{FIRST_DAY + dt.timedelta(days=number % days)} 10:00:00,"
        f"sku{number % 4},1,{5 + number % 9}"
        for number in range(days * 2)
    ]
    return HEADER + "\n".join(lines) + "\n"


def key(table: str) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey(table.split("."))
