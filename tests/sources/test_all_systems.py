"""What holds for every system there is, without a record of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlglot

from marketing_platform.contracts.entities import ENTITIES
from marketing_platform.errors import ConfigError
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource, active_sources
from marketing_platform.sources.database.source import DatabaseSettings, EntityQuery
from marketing_platform.sources.doctor import examine_sources
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import tables_of_source
from marketing_platform.sources.system import FOLDER, find_system, system_types
from marketing_platform.warehouse import Warehouse
from marketing_platform.warehouse.tables import in_build_order

# The streams of these are those of their settings; they share a staging file for each entity.
BY_SETTINGS = ("database", "landed")
SYSTEMS = [name for name in system_types() if name not in BY_SETTINGS]
# Its suppressions and its events exclude each other, by a setting.
EITHER = {"sendgrid"}


def source_of(system_name: str, name: str) -> ActiveSource:
    system = find_system(system_name)
    streams = tuple(stream.name for stream in system.streams)
    settings = system.settings_model.model_construct(type=system_name, streams=streams)
    return ActiveSource(name, system, settings)


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_staging_file_is_left_out_and_every_stream_is_judged(system: str) -> None:
    source = source_of(system, system)
    tables = tables_of_source(source)
    files = {path.stem for path in (FOLDER / system).glob("*.sql")}
    built = {staged.table.name.table.removeprefix(f"{system}_") for staged in tables}
    assert built == files or system in EITHER
    read = {name for staged in tables for name in staged.table.reads}
    for stream in source.streams:
        assert source.raw_name(stream.name) in read


@pytest.mark.parametrize("system", SYSTEMS)
def test_people_and_products_are_read_however_long_ago_they_changed(system: str) -> None:
    source = source_of(system, system)
    states = {"accounts", "contacts", "deals", "owners", "products", "subscriptions", "variants"}
    whole = {
        source.raw_name(one)
        for stream in source.streams
        if stream.is_state or stream.reads == "listing"
        for one in (stream.name, *(items.name for items in stream.items))
    }
    for staged in tables_of_source(source):
        entity = staged.table.name.table.removeprefix(f"{system}_").partition("__")[0]
        assert entity not in states or whole & set(staged.table.reads), staged.table.name


@pytest.mark.parametrize(
    ("system", "streams", "missing"),
    [
        ("stripe", ("customers", "charges"), "events"),
        ("bigcommerce", ("carts",), "orders"),
        ("woocommerce", ("refunds",), "orders"),
    ],
)
def test_a_stream_that_cannot_be_read_without_another_asks_for_it(
    system: str, streams: tuple[str, ...], missing: str
) -> None:
    found = find_system(system)
    settings = found.settings_model.model_construct(type=system, streams=streams)
    with pytest.raises(ConfigError, match=f"{streams[0]} is read together with {missing}"):
        tables_of_source(ActiveSource("mine", found, settings))
    enough = settings.model_copy(update={"streams": (*streams, missing)})
    assert tables_of_source(ActiveSource("mine", found, enough))


def test_an_optional_stream_is_pulled_only_where_the_settings_name_it(
    make_settings: Callable[..., Settings],
) -> None:
    def streams(**given: object) -> list[str]:
        settings = make_settings(sources={"klaviyo": {"api_key": "${KLAVIYO_KEY}", **given}})
        (source,) = active_sources(settings)
        return [stream.name for stream in source.streams]

    assert streams() == ["events", "profiles"]
    assert streams(streams=["profiles", "reviews"]) == ["profiles", "reviews"]


def test_the_doctor_tells_of_it_before_it_asks_the_vendor(
    make_settings: Callable[..., Settings],
) -> None:
    told = {"api_key": "key", "streams": ["customers"], "base_url": "http://127.0.0.1:9"}
    (finding,) = examine_sources(make_settings(sources={"stripe": told}))
    assert not finding.is_well
    assert "Add events, or leave out customers" in finding.found


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_staging_table_can_be_carried_to_other_engines(system: str) -> None:
    for staged in tables_of_source(source_of(system, system)):
        for dialect in ("spark", "snowflake", "bigquery"):
            (carried,) = sqlglot.transpile(
                staged.table.sql,
                read="duckdb",
                write=dialect,
                unsupported_level=sqlglot.ErrorLevel.RAISE,
            )
            assert sqlglot.parse_one(carried, read=dialect)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_of_another_name_without_a_record_builds_empty_tables(
    system: str, make_settings: Callable[..., Settings]
) -> None:
    builds_empty(source_of(system, "my_second"), make_settings())


def test_every_entity_of_a_database_builds_an_empty_table(
    make_settings: Callable[..., Settings],
) -> None:
    query = EntityQuery(sql="select 1", record_id=("id",))
    settings = DatabaseSettings.model_construct(
        type="database", queries=dict.fromkeys(ENTITIES, query)
    )
    source = ActiveSource("my_second", find_system("database"), settings)
    assert len(tables_of_source(source)) == len(ENTITIES)
    builds_empty(source, make_settings())


def builds_empty(source: ActiveSource, settings: Settings) -> None:
    warehouse = Warehouse(":memory:")
    with warehouse.connect() as connection:
        create_views(connection, settings, source)
    tables = {str(staged.table.name): staged.table for staged in tables_of_source(source)}
    assert tables
    for name, table in in_build_order(tables).items():
        assert name.startswith("staging.my_second_")
        assert warehouse.build(name, table.sql).row_count == 0
