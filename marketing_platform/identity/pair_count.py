"""How many pairs a rule makes, before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

# More pairs of one rule than this cost more than they tell.
MOST_PAIRS: Final = 2_000_000


def pair_count(rows: pl.DataFrame, rule: Sequence[str]) -> int:
    """How many pairs of rows agree in all of these columns."""
    sizes = rows.drop_nulls(list(rule)).group_by(*rule).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())
