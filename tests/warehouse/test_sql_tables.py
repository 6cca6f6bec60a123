"""Every SQL file of the engine: named by its place, documented, portable, with a contract."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS, contract_of
from marketing_platform.names import LAYERS
from marketing_platform.pipeline import all_tables
from marketing_platform.settings import Platform, Settings
from marketing_platform.sources.files.fields import STREAMS
from marketing_platform.sources.files.ingest import raw_columns
from marketing_platform.warehouse import SqlTable, sql_tables
from marketing_platform.warehouse.lineage import column_lineage
from marketing_platform.warehouse.tables import in_build_order, read_sql_table, tables_read

EXPORTS = {stream: {"path": f"{stream}.csv"} for stream in STREAMS}
SETTINGS = Settings(
    config_dir=Path(),
    data_dir=Path(),
    state_url=SecretStr(""),
    platform=Platform.model_validate({"sources": {"files": EXPORTS}}),
)
ALL_TABLES = all_tables(SETTINGS)
# As they are written, and as they are run.
WRITTEN_SQL = list(sql_tables().values())
ALL_SQL = [table for table in ALL_TABLES.values() if isinstance(table, SqlTable)]


@pytest.mark.parametrize("dialect", ["spark", "snowflake", "bigquery"])
@pytest.mark.parametrize(
    "table",
    [pytest.param(table, id=f"{table.name}-written") for table in WRITTEN_SQL]
    + [pytest.param(table, id=str(table.name)) for table in ALL_SQL],
)
def test_every_table_can_be_carried_to_other_engines(table: SqlTable, dialect: str) -> None:
    (carried,) = sqlglot.transpile(
        table.sql,
        read="duckdb",
        write=dialect,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    assert sqlglot.parse_one(carried, read=dialect)


def test_every_table_has_a_contract_and_every_contract_a_table() -> None:
    assert {name for name in ALL_TABLES if not name.startswith("staging.")} == set(CONTRACTS)
    for name in ALL_TABLES:
        assert contract_of(name).columns


def test_every_table_says_what_one_row_is() -> None:
    for table in ALL_TABLES.values():
        assert table.description.lower().startswith(("one row", "the one row")), str(table.name)


def test_tables_come_after_what_they_read() -> None:
    seen: set[str] = set()
    for name, table in ALL_TABLES.items():
        missing = {r for r in table.reads if not r.startswith("raw.")} - seen
        assert not missing, f"{name} comes before {missing}"
        seen.add(name)


def test_data_flows_from_left_to_right() -> None:
    places = {layer: place for place, layer in enumerate(LAYERS)}
    for name, table in ALL_TABLES.items():
        for read in table.reads:
            source = read.partition(".")[0]
            assert places[source] <= places[table.name.schema], f"{name} reads {read}"


def test_columns_keep_the_naming_rules() -> None:
    kinds = {"_at": "TIMESTAMP", "_date": "DATE", "_count": "BIGINT", "_share": "DOUBLE"}
    for contract in map(contract_of, ALL_TABLES):
        for name, column in contract.columns.items():
            where = f"{contract.name}.{name}"
            for ending, kind in kinds.items():
                if name.endswith(ending):
                    assert column.duckdb_type == kind, where
            if name.startswith(("is_", "has_")):
                assert column.duckdb_type == "BOOLEAN", where
            if column.duckdb_type.startswith("DECIMAL"):
                assert name.endswith("_amount"), where
            assert column.description.endswith("."), where


def test_column_lineage_follows_ctes_joins_and_windows() -> None:
    lineage = column_lineage(sql_tables()["profiles.rfm"], raw_columns())
    assert lineage["lifetime_value_amount"] == (("profiles.orders", "net_amount"),)
    assert ("core.clock", "as_of_date") in lineage["recency_days"]
    assert ("profiles.orders", "order_date") in lineage["recency_days"]


@pytest.mark.parametrize("table", ALL_SQL, ids=lambda table: str(table.name))
def test_every_lineage_leads_to_columns_that_exist(table: SqlTable) -> None:
    raw = raw_columns()
    for column, sources in column_lineage(table, raw).items():
        for source, name in sources:
            known = raw[source] if source in raw else contract_of(source).columns
            assert name in known, f"{table.name}.{column} <- {source}.{name}"


def test_names_of_ctes_are_no_tables() -> None:
    assert tables_read("with a as (select * from core.orders) select * from a") == ("core.orders",)


def test_tables_that_read_each_other_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "a.sql").write_text("-- One row is a.\nselect 1 as x from core.b")
    (folder / "b.sql").write_text("-- One row is b.\nselect 1 as x from core.a")
    tables = {f"core.{n}": read_sql_table(folder / f"{n}.sql") for n in "ab"}
    with pytest.raises(ValueError, match=r"core\.a -> core\.b -> core\.a"):
        in_build_order(tables)


def test_a_table_without_a_comment_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "a.sql").write_text("select 1 as x")
    with pytest.raises(ValueError, match="says what one row is"):
        read_sql_table(folder / "a.sql")
