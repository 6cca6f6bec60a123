"""Where landed tables lie, and each as a view with the columns that a query names.

A landed name is looked up in lower case, with `_` for everything that is no letter or digit: tools
write `Contact` and `segments.date`. Where tools differ in what they land as text, as JSON and as a
type of its own, all is read as text, what is nested as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import duckdb
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from marketing_platform.errors import SourceError
from marketing_platform.sources.database.source import engine_of, register_rows, told
from marketing_platform.sources.values import literal

_NESTED = re.compile(r"STRUCT|MAP|JSON|UNION|.*\[\d*\]$")


class Place(Protocol):
    """Where the tables of one landed system lie."""

    def find(self, connection: duckdb.DuckDBPyConnection, wanted: Iterable[str]) -> dict[str, str]:
        """What stands for each wanted table that is there, as `relation` takes it."""

    def relation(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]
    ) -> str:
        """What DuckDB reads the table from; more columns than these need not be in it."""


class Folder:
    """A file `<table>.parquet` or `.csv`, or a folder of Parquet files, per table."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._path, self._prefix = path, prefix

    def find(self, connection: duckdb.DuckDBPyConnection, wanted: Iterable[str]) -> dict[str, str]:
        """See `Place`."""
        there = {}
        for path in sorted(self._path.iterdir()):
            if path.is_dir() and any(path.glob("*.parquet")):
                there[plain_name(path.name)] = f"read_parquet({literal(str(path / '*.parquet'))})"
            elif path.suffix in (".parquet", ".csv"):
                there[plain_name(path.stem)] = f"read_{path.suffix[1:]}({literal(str(path))})"
        return _chosen(there, wanted, self._prefix)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]
    ) -> str:
        """See `Place`."""
        return table


class File:
    """A DuckDB file."""

    def __init__(self, path: Path, schema: str, prefix: str) -> None:
        self._path, self._schema, self._prefix = path, schema, prefix

    def find(self, connection: duckdb.DuckDBPyConnection, wanted: Iterable[str]) -> dict[str, str]:
        """See `Place`."""
        path = literal(str(self._path))
        connection.execute(f"attach if not exists {path} as landed (read_only)")
        rows = connection.execute(
            "select table_name from information_schema.tables"
            " where table_catalog = 'landed' and table_schema = $schema",
            {"schema": self._schema},
        ).fetchall()
        there = {plain_name(name): f'landed."{self._schema}"."{name}"' for (name,) in rows}
        return _chosen(there, wanted, self._prefix)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]
    ) -> str:
        """See `Place`."""
        return table


class Database:
    """A schema of a database that SQLAlchemy reaches."""

    def __init__(self, url: str, schema: str | None, prefix: str) -> None:
        self._url, self._schema, self._prefix = url, schema, prefix

    def find(self, connection: duckdb.DuckDBPyConnection, wanted: Iterable[str]) -> dict[str, str]:
        """See `Place`."""
        engine = engine_of(self._url, where="landed")
        try:
            inspector = sa.inspect(engine)
            names = inspector.get_table_names(self._schema) + inspector.get_view_names(self._schema)
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise told(error, where="landed") from None
        finally:
            engine.dispose()
        return _chosen({plain_name(name): name for name in names}, wanted, self._prefix)

    def relation(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]
    ) -> str:
        """See `Place`. The rows flow into a table of DuckDB, for a query may read them twice."""
        engine = engine_of(self._url, where=f"landed {table}")
        try:
            described = sa.inspect(engine).get_columns(table, self._schema)
            kept = [column["name"] for column in described if plain_name(column["name"]) in columns]
            source = sa.table(table, *(sa.column(name) for name in kept), schema=self._schema)
            query = str(sa.select(source).compile(engine))
        except SQLAlchemyError as error:
            raise told(error, where=f"landed {table}") from None
        finally:
            engine.dispose()
        if not kept:
            return "(select 1 where false)"
        register_rows(connection, "landed_rows", self._url, query, where=f"landed {table}")
        listed = ", ".join(f'payload ->> {literal(_path(name))} as "{name}"' for name in kept)
        copy = f'"landed {table}"'
        select = f"select {listed} from landed_rows"  # noqa: S608 - names that are there
        connection.execute(f"create or replace temp table {copy} as {select}")
        return copy


def make_view(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    there: Mapping[str, str],
    table: str,
    columns: set[str],
    *,
    as_text: bool,
) -> None:
    """A view `table` with these columns; null where the table, or a column of it, is not there."""
    if table not in there:
        nulls = ", ".join(_column(column, None, as_text) for column in sorted(columns))
        select = f"select {nulls} where false"
    else:
        relation = place.relation(connection, there[table], columns)
        described = connection.execute(f"describe from {relation}").fetchall()
        names = {plain_name(str(row[0])): (str(row[0]), str(row[1])) for row in described}
        listed = ", ".join(
            _column(column, names.get(column), as_text) for column in sorted(columns)
        )
        select = f"select {listed} from {relation}"  # noqa: S608 - names that are there
    connection.execute(f'create or replace view "{table}" as {select}')


def plain_name(name: str) -> str:
    """How a query of ours calls a table or column."""
    return re.sub(r"\W", "_", name).lower()


def _column(wanted: str, there: tuple[str, str] | None, as_text: bool) -> str:
    if there is None:
        return f'cast(null as varchar) as "{wanted}"' if as_text else f'null as "{wanted}"'
    name, kind = there
    if not as_text:
        return f'"{name}" as "{wanted}"'
    value = f'to_json("{name}")' if _NESTED.match(kind) else f'"{name}"'
    return f'cast({value} as varchar) as "{wanted}"'


def _chosen(there: Mapping[str, str], wanted: Iterable[str], prefix: str) -> dict[str, str]:
    lowered = plain_name(prefix)
    return {table: there[lowered + table] for table in wanted if lowered + table in there}


def _path(name: str) -> str:
    return '$."' + name.replace('"', '\\"') + '"'


def place_of(
    path: Path | None, url: str | None, schema: str | None, prefix: str
) -> Folder | File | Database:
    """The place that the settings name."""
    if url is not None:
        return Database(url, schema, prefix)
    if path is not None and path.is_dir():
        return Folder(path, prefix)
    if path is None or not path.is_file():
        raise SourceError("no such file or folder", where=str(path), mend="Correct path")
    return File(path, schema or "main", prefix)
