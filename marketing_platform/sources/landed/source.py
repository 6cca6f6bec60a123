"""Tables that Fivetran, Airbyte or Stitch has landed: in files, in DuckDB, or in a database.

A query per entity, `<tool>/<system>.<entity>.sql`, makes the rows of the entity out of the landed
tables; `shared/` has those of tools that land a record as the system tells it. Which tables and
columns it reads is read from its SQL; what was not synced is null there, for a connector may be set
up to sync some tables only. Everything is read each time; what is gone there is gone here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import sqlglot
from pydantic import Field, SecretStr, field_validator, model_validator
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from marketing_platform.errors import SourceError
from marketing_platform.sources.database.source import (
    EntityQuery,
    database_url,
    entity_fields,
)
from marketing_platform.sources.fields import timestamp
from marketing_platform.sources.landed.places import Place, make_view, place_of
from marketing_platform.sources.stream import Query, Stream, Window
from marketing_platform.sources.system import System, SystemSettings

_FOLDER = Path(__file__).parent
_MOMENTS = ("$.updated_at", "$.performance_date", "$.occurred_at", "$.refunded_at", "$.order_date")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("source_account_id",),
    "ad_performance": (
        "performance_date",
        "source_campaign_id",
        "source_ad_group_id",
        "source_ad_id",
    ),
    "cart_items": ("source_cart_item_id",),
    "carts": ("source_cart_id",),
    "contacts": ("source_contact_id",),
    "deals": ("source_deal_id",),
    "engagements": ("source_engagement_id",),
    "order_items": ("source_order_item_id",),
    "orders": ("source_order_id",),
    "owners": ("source_owner_id",),
    "products": ("source_product_id",),
    "refunds": ("source_refund_id",),
    "tickets": ("source_ticket_id",),
    "variants": ("source_variant_id",),
}


class LandedSettings(SystemSettings):
    """The tool that landed the tables, the system they are of, and where they lie.

    `path` is a DuckDB file, or a folder with a file `<table>.parquet` or `.csv` (or a folder of
    Parquet files) per table; `url` is the SQLAlchemy URL of a database. The `schema` is that of
    the tables in the file or the database.
    """

    tool: Literal["fivetran", "airbyte", "stitch"]
    system: Literal[
        "google_ads",
        "hubspot",
        "klaviyo",
        "meta_ads",
        "microsoft_ads",
        "salesforce",
        "shopify",
    ]
    path: Path | None = None
    url: SecretStr | None = None
    schema_: str | None = Field(default=None, alias="schema", pattern=r"^\w+$")
    # Before the names of the tables, as in `sf_contact`.
    prefix: str = Field(default="", pattern=r"^\w*$")

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, url: SecretStr | None) -> SecretStr | None:
        return url and database_url(url)

    @model_validator(mode="after")
    def _one_place(self) -> LandedSettings:
        if (self.path is None) == (self.url is None):
            raise ValueError("name either path or url")
        return self

    @property
    def place(self) -> Place:
        """Where the tables lie."""
        url = self.url.get_secret_value() if self.url else None
        return place_of(self.path, url, self.schema_, self.prefix)


def _streams(settings: LandedSettings) -> tuple[Stream, ...]:
    entities = sorted(_queries(settings.tool, settings.system))
    return tuple(_stream(entity) for entity in entities)


@cache
def _queries(tool: str, system: str) -> Mapping[str, str]:
    """The query of each entity."""
    folders = ("fivetran",) if tool == "fivetran" else ("shared", tool)
    return {
        path.stem.partition(".")[2]: path.read_text(encoding="utf-8")
        for folder in folders
        for path in (_FOLDER / folder).glob(f"{system}.*.sql")
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
    place = settings.place
    there = _tables(connection, settings)
    for table, columns in columns_read(sql).items():
        make_view(connection, place, there, table, columns, as_text=settings.tool != "fivetran")
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


def _tables(connection: duckdb.DuckDBPyConnection, settings: LandedSettings) -> dict[str, str]:
    """Each table that a query of the system reads and that is there."""
    wanted = {
        table
        for sql in _queries(settings.tool, settings.system).values()
        for table in columns_read(sql)
    }
    found = settings.place.find(connection, wanted)
    if not found:
        example = settings.prefix + sorted(wanted)[0]
        raise SourceError(
            f"no table that {settings.tool} lands for {settings.system}, such as {example}",
            where=str(settings.path or "landed"),
            mend="Correct path or url, schema or prefix",
        )
    return found


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
