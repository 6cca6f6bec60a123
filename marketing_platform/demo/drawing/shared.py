"""What all the tables need: moments, amounts, versions."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.window import DAY_SECONDS, Floats, Ints, Window

MONEY = pl.Decimal(18, 2)
MOMENT = pl.Datetime("us", "UTC")

FIRST_ACCOUNT = 500_001
FIRST_PRODUCT = 8_000_001
FIRST_VARIANT = 8_500_001
FIRST_ORDER = 5_000_001
FIRST_LINE = 9_000_001


def moments(name: str, window: Window, seconds: Ints) -> pl.Series:
    """Moments in seconds of the window as UTC datetimes; a negative one is null."""
    midnight = window.dates(np.zeros(1, dtype=np.int64)).astype("datetime64[us]")[0]
    values = midnight + seconds.astype("timedelta64[s]").astype("timedelta64[us]")
    series = pl.Series(name, values).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    is_there = pl.Series(seconds > -DAY_SECONDS * 3650)
    return pl.select(pl.when(is_there).then(series).alias(name)).to_series()


NO_MOMENT = -DAY_SECONDS * 4000


def amounts(name: str, values: Floats) -> pl.Series:
    """Amounts as decimals."""
    return pl.Series(name, np.round(values, 2)).cast(MONEY)


def money(expression: pl.Expr) -> pl.Expr:
    """An amount as decimal."""
    return expression.cast(pl.Float64).round(2).cast(MONEY)


def keep_until(window: Window, frame: pl.DataFrame) -> pl.DataFrame:
    """The versions that the window has seen, in the order of time."""
    stop = moments("stop", window, np.array([window.stop]))[0]
    return frame.filter(pl.col("updated_at") < stop).sort("updated_at", maintain_order=True)
