"""Names in tests."""

from __future__ import annotations

import dagster as dg


def key(table: str) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey(table.split("."))
