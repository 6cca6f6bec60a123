"""Reads and writes DuckDB: short connections, always closed; tables replaced in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random_exponential

from marketing_platform.contracts import Contract, Violation, contract_of
from marketing_platform.errors import ContractError
from marketing_platform.names import LAYERS, TableName
from marketing_platform.warehouse import rolling
from marketing_platform.warehouse.opened import opened, want

_CHUNK = 500_000
_CANDIDATE = "__candidate"


@dataclass(frozen=True)
class Built:
    """What a build did: rows in the table now, and rows written (fewer for a part)."""

    name: TableName
    row_count: int
    written_count: int
    is_part: bool = False


@dataclass(frozen=True)
class Part:
    """The days, both included, of a table that is built in daily parts."""

    first: dt.date
    last: dt.date


class Warehouse:
    """One DuckDB file.

    DuckDB lets one process write at a time: a connection waits for the lock, up to `lock_seconds`.
    Readers of the same process share it. `":memory:"` gives a scratch database for tests and
    backtests; it lives as long as this object.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        memory_limit: str = "2GB",
        threads: int | None = None,
        lock_seconds: float = 60,
    ) -> None:
        self.path = str(path)
        self._config: dict[str, Any] = {"memory_limit": memory_limit}
        if threads:
            self._config["threads"] = threads
        self._lock_seconds = lock_seconds
        self._memory = (
            duckdb.connect(":memory:", config=self._config) if path == ":memory:" else None
        )
        if self._memory:
            _prepare(self._memory)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is closed at the end, whatever happens."""
        if self._memory:
            with self._memory.cursor() as connection:
                yield connection
            return
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            attempts = Retrying(
                retry=retry_if_exception_message(match=r"(?s).*Could not set lock on file.*"),
                wait=wait_random_exponential(multiplier=0.05, max=1),
                stop=stop_after_delay(self._lock_seconds),
                before_sleep=lambda _: want(self.path),
                reraise=True,
            )
            yield attempts(lambda: stack.enter_context(opened(self.path, self._config, _prepare)))

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside one transaction: committed at the end, rolled back on an error."""
        with self.connect() as connection:
            connection.execute("begin")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def build(
        self, name: str, sql: str, *, part: Part | None = None, under: str | None = None
    ) -> Built:
        """Build the table `name` from a select, audit it by its contract, then publish it.

        With `part`, only rows of those days are replaced. `under` tells the settings that all rows
        depend on: a table that was built under others is built whole. A row that breaks the
        contract raises `ContractError` and leaves the table as it was.
        """
        contract = contract_of(name)
        with self.transaction() as connection:
            if part and under is not None and _comment(connection, contract.name) != under:
                part = None
            built = _build(connection, contract, sql, part)
            if under is not None and part is None:
                quoted = under.replace("'", "''")
                connection.execute(f"comment on table {contract.name} is '{quoted}'")
            return built

    def roll(self, name: str, sql: str) -> Built:
        """Build anew those days of a rolled table whose rows in its source changed; audited too."""
        contract = contract_of(name)
        with self.transaction() as connection:
            if not _exists(connection, contract.name):
                rolling.forget(connection, contract)
            _create_empty(connection, contract)
            rolling.ensure_noted(connection, contract)
            written = 0
            for first, last in rolling.changed_spans(connection, contract, sql):
                written += _build(connection, contract, sql, Part(first, last)).written_count
            rolling.note_made_of(connection, contract, sql)
            return Built(contract.name, _count(connection, contract.name), written)

    def replace(
        self,
        name: str,
        frame: pl.DataFrame | pa.RecordBatchReader,
        *,
        part: Part | None = None,
        select: str = "select * from incoming",
        beside: Mapping[str, pl.DataFrame] = MappingProxyType({}),
    ) -> Built:
        """Replace the table `name`, or the days of `part`, by the rows of `frame`; audited too.

        A `frame` that is a stream is read once, and never held whole.
        `select` finishes the rows in SQL; it reads them from `incoming`, and the frames of `beside`
        by their names.
        """
        contract = contract_of(name)
        frames = {**beside, "incoming": frame}
        with self.transaction() as connection:
            for view, each in frames.items():
                is_frame = isinstance(each, pl.DataFrame)
                connection.register(view, each.to_arrow() if is_frame else each)
            connection.execute(f"create {_candidate(contract, part)} as {select}")
            for view in frames:
                connection.unregister(view)
            return _publish(connection, contract, part)

    def ensure(self, name: str) -> None:
        """Create the table `name` without rows where it does not exist yet."""
        contract = contract_of(name)
        with self.connect() as connection:
            _create_empty(connection, contract)

    def read(self, name: str) -> pl.DataFrame:
        """All rows of a table."""
        table = TableName.parse(name)
        return self.query(f"select * from {table}")

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The answer to a query; values go through `parameters` (`$name` in the SQL)."""
        with self.connect() as connection:
            relation = connection.sql(sql, params=dict(parameters) if parameters else None)
            frame: pl.DataFrame = relation.pl()
            return frame

    def exists(self, name: str) -> bool:
        """Whether the table `name` is there."""
        table = TableName.parse(name)
        with self.connect() as connection:
            # A tenth of what a look into the catalog takes; inside a transaction it would end that.
            try:
                connection.execute(f"select 1 from {table} limit 0")
            except duckdb.CatalogException:
                return False
            return True

    def row_counts(self) -> dict[str, int]:
        """Rows of every table of the layers, by name."""
        with self.connect() as connection:
            names = connection.execute(
                "select schema_name, table_name from duckdb_tables()"
                " where not internal order by 1, 2"
            ).fetchall()
            return {
                f"{schema}.{table}": _count(connection, TableName(schema, table))
                for schema, table in names
                if schema in LAYERS
            }


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = false")
    # A query that misnames a table must fail, not pick up a Python object of that name.
    connection.execute("set python_enable_replacements = false")
    for layer in LAYERS:
        connection.execute(f"create schema if not exists {layer}")


def _build(
    connection: duckdb.DuckDBPyConnection, contract: Contract, sql: str, part: Part | None
) -> Built:
    connection.execute(f"create {_candidate(contract, part)} as {_within(sql, contract, part)}")
    return _publish(connection, contract, part)


def _comment(connection: duckdb.DuckDBPyConnection, name: TableName) -> str | None:
    """What is noted of a table that is there."""
    row = connection.execute(
        "select comment from duckdb_tables() where schema_name = $schema and table_name = $table",
        {"schema": name.schema, "table": name.table},
    ).fetchone()
    return row[0] if row else None


def _candidate(contract: Contract, part: Part | None) -> str:
    """What is audited: a table that takes the place of the one before, or rows that move there."""
    name = f"{contract.name.table}{_CANDIDATE}"
    return f"temp table temp.{name}" if part else f"table {contract.name.schema}.{name}"


def _within(sql: str, contract: Contract, part: Part | None) -> str:
    if part is None:
        return sql
    if contract.partition_by is None:
        raise ValueError(f"{contract.name} is not built in parts")
    first, last = part.first.isoformat(), part.last.isoformat()
    return (
        f"select * from (\n{sql}\n) where {contract.partition_by}"
        f" between date '{first}' and date '{last}'"
    )


def _publish(connection: duckdb.DuckDBPyConnection, contract: Contract, part: Part | None) -> Built:
    candidate = _candidate(contract, part).split(" ")[-1]
    written, violations = _audit(connection, contract, candidate)
    if violations:
        shown = "; ".join(str(violation) for violation in violations)
        raise ContractError(
            shown, where=str(contract.name), mend="The table of before is left in place"
        )
    if rolling.is_source(contract):
        span = (part.first, part.last) if part else None
        rolling.note_days(connection, contract, candidate, span)
    if part is None:
        connection.execute(f"drop table if exists {contract.name}")
        connection.execute(f"alter table {candidate} rename to {contract.name.table}")
        return Built(contract.name, written, written)
    _create_empty(connection, contract)
    connection.execute(
        f"delete from {contract.name} where {contract.partition_by} between $first and $last",
        {"first": part.first, "last": part.last},
    )
    connection.execute(f"insert into {contract.name} by name from {candidate}")
    connection.execute(f"drop table {candidate}")
    return Built(contract.name, _count(connection, contract.name), written, True)


def _audit(
    connection: duckdb.DuckDBPyConnection, contract: Contract, table: str
) -> tuple[int, list[Violation]]:
    """How many rows `table` has, and what breaks the contract: types, values, keys.

    All rows are looked at in one pass, in DuckDB. Only those that break a check are loaded, a chunk
    of them at most, for pandera to say what is wrong with them.
    """
    promised = {name: column.duckdb_type for name, column in contract.columns.items()}
    described = connection.execute(f"describe {table}").fetchall()
    if {row[0]: row[1].replace(",", ", ") for row in described} != promised:
        wrong = contract.violations(_frame(connection, f"select * from {table} limit 0"))
        if wrong:
            return 0, wrong
    # Numbers are counted far faster than texts, and equal keys have equal ones.
    keys = f"count(distinct hash({', '.join(contract.key)}))" if contract.key else "count(*)"
    [(rows, distinct, broken)] = connection.execute(
        f"select count(*), {keys}, count(*) filter (where {contract.broken}) from {table}"
    ).fetchall()
    if broken:
        found = f"select * from {table} where {contract.broken} limit {_CHUNK}"
        return rows, contract.violations(_frame(connection, found))
    return rows, _repeated_keys(connection, contract, table) if distinct < rows else []


def _frame(connection: duckdb.DuckDBPyConnection, sql: str) -> pl.DataFrame:
    frame = pl.from_arrow(connection.sql(sql).to_arrow_table())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - tells the type checker
    return frame


def _repeated_keys(
    connection: duckdb.DuckDBPyConnection, contract: Contract, table: str
) -> list[Violation]:
    key = ", ".join(contract.key)
    rows = connection.execute(
        f"select concat_ws(' / ', {key}), count(*) over () from {table}"
        f" group by {key} having count(*) > 1 limit 5"
    ).fetchall()
    if not rows:
        return []
    return [Violation(key, "is unique", int(rows[0][1]), tuple(str(row[0]) for row in rows))]


def _create_empty(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make the table where it is not there; one of an earlier version is given today's columns.

    What a new column would have had in the rows of before is not known: it is null there.
    """
    wanted = {name: column.duckdb_type for name, column in contract.columns.items()}
    columns = ", ".join(f"{name} {kind}" for name, kind in wanted.items())
    connection.execute(f"create table if not exists {contract.name} ({columns})")
    there = {row[0] for row in connection.execute(f"describe {contract.name}").fetchall()}
    for name in wanted.keys() - there:
        connection.execute(f"alter table {contract.name} add column {name} {wanted[name]}")
    for name in there - wanted.keys():
        connection.execute(f'alter table {contract.name} drop column "{name}"')


def _exists(connection: duckdb.DuckDBPyConnection, name: TableName) -> bool:
    row = connection.execute(
        "select count(*) from information_schema.tables"
        " where table_schema = $schema and table_name = $table",
        {"schema": name.schema, "table": name.table},
    ).fetchone()
    return bool(row and row[0])


def _count(connection: duckdb.DuckDBPyConnection, name: TableName) -> int:
    row = connection.execute(f"select count(*) from {name}").fetchone()
    return int(row[0]) if row else 0
