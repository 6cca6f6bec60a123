"""The table of judged hours: each hour of each hourly series, and what is odd about it.

An hour is judged by the same hour of the days before, in the shop's time zone, so that the model of
days serves. Where an hour has too few records to say anything, the three or six hours up to it are
judged together.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.quality.judge import KINDS, judge_hours
from marketing_platform.quality.wording import MOVED, explained_by, number
from marketing_platform.settings import Anomalies, Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

NAME = "quality.judged_hours"
KEPT_DAYS = 14
"""How many days of judged hours are kept."""
_SERIES = ["metric", "slice_kind", "slice"]
# An odd hour is open so long: an alert that closed with the next hour would be looked for in vain.
_OPEN_HOURS = 6
# How many hours are judged together: the fewest of these that usually have enough records.
_LENGTHS = (1, 3, 6)
_ENOUGH = 2.0
# Records of fewer hours of the day have no hour: they are of days.
_LEAST_HOURS_OF_DAY = 12


def build_judged_hours(warehouse: Warehouse, settings: Settings) -> Built:
    """Judge every hourly series, hour by hour, by the days before."""
    contract = CONTRACTS[NAME]
    zone = settings.platform.shop.timezone
    judged = judged_hours(
        warehouse.read("quality.hourly_series"), settings.platform.anomalies, zone
    )
    if judged.is_empty():
        return warehouse.replace(NAME, contract.empty())
    kept = pl.col("day") > pl.col("day").max() - dt.timedelta(days=KEPT_DAYS)
    frame = _told(judged.filter(kept), zone)
    return warehouse.replace(NAME, frame.select(list(contract.columns)))


def judged_hours(series: pl.DataFrame, known: Anomalies, zone: str) -> pl.DataFrame:
    """What was expected of each hour of hourly series, and its kind: of all hours that are known.

    `series` is as `quality.hourly_series`. Those that are of days, written with few hours of the
    day, are left out; where none is left the frame is empty.
    """
    hour = _local(pl.col("hour_at"), zone).dt.hour()
    series = series.filter(hour.n_unique().over(_SERIES) >= _LEAST_HOURS_OF_DAY)
    if series.is_empty():
        return series
    return _judged(_together(_placed(series, zone), known), known)


def _local(moment: pl.Expr, zone: str) -> pl.Expr:
    return moment.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def _placed(series: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Each series and each hour of its calendar; without an amount where nothing is known."""
    names = series.group_by(_SERIES, maintain_order=True).agg(
        pl.col("told_until_at").first(),
        pl.col("hour_at").min().alias("began_at"),
        pl.col("volume").is_not_null().any().alias("is_ratio"),
    )
    is_known = (
        (pl.col("hour_at") >= pl.col("began_at"))
        & (pl.col("hour_at") + dt.timedelta(hours=1) <= pl.col("told_until_at"))
        & (pl.col("times") == 1)
    )
    first: Any = names["began_at"].min()
    last: Any = names["told_until_at"].max()
    return (
        names.join(_calendar(first, last, zone), how="cross")
        .join(series.select(*_SERIES, "hour_at", "amount", "volume"), [*_SERIES, "hour_at"], "left")
        .with_columns(
            pl.when(is_known).then(pl.col("amount").fill_null(0)).alias("amount"),
            pl.when(is_known & pl.col("is_ratio"))
            .then(pl.col("volume").fill_null(0))
            .alias("volume"),
        )
        .sort(*_SERIES, "day", "hour_of_day")
    )


def _calendar(first: dt.datetime, last: dt.datetime, zone: str) -> pl.DataFrame:
    """24 hours of each day; one that the clock left out, or had twice, is no hour like others."""
    began = first.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).date()
    ended = last.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).date()
    hours = pl.DataFrame({"hour_at": pl.datetime_range(first, last, "1h", eager=True)})
    there = hours.group_by(
        _local(pl.col("hour_at"), zone).dt.date().alias("day"),
        _local(pl.col("hour_at"), zone).dt.hour().alias("hour_of_day"),
    ).agg(pl.col("hour_at").min(), pl.len().alias("times"))
    return (
        pl.DataFrame({"day": pl.date_range(began, ended, eager=True)})
        .join(
            pl.DataFrame({"hour_of_day": pl.int_range(24, dtype=pl.Int8, eager=True)}), how="cross"
        )
        .join(there, ["day", "hour_of_day"], "left")
    )


def _together(placed: pl.DataFrame, known: Anomalies) -> pl.DataFrame:
    """The amounts of as many hours together as a series needs to say something."""

    def summed(column: str, length: int) -> pl.Expr:
        return pl.col(column).rolling_sum(length).over(_SERIES)

    def chosen(column: str) -> pl.Expr:
        found = pl.col(column)
        for length in _LENGTHS[1:]:
            is_so_long = pl.col("hour_count") == length
            found = pl.when(is_so_long).then(summed(column, length)).otherwise(found)
        return found.alias(column)

    count = pl.when(pl.col("is_ratio")).then(pl.col("volume")).otherwise(pl.col("amount"))
    placed = placed.with_columns(count.alias("sample_size"))
    needed = pl.lit(_LENGTHS[-1])
    for length in reversed(_LENGTHS[:-1]):
        usual = summed("sample_size", length).quantile(0.75).over(_SERIES)
        needed = pl.when(usual >= _ENOUGH * known.minimum_volume).then(length).otherwise(needed)
    placed = placed.with_columns(needed.cast(pl.Int64).alias("hour_count"))
    return placed.with_columns(chosen("amount"), chosen("volume"), chosen("sample_size"))


def _judged(placed: pl.DataFrame, known: Anomalies) -> pl.DataFrame:
    """All series judged at once, as one matrix."""
    rows = placed.select(_SERIES).n_unique()
    first: Any = placed["day"][0]
    matrices = {
        name: placed[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().reshape(rows, -1, 24)
        for name in ("amount", "volume", "sample_size")
    }
    found = judge_hours(
        first,
        matrices["amount"],
        matrices["volume"],
        matrices["sample_size"],
        threshold=known.hourly_threshold,
        minimum=known.minimum_volume,
        holidays=known.holidays,
    )
    columns = {
        "expected": found.expected,
        "low": found.low,
        "high": found.high,
        "score": found.score,
    }
    value = (
        pl.when(pl.col("is_ratio")).then(pl.col("amount") / pl.col("volume")).otherwise("amount")
    )
    return placed.with_columns(
        pl.when(value.is_finite()).then(value).alias("value"),
        *(pl.Series(name, column.ravel()).fill_nan(None) for name, column in columns.items()),
        pl.Series("kind", [KINDS[k] or None for k in found.kind.ravel().tolist()], dtype=pl.String),
    ).filter(pl.col("amount").is_not_null())


def _told(judged: pl.DataFrame, zone: str) -> pl.DataFrame:
    """What is odd in words, and whether it is of the newest hours."""
    newest = pl.col("hour_at").max().over(_SERIES)
    judged = judged.with_columns(
        (
            pl.col("kind").is_not_null()
            & (pl.col("hour_at") > newest - dt.timedelta(hours=_OPEN_HOURS))
        ).alias("is_open")
    )
    odd = judged.filter(pl.col("kind").is_not_null())
    hours = odd.filter(pl.col("slice_kind") == "all")["hour_at"].unique().to_list()
    parts = {
        key: frame.to_dicts()
        for key, frame in judged.filter(
            pl.col("slice_kind") != "all", pl.col("hour_at").is_in(hours)
        ).group_by("metric", "hour_at")
    }
    findings = [
        _finding(row, parts.get((row["metric"], row["hour_at"]), []), zone)
        for row in odd.iter_rows(named=True)
    ]
    told = odd.select(*_SERIES, "hour_at").with_columns(
        pl.Series("finding", findings, dtype=pl.String)
    )
    return judged.join(told, [*_SERIES, "hour_at"], "left")


def _finding(row: dict[str, Any], slices: list[dict[str, Any]], zone: str) -> str:
    """What moved, and which slices explain most of it."""
    where = "" if row["slice_kind"] == "all" else f" of {row['slice']}"
    end = row["hour_at"].replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)) + dt.timedelta(hours=1)
    hours = "hour" if row["hour_count"] == 1 else f"{row['hour_count']} hours"
    text = (
        f"{row['metric']}{where} {MOVED[row['kind']]}: {number(row['value'] or 0.0)} in the {hours}"
        f" to {end:%Y-%m-%d %H:%M} {zone}, {number(row['expected'])} expected"
    )
    return text + (explained_by(row, slices) if row["slice_kind"] == "all" else "")


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(NAME),
        "One row is an hour of a series, with what was expected of it and of the hours just before,"
        " and what is odd about it.",
        ("quality.hourly_series",),
        build_judged_hours,
    ),
)
