"""Finds the SQL tables of the engine, and reads from each what it depends on.

A SQL table is one `select` in one file. The comment on top says what one row is. What it depends on
is read from the SQL itself, so it cannot be declared wrongly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import sqlglot
from sqlglot import exp

from marketing_platform.names import LAYERS, TableName
from marketing_platform.settings import Settings
from marketing_platform.warehouse.database import Built, Warehouse

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class SqlTable:
    """A table that one SQL file builds."""

    name: TableName
    sql: str
    description: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class PythonTable:
    """A table that a Python function builds, because SQL cannot: models, graphs, rules.

    `reads` names the tables that `build` reads; a test compares it with what the function does.
    `is_long`: it computes for so long that others should have the warehouse meanwhile.
    """

    name: TableName
    description: str
    reads: tuple[str, ...]
    build: Callable[[Warehouse, Settings], Built]
    is_long: bool = False


@dataclass(frozen=True)
class DayTable:
    """A table of days of the past. A day is built when it is asked for, and never by itself.

    `build` writes one day, in a transaction of its own.
    """

    name: TableName
    description: str
    reads: tuple[str, ...]
    build: Callable[[Warehouse, Settings, dt.date], Built]


Table = SqlTable | PythonTable | DayTable
_AnyTable = TypeVar("_AnyTable", bound=Table)


@cache
def sql_tables() -> dict[str, SqlTable]:
    """The SQL tables from core on by name, as they are written.

    Those of staging depend on the shop's sources: see `sources.staging`.
    """
    files = (path for path in sorted(PACKAGE.rglob("*.sql")) if path.parent.name in LAYERS)
    found = [read_sql_table(path) for path in files]
    return in_build_order({str(table.name): table for table in found})


def read_sql_table(path: Path) -> SqlTable:
    """Read one SQL file; its folder and name give the table's name."""
    text = path.read_text(encoding="utf-8")
    return SqlTable(_name_of(path), text, leading_comment(text), tables_read(text))


def tables_read(sql: str) -> tuple[str, ...]:
    """The warehouse tables that a select reads, sorted; names of its own CTEs are left out."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    return tuple(sorted({f"{t.db}.{t.name}" for t in tree.find_all(exp.Table) if t.db}))


def in_build_order(tables: Mapping[str, _AnyTable]) -> dict[str, _AnyTable]:
    """The same tables, each after those that it reads."""
    ordered: dict[str, _AnyTable] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in ordered or name not in tables:
            return
        if name in path:
            raise ValueError(f"tables read each other in a circle: {' -> '.join((*path, name))}")
        for dependency in tables[name].reads:
            visit(dependency, (*path, name))
        ordered[name] = tables[name]

    for name in tables:
        visit(name, ())
    return ordered


def _name_of(path: Path) -> TableName:
    if path.parent.name not in LAYERS:
        raise ValueError(f"{path}: {path.parent.name} is not a layer")
    return TableName(path.parent.name, path.stem)


def leading_comment(text: str) -> str:
    """The comment on top of a SQL file, which says what one row is."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    if not lines:
        raise ValueError("a SQL table starts with a comment that says what one row is")
    return " ".join(lines)
