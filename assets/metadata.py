"""What the UI shows of a table: column schema, column lineage, row counts."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.names import asset_key
from marketing_platform import pipeline
from marketing_platform.contracts import Contract
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import raw_columns
from marketing_platform.warehouse import SqlTable, Table
from marketing_platform.warehouse.lineage import column_lineage


def column_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=column.duckdb_type,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=contract.key == (name,),
                    other=[str(check.pandera.name) for check in column.checks],
                ),
            )
            for name, column in contract.columns.items()
        ]
    )


def raw_metadata(name: str) -> dict[str, Any]:
    """What is known of a raw view before anything is taken in: its name and its columns."""
    columns = [dg.TableColumn(column, kind) for column, kind in raw_columns()[name].items()]
    return {"dagster/table_name": name, "dagster/column_schema": dg.TableSchema(columns)}


def static_metadata(contract: Contract) -> dict[str, Any]:
    """Metadata that a table has before it is ever built."""
    return {
        "dagster/table_name": str(contract.name),
        "dagster/column_schema": column_schema(contract),
        "key": ", ".join(contract.key) or "none",
    }


def lineage_metadata(table: Table, settings: Settings) -> dict[str, Any]:
    """Column lineage of a SQL table; a Python table has none."""
    if not isinstance(table, SqlTable):
        return {}
    lineage = dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=asset_key(source), column_name=name)
                for source, name in sources
            ]
            for column, sources in column_lineage(table, pipeline.raw_columns(settings)).items()
        }
    )
    return {"dagster/column_lineage": lineage}
