"""Judges each day of daily series by the days before it: a robust seasonal model.

Values are compared on a logarithmic scale, where a season is a factor. What is expected of a day is
the median level of the last two weeks, without the week's season, half of its trend, and the season
of its weekday (medians over eight weeks). The scale is the median absolute deviation of what was
expected before, and never less than what chance alone would do to counts of this size. Medians, and
days that were flagged being replaced by what was expected of them, keep a bad day from teaching the
model; after two weeks a new level is believed. See Hyndman and Athanasopoulos, Forecasting:
Principles and Practice, 3rd edition, chapters 3.6 and 13.9, for decomposition by medians.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketing_platform.contracts.quality import KINDS

__all__ = ["KINDS", "Judged", "judge"]

Floats = NDArray[np.float64]
WINDOW = 56
FIRST_JUDGED = 28
_LEVEL_DAYS = 14
_BELIEVED_AFTER = 14
_FLAT_DAYS = 7
_DENSE = 0.8
_OF_PAIR = 0.65


@dataclass(frozen=True)
class Judged:
    """What was expected of each day of each series, and what is odd about it.

    All have the shape (series, days). `expected`, `low` and `high` are in the units of the values,
    NaN where nothing was expected yet. `score` is the distance in robust standard deviations,
    `kind` a place in `KINDS`.
    """

    expected: Floats
    low: Floats
    high: Floats
    score: Floats
    kind: NDArray[np.int8]


def judge(
    first_day: dt.date,
    amounts: Floats,
    volumes: Floats,
    *,
    threshold: float = 4.0,
    minimum: float = 20.0,
    holidays: Collection[dt.date] = (),
) -> Judged:
    """Judge series (rows) of contiguous days (columns) from `first_day` on.

    A value is the amount, or amount / volume where the volume is not NaN. NaN amounts are unknown.
    A day is judged only where a count of at least `minimum` is expected (of a ratio, its volume).
    `holidays` are neither judged nor learned from.
    """
    is_ratio: NDArray[np.bool_] = np.asarray(~np.isnan(volumes).all(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = amounts / np.where(volumes > 0, volumes, np.nan)
    values = np.where(is_ratio[:, None], ratios, amounts)
    # Shares move a little above zero, amounts by their own size.
    offset = np.where(is_ratio, _ratio_offset(values), 1.0)[:, None]
    logs = np.log(np.maximum(values, 0) + offset)
    shape = logs.shape
    clean, residual = logs.copy(), np.full(shape, np.nan)
    centre, spread, score = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    kind = np.zeros(shape, np.int8)
    off = {(day - first_day).days for day in holidays}
    _fill_gaps(clean, min(FIRST_JUDGED, shape[1]))
    for day in range(FIRST_JUDGED, shape[1]):
        expected = _expected(clean, day)
        scale = _scale(residual, clean, day, _usual_count(amounts, volumes, is_ratio, day))
        centre[:, day], spread[:, day] = expected, scale
        residual[:, day] = logs[:, day] - expected
        score[:, day] = residual[:, day] / scale
        unknown = np.isnan(logs[:, day])
        clean[unknown, day] = expected[unknown]
        if day in off:
            score[:, day], residual[:, day] = np.nan, np.nan
            clean[:, day] = expected
            continue
        usual = np.maximum(np.exp(expected) - offset[:, 0], amounts[:, day])
        size = np.where(is_ratio, volumes[:, day], usual)
        is_judged = (size >= minimum) & _is_dense(amounts, day)
        # Two days in a row on the same side are as unlikely as one that is further out.
        odd = (np.abs(score[:, day]) > threshold) | _is_pair(score, day, _OF_PAIR * threshold)
        odd &= is_judged
        kind[:, day] = np.where(odd, np.where(score[:, day] > 0, 1, 2), 0)
        flat = _is_flat(values, day) & is_judged
        kind[flat, day] = 4
        kind[odd & _has_lasted(score, kind, day, 2) & ~flat, day] = 3
        believed = odd & _has_lasted(score, kind, day, _BELIEVED_AFTER - 1)
        taught = odd & ~believed
        clean[taught, day] = expected[taught]
        if believed.any():
            # A new level that has lasted is how things are now: its days are taken as they were.
            since = day - _BELIEVED_AFTER + 1
            clean[believed, since : day + 1] = logs[believed, since : day + 1]
        residual[odd, day] = np.clip(residual[odd, day], -3 * scale[odd], 3 * scale[odd])
    bounds = (centre, centre - threshold * spread, centre + threshold * spread)
    expected, low, high = (np.maximum(np.exp(part) - offset, 0) for part in bounds)
    return Judged(expected, low, high, score, kind)


def _fill_gaps(clean: Floats, days: int) -> None:
    """A day of the first weeks on which a ratio was of nothing is as the day before."""
    for day in range(1, days):
        unknown: NDArray[np.bool_] = np.asarray(np.isnan(clean[:, day]), dtype=np.bool_)
        clean[unknown, day] = clean[unknown, day - 1]


def _ratio_offset(values: Floats) -> Floats:
    empty: NDArray[np.bool_] = np.asarray(np.isnan(values).all(axis=1), dtype=np.bool_)
    with np.errstate(all="ignore"):
        middle = np.nanmedian(np.where(empty[:, None], 1.0, values), axis=1)
    return np.maximum(middle * 0.1, 1e-6)


def _expected(clean: Floats, day: int) -> Floats:
    """What the days before make of this one; NaN where they are not all known."""
    past = clean[:, max(0, day - WINDOW) : day]
    length = past.shape[1]
    weekday = (np.arange(length) - length) % 7
    apart = past - _centred_mean(past)
    season = np.stack([np.median(apart[:, weekday == w], axis=1) for w in range(7)], axis=1)
    season -= season.mean(axis=1, keepdims=True)
    level = past[:, -2 * _LEVEL_DAYS :] - season[:, weekday[-2 * _LEVEL_DAYS :]]
    recent = np.median(level[:, -_LEVEL_DAYS:], axis=1)
    slope = (recent - np.median(level[:, :_LEVEL_DAYS], axis=1)) / _LEVEL_DAYS
    expected: Floats = recent + 0.5 * slope * (_LEVEL_DAYS + 1) / 2 + season[:, 0]
    return expected


def _centred_mean(past: Floats) -> Floats:
    """The mean of the week around each day; at the ends of the nearest whole week."""
    sums = np.cumsum(np.pad(past, ((0, 0), (1, 0))), axis=1)
    inner = (sums[:, 7:] - sums[:, :-7]) / 7
    return np.pad(inner, ((0, 0), (3, 3)), mode="edge")


def _scale(residual: Floats, clean: Floats, day: int, count: Floats) -> Floats:
    past = residual[:, max(FIRST_JUDGED, day - WINDOW) : day]
    if past.shape[1] < _LEVEL_DAYS:
        # Nothing was expected yet: from one week to the next instead.
        past = clean[:, 7:day] - clean[:, : day - 7]
    with _quiet():
        spread = np.nan_to_num(_deviation(past))
    # Counts vary by their square root, whatever else.
    chance = 1 / np.sqrt(np.maximum(count, 1.0))
    return np.maximum(spread, np.maximum(chance, 0.02))


def _deviation(past: Floats) -> Floats:
    """The median absolute deviation, as that of a normal distribution."""
    # Loading it takes half a second, and whoever loads the tables loads this module.
    from scipy.stats import median_abs_deviation

    if np.isnan(past).any():
        found = median_abs_deviation(past, axis=1, scale="normal", nan_policy="omit")
    else:
        found = median_abs_deviation(past, axis=1, scale="normal")
    return np.asarray(found, np.float64)


def _usual_count(amounts: Floats, volumes: Floats, is_ratio: NDArray[np.bool_], day: int) -> Floats:
    """The count whose chance limits what can be told: of a ratio, the smaller of its two."""
    past = slice(max(0, day - WINDOW), day)
    usual = np.median(np.nan_to_num(amounts[:, past]), axis=1)
    of = np.median(np.nan_to_num(volumes[:, past]), axis=1)
    return np.where(is_ratio, np.minimum(of, np.maximum(usual, 1.0)), usual)


def _is_dense(amounts: Floats, day: int) -> NDArray[np.bool_]:
    """Whether something happened on most days before: of rare things no day is odd."""
    past = amounts[:, max(0, day - WINDOW) : day]
    return np.asarray((past > 0).mean(axis=1) >= _DENSE)


def _is_flat(values: Floats, day: int) -> NDArray[np.bool_]:
    """Whether a week of values is one and the same, which they were not before."""
    week = values[:, day - _FLAT_DAYS + 1 : day + 1]
    before = values[:, max(0, day - WINDOW) : day - _FLAT_DAYS + 1]
    with _quiet():
        varied = np.nanmax(before, axis=1) > np.nanmin(before, axis=1)
    return np.asarray((week == week[:, :1]).all(axis=1) & varied)


def _is_pair(score: Floats, day: int, threshold: float) -> NDArray[np.bool_]:
    """Whether this day and the one before are both out, to the same side."""
    both = score[:, day - 1 : day + 1]
    return np.asarray((both > threshold).all(axis=1) | (both < -threshold).all(axis=1))


def _has_lasted(score: Floats, kind: NDArray[np.int8], day: int, length: int) -> NDArray[np.bool_]:
    """Whether the days before were odd too, all to the same side as this one."""
    if day < length:
        return np.zeros(len(kind), bool)
    before = slice(day - length, day)
    same = np.sign(score[:, before]) == np.sign(score[:, day])[:, None]
    return np.asarray(((kind[:, before] > 0) & same).all(axis=1))


@contextmanager
def _quiet() -> Iterator[None]:
    """A window without any known day is NaN, which says so by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
