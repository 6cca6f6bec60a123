"""Column lineage, read from the SQL of a table: which columns each of its columns comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from sqlglot import exp, parse_one
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer import build_scope, qualify

from marketing_platform.contracts import contract_of
from marketing_platform.names import TableName
from marketing_platform.warehouse.tables import SqlTable

ColumnLineage = Mapping[str, tuple[tuple[str, str], ...]]


def column_lineage(table: SqlTable, raw_columns: Mapping[str, Mapping[str, str]]) -> ColumnLineage:
    """For each column of a SQL table the (table, column) pairs that it is computed from.

    `raw_columns` gives the columns (name to DuckDB type) of the raw views, which have no contract.
    """
    schema = _schema_of(table, raw_columns)
    return _read(table.sql, tuple(contract_of(str(table.name)).columns), json.dumps(schema))


# Of a table it is the same until its SQL changes; a process that builds twice reads it once.
@cache
def _read(sql: str, columns: tuple[str, ...], schema_text: str) -> ColumnLineage:
    schema = json.loads(schema_text)
    tree = parse_one(sql, read="duckdb")
    qualified = qualify.qualify(
        tree, schema=schema, dialect="duckdb", validate_qualify_columns=False, identify=False
    )
    scope = build_scope(qualified)
    # Trimming each select to one column is for drawings of the tree, and takes most of the time.
    roots = lineage(
        None,
        qualified,
        schema=schema,
        scope=scope,
        dialect="duckdb",
        copy=False,
        trim_selects=False,
    )
    return {column: tuple(sorted(_sources(roots[column]))) for column in columns}


def _schema_of(table: SqlTable, raw_columns: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name in table.reads:
        place = TableName.parse(name)
        columns = raw_columns.get(name) or {
            column: spec.duckdb_type for column, spec in contract_of(name).columns.items()
        }
        schema.setdefault(place.schema, {})[place.table] = dict(columns)
    return dict(schema)


def _sources(root: Node) -> set[tuple[str, str]]:
    leaves = [
        (node.expression, node.name)
        for node in root.walk()
        if isinstance(node.expression, exp.Table) and not node.downstream and node.expression.db
    ]
    return {(f"{table.db}.{table.name}", exp.to_column(name).name) for table, name in leaves}
