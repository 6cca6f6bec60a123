"""The warehouse as a Dagster resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from dagster_duckdb import DuckDBResource

from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse


class WarehouseResource(DuckDBResource):
    """`DuckDBResource` whose connections are always closed and wait for the file's lock.

    The stock resource leaves its connection open after an error, and opens the file with a
    configuration of its own, so that no other connection of the process can join it. This one
    connects through the engine's `Warehouse`, which assets use directly.
    """

    memory_limit: str = "2GB"
    threads: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> WarehouseResource:
        """The resource for a shop's warehouse."""
        limits = settings.platform.warehouse
        return cls(
            database=str(settings.warehouse_path),
            memory_limit=limits.memory_limit,
            threads=limits.threads,
        )

    @property
    def engine(self) -> Warehouse:
        """The engine's warehouse."""
        return Warehouse(self.database, memory_limit=self.memory_limit, threads=self.threads)

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the warehouse, closed at the end whatever happens."""
        with self.engine.connect() as connection:
            yield connection
