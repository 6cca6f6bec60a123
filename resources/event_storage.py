"""Dagster's SQLite event log with its connections kept open.

The stock storage makes a new database engine for every event, and SQLAlchemy compiles each
statement anew. A run over a year of daily partitions writes thousands of events: with one engine
per file kept for the life of the process they cost about a fifth of the time (`make bench` prints
the ratio). The days of one asset come as a batch, and are written in one transaction per file.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

_BUSY_SECONDS = 60
# Each run has a file, and the daemon writes to all of them: a process would run out of descriptors.
_OPEN_FILES = 8
# Dagster gives out batches only where it is told a size.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` with one engine per file in use; same files, same content.

    Named in the instance's `dagster.yaml` under `event_log_storage`. It overrides some methods of
    the pinned version of Dagster; a test compares what both storages give back.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # By URL, the one that was used last at the end.
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        # The thread that writes a batch, and its connections.
        self._batch_thread: int | None = None
        self._batch: dict[str, Connection] = {}
        # What the database was found to have, which it does not lose again.
        self._had: set[tuple[str, str]] = set()
        super().__init__(*args, **kwargs)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledSqliteEventLogStorage:
        """The storage that `dagster.yaml` names."""
        return cls(inst_data=inst_data, base_dir=config_value["base_dir"])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store these events of a run, all or none of them in each file."""
        with self._db_lock, ExitStack() as opened:
            self._batch_thread = threading.get_ident()
            try:
                for shard in {entry.run_id for entry in events} | {INDEX_SHARD_NAME}:
                    self._batch[shard] = opened.enter_context(self._begin(shard))
                of_assets = [e for e in events if e.dagster_event_type in ASSET_EVENTS]
                self._store_asset_events(of_assets)
                for entry in events:
                    if entry.dagster_event_type not in ASSET_EVENTS:
                        self.store_event(entry)
            finally:
                self._batch_thread = None
                self._batch.clear()

    def _store_asset_events(self, events: Sequence[EventLogEntry]) -> None:
        """As `store_event`, but an asset's own row is written once, not once per partition."""
        if not events:
            return
        rows = [self._event_to_row(entry) for entry in events]
        for run_id in {entry.run_id for entry in events}:
            of_run = [row for row in rows if row["run_id"] == run_id]
            self._batch[run_id].execute(SqlEventLogStorageTable.insert(), of_run)
        index = self._batch[INDEX_SHARD_NAME]
        numbered = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        ids = list(index.execute(numbered, rows).scalars())
        self._store_asset_event_tags(index, events, ids)
        newest = {
            (entry.get_dagster_event().asset_key, entry.dagster_event_type): (entry, number)
            for entry, number in zip(events, ids, strict=True)
        }
        for entry, number in newest.values():
            self._store_asset_event(index, entry, number)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._batch_thread == threading.get_ident():
            yield self._batch[shard]
            return
        with self._db_lock, self._begin(shard) as connection:
            yield connection

    @contextmanager
    def _begin(self, shard: str) -> Iterator[Connection]:
        engine = self._engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection, connection.begin():
            yield connection

    # Dagster asks the file for these at every event of an asset, and opens it anew for some.

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table."""
        return self._has("table", table_name, super().has_table)

    def has_secondary_index(self, name: str) -> bool:
        """Whether a migration of data is done."""
        return self._has("index", name, super().has_secondary_index)

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the table of assets has such a column."""
        return self._has("column", column_name, super().has_asset_key_col)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        return self._has(
            "column",
            column_name,
            lambda name: SqliteEventLogStorage._has_asset_key_col_on_connection(self, conn, name),
        )

    def _has(self, kind: str, name: str, look: Callable[[str], bool]) -> bool:
        if (kind, name) not in self._had and look(name):
            self._had.add((kind, name))
        return (kind, name) in self._had

    def dispose(self) -> None:
        """Close all connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

    def remove_logs(self, before: dt.datetime, kept: Container[str]) -> int:
        """Remove the logs that were last written before this moment; gives how many.

        Those of the runs in `kept` stay.
        """
        removed = 0
        with self._db_lock:
            for path in Path(self._base_dir).glob("?*.db"):
                run_id = path.stem
                is_old = path.stat().st_mtime < before.timestamp()
                if run_id == INDEX_SHARD_NAME or run_id in kept or not is_old:
                    continue
                if engine := self._engines.pop(self.conn_string_for_shard(run_id), None):
                    engine.dispose()
                self._initialized_dbs.discard(run_id)
                for name in (path, path.with_suffix(".db-wal"), path.with_suffix(".db-shm")):
                    name.unlink(missing_ok=True)
                removed += 1
        return removed

    def _engine(self, url: str) -> Engine:
        if url not in self._engines:
            engine = create_engine(
                url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
            )
            event.listen(engine, "connect", _relax)
            self._engines[url] = engine
        self._engines.move_to_end(url)
        while len(self._engines) > _OPEN_FILES:
            _, unused = self._engines.popitem(last=False)
            unused.dispose()
        return self._engines[url]


def _relax(connection: sqlite3.Connection, _record: object) -> None:
    # With a write-ahead log, NORMAL survives a crash of the process; only a power cut may lose the
    # last events, and never the file.
    connection.execute("pragma synchronous = normal")
