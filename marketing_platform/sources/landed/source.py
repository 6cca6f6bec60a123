"""Tables that Fivetran has landed: in a DuckDB file, or in a folder of Parquet or CSV.

A query per entity, `<tool>/<system>.<entity>.sql`, makes the rows of the entity out of the landed
tables. Which tables and columns it reads is read from its SQL; what was not synced is null there,
for a connector may be set up to sync some tables only. Everything is read each time, as it lies on
this machine; what is gone there is gone here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import sqlglot
from pydantic import Field
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from marketing_platform.errors import SourceError
from marketing_platform.sources.database.source import EntityQuery, entity_fields
from marketing_platform.sources.fields import timestamp
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import System, SystemSettings
from marketing_platform.sources.values import literal

_FOLDER = Path(__file__).parent
_FORMS = ("{table}.parquet", "{table}/*.parquet", "{table}.csv")
_MOMENTS = ("$.updated_at", "$.performance_date", "$.occurred_at", "$.refunded_at", "$.order_date")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("source_account_id",),
    "ad_performance": (
        "performance_date",
        "source_campaign_id",
        "source_ad_group_id",
        "source_ad_id",
    ),
    "carts": ("source_cart_id",),
    "contacts": ("source_contact_id",),
    "deals": ("source_deal_id",),
    "engagements": ("source_engagement_id",),
    "order_items": ("source_order_item_id",),
    "orders": ("source_order_id",),
    "owners": ("source_owner_id",),
    "products": ("source_product_id",),
    "refunds": ("source_refund_id",),
    "variants": ("source_variant_id",),
}


class LandedSettings(SystemSettings):
    """The tool that landed the tables, the system they are of, and where they lie.

    `path` is a DuckDB file, with the `schema` that the tables are in, or a folder with a file
    `<table>.parquet` or `.csv` (or a folder of Parquet files) per table.
    """

    tool: Literal["fivetran"]
    system: Literal[
        "google_ads",
        "hubspot",
        "klaviyo",
        "meta_ads",
        "microsoft_ads",
        "salesforce",
        "shopify",
    ]
    path: Path
    schema_: str = Field(default="main", alias="schema", pattern=r"^\w+$")
    # Before the names of the tables, as in `sf_contact`.
    prefix: str = Field(default="", pattern=r"^\w*$")


def _streams(settings: LandedSettings) -> tuple[Stream, ...]:
    entities = sorted(_queries(settings.tool, settings.system))
    return tuple(_stream(entity) for entity in entities)


@cache
def _queries(tool: str, system: str) -> Mapping[str, str]:
    """The query of each entity."""
    return {
        path.stem.partition(".")[2]: path.read_text(encoding="utf-8")
        for path in (_FOLDER / tool).glob(f"{system}.*.sql")
    }


def _stream(entity: str) -> Stream:
    def select(
        connection: duckdb.DuckDBPyConnection, settings: SystemSettings, window: Window
    ) -> str:
        assert isinstance(settings, LandedSettings)  # noqa: S101 - tells the type checker
        return _select(connection, settings, entity)

    return Stream(
        name=entity,
        walk=Query(select),
        updated_at=timestamp("row_updated_at", *_MOMENTS),
        fields=entity_fields(entity, EntityQuery(sql="", record_id=("_key",))),
        record_keys=("$._key",),
        reads="listing",
    )


def _select(connection: duckdb.DuckDBPyConnection, settings: LandedSettings, entity: str) -> str:
    """The rows of an entity as JSON, each with its key."""
    sql = _queries(settings.tool, settings.system)[entity]
    there = _tables(connection, settings)
    for table, columns in columns_read(sql).items():
        select = _view(connection, there, table, columns)
        connection.execute(f'create or replace view "{table}" as {select}')
    key = ", ".join(f"cast({column} as varchar)" for column in _KEYS[entity])
    return f"""
        select cast(to_json(row) as varchar) as payload
        from (select concat_ws('/', {key}) as _key, * from ({_plain(sql)})) as row
    """  # noqa: S608 - made of our own query and names


def columns_read(sql: str) -> dict[str, set[str]]:
    """The columns that a query reads of each landed table."""
    found: dict[str, set[str]] = {}
    for scope in traverse_scope(sqlglot.parse_one(sql, read="duckdb")):
        selected = {name: source for name, (_, source) in scope.selected_sources.items()}
        for column in scope.columns:
            source = selected.get(column.table or next(iter(selected), ""))
            if isinstance(source, exp.Table):
                found.setdefault(source.name, set()).add(column.name)
    return found


def _view(
    connection: duckdb.DuckDBPyConnection,
    there: Mapping[str, str],
    table: str,
    columns: set[str],
) -> str:
    """The columns of a landed table; null where it, or the column, is not there."""
    if table not in there:
        nulls = ", ".join(f'null as "{column}"' for column in sorted(columns))
        return f"select {nulls} where false"
    described = connection.execute(f"describe from {there[table]}").fetchall()
    names = {str(row[0]).lower(): str(row[0]) for row in described}
    listed = ", ".join(
        f'"{names[column]}" as "{column}"' if column in names else f'null as "{column}"'
        for column in sorted(columns)
    )
    return f"select {listed} from {there[table]}"  # noqa: S608 - names that are there


def _tables(connection: duckdb.DuckDBPyConnection, settings: LandedSettings) -> dict[str, str]:
    """Where each table is that a query of the system reads, as DuckDB reads it."""
    wanted = {
        table
        for sql in _queries(settings.tool, settings.system).values()
        for table in columns_read(sql)
    }
    find = _in_folder if settings.path.is_dir() else _in_file
    found = find(connection, settings, wanted)
    if not found:
        example = settings.prefix + sorted(wanted)[0]
        raise SourceError(
            f"no table that {settings.tool} lands for {settings.system}, such as {example}",
            where=str(settings.path),
            mend="Correct path, schema or prefix",
        )
    return found


def _in_folder(
    connection: duckdb.DuckDBPyConnection, settings: LandedSettings, wanted: set[str]
) -> dict[str, str]:
    found = {}
    for table in wanted:
        for form in _FORMS:
            pattern = form.format(table=settings.prefix + table)
            if any(settings.path.glob(pattern)):
                reader = "read_csv" if pattern.endswith(".csv") else "read_parquet"
                found[table] = f"{reader}({literal(str(settings.path / pattern))})"
                break
    return found


def _in_file(
    connection: duckdb.DuckDBPyConnection, settings: LandedSettings, wanted: set[str]
) -> dict[str, str]:
    if not settings.path.is_file():
        raise SourceError("no such file or folder", where=str(settings.path), mend="Correct path")
    connection.execute(f"attach if not exists {literal(str(settings.path))} as landed (read_only)")
    rows = connection.execute(
        "select table_name from information_schema.tables"
        " where table_catalog = 'landed' and table_schema = $schema",
        {"schema": settings.schema_},
    ).fetchall()
    there = {str(name) for (name,) in rows}
    return {
        table: f'landed."{settings.schema_}"."{settings.prefix}{table}"'
        for table in wanted
        if settings.prefix + table in there
    }


def _plain(sql: str) -> str:
    """The query without its comments: a `--` would swallow what follows."""
    return sqlglot.parse_one(sql, read="duckdb").sql("duckdb", comments=False)


def _probe(client: Any, settings: LandedSettings) -> str:
    with duckdb.connect() as connection:
        found = _tables(connection, settings)
    return f"{len(found)} tables of {settings.system}, landed by {settings.tool}"


SYSTEM = System(
    name="landed",
    title="Landed tables",
    settings_model=LandedSettings,
    streams=(),
    streams_of=_streams,
    probe=_probe,
    staging="database",
)
