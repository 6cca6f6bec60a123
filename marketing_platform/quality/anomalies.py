"""The tables of anomalies: each day of each series judged, and what is odd, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.quality.judge import KINDS, WINDOW, judge
from marketing_platform.quality.wording import MOVED, explained_by, number
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_JUDGED = "quality.judged_series"
_ANOMALIES = "quality.anomalies"
_SERIES = ["metric", "slice_kind", "slice"]
# So many days later than all others `quality.series` tells a day of these.
_TOLD_LATER = {"return_on_ad_spend": 3}
KEPT_DAYS = 180
"""How many judged days are kept."""


def build_judged(warehouse: Warehouse, settings: Settings) -> Built:
    """Judge every series, day by day, by the days before."""
    series = warehouse.read("quality.series")
    contract = CONTRACTS[_JUDGED]
    if series.is_empty():
        return warehouse.replace(_JUDGED, contract.empty())
    frame = _judged(series, settings).select(list(contract.columns))
    return warehouse.replace(_JUDGED, frame)


def _judged(series: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """All series as one matrix, a row each and a day a column, judged at once."""
    known = settings.platform.anomalies
    last: Any = series["series_date"].max()
    # What lies further back than the windows reach teaches nothing about the days that are kept.
    series = series.filter(pl.col("series_date") > last - dt.timedelta(KEPT_DAYS + 2 * WINDOW))
    first: Any = series["series_date"].min()
    days = (last - first).days + 1
    names = series.select(_SERIES).unique(maintain_order=True).with_row_index("row")
    placed = series.join(names, on=_SERIES)
    rows = placed["row"].to_numpy()
    columns = (placed["series_date"] - first).dt.total_days().to_numpy()
    is_ratio = np.zeros(names.height, bool)
    np.logical_or.at(is_ratio, rows, placed["volume"].is_not_null().to_numpy())
    amounts, counts = np.zeros((names.height, days)), np.zeros((names.height, days))
    volumes = np.where(is_ratio[:, None], 0.0, np.nan) + np.zeros((1, days))
    amounts[rows, columns] = placed["amount"].to_numpy()
    counts[rows, columns] = placed["sample_size"].to_numpy()
    volumes[rows, columns] = np.where(
        is_ratio[rows], placed["volume"].fill_null(0).to_numpy(), np.nan
    )
    began = np.full(names.height, days)
    np.minimum.at(began, rows, columns)
    # Before its first day a slice was not there.
    amounts[np.arange(days)[None, :] < began[:, None]] = np.nan
    found = judge(
        first,
        amounts,
        volumes,
        counts,
        threshold=known.threshold,
        minimum=known.minimum_volume,
        holidays=known.holidays,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(is_ratio[:, None], amounts / volumes, amounts)
    tables = {
        "value": np.where(np.isfinite(values), values, np.nan),
        "expected": found.expected,
        "low": found.low,
        "high": found.high,
        "score": found.score,
    }
    kept = np.arange(max(0, days - KEPT_DAYS), days)
    later = pl.col("metric").replace_strict(_TOLD_LATER, default=0, return_dtype=pl.Int64)
    judged = names.join(pl.DataFrame({"day": kept}), how="cross").with_columns(
        (pl.lit(first) + pl.duration(days="day")).cast(pl.Date).alias("series_date"),
        *(pl.Series(name, table[:, kept].ravel()).fill_nan(None) for name, table in tables.items()),
        pl.Series(
            "kind",
            [KINDS[code] or None for code in found.kind[:, kept].ravel().tolist()],
            dtype=pl.String,
        ),
    )
    return judged.filter(pl.col("day") < days - later)


def build_anomalies(warehouse: Warehouse, settings: Settings) -> Built:
    """The odd days, with when they began and the slices that explain most of them."""
    judged = warehouse.read(_JUDGED)
    contract = CONTRACTS[_ANOMALIES]
    odd = judged.filter(pl.col("kind").is_not_null())
    if odd.is_empty():
        return warehouse.replace(_ANOMALIES, contract.empty())
    newest = judged.group_by("metric").agg(pl.col("series_date").max().alias("newest_date"))
    odd = (
        odd.join(newest, on="metric")
        .sort(*_SERIES, "series_date")
        .with_columns(
            # Days in a row have the same difference to their place among the odd days.
            (
                pl.col("series_date").to_physical()
                - pl.int_range(pl.len()).over(_SERIES).cast(pl.Int32)
            ).alias("run"),
            (pl.col("series_date") == pl.col("newest_date")).alias("is_open"),
        )
        .with_columns(pl.col("series_date").min().over(*_SERIES, "run").alias("began_on"))
    )
    parts = {
        key: frame.to_dicts()
        for key, frame in judged.filter(pl.col("slice_kind") != "all").group_by(
            "metric", "series_date"
        )
    }
    findings = [
        _finding(row, parts.get((row["metric"], row["series_date"]), []))
        for row in odd.iter_rows(named=True)
    ]
    frame = odd.with_columns(
        pl.Series("finding", findings, dtype=pl.String), pl.col("score").fill_null(0.0)
    )
    return warehouse.replace(_ANOMALIES, frame.select(list(contract.columns)))


def _finding(row: Mapping[str, Any], slices: list[dict[str, Any]]) -> str:
    """What moved, and which slices explain most of it."""
    where = "" if row["slice_kind"] == "all" else f" of {row['slice']}"
    value = row["value"] if row["value"] is not None else 0.0
    text = (
        f"{row['metric']}{where} {MOVED[row['kind']]}: {number(value)} on {row['series_date']},"
        f" {number(row['expected'])} expected"
    )
    if row["kind"] == "level_shift":
        text += f", since {row['began_on']}"
    if row["slice_kind"] != "all":
        return text
    return text + explained_by(row, slices)


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_JUDGED),
        "One row is a day of a series, with what was expected of it, and what is odd about it.",
        ("quality.series",),
        build_judged,
    ),
    PythonTable(
        TableName.parse(_ANOMALIES),
        "One row is a day of a series that is odd: what moved, since when, and which slices explain"
        " most of it.",
        (_JUDGED,),
        build_anomalies,
    ),
)
