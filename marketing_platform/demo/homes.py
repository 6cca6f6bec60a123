"""Where the people live: streets and towns that are nowhere, with postcodes that nobody has."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

# The columns of an address, country apart.
HOME = ("street", "city", "postcode", "region")
_STREETS = "Mill Church Station Park Harbour Garden Bridge School Market Orchard"
_TOWNS = (
    "Ashenbrook Brinmoor Calderfen Dunmere Elmhollow Farrowdale Glenwick Hollowmere Innisfen"
    " Kestrelby"
)
# The form of a postcode, in which each 9 is a digit, and the regions that addresses name.
_POSTCODES = {"GB": "QX9 9ZZ", "DE": "00999", "FR": "00999", "US": "00099", "NL": "0999 XQ"}
_REGIONS = {"US": ("CA", "NY", "TX", "WA")}


def draw_homes(rng: np.random.Generator, country: npt.NDArray[Any]) -> tuple[pl.Series, ...]:
    """The street, city, postcode and region of a person of each country."""
    size = len(country)
    number = pl.Series(rng.integers(1, 180, size)).cast(pl.String)
    street = number + " " + pl.Series(rng.choice(_STREETS.split(), size)) + " Street"
    city = rng.choice(_TOWNS.split(), size)
    postcode, region = np.empty(size, dtype=object), np.full(size, None, dtype=object)
    for code, form in _POSTCODES.items():
        there = np.flatnonzero(country == code)
        digits = iter(rng.integers(0, 10, (form.count("9"), len(there))).astype(str))
        text = np.full(len(there), "", dtype=object)
        for sign in form:
            text = text + (next(digits).astype(object) if sign == "9" else sign)
        postcode[there] = text
        if code in _REGIONS:
            region[there] = rng.choice(_REGIONS[code], len(there))
    return (
        street.alias("street"),
        pl.Series("city", city),
        pl.Series("postcode", postcode.tolist(), dtype=pl.String),
        pl.Series("region", region.tolist(), dtype=pl.String),
    )
