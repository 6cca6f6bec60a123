"""Who the people are: names, addresses and tastes, none of which belongs to anybody real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from marketing_platform.demo.homes import draw_homes
from marketing_platform.demo.phones import draw_phones
from marketing_platform.demo.window import Floats, Ints

_FIRST_NAMES = (
    "Ada Ben Cleo Dan Eve Finn Gwen Hugo Ivy Jonas Kira Leo Mila Noah Olive Paul Quinn Rosa Sam"
    " Tess Uma Victor Willa Xenia Yann Zoe Amir Bianca Carlos Daria Emil Farah"
)
# Things, not families.
_LAST_NAMES = (
    "Anchor Barley Candle Dahlia Ember Fennel Garnet Harbor Indigo Juniper Kettle Lantern Meadow"
    " Nutmeg Orchard Pebble Quartz Ribbon Saffron Thistle Umber Velvet Willow Yarrow Zephyr Bramble"
    " Clover Driftwood Feather Granite"
)
_DOMAINS = ("example.com", "example.org", "example.net")
_COUNTRIES = {"GB": 0.34, "DE": 0.24, "FR": 0.18, "US": 0.16, "NL": 0.08}
_PHONE_SHARE = 0.62
# Of two neighbours of one country: who has the home, the phone and the name of the other.
_COUPLE_SHARE = 0.3
# How far baskets differ between people: the sigma of a log-normal factor with mean 1.
_BASKET_SIGMA = 0.5


@dataclass(frozen=True)
class People:
    """One entry is a person.

    `rows` has first_name, last_name, country, street, city, postcode, region, email,
    alternative_email and phone; `favourite` is the category each likes best and `basket` how much
    they buy at once, around 1.
    """

    rows: pl.DataFrame
    favourite: Ints
    basket: Floats

    def __len__(self) -> int:
        return self.rows.height


def _lives_with(
    rng: np.random.Generator, first: npt.NDArray[np.str_], country: npt.NDArray[np.str_]
) -> Ints:
    """Whose home, phone and family name each has: their own, or those of the one before them."""
    size = len(first)
    who = np.arange(size)
    is_second = who % 2 == 1
    before = np.maximum(who - 1, 0)
    is_couple = is_second & (country == country[before]) & (first != first[before])
    return np.where(is_couple & (rng.random(size) < _COUPLE_SHARE), before, who)


def draw_people(rng: np.random.Generator, size: int, categories: int) -> People:
    """Draw names, addresses and tastes."""
    first = rng.choice(_FIRST_NAMES.split(), size=size)
    last = rng.choice(_LAST_NAMES.split(), size=size)
    country = rng.choice(list(_COUNTRIES), size=size, p=list(_COUNTRIES.values()))
    domain = rng.choice(_DOMAINS, size=size, p=[0.6, 0.25, 0.15])
    phone = draw_phones(rng, country, rng.random(size) < _PHONE_SHARE)
    # Draws of its own: who lives where, and with whom, changes nothing else.
    of_homes, of_couples = rng.spawn(2)
    homes = draw_homes(of_homes, country)
    lives_with = _lives_with(of_couples, first, country)
    last, phone = last[lives_with], phone.gather(lives_with)
    homes = tuple(home.gather(lives_with) for home in homes)
    # The number keeps addresses apart; the other order of names keeps the second one apart.
    number = pl.col("number").cast(pl.String)
    names = [pl.col("first_name").str.to_lowercase(), pl.col("last_name").str.to_lowercase()]
    rows = pl.DataFrame(
        {
            "first_name": first,
            "last_name": last,
            "country": country,
            "phone": phone,
            "domain": domain,
            "number": np.arange(1, size + 1),
        }
    ).select(
        "first_name",
        "last_name",
        "country",
        *homes,
        "phone",
        email=pl.concat_str(names[0], pl.lit("."), names[1], number, pl.lit("@"), "domain"),
        alternative_email=pl.concat_str(
            names[1], pl.lit("."), names[0], number, pl.lit("@"), "domain"
        ),
    )
    basket = rng.lognormal(-(_BASKET_SIGMA**2) / 2, _BASKET_SIGMA, size)
    return People(rows, rng.integers(0, categories, size), basket)
