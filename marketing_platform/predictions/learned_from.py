"""What a model was learned from, to be read years later: days, rows, features and libraries."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import polars as pl

# Of these depends what training makes of the same rows.
_LIBRARIES: Final = ("scikit-learn", "scipy", "numpy", "polars", "duckdb")


def learned_from(
    days: pl.Series, positives: int | None, features: Sequence[str], **more: Any
) -> str:
    """As JSON: first and last of the `days` of the rows, how many rows and positives, features."""
    told = {
        "first_date": _iso(days.min()),
        "last_date": _iso(days.max()),
        "rows": len(days),
        "positives": positives,
        "features": list(features),
        "libraries": {name: version(name) for name in _LIBRARIES},
        **more,
    }
    return json.dumps(told, sort_keys=True, allow_nan=False)


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, dt.date) else None
