"""The days that are simulated, and how busy each of them is.

A day is a number, 0 the first of the export; a moment is a number of seconds since midnight UTC of
day 0. Only what is written to a file becomes a date.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DAY_SECONDS = 86_400
FUTURE_DAYS = 30
HISTORY_DAYS = 180
# Monday first: people have time on Sunday.
_WEEKDAYS = np.array([1.05, 0.95, 0.90, 0.90, 0.92, 1.03, 1.25])
# From midnight UTC: quiet at night, a bump at noon, most in the evening.
_HOURS = np.array(
    [8, 4, 2, 1, 1, 2, 6, 14, 24, 32, 38, 42, 46, 44, 40, 38, 40, 46, 56, 66, 70, 60, 40, 20]
)
# Shopping is at its highest in early December.
_PEAK_DAY_OF_YEAR = 340
_YEARLY_SWING = 0.25


@dataclass(frozen=True)
class Window:
    """The days of the export, `end` the last of them, and a future that only the truth knows."""

    end: dt.date
    days: int

    @property
    def last(self) -> int:
        """The day `end`."""
        return self.days - 1

    @property
    def total(self) -> int:
        """Days with the future."""
        return self.days + FUTURE_DAYS

    @property
    def history(self) -> int:
        """First day of the sources that keep less than the shop does: events and ads."""
        return max(0, self.days - HISTORY_DAYS)

    @property
    def stop(self) -> int:
        """The first moment after the export."""
        return self.days * DAY_SECONDS

    def dates(self, day: Ints) -> npt.NDArray[np.datetime64]:
        """Days as dates."""
        start = np.datetime64(self.end - dt.timedelta(days=self.last), "D")
        return start + day.astype("timedelta64[D]")

    def text(self, seconds: Ints) -> pl.Series:
        """Moments as ISO 8601 in UTC."""
        return pl.Series(self._moments(seconds)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")

    def text_milliseconds(self, seconds: Ints, milliseconds: Ints) -> pl.Series:
        """Moments as ISO 8601 in UTC, as browsers report them."""
        moments = self._moments(seconds) + milliseconds.astype("timedelta64[ms]")
        return pl.Series(moments).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")

    def yearly(self) -> Floats:
        """How busy the time of the year is, for each day, around 1."""
        dates = self.dates(np.arange(self.total))
        day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
        angle = 2 * np.pi * (day_of_year - _PEAK_DAY_OF_YEAR) / 365.25
        return np.asarray(1 + _YEARLY_SWING * np.cos(angle))

    def weekly(self) -> Floats:
        """How busy the day of the week is, for each day, around 1."""
        # Day 0 of numpy's calendar, 1970-01-01, is a Thursday.
        weekday = (self.dates(np.arange(self.total)).astype(np.int64) + 3) % 7
        return np.asarray(_WEEKDAYS[weekday])

    def _moments(self, seconds: Ints) -> npt.NDArray[np.datetime64]:
        midnight = self.dates(np.zeros(1, dtype=np.int64)).astype("datetime64[ms]")[0]
        return np.asarray(midnight + seconds.astype("timedelta64[s]"))


def time_of_day(rng: np.random.Generator, size: int) -> Ints:
    """Seconds since midnight, more of them in the evening."""
    hour = rng.choice(24, size=size, p=_HOURS / _HOURS.sum())
    return np.asarray(hour * 3600 + rng.integers(0, 3600, size=size), dtype=np.int64)
