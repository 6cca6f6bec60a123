"""The warehouse: DuckDB tables, built from SQL files or frames, replaced whole or not at all."""

from marketing_platform.warehouse.database import Built, Part, Warehouse
from marketing_platform.warehouse.tables import DayTable, PythonTable, SqlTable, Table, sql_tables

__all__ = [
    "Built",
    "DayTable",
    "Part",
    "PythonTable",
    "SqlTable",
    "Table",
    "Warehouse",
    "sql_tables",
]
