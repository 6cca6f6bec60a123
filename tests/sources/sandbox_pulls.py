"""Pulling from the sandbox: interrupted, resumed, pulled again, and what staging makes of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import duckdb
import polars as pl
import pytest

from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.client import Client
from marketing_platform.sources.pull import pull
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import Staged, staging_tables
from marketing_platform.sources.stream import Checkpoint, Page, Query, Walk, Window
from marketing_platform.sources.system import SystemSettings

HASTE = {
    "attempts": 20,
    "retry_seconds": 0.01,
    "max_wait_seconds": 1,
}
# A page that is served once more at the beginning of another list cannot be told from its own.
FAULTS = Faults(
    share=0.2, kinds=("rate_limit", "server_error", "broken_json", "truncated", "reset")
)
LEVELS = {
    "ad_performance": ("campaign_id", "ad_group_id", "ad_id"),
    "ad_performance__{groups}": ("campaign_id", "ad_group_id"),
    "ad_performance__campaigns": ("campaign_id",),
}
_FIGURES = ("impressions", "clicks", "cost", "conversions", "conversion_value")


@dataclass(frozen=True)
class Interrupted:
    """A walk that breaks off after some pages."""

    walk: Walk
    after: int

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        walked = self.walk.pages(client, settings, window, checkpoint)
        for place, page in enumerate(walked, start=1):
            yield page
            if place == self.after:
                raise KeyboardInterrupt


@dataclass(frozen=True)
class Shop:
    """A shop with one system, which the sandbox plays."""

    settings: Settings
    source: ActiveSource

    @cached_property
    def _tables(self) -> dict[str, Staged]:
        return staging_tables(self.settings)

    def pull(self, window: Window) -> None:
        for stream in self.source.streams:
            pull(self.settings, self.source, stream, window)

    def break_off(self, stream: str, window: Window, after: int) -> None:
        """Pull a stream, and be interrupted after some pages."""
        whole = self.source.system.stream(stream)
        assert not isinstance(whole.walk, Query)
        walk = Interrupted(whole.walk, after)
        with pytest.raises(KeyboardInterrupt):
            pull(self.settings, self.source, dataclasses.replace(whole, walk=walk), window)

    def staged(self, table: str, is_clean: bool = True) -> pl.DataFrame:
        """The rows of a staging table; all of them must be accepted where it is clean."""
        with duckdb.connect() as connection:
            connection.execute("create schema staging")
            name = f"staging.{self.source.name}_{table}"
            self._build(connection, name)
            rows = pl.DataFrame(connection.sql(f"from {name}").to_arrow_table())
        assert not is_clean or set(rows["outcome"]) <= {"accepted"}
        return rows

    def _build(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Create a staging table, and before it those that it reads."""
        table = self._tables[name].table
        create_views(connection, self.settings, self.source, table.reads)
        for read in table.reads:
            if read.startswith("staging."):
                self._build(connection, read)
        connection.execute(f"create or replace table {name} as {table.sql}")


def shop_of(settings: Settings) -> Shop:
    (source,) = active_sources(settings)
    return Shop(settings, source)


def days(first: str, end: str) -> Window:
    return Window(*(dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC) for day in (first, end)))


def check_ads(
    shop: Shop, sandbox: Sandbox, first: str, last: str, groups: str = "ad_groups"
) -> None:
    """Staging has exactly what the platform knows by now of these days, at every level."""
    known = sandbox.truth("ad_days").filter(
        pl.col("platform") == shop.source.name,
        pl.col("performance_date").is_between(
            dt.date.fromisoformat(first), dt.date.fromisoformat(last)
        ),
    )
    assert known.height > 0
    for table, keys in LEVELS.items():
        names = [name for key in keys for name in (key, key.replace("_id", "_name"))]
        truth = (
            known.group_by("performance_date", *names, "currency")
            .agg(pl.sum(*_FIGURES))
            .with_columns(pl.col(*keys).cast(pl.String), pl.col("conversions").round(4))
        )
        found = shop.staged(table.format(groups=groups)).select(
            "performance_date",
            *(
                pl.col(name if name.endswith("_name") else f"source_{name}").alias(name)
                for name in names
            ),
            "currency",
            impressions="impression_count",
            clicks="click_count",
            cost="cost_amount",
            conversions=pl.col("conversions").cast(pl.Float64).round(4),
            conversion_value="conversion_value_amount",
        )
        order = ["performance_date", *keys]
        assert found.sort(order).rows() == truth.sort(order).rows(), table
