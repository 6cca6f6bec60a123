"""The export of the tiny shop, and names in tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

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


A_DAY = 40


def living_lines(
    newest: dt.datetime,
    days: float,
    new_customers: int = 0,
    change: Callable[[list[str]], list[str] | None] = lambda fields: fields,
) -> str:
    """Forty orders in each of so many days that end at a moment, by sixty customers, as CSV.

    The first orders of the newest day are of new customers; `change` breaks lines of that day: it
    gets the fields, and gives others, or None to leave the line out.
    """
    lines = []
    for ago in range(int(days * A_DAY)):
        at = newest - dt.timedelta(days=1) / A_DAY * ago
        buyer = f"new{ago}" if ago < new_customers else f"k{ago % 60}"
        number = int(at.timestamp())
        fields: list[str] | None = [
            str(number), buyer, f"{buyer}@example.com", f"{at:%Y-%m-%d %H:%M:%S}",
            f"sku{number % 4}", "1", str(5 + number % 9),
        ]  # fmt: skip
        if ago < A_DAY:
            fields = change(list(fields))
        if fields:
            lines.append(",".join(fields))
    return HEADER + "\n".join(reversed(lines)) + "\n"


def half(fields: list[str]) -> list[str] | None:
    """Every other line is missing."""
    return fields if int(fields[0]) // 2160 % 2 else None


def without_buyer(fields: list[str]) -> list[str]:
    """Nobody knows who bought."""
    return [fields[0], "", "", *fields[3:]]


def worded_price(fields: list[str]) -> list[str]:
    """The price is no number."""
    return [*fields[:6], "n/a"]


def key(table: str) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey(table.split("."))
