"""Judges each day of daily series, and each hour, by the days before it: a robust seasonal model.

Values are compared on a logarithmic scale, where a season is a factor. What is expected of a day is
the median level of the last two weeks, without the week's season, half of its trend, and the season
of its weekday (medians over eight weeks). The scale is the median absolute deviation of what was
expected before, and never less than what chance alone would do to counts of this size. Medians, and
days that were flagged being replaced by what was expected of them, keep a bad day from teaching the
model; after two weeks a new level is believed, as are days that are odd as often as not. See
Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, chapters 3.6 and
13.9, for decomposition by medians.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketing_platform.contracts.quality import KINDS

__all__ = ["KINDS", "Judged", "judge", "judge_hours"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
WINDOW = 56
FIRST_JUDGED = 28
_LEVEL_DAYS = 14
_BELIEVED_AFTER = 14
_OFTEN, _OF_DAYS = 14, 28
_FLAT_DAYS = 7
_LASTING_HOURS = 6
_DENSE = 0.8
_OF_PAIR = 0.65
# A normal distribution's standard deviation is so many median absolute deviations.
_NORMAL = 1.482602218505602


@dataclass(frozen=True)
class Judged:
    """What was expected of each day of each series, and what is odd about it.

    All have the shape (series, days). `expected`, `low` and `high` are in the units of the values,
    NaN where nothing was expected yet. `score` is the distance in robust standard deviations,
    `kind` a place in `KINDS`, `is_judged` whether there was enough to say anything.
    """

    expected: Floats
    low: Floats
    high: Floats
    score: Floats
    kind: NDArray[np.int8]
    is_judged: NDArray[np.bool_]


def judge(
    first_day: dt.date,
    amounts: Floats,
    volumes: Floats,
    counts: Floats | None = None,
    *,
    threshold: float = 4.0,
    minimum: float = 20.0,
    holidays: Collection[dt.date] = (),
) -> Judged:
    """Judge series (rows) of contiguous days (columns) from `first_day` on.

    A value is the amount, or amount / volume where the volume is not NaN. NaN amounts are unknown.
    `counts` is of how many things a day tells: of a sum of money, how many paid; without them the
    amount, of a ratio the smaller of its two. A day is judged only where at least `minimum` things
    are expected or there. `holidays` are neither judged nor learned from.
    """
    is_ratio: NDArray[np.bool_] = np.asarray(~np.isnan(volumes).all(axis=1))
    if counts is None:
        counts = np.where(is_ratio[:, None], np.minimum(amounts, volumes), amounts)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = amounts / np.where(volumes > 0, volumes, np.nan)
    values = np.where(is_ratio[:, None], ratios, amounts)
    of = np.where(is_ratio[:, None], volumes, values)
    # Shares move a little above zero, amounts by their own size.
    offset = np.where(is_ratio, _ratio_offset(values), 1.0)[:, None]
    logs = np.log(np.maximum(values, 0) + offset)
    shape = logs.shape
    clean, residual = logs.copy(), np.full(shape, np.nan)
    centre, spread, score = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    kind, told = np.zeros(shape, np.int8), np.zeros(shape, bool)
    off = {(day - first_day).days for day in holidays}
    _fill_gaps(clean, min(FIRST_JUDGED, shape[1]))
    for day in range(FIRST_JUDGED, shape[1]):
        expected = _expected(clean, day)
        level = np.maximum(np.exp(expected) - offset[:, 0], 0)
        size = _expected_count(counts, of, level, is_ratio, day)
        scale = _scale(residual, clean, day, size)
        centre[:, day], spread[:, day] = expected, scale
        residual[:, day] = logs[:, day] - expected
        score[:, day] = residual[:, day] / scale
        unknown = np.isnan(logs[:, day])
        # Before anything is expected of a series, such a day is as the day before.
        instead = np.where(np.isnan(expected), clean[:, day - 1], expected)
        clean[unknown, day] = instead[unknown]
        if day in off:
            score[:, day], residual[:, day] = np.nan, np.nan
            clean[:, day] = instead
            continue
        size = np.maximum(size, np.nan_to_num(counts[:, day]))
        is_judged = (size >= minimum) & _is_dense(amounts, day) & ~np.isnan(expected)
        told[:, day] = is_judged
        # Two days in a row on the same side are as unlikely as one that is further out.
        odd = (np.abs(score[:, day]) > threshold) | _is_pair(score, day, _OF_PAIR * threshold)
        odd &= is_judged
        kind[:, day] = np.where(odd, np.where(score[:, day] > 0, 1, 2), 0)
        flat = _is_flat(values, day) & is_judged
        kind[flat, day] = 4
        kind[odd & _has_lasted(score, kind, day, 2) & ~flat, day] = 3
        # A new level that has lasted is how things are now, and so are days that are odd as often
        # as not: they are taken as they were. A model that is wrong once would be so for ever.
        often = (kind[:, max(0, day - _OF_DAYS + 1) : day + 1] > 0).sum(axis=1) >= _OFTEN
        lasted = odd & _has_lasted(score, kind, day, _BELIEVED_AFTER - 1)
        taught = odd & ~lasted & ~often
        clean[taught, day] = expected[taught]
        for believed, days in ((lasted, _BELIEVED_AFTER), (odd & often, _OF_DAYS)):
            known = believed[:, None] & ~np.isnan(logs[:, day - days + 1 : day + 1])
            np.copyto(
                clean[:, day - days + 1 : day + 1], logs[:, day - days + 1 : day + 1], where=known
            )
        few = odd & ~often
        residual[few, day] = np.clip(residual[few, day], -3 * scale[few], 3 * scale[few])
    bounds = (centre, centre - threshold * spread, centre + threshold * spread)
    expected, low, high = (np.maximum(np.exp(part) - offset, 0) for part in bounds)
    return Judged(expected, low, high, score, kind, told)


def judge_hours(
    first_day: dt.date,
    amounts: Floats,
    volumes: Floats,
    counts: Floats,
    *,
    threshold: float = 6.0,
    minimum: float = 20.0,
    holidays: Collection[dt.date] = (),
) -> Judged:
    """Judge hours by the same hour of the days before: arrays of shape (series, days, 24).

    Each hour of the day is a series of days, judged as such; what it teaches is decided there. What
    is told is decided by hours in a row.
    """
    count, days, _ = amounts.shape

    def by_hour(values: Floats) -> Floats:
        return values.transpose(0, 2, 1).reshape(count * 24, days)

    found = judge(
        first_day,
        by_hour(amounts),
        by_hour(volumes),
        by_hour(counts),
        threshold=threshold,
        minimum=minimum,
        holidays=holidays,
    )

    def in_a_row(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(count, 24, days).transpose(0, 2, 1).reshape(count, days * 24)

    score, is_judged = in_a_row(found.score), in_a_row(found.is_judged)
    kind = np.zeros(score.shape, np.int8)
    for hour in range(1, score.shape[1]):
        odd = (np.abs(score[:, hour]) > threshold) | _is_pair(score, hour, _OF_PAIR * threshold)
        odd &= is_judged[:, hour]
        kind[:, hour] = np.where(odd, np.where(score[:, hour] > 0, 1, 2), 0)
        kind[odd & _has_lasted(score, kind, hour, _LASTING_HOURS - 1), hour] = 3
    return Judged(
        in_a_row(found.expected),
        in_a_row(found.low),
        in_a_row(found.high),
        score,
        kind,
        is_judged,
    )


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
    past = residual[:, max(0, day - WINDOW) : day]
    since = max(0, day - WINDOW)
    weekly = clean[:, since + 7 : day] - clean[:, since : day - 7]
    with _quiet():
        spread = _deviation(past)
        # Of too few days something was expected yet: from one week to the next instead.
        is_new = (~np.isnan(past)).sum(axis=1) < _LEVEL_DAYS
        spread[is_new] = _deviation(weekly[is_new])
    spread = np.nan_to_num(spread)
    # Counts vary by their square root, whatever else.
    chance = 1 / np.sqrt(np.maximum(count, 1.0))
    return np.maximum(spread, np.maximum(chance, 0.02))


def _deviation(past: Floats) -> Floats:
    """The median absolute deviation, as that of a normal distribution; NaN values are left out.

    scipy's goes through the series one by one as soon as a value is NaN.
    """
    middle = np.nanmedian(past, axis=1, keepdims=True)
    return np.asarray(_NORMAL * np.nanmedian(np.abs(past - middle), axis=1))


def _expected_count(counts: Floats, of: Floats, level: Floats, is_ratio: Flags, day: int) -> Floats:
    """How many things a day should tell of: as many as usual for a day of its size.

    The size of a day is what is expected of it, of a ratio what it is a ratio of.
    """
    past = slice(max(0, day - WINDOW), day)
    usual = np.median(np.nan_to_num(counts[:, past]), axis=1)
    usual_of = np.median(np.nan_to_num(of[:, past]), axis=1)
    now = np.where(is_ratio, np.nan_to_num(of[:, day]), np.nan_to_num(level))
    return np.where(usual_of > 0, usual * now / np.where(usual_of > 0, usual_of, 1), 0)


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
