"""Any database that SQLAlchemy reaches: a SQL query per entity, read in batches."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import orjson
import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from marketing_platform.contracts.contract import Column
from marketing_platform.contracts.entities import ENTITIES
from marketing_platform.errors import SourceError
from marketing_platform.sources.fields import Field, Kind, timestamp
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import System, SystemSettings

_BATCH_ROWS = 10_000
_PAYLOADS = pa.schema([("payload", pa.string())])
_KINDS: Mapping[type[pl.DataType], Kind] = {
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Decimal: "number",
    pl.Boolean: "flag",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}
# The day of a moment, in the shop's time zone, unless the query gives the day itself.
_LOCAL_DATES: Mapping[str, tuple[str, str]] = {
    "orders": ("ordered_at", "order_date"),
    "refunds": ("refunded_at", "refund_date"),
    "events": ("occurred_at", "event_date"),
    "engagements": ("occurred_at", "engagement_date"),
    "payments": ("paid_at", "payment_date"),
    "carts": ("created_at", "cart_date"),
    "reviews": ("reviewed_at", "review_date"),
}
# Of these entities a row stands until it changes.
_STATES = ("accounts", "contacts", "deals", "owners", "products", "subscriptions", "variants")
# Moments without a zone are read as UTC, so the session must speak in UTC.
_UTC_SESSION = {
    "postgresql": "set time zone 'UTC'",
    "mysql": "set time_zone = '+00:00'",
    "mariadb": "set time_zone = '+00:00'",
    "snowflake": "alter session set timezone = 'UTC'",
    "oracle": "alter session set time_zone = 'UTC'",
}


class EntityQuery(BaseModel):
    """The query of one entity.

    `record_id` names the columns that identify a row, `updated_at` the one that says when it last
    changed; with it, the query asks for the rows changed from `:first` to before `:end` (UTC).
    Without it every row is read every time. `columns` is field -> column, where they differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: str
    record_id: tuple[str, ...]
    updated_at: str = ""
    columns: Mapping[str, str] = {}

    @field_validator("record_id", mode="before")
    @classmethod
    def _one_or_more(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("record_id")
    @classmethod
    def _at_least_one(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("name the column that identifies a row")
        return names

    @model_validator(mode="after")
    def _asks_for_changes(self) -> EntityQuery:
        names = _parameters(self.sql)
        if unknown := names - {"first", "end"}:
            raise ValueError(f"no parameter :{sorted(unknown)[0]}; there are :first and :end")
        if names and not self.updated_at:
            raise ValueError("a query with :first or :end needs updated_at")
        return self


class DatabaseSettings(SystemSettings):
    """A database: its SQLAlchemy URL, and a query per entity."""

    url: SecretStr
    queries: Mapping[str, EntityQuery]

    @field_validator("url")
    @classmethod
    def _database_url(cls, url: SecretStr) -> SecretStr:
        return database_url(url)

    @field_validator("queries")
    @classmethod
    def _entities(cls, queries: Mapping[str, EntityQuery]) -> Mapping[str, EntityQuery]:
        for entity, query in queries.items():
            if entity not in ENTITIES:
                raise ValueError(f"no entity {entity!r}; there are: {', '.join(ENTITIES)}")
            if unknown := set(query.columns) - set(ENTITIES[entity]):
                raise ValueError(f"{entity} have no field {sorted(unknown)[0]!r}")
        return queries


def database_url(url: SecretStr) -> SecretStr:
    """The URL, if it is one that SQLAlchemy reads. Raises ValueError otherwise."""
    try:
        sa.make_url(url.get_secret_value())
    except ArgumentError:
        raise ValueError("not a database URL such as postgresql+psycopg://...") from None
    return url


def _streams(settings: DatabaseSettings) -> tuple[Stream, ...]:
    return tuple(_stream(entity, query) for entity, query in settings.queries.items())


def _stream(entity: str, query: EntityQuery) -> Stream:
    def select(
        connection: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window
    ) -> str:
        assert isinstance(settings, DatabaseSettings)  # noqa: S101 - tells the type checker
        return _select(connection, settings, window, entity)

    changed = (_path(query.updated_at),) if query.updated_at else ()
    return Stream(
        name=entity,
        walk=Query(select),
        updated_at=timestamp("row_updated_at", *changed),
        fields=entity_fields(entity, query),
        record_keys=tuple(_path(column) for column in query.record_id),
        reads="changes" if _parameters(query.sql) else "listing",
        is_state=entity in _STATES,
    )


def entity_fields(entity: str, query: EntityQuery) -> tuple[Field, ...]:
    """The fields of an entity in the rows of a query."""
    moment, day = _LOCAL_DATES.get(entity, ("", ""))
    is_told = day in query.columns
    return tuple(
        _field(name, column, query, local_date=day if name == moment and not is_told else "")
        for name, column in ENTITIES[entity].items()
        if name != day or is_told
    )


def _field(name: str, column: Column, query: EntityQuery, *, local_date: str) -> Field:
    is_key = name.startswith("source_") and name.endswith("_id")
    kind: Kind = "id" if is_key else _KINDS.get(type(column.dtype), "text")
    return Field(name, kind, (_path(query.columns.get(name, name)),), local_date)


def _path(column: str) -> str:
    """The JSON path of a column in a row."""
    return f"$.{column}" if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", column) else f'$."{column}"'


def _parameters(sql: str) -> set[str]:
    return set(sa.text(sql).compile().params)


def _select(
    connection: duckdb.DuckDBPyConnection, settings: DatabaseSettings, window: Window, entity: str
) -> str:
    """Run the query at the database; its rows flow into DuckDB as they are read."""
    name, sql = f"database_{entity}", settings.queries[entity].sql
    register_rows(
        connection,
        name,
        settings.url.get_secret_value(),
        sql,
        window,
        where=f"query of {entity}",
    )
    return f"select payload from {name}"  # noqa: S608 - the name of an entity


def register_rows(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    url: str,
    sql: str,
    window: Window | None = None,
    *,
    where: str,
) -> None:
    """Let DuckDB read the answer of a database as `name`: a column `payload`, a row as JSON.

    It can be read once. Raises SourceError, in the words of the database, naming `where`.
    """
    rows = _rows(url, sql, window, where)
    # The query runs now, so that a mistake in it is told as one, not as DuckDB's.
    next(rows)
    connection.register(name, pa.RecordBatchReader.from_batches(_PAYLOADS, rows))


def _rows(url: str, sql: str, window: Window | None, where: str) -> Iterator[pa.RecordBatch]:
    """An empty batch once the query runs, then its rows as JSON."""
    engine = engine_of(url, where=where)
    try:
        with engine.connect() as database:
            _prepare(database)
            answer = database.execution_options(stream_results=True, yield_per=_BATCH_ROWS).execute(
                sa.text(sql), _values(sql, window, engine.dialect.name)
            )
            yield _batch([])
            for rows in answer.mappings().partitions(_BATCH_ROWS):
                yield _batch([_payload(dict(row)) for row in rows])
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise told(error, where=where) from None
    finally:
        engine.dispose()


def engine_of(url: str, *, where: str) -> sa.Engine:
    """An engine that keeps no connection. Raises SourceError where there is no driver for it."""
    try:
        return sa.create_engine(url, poolclass=sa.pool.NullPool)
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise told(error, where=where) from None


def _prepare(database: sa.Connection) -> None:
    if statement := _UTC_SESSION.get(database.dialect.name):
        database.exec_driver_sql(statement)


def _values(sql: str, window: Window | None, dialect: str) -> dict[str, Any]:
    if window is None:
        return {}
    moments = {"first": window.first, "end": window.end}
    return {name: _moment(moments[name], dialect) for name in _parameters(sql)}


def _moment(moment: dt.datetime, dialect: str) -> dt.datetime | str:
    """A moment as the database compares it; SQLite has moments as texts."""
    plain = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return plain.isoformat(sep=" ") if dialect == "sqlite" else plain


def _batch(payloads: list[str]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(payloads, pa.string())], schema=_PAYLOADS)


def _payload(row: dict[str, Any]) -> str:
    try:
        return orjson.dumps(row, default=_plain).decode()
    except (TypeError, ValueError):
        # Whole numbers of more than 64 bits, and text that is not Unicode.
        return json.dumps(row, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no form for: decimals keep every digit as text."""
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def told(error: Exception, *, where: str) -> SourceError:
    """What the database said, in one line, without the query's values or the URL."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return SourceError(
        f"the database said: {said[0] if said else type(error).__name__}",
        where=where,
        mend="Correct the query, or the url and its driver",
    )


def _probe(client: object, settings: DatabaseSettings) -> str:
    engine = engine_of(settings.url.get_secret_value(), where="database")
    try:
        with engine.connect() as database:
            _prepare(database)
            database.execute(sa.select(1))
            return f"{engine.dialect.name}, {len(settings.queries)} queries"
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise told(error, where="database") from None
    finally:
        engine.dispose()


SYSTEM = System(
    name="database",
    title="Database",
    settings_model=DatabaseSettings,
    streams=(),
    streams_of=_streams,
    probe=_probe,
)
