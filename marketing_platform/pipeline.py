"""All tables of the engine, and building them in order without an orchestrator."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from marketing_platform.activation import deliveries, exposures
from marketing_platform.contracts import contract_of
from marketing_platform.core import clock, countries, exchange_rates
from marketing_platform.identity import given, mapping, probable
from marketing_platform.predictions import tables as predictions
from marketing_platform.profiles import history
from marketing_platform.quality import anomalies, freshness, hours
from marketing_platform.remembered import remembered
from marketing_platform.segments import tables as segments
from marketing_platform.settings import Settings
from marketing_platform.sources import raw_view
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.coverage import first_moment
from marketing_platform.sources.files import ingest
from marketing_platform.sources.pull import pull
from marketing_platform.sources.staging import expand, is_union, staging_tables, tables_behind
from marketing_platform.sources.stream import Window
from marketing_platform.warehouse import (
    Built,
    DayTable,
    Part,
    PythonTable,
    Table,
    Warehouse,
    sql_tables,
)
from marketing_platform.warehouse.tables import SqlTable, in_build_order

_PYTHON: tuple[PythonTable | DayTable, ...] = (
    *countries.TABLES,
    *exchange_rates.TABLES,
    *clock.TABLES,
    *given.TABLES,
    *probable.TABLES,
    *mapping.TABLES,
    *history.TABLES,
    *predictions.TABLES,
    *predictions.DAY_TABLES,
    *segments.TABLES,
    *deliveries.TABLES,
    *exposures.TABLES,
    *anomalies.TABLES,
    *hours.TABLES,
    *freshness.TABLES,
)


@remembered
def all_tables(settings: Settings) -> dict[str, Table]:
    """Every table from staging on by name, each after those that it reads.

    Which staging tables there are, and what core reads, follows from the configured sources.
    """
    sources = tuple(
        (
            source.name,
            source.system.name,
            tuple(stream.name for stream in source.streams),
            source.settings.customer_ids_of,
        )
        for source in active_sources(settings)
    )
    key = (tuple(sorted(settings.platform.sources.files)), sources)
    if key not in _KNOWN:
        _KNOWN[key] = _tables(settings)
    return _KNOWN[key]


# Reading all SQL takes a second, and every command and sensor asks.
_KNOWN: dict[object, dict[str, Table]] = {}


def _tables(settings: Settings) -> dict[str, Table]:
    staged = staging_tables(settings)
    tables: dict[str, Table] = {name: one.table for name, one in staged.items()}
    behind = cache(lambda read: tables_behind(read, staged.values()))

    def reads_of(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({name for read in names for name in behind(read)}))

    for name, table in sql_tables().items():
        sql = expand(table.sql, staged.values()) if any(map(is_union, table.reads)) else table.sql
        tables[name] = replace(table, sql=sql, reads=reads_of(table.reads))
    for python in _PYTHON:
        tables[str(python.name)] = replace(python, reads=reads_of(python.reads))
    return in_build_order(tables)


def build_table(
    warehouse: Warehouse, settings: Settings, name: str, part: Part | None = None
) -> Built:
    """Build one table: all of it, or the days of `part`."""
    table = all_tables(settings)[name]
    if isinstance(table, DayTable):
        if part is None:
            raise ValueError(f"{name} is built by day")
        return _build_days(warehouse, settings, table, part)
    create_raw_views(warehouse, settings, table.reads)
    if isinstance(table, SqlTable):
        if contract_of(name).rolled_from:
            return warehouse.roll(name, table.sql)
        # Of these, the days of before hold what the table was built under.
        under = _built_under(settings, name) if contract_of(name).partition_by else None
        return warehouse.build(name, table.sql, part=part, under=under)
    return table.build(warehouse, settings)


def _built_under(settings: Settings, name: str) -> str:
    """What all rows of a table depend on: settings, and how its records are read and put together.

    After an update that changes this the days of before would have nothing in a new column, and
    what was mended would be wrong in them for ever.
    """
    tables = all_tables(settings)
    behind = (tables[one] for one in needed(settings, [name]))
    digest = hashlib.sha256()
    for table in behind:
        if isinstance(table, SqlTable):
            digest.update(table.sql.encode())
    # Exports alone are built by days.
    for path in sorted(Path(ingest.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    shop = settings.platform.shop
    return f"{shop.timezone} {shop.currency} {digest.hexdigest()}"


def days_of_load(settings: Settings, name: str, part: Part, built_at: dt.datetime) -> Part:
    """The days of a table that a load builds: also those of exports that came since its last build.

    What an export says anew may be long ago: an order that was given back after weeks.
    """
    views = raw_inputs(settings, name)
    streams = [s for s in settings.platform.sources.files if f"raw.{ingest.SOURCE}_{s}" in views]
    came = (ingest.taken_in(settings, stream, built_at) for stream in streams)
    parts = [part, *filter(None, came)]
    return Part(min(one.first for one in parts), max(one.last for one in parts))


def _build_days(warehouse: Warehouse, settings: Settings, table: DayTable, part: Part) -> Built:
    written = 0
    for ago in range((part.last - part.first).days + 1):
        built = table.build(warehouse, settings, part.first + dt.timedelta(days=ago))
        written += built.written_count
    return Built(table.name, built.row_count, written, is_part=True)


def create_raw_views(warehouse: Warehouse, settings: Settings, names: Iterable[str]) -> None:
    """Create those of the named tables that are raw views."""
    wanted = {name for name in names if name.startswith("raw.")}
    if not wanted:
        return
    for stream in settings.platform.sources.files:
        if f"raw.{ingest.SOURCE}_{stream}" in wanted:
            ingest.create_view(warehouse, settings, stream)
    for source in active_sources(settings):
        pulled = wanted & set(raw_view.raw_columns(source))
        if pulled:
            with warehouse.connect() as connection:
                raw_view.create_views(connection, settings, source, pulled)


def raw_columns(settings: Settings) -> dict[str, dict[str, str]]:
    """The columns of every raw view, with their DuckDB types."""
    found = ingest.raw_columns()
    for source in active_sources(settings):
        found = found | raw_view.raw_columns(source)
    return found


def build_all(
    warehouse: Warehouse,
    settings: Settings,
    *,
    until: Sequence[str] | None = None,
    on_built: Callable[[Built], None] = lambda built: None,
) -> list[Built]:
    """Take in the exports, pull the systems, build every table (or those that `until` needs)."""
    for export in settings.platform.sources.files:
        ingest.ingest(settings, export)
    now = dt.datetime.now(dt.UTC)
    for source in active_sources(settings):
        for stream in source.streams:
            first = first_moment(stream, source.history_start(now.date()))
            pull(settings, source, stream, Window(first, now))
    done = []
    # Opening the file costs more than building a small table: it stays open.
    with warehouse.connect():
        for name in needed(settings, until or list(all_tables(settings))):
            if isinstance(all_tables(settings)[name], DayTable):
                continue
            built = build_table(warehouse, settings, name)
            on_built(built)
            done.append(built)
    return done


def needed(settings: Settings, names: Iterable[str]) -> list[str]:
    """The named tables and all that they read, in build order."""
    tables = all_tables(settings)
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in tables and name not in wanted:
            wanted.add(name)
            waiting.extend(tables[name].reads)
    return [name for name in tables if name in wanted]


def raw_inputs(settings: Settings, name: str) -> set[str]:
    """The raw views that a table is built from, directly or through other tables."""
    tables = all_tables(settings)
    reads = {read for table in needed(settings, [name]) for read in tables[table].reads}
    return {read for read in reads if read.startswith("raw.")}
