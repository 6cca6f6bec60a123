"""The dirt that real exports have, put in on purpose and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from marketing_platform.demo.window import Ints

_DUPLICATE_SHARE = 0.003
_UNREADABLE_DATE_SHARE = 0.0004
_MISSING_NUMBER_SHARE = 0.0006
_NEGATIVE_PRICE_SHARE = 0.0003
# A repeated line can stand a page of the export further down.
_PAGE = 50
_UNREADABLE_DATES = ("0000-00-00 00:00:00", "not set", "2024-13-45", "99.99.9999")
_MISSING = ("n/a", "", "-")


@dataclass(frozen=True)
class Dirt:
    """Line IDs of orders.csv, by what is wrong with the line.

    A duplicate is a line that stands there twice; each kind has lines of its own.
    """

    duplicates: tuple[str, ...]
    unreadable_dates: tuple[str, ...]
    missing_numbers: tuple[str, ...]
    negative_prices: tuple[str, ...]


def soil(rng: np.random.Generator, rows: pl.DataFrame) -> tuple[pl.DataFrame, Dirt]:
    """Spoil some lines of orders.csv; never one of which something was given back."""
    chosen = rng.permutation(np.flatnonzero(rows["is_open"].to_numpy()))
    rows = rows.drop("is_open")
    shares = (
        _DUPLICATE_SHARE,
        _UNREADABLE_DATE_SHARE,
        _MISSING_NUMBER_SHARE,
        _NEGATIVE_PRICE_SHARE,
    )
    # At least one of each, also in a small shop.
    ends = np.cumsum([max(1, round(share * rows.height)) for share in shares])
    doubled, dates, numbers, prices = (
        np.sort(part).astype(np.int64) for part in np.split(chosen[: ends[-1]], ends[:-1])
    )
    half = len(numbers) // 2
    line_ids = rows["Line ID"]
    rows = _spoil(rows, "Order Date", dates, rng.choice(_UNREADABLE_DATES, len(dates)))
    rows = _spoil(rows, "Quantity", numbers[:half], rng.choice(_MISSING, half))
    rows = _spoil(rows, "Unit Price", numbers[half:], rng.choice(_MISSING, len(numbers) - half))
    rows = _spoil(rows, "Unit Price", prices, ("-" + rows["Unit Price"][prices]).to_numpy())
    kinds = (tuple(line_ids[part].to_list()) for part in (doubled, dates, numbers, prices))
    return _repeat(rng, rows, doubled), Dirt(*kinds)


def _spoil(rows: pl.DataFrame, column: str, where: Ints, values: object) -> pl.DataFrame:
    """Replace the values of a column in some rows."""
    texts = rows[column].to_numpy().astype(object)
    texts[where] = values
    return rows.with_columns(pl.Series(column, texts.tolist(), dtype=pl.String))


def _repeat(rng: np.random.Generator, rows: pl.DataFrame, where: Ints) -> pl.DataFrame:
    """Write some rows a second time, a little further down."""
    place = np.concatenate([np.arange(rows.height), where + rng.integers(0, _PAGE, len(where))])
    doubled = pl.concat([rows, rows[where]])
    return doubled[np.argsort(place, kind="stable")]
