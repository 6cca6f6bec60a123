"""`quality.freshness`: how old the newest record of each source may be, learnt from its own past.

What matters is when things happened, not when they were loaded. The state database keeps a copy, so
that a sensor can compare it with now at any time, without the warehouse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from marketing_platform.contracts import CONTRACTS
from marketing_platform.names import TableName
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.state import METADATA, UtcDateTime, open_state, reading, writing
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_NAME = "quality.freshness"
_GRACE_HOURS = 2.0
# The gaps between hours in which something happened, in the last 60 days: all but one in a hundred
# are shorter than `usual_gap_hours`. What people do with messages comes in bursts, and between two
# newsletters a month may lie: of engagements it is the longest gap of half a year.
_LEARNT = """
with told as (
    select 'orders' as entity, source, ordered_at as happened_at from core.orders
    union all
    select 'events', source, occurred_at from core.events
    union all
    select 'engagements', source, occurred_at from core.engagements
),
hours as (
    select distinct t.entity, t.source, date_trunc('hour', t.happened_at) as hour_at
    from told as t
    cross join core.clock as k
    where
        t.happened_at <= k.as_of
        and t.happened_at > k.as_of - to_days(if(t.entity = 'engagements', 180, 60))
),
gaps as (
    select
        *,
        date_diff(
            'hour', lag(hour_at) over (partition by entity, source order by hour_at), hour_at
        ) as gap_hours
    from hours
)
select
    g.entity,
    g.source,
    (
        select max(t.happened_at) from told as t cross join core.clock as k
        where t.entity = g.entity and t.source = g.source and t.happened_at <= k.as_of
    ) as newest_at,
    coalesce(
        if(g.entity = 'engagements', max(g.gap_hours), quantile_cont(g.gap_hours, 0.99)), 24.0
    )::double as usual_gap_hours
from gaps as g
group by g.entity, g.source
order by g.entity, g.source
"""

# One row: how old the newest record of a source may be.
source_freshness = sa.Table(
    "source_freshness",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("newest_at", UtcDateTime, nullable=False),
    sa.Column("late_hours", sa.Float, nullable=False),
    sa.Column("stale_hours", sa.Float, nullable=False),
)


@dataclass(frozen=True)
class SourceAge:
    """A source that is late or stale: how old its newest record is, and how old it may be."""

    source: str
    entity: str
    hours: float
    late_hours: float
    stale_hours: float

    @property
    def is_stale(self) -> bool:
        """Whether what is built on it may not be used."""
        return self.hours > self.stale_hours

    def line(self) -> str:
        """In words."""
        most = self.stale_hours if self.is_stale else self.late_hours
        return f"the newest is {self.hours:.0f} hours old, more than the {most:.0f} it may be"


def build_freshness(warehouse: Warehouse, settings: Settings) -> Built:
    """Learn how old the newest record of each source may be."""
    found = warehouse.query(_LEARNT)
    hourly = {one.name for one in active_sources(settings) if one.settings.every == "hour"}
    told = settings.platform.freshness
    rows = []
    for row in found.to_dicts():
        between_loads = 1.0 if row["source"] in hourly else 24.0
        own = told.sources.get(row["source"])
        late = (own.late_hours if own else None) or (
            between_loads + 2 * row["usual_gap_hours"] + _GRACE_HOURS
        )
        stale = (own.stale_hours if own else None) or max(told.stale_hours, 2 * late)
        rows.append({**row, "late_hours": late, "stale_hours": max(late, stale)})
    schema = CONTRACTS[_NAME].empty().schema
    frame = pl.DataFrame(rows, schema=schema)
    built = warehouse.replace(_NAME, frame)
    _remember(settings, rows)
    return built


def _remember(settings: Settings, rows: list[dict[str, object]]) -> None:
    engine = open_state(settings.state_url.get_secret_value())
    kept = ("source", "entity", "newest_at", "late_hours", "stale_hours")
    with writing(engine) as connection:
        connection.execute(sa.delete(source_freshness))
        for row in rows:
            values = {name: row[name] for name in kept}
            newest = values["newest_at"]
            assert isinstance(newest, dt.datetime)  # noqa: S101 - a column of moments
            values["newest_at"] = newest.replace(tzinfo=dt.UTC)
            connection.execute(sa.insert(source_freshness).values(values))
    engine.dispose()


def oldest_allowed(engine: sa.Engine) -> dict[str, float]:
    """By kind of record the most hours that the newest of a source may be old before it holds."""
    most = sa.func.max(source_freshness.c.stale_hours)
    statement = sa.select(source_freshness.c.entity, most).group_by(source_freshness.c.entity)
    with reading(engine) as connection:
        return {entity: float(hours) for entity, hours in connection.execute(statement)}


def aged_sources(engine: sa.Engine, settings: Settings, now: dt.datetime) -> Iterator[SourceAge]:
    """The sources that are late or stale now; a shop whose clock is not `now` has none."""
    if settings.platform.clock != "now":
        return
    with reading(engine) as connection:
        rows = connection.execute(
            sa.select(source_freshness).order_by(source_freshness.c.source)
        ).all()
    for row in rows:
        hours = (now - row.newest_at).total_seconds() / 3600
        if hours > row.late_hours:
            yield SourceAge(row.source, row.entity, hours, row.late_hours, row.stale_hours)


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_NAME),
        "One row is a kind of record of a source: the newest, and how old it may be.",
        ("core.clock", "core.engagements", "core.events", "core.orders"),
        build_freshness,
    ),
)
