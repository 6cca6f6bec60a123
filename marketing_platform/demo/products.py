"""What the demo shop sells: some products sell far better than others, prices are log-normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from marketing_platform.demo.window import Floats, Ints, Window

# Category, code, median price, and what is in it.
_CATEGORIES = (
    ("Coffee", "COF", 14.0, "Beans Espresso Filter Decaf Capsules"),
    ("Tea", "TEA", 9.0, "Oolong Sencha Rooibos Chai Mint"),
    ("Kitchen", "KIT", 32.0, "Kettle Skillet Grater Whisk Board"),
    ("Bath", "BAT", 18.0, "Towel Soap Brush Robe Mat"),
    ("Bedroom", "BED", 55.0, "Pillow Duvet Sheet Throw Quilt"),
    ("Lighting", "LIG", 48.0, "Lamp Lantern Candle Shade Bulb"),
    ("Garden", "GAR", 26.0, "Planter Trowel Hose Seeds Gloves"),
    ("Stationery", "STA", 7.0, "Notebook Pencil Folder Ink Calendar"),
)
_STYLES = ("Classic", "Small", "Limited")
_PRICE_SIGMA = 0.45
# Popularity falls with the rank to this power, as in Zipf's law.
_ZIPF = 0.8
# Share of picks from a person's own category.
_LOYALTY = 0.55


@dataclass(frozen=True)
class Catalogue:
    """The products, in the order of their categories.

    `popularity` is the summed weight of the products up to and with each; `bounds` is where it
    stands at the start of each category and at the end.
    """

    sku: pl.Series
    title: pl.Series
    price: Floats
    popularity: Floats
    bounds: Floats
    rows: pl.DataFrame

    @property
    def category_count(self) -> int:
        """How many categories there are."""
        return len(self.bounds) - 1


def make_catalogue(rng: np.random.Generator, window: Window) -> Catalogue:
    """Draw prices and popularity of the products."""
    kinds = [kind.split() for *_, kind in _CATEGORIES]
    size = len(kinds[0]) * len(_STYLES)
    median = np.repeat([price for _, _, price, _ in _CATEGORIES], size)
    price = np.round(median * rng.lognormal(0, _PRICE_SIGMA, len(median)) * 2) / 2 - 0.05
    weight = (1 + rng.permutation(len(median))) ** -_ZIPF
    popularity = np.cumsum(weight / weight.sum())
    titles = [f"{style} {kind}" for group in kinds for kind in group for style in _STYLES]
    skus = [f"{code}-{number:03d}" for _, code, *_ in _CATEGORIES for number in range(1, size + 1)]
    changed = rng.integers(0, window.stop, len(median))
    rows = pl.DataFrame(
        {
            "SKU": skus,
            "Title": titles,
            "Category": np.repeat([name for name, *_ in _CATEGORIES], size),
            "Price": money(price),
            "Currency": "EUR",
            "Updated At": window.text(changed),
        }
    )
    bounds = np.concatenate([[0.0], popularity[size - 1 :: size]])
    return Catalogue(rows["SKU"], rows["Title"], price, popularity, bounds, rows)


def pick_products(rng: np.random.Generator, catalogue: Catalogue, favourite: Ints) -> Ints:
    """Pick a product for each entry, which is the favourite category of who picks."""
    is_loyal = rng.random(len(favourite)) < _LOYALTY
    low = np.where(is_loyal, catalogue.bounds[favourite], 0.0)
    high = np.where(is_loyal, catalogue.bounds[favourite + 1], 1.0)
    drawn = low + rng.random(len(favourite)) * (high - low)
    # Sums of shares miss 1 by a rounding error, either way.
    place: Floats = np.minimum(drawn, catalogue.popularity[-1] * (1 - 1e-12))
    return np.searchsorted(catalogue.popularity, place, side="right")


def money(amount: Floats) -> pl.Series:
    """Amounts as text with two decimals."""
    cents = pl.Series(np.rint(amount * 100).astype(np.int64))
    sign = pl.Series(np.where(amount < 0, "-", ""))
    whole = (cents.abs() // 100).cast(pl.String)
    return sign + whole + "." + (cents.abs() % 100).cast(pl.String).str.zfill(2)
