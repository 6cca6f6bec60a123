"""All tables of the engine, and building them in order without an orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from marketing_platform.core import clock
from marketing_platform.identity import links
from marketing_platform.predictions import tables as predictions
from marketing_platform.segments import tables as segments
from marketing_platform.settings import Settings
from marketing_platform.sources.files import ingest
from marketing_platform.warehouse import Built, Part, Table, Warehouse, sql_tables
from marketing_platform.warehouse.tables import SqlTable, in_build_order

_RAW_VIEWS = f"raw.{ingest.SOURCE}_"


@cache
def all_tables() -> dict[str, Table]:
    """Every table from staging on by name, each after those that it reads."""
    python = (*clock.TABLES, *links.TABLES, *predictions.TABLES, *segments.TABLES)
    tables: dict[str, Table] = {**sql_tables(), **{str(table.name): table for table in python}}
    return in_build_order(tables)


def build_table(
    warehouse: Warehouse, settings: Settings, name: str, part: Part | None = None
) -> Built:
    """Build one table: all of it, or the days of `part`."""
    table = all_tables()[name]
    for read in table.reads:
        if read.startswith(_RAW_VIEWS):
            ingest.create_view(warehouse, settings, read.removeprefix(_RAW_VIEWS))
    if isinstance(table, SqlTable):
        return warehouse.build(name, table.sql, part=part)
    return table.build(warehouse, settings)


def build_all(
    warehouse: Warehouse,
    settings: Settings,
    *,
    until: Sequence[str] | None = None,
    on_built: Callable[[Built], None] = lambda built: None,
) -> list[Built]:
    """Take in the configured files and build every table (or those that `until` needs)."""
    for stream in settings.platform.sources.files:
        ingest.ingest(settings, stream)
    done = []
    for name in needed(until) if until else all_tables():
        built = build_table(warehouse, settings, name)
        on_built(built)
        done.append(built)
    return done


def needed(names: Iterable[str]) -> list[str]:
    """The named tables and all that they read, in build order."""
    tables = all_tables()
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in tables and name not in wanted:
            wanted.add(name)
            waiting.extend(tables[name].reads)
    return [name for name in tables if name in wanted]


def raw_inputs(name: str) -> set[str]:
    """The raw views that a table is built from, directly or through other tables."""
    reads = {read for table in needed([name]) for read in all_tables()[table].reads}
    return {read for read in reads if read.startswith("raw.")}
