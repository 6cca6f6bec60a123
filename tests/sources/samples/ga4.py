"""Rows of `runReport`; the currency comes from the answer's metadata."""

from __future__ import annotations

from typing import Any


def _row(dimensions: str, metrics: str, currency: str | None = "EUR") -> dict[str, Any]:
    return {
        "dimensionValues": [{"value": value} for value in dimensions.split("|")],
        "metricValues": [{"value": value} for value in metrics.split("|")],
        "_page": {"currency_code": currency},
    }


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "traffic": [
        _row("20260105|Paid Search|google|cpc|Brand", "120|100|3|250.5"),
        _row("20260105|Direct|(direct)|(none)|(not set)", "80|75|0|0"),
        _row("20260106|Unassigned|(not set)|(not set)|(not set)", "5|x|0|0"),
        _row("(other)|(other)|(other)|(other)|(other)", "5|5|0|0"),
    ]
}
