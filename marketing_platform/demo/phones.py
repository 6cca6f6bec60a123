"""Phone numbers that ring nowhere: the ranges that regulators keep for films and books.

Sources: Ofcom, "Telephone numbers for drama use"; Bundesnetzagentur, Mitteilung 148/2021; Arcep,
decision 2018-0881; NANPA, 555-0100 to 555-0199 of every area code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from marketing_platform.demo.window import Bools

_US_AREAS = (
    *(202, 206, 212, 213, 214, 303, 305, 312, 313, 404),
    *(415, 503, 512, 602, 615, 617, 619, 702, 713, 718),
)
_UK_AREAS = (113, 114, 115, 116, 117, 118, 121, 131, 141, 151, 161)
# Country -> the start of each range, and how many digits follow it.
RANGES: dict[str, tuple[tuple[str, int], ...]] = {
    "GB": (
        ("+44 20 7946 0", 3),
        ("+44 7700 900", 3),
        ("+44 191 498 0", 3),
        ("+44 1632 960", 3),
        *((f"+44 {area} 496 0", 3) for area in _UK_AREAS),
    ),
    "DE": (
        ("+49 30 23125 ", 3),
        ("+49 69 90009 ", 3),
        ("+49 40 66969 ", 3),
        ("+49 221 4710 ", 3),
        ("+49 89 99998 ", 3),
    ),
    "FR": (
        ("+33 1 99 00 ", 4),
        ("+33 2 61 91 ", 4),
        ("+33 3 53 01 ", 4),
        ("+33 4 65 71 ", 4),
        ("+33 5 36 49 ", 4),
        ("+33 6 39 98 ", 4),
    ),
    "US": tuple((f"+1 {area} 555 01", 2) for area in _US_AREAS),
}


def draw_phones(rng: np.random.Generator, country: npt.NDArray[np.str_], has: Bools) -> pl.Series:
    """A number of its own for each person that has one, with blanks between its parts.

    Null where the person has none, or the ranges of the country are used up: two people never share
    a number, so that the truth about who is who is not in doubt.
    """
    phones = np.full(len(country), None, dtype=object)
    for name, ranges in RANGES.items():
        people = np.flatnonzero((country == name) & has)
        ends = np.cumsum([10**digits for _, digits in ranges])
        people = people[: int(ends[-1])]
        slot = rng.permutation(int(ends[-1]))[: len(people)]
        place = np.searchsorted(ends, slot, side="right")
        starts = pl.Series([start for start, _ in ranges])[place]
        # One country's ranges all leave as many digits to fill.
        number = pl.Series(slot - (ends - ends[0])[place]).cast(pl.String)
        phones[people] = (starts + number.str.zfill(ranges[0][1])).to_numpy()
    return pl.Series("phone", phones.tolist(), dtype=pl.String)


def rewrite_phones(rng: np.random.Generator, phones: pl.Series) -> pl.Series:
    """The same numbers written as people write them: +44..., 0044..., with hyphens or brackets."""
    style = pl.Series("style", rng.integers(0, 4, len(phones)))
    compact = pl.col("phone").str.replace_all(" ", "")
    written = (
        pl.when(pl.col("style") == 0)
        .then(compact)
        .when(pl.col("style") == 1)
        .then(pl.lit("00") + compact.str.strip_chars_start("+"))
        .when(pl.col("style") == 2)
        .then(pl.col("phone").str.replace_all(" ", "-"))
        .otherwise(pl.col("phone").str.replace(r"^(\+\d+) (\d+) ", "$1 ($2) "))
    )
    return pl.DataFrame([phones.alias("phone"), style]).select(written.alias("phone"))["phone"]
