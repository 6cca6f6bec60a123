"""Whether the newest records look like those before them: volume, nulls, sizes, mixes.

Each source's records of the newest 24 hours are compared with those of each of the 28 days before,
and the whole table with what it was at its last sound build. What lies outside everything that was
seen is drift, and is told. What is grossly outside it in a column that people are chosen by, or
lacks half of its rows, is a broken source, and holds: nothing is built on it until it is mended.
A day ends with the newest record, not at midnight, so that a day that is not over is not judged
as one; figures of days, as those of ads, are judged when their day is over. After two weeks a
changed table is believed.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from marketing_platform.contracts import contract_of
from marketing_platform.errors import ConfigError
from marketing_platform.quality.references import REFERENCES
from marketing_platform.quality.results import CheckResult
from marketing_platform.settings import Drift, Settings
from marketing_platform.sources.staging import staging_tables
from marketing_platform.state import METADATA, UtcDateTime, reading, writing
from marketing_platform.warehouse import Warehouse, sql_tables

IS_PLAUSIBLE = "is_plausible"
HAS_NOT_DRIFTED = "has_not_drifted"
FEW_ARE_QUARANTINED = "few_are_quarantined"
_BEFORE_DAYS, _WEEKS = 28, 8
# Fewer days before than this say nothing of a newest one; of weekdays, four.
_LEAST_DAYS, _LEAST_WEEKS = 7, 4
# How far outside all that was seen a share, or a median as a factor, is drift, and is gross.
_SHARE, _GROSS_SHARE = 0.1, 0.5
_FACTOR, _GROSS_FACTOR = 1.5, 5.0
_GROWTH = 3.0
_BELIEVED_AFTER = dt.timedelta(days=14)
_SHOWN = 5


@dataclass(frozen=True)
class Watch:
    """What is looked at in a table: `time` places a record, `vital` columns hold when they break.

    `categories` are columns of few values. `volume_holds`: so many records come that a lack of
    them is a broken source, and no matter of business.
    """

    time: str | None
    vital: tuple[str, ...]
    categories: tuple[str, ...] = ()
    volume_holds: bool = False


WATCHED: Mapping[str, Watch] = {
    "core.ad_performance": Watch("performance_date", ("cost_amount",), ("platform",)),
    "core.carts": Watch("created_at", ("contact_id", "cart_amount")),
    "core.contacts": Watch(
        "created_at",
        ("email", "phone", "has_email_consent", "has_sms_consent"),
        ("country", "language"),
    ),
    "core.engagements": Watch("occurred_at", ("contact_id",), ("channel", "engagement")),
    "core.events": Watch(
        "occurred_at", ("contact_id", "anonymous_id"), ("event",), volume_holds=True
    ),
    "core.orders": Watch(
        "ordered_at", ("contact_id", "gross_amount"), ("currency", "country"), volume_holds=True
    ),
    "core.products": Watch(None, ("price_amount",), ("category",)),
}

# One row: what a core table was like when it was last sound, by source, as JSON.
table_profiles = sa.Table(
    "table_profiles",
    METADATA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Moved:
    """One thing that is not as it was, in words."""

    line: str
    is_gross: bool


def drift_checks(
    warehouse: Warehouse, engine: sa.Engine, settings: Settings, table: str
) -> tuple[CheckResult, CheckResult]:
    """Judge a core table, and keep what it is like when it is sound.

    The first result says whether it may be built on, the second whether all of it is as before.
    """
    as_of = warehouse.query("select as_of from core.clock").item().replace(tzinfo=dt.UTC)
    moved = list(newest_moved(warehouse, settings, table, as_of))
    profile = _profile(warehouse, table)
    before = _profile_before(engine, table, as_of)
    reads = sql_tables()[table].reads
    # What is not loaded any more is not missed.
    staged = staging_tables(settings).values()
    known = {one.source for one in staged if f"staging.{one.entity}" in reads}
    moved += _whole_moved(table, profile, before, settings.platform.drift, known)
    gross = [one.line for one in moved if one.is_gross]
    if not gross:
        _keep(engine, table, as_of, profile)
    return (
        CheckResult(table, IS_PLAUSIBLE, not gross, _told(gross, "nothing is grossly off")),
        CheckResult(
            table,
            HAS_NOT_DRIFTED,
            not moved,
            _told([one.line for one in moved], "the newest records are like those before them"),
            is_blocking=False,
        ),
    )


def check_ignored(settings: Settings) -> None:
    """Refuse a name in `drift.ignored` that nothing goes by: it would leave out nothing."""
    columns = {table: contract_of(table).columns for table in WATCHED}
    known = {f"{table}.{name}" for table, names in columns.items() for name in names}
    known |= {f"{table}.{one.column}" for table, ones in REFERENCES.items() for one in ones}
    known |= {
        *WATCHED,
        *REFERENCES,
        *(name for name, one in staging_tables(settings).items() if one.judges),
    }
    for name in settings.platform.drift.ignored:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"no table or column {name}",
                where=f"drift.ignored in {settings.config_dir / 'platform.yaml'}",
                mend=f"Did you mean {near[0]}?"
                if near
                else "Write core.orders or core.orders.country",
            )


def newest_moved(
    warehouse: Warehouse, settings: Settings, table: str, as_of: dt.datetime
) -> Iterator[Moved]:
    """What is off in the newest 24 hours of each source, as known at a moment."""
    watch, known = WATCHED[table], settings.platform.drift
    if watch.time is None:
        return
    parameters = {"as_of": as_of.replace(tzinfo=None)}
    days = warehouse.query(_days_query(table, watch), parameters)
    mixes = warehouse.query(_mixes_query(table, watch), parameters) if watch.categories else None
    for (source,), frame in days.group_by("source", maintain_order=True):
        by_day = {row["days_ago"]: row for row in frame.iter_rows(named=True)}
        # A zone's difference to UTC is of no weight for a window of a day.
        newest = by_day[0]["newest_at"]
        dates = {newest.date(), (newest - dt.timedelta(days=1)).date()}
        if not dates & set(settings.platform.anomalies.holidays):
            yield from _volume_moved(table, str(source), by_day, watch, known)
        if by_day[0]["row_count"] < known.minimum_rows:
            continue
        before = [
            by_day[day]
            for day in range(1, _BEFORE_DAYS + 1)
            if day in by_day and by_day[day]["row_count"] >= known.minimum_rows
        ]
        if len(before) < _LEAST_DAYS:
            continue
        where = f"in the newest day of {source}"
        yield from _columns_moved(table, where, by_day[0], before, known)
        if mixes is not None:
            yield from _mixes_moved(
                table, str(source), mixes.filter(pl.col("source") == source), known
            )


def few_are_quarantined(warehouse: Warehouse, settings: Settings, table: str) -> CheckResult:
    """Whether the newest day of a staging table has not far more quarantined records than any."""
    known = settings.platform.drift
    days = warehouse.query(
        f"""
        select
            received_date,
            count(*) as record_count,
            count(*) filter (where outcome = 'quarantined') as quarantined_count
        from {table}
        group by received_date
        order by received_date desc
        limit {_BEFORE_DAYS + 1}
        """
    ).rows()
    # A day that has begun has few records; with the one before it there are enough to tell.
    newest, count, quarantined = 0, 0, 0
    while newest < len(days) and count < known.minimum_rows:
        count, quarantined = count + days[newest][1], quarantined + days[newest][2]
        newest += 1
    if count < known.minimum_rows:
        return CheckResult(table, FEW_ARE_QUARANTINED, True, "too few records to tell")
    share = quarantined / count
    most = max(
        (day[2] / day[1] for day in days[newest:] if day[1] >= known.minimum_rows), default=0
    )
    since = f"since {days[newest - 1][0]}"
    detail = f"{share:.0%} of {count} records {since} are quarantined, {most:.0%} of a day before"
    is_off = share - most >= _GROSS_SHARE and table not in known.ignored
    if is_off:
        detail += ". See: marketing-platform quarantine list"
    return CheckResult(table, FEW_ARE_QUARANTINED, not is_off, detail)


def _days_query(table: str, watch: Watch) -> str:
    aggregates = ",\n".join(_aggregates(table))
    return f"""
        {_placed(table, watch)}
        select source, days_ago, max(newest_at) as newest_at, count(*) as row_count, {aggregates}
        from placed
        group by source, days_ago
        order by source, days_ago
    """


def _mixes_query(table: str, watch: Watch) -> str:
    parts = "\nunion all\n".join(
        f"select source, days_ago, '{name}' as category, cast({name} as varchar) as value,"
        f" count(*) as row_count from placed"
        f" where days_ago <= {_BEFORE_DAYS} and {name} is not null group by all"
        for name in watch.categories
    )
    return f"{_placed(table, watch)} {parts}"


def _placed(table: str, watch: Watch) -> str:
    """The records of the last weeks, each with how many whole days its source's newest is away.

    Figures of a day are looked at when it is over.
    """
    is_of_day = watch.time is not None and contract_of(table).columns[watch.time].dtype == pl.Date
    return f"""
        with seen as (
            select *, cast({watch.time} as timestamp) as happened_at
            from {table}
            where
                cast({watch.time} as timestamp) + interval {1 if is_of_day else 0} day <= $as_of
        ),
        newest as (select source, max(happened_at) as newest_at from seen group by source),
        placed as (
            select
                seen.*,
                newest.newest_at,
                cast(floor(epoch(newest.newest_at - seen.happened_at) / 86400) as integer)
                    as days_ago
            from seen
            inner join newest on seen.source = newest.source
            where seen.happened_at > newest.newest_at - interval {7 * _WEEKS + 1} day
        )
    """


def _aggregates(table: str) -> Iterator[str]:
    """What is measured of each column, named `<column>:<measure>`."""
    for name, column in contract_of(table).columns.items():
        if column.nullable:
            yield f'avg(case when {name} is null then 1.0 else 0.0 end) as "{name}:null"'
        if column.dtype == pl.Boolean:
            yield f'avg(cast({name} as integer)) as "{name}:true"'
        elif column.dtype == pl.Int64:
            # The median of small whole numbers jumps.
            yield f'avg(abs({name})) as "{name}:mean"'
        elif column.dtype.is_numeric():
            # Where half of them are nothing, as shipping is, the median is a matter of chance.
            size = f"nullif(abs(cast({name} as double)), 0)"
            yield f'approx_quantile({size}, 0.5) as "{name}:amount"'
        elif column.dtype == pl.String and name in WATCHED[table].vital:
            yield (
                f"cast(approx_count_distinct({name}) as double) / nullif(count({name}), 0)"
                f' as "{name}:distinct"'
            )


def _volume_moved(
    table: str, source: str, by_day: Mapping[int, Mapping[str, Any]], watch: Watch, known: Drift
) -> Iterator[Moved]:
    weeks = [by_day[7 * week]["row_count"] for week in range(1, _WEEKS + 1) if 7 * week in by_day]
    if len(weeks) < _LEAST_WEEKS or _is_ignored(table, None, known):
        return
    now, low, high = by_day[0]["row_count"], min(weeks), max(weeks)
    told = f"{now} records in the newest day of {source}, {low} to {high} on such a weekday before"
    if low >= known.minimum_rows and now < known.least_volume * low:
        yield Moved(told, watch.volume_holds)
    elif high >= known.minimum_rows and now > _GROWTH * high:
        yield Moved(told, False)


def _columns_moved(
    table: str,
    where: str,
    now: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    known: Drift,
) -> Iterator[Moved]:
    for measured, value in now.items():
        name, _, measure = measured.partition(":")
        seen = [row[measured] for row in before if row.get(measured) is not None]
        if not measure or value is None or not seen or _is_ignored(table, name, known):
            continue
        is_vital = name in WATCHED[table].vital
        low, high = min(seen), max(seen)
        if measure in _SIZES:
            if low <= 0 or value <= 0:
                continue
            factor = max(value / high, low / value)
            if factor >= _FACTOR:
                told = (
                    f"{value:.4g} at the {_SIZES[measure]} {where}, {low:.4g} to {high:.4g} before"
                )
                yield Moved(f"{name} is {told}", is_vital and factor >= _GROSS_FACTOR)
            continue
        outside = max(value - high, low - value)
        if outside < max(_SHARE, _chance(seen, now["row_count"])):
            continue
        # That a column is filled, or its values are more different, breaks nothing.
        is_worse = {"null": value > high, "distinct": value < low, "true": True}[measure]
        line = (
            f"{name} {_WORDS[measure]} in {value:.0%} of the records {where},"
            f" {low:.0%} to {high:.0%} before"
        )
        yield Moved(line, is_vital and is_worse and outside >= _GROSS_SHARE)


_SIZES = {"mean": "mean", "amount": "median"}
_WORDS = {"null": "is empty", "true": "is true", "distinct": "is a value of its own"}


def _mixes_moved(table: str, source: str, mixes: pl.DataFrame, known: Drift) -> Iterator[Moved]:
    for (name,), frame in mixes.group_by("category", maintain_order=True):
        if _is_ignored(table, str(name), known):
            continue
        counts = frame.pivot("days_ago", index="value", values="row_count").fill_null(0)
        days = [day for day in counts.columns if day not in ("value", "0")]
        before = counts.select(days).to_numpy().astype(float)
        before = before[:, before.sum(axis=0) >= known.minimum_rows]
        if "0" not in counts.columns or before.shape[1] < _LEAST_DAYS:
            continue
        shares = before / before.sum(axis=0)
        usual = shares.mean(axis=1)
        now = counts["0"].to_numpy() / counts["0"].sum()
        # Half of what the shares differ by: the part of the records that is another.
        distance = float(np.abs(now - usual).sum()) / 2
        most = float(np.abs(shares - usual[:, None]).sum(axis=0).max()) / 2
        if distance - most >= _SHARE:
            place = int(np.abs(now - usual).argmax())
            value = counts["value"][place]
            yield Moved(
                f"{name} is {value} in {now[place]:.0%} of the records in the newest day of"
                f" {source}, {usual[place]:.0%} before",
                False,
            )


def _whole_moved(
    table: str,
    profile: Mapping[str, Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    known: Drift,
    sources: set[str],
) -> Iterator[Moved]:
    """What is off in the whole table, beside its last sound build."""
    for source, was in before.items():
        if source not in sources or was["row_count"] < known.minimum_rows:
            continue
        now = profile.get(source, {"row_count": 0})
        if now["row_count"] < known.least_volume * was["row_count"]:
            if not _is_ignored(table, None, known):
                line = f"{now['row_count']} records of {source} in all, {was['row_count']} before"
                yield Moved(line, True)
        elif now["row_count"] >= known.minimum_rows:
            where = f"of {source} in all"
            yield from _columns_moved(table, where, now, [was], known)


def _profile(warehouse: Warehouse, table: str) -> dict[str, dict[str, Any]]:
    """What the whole table is like, by source."""
    aggregates = ", ".join(_aggregates(table))
    rows = warehouse.query(
        f"select source, count(*) as row_count, {aggregates} from {table} group by source"
    ).to_dicts()
    return {row.pop("source"): row for row in rows}


def _profile_before(engine: sa.Engine, table: str, as_of: dt.datetime) -> dict[str, dict[str, Any]]:
    statement = sa.select(table_profiles).where(table_profiles.c.table_name == table)
    with reading(engine) as connection:
        row = connection.execute(statement).first()
    # A clock that was set back, or long ago, knows nothing of now.
    if row is None or not dt.timedelta() <= as_of - row.as_of < _BELIEVED_AFTER:
        return {}
    return dict(json.loads(row.profile))


def _keep(
    engine: sa.Engine, table: str, as_of: dt.datetime, profile: Mapping[str, Mapping[str, Any]]
) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(table_profiles).where(table_profiles.c.table_name == table))
        row = {"table_name": table, "as_of": as_of, "profile": json.dumps(profile)}
        connection.execute(sa.insert(table_profiles).values(row))


def _chance(seen: Sequence[float], count: int) -> float:
    """How far the share of so many records may be from what it is by chance alone."""
    mean = min(1.0, max(0.0, sum(seen) / len(seen)))
    return 4 * math.sqrt(mean * (1 - mean) / count)


def _is_ignored(table: str, column: str | None, known: Drift) -> bool:
    return table in known.ignored or (column is not None and f"{table}.{column}" in known.ignored)


def _told(lines: Iterable[str], otherwise: str) -> str:
    found = list(lines)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more or otherwise
