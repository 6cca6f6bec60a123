"""What is odd about a figure, in words that the findings of days and of hours share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MOVED = {"spike": "jumped", "dip": "fell", "level_shift": "has moved", "flat": "does not move"}
_EXPLAINED_BY = 3
_LEAST_SHARE = 0.1
_MOST_SHARE = 9.99


def number(value: float) -> str:
    """A figure as a person writes it."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def explained_by(row: Mapping[str, Any], slices: Iterable[Mapping[str, Any]]) -> str:
    """The slices that explain most of what moved, as the end of a sentence; empty if none does."""
    moved = (row["value"] or 0.0) - row["expected"]
    told = []
    for one in slices:
        if one["value"] is None or one["expected"] is None or not moved:
            continue
        share = (one["value"] - one["expected"]) / moved
        if share > _LEAST_SHARE:
            told.append((share, f"{one['slice_kind']} {one['slice']}"))
    told.sort(reverse=True)
    if not told:
        return ""
    # Ratios do not add up over slices; for them the order alone says something.
    names = (f"{name} ({min(share, _MOST_SHARE):.0%})" for share, name in told[:_EXPLAINED_BY])
    return f"; most of it in {', '.join(names)}"
