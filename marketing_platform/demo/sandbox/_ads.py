"""What the ad platforms of the sandbox have in common: figures by day at three levels."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from marketing_platform.demo.sandbox.server import Shop

Level = Literal["campaign", "ad_group", "ad"]

_KEYS: dict[Level, tuple[str, ...]] = {
    "campaign": ("campaign_id",),
    "ad_group": ("campaign_id", "ad_group_id"),
    "ad": ("campaign_id", "ad_group_id", "ad_id"),
}
_FIGURES = ("impressions", "clicks", "cost", "conversions", "conversion_value")


@dataclass
class AdReports:
    """The figures of one platform as they are known at the sandbox's time."""

    shop: Shop
    platform: str
    _known: tuple[dt.datetime, pl.DataFrame] | None = field(default=None, init=False)

    def rows(self, level: Level, first: dt.date, last: dt.date) -> pl.DataFrame:
        """A row per day and campaign, ad group or ad, from `first` to `last`."""
        names = [name for key in _KEYS[level] for name in (key, key.replace("_id", "_name"))]
        days = self._now().filter(pl.col("performance_date").is_between(first, last))
        return (
            days.group_by("performance_date", *names, "currency", maintain_order=True)
            .agg(pl.sum(*_FIGURES))
            .with_columns(pl.col("conversions").round(6))
            .sort("performance_date", *_KEYS[level])
        )

    def _now(self) -> pl.DataFrame:
        clock = self.shop.clock
        if self._known is None or self._known[0] != clock:
            rows = self.shop.facts.latest("ad_days", clock)
            self._known = (clock, rows.filter(pl.col("platform") == self.platform))
        return self._known[1]
