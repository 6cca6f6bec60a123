"""Writes an audience as a CSV or JSON-lines file for another tool to fetch.

The file is always the whole audience as it is now, and is replaced in one step: who reads it sees
the feed of before or the new one, never half of one.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from marketing_platform.destinations.base import Answer, Batch, Row
from marketing_platform.errors import ConfigError
from marketing_platform.settings import FilesDestination

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A signed number computes nothing, and a phone number must stay one: +4915112345678, -12.50.
_NUMBER = re.compile(r"[+-]\d+(\.\d+)?\Z")


class Files:
    """A folder of feeds, one file an audience; `columns` gives the columns of each audience."""

    batch_size = 10_000_000
    concurrency = 1
    is_idempotent = True
    is_full_feed = True
    calls_per_run = 1
    retry_seconds = 0.0
    max_wait_seconds = 0.0
    max_attempts = 1_000_000

    def __init__(
        self,
        name: str,
        settings: FilesDestination,
        folder: Path,
        columns: Mapping[str, Sequence[str]],
    ) -> None:
        self.name = name
        self.folder = settings.folder or folder / name
        self._format = settings.format
        self._columns = columns

    def path(self, audience: str) -> Path:
        """The file of an audience."""
        if not _PLAIN_NAME.match(audience):
            raise ConfigError(f"the segment name {audience!r} cannot be the name of a file")
        return self.folder / f"{audience}.{self._format}"

    async def send(self, batch: Batch) -> Answer:
        """Replace the audience's file by the rows of the batch."""
        try:
            await asyncio.to_thread(self._write, batch)
        except OSError as error:
            reason = f"cannot write {self.path(batch.audience)}: {error.strerror or error}"
            return Answer("retry", reason)
        return Answer("accepted")

    def missing(self) -> list[str]:
        """The audiences of the rules that have no file: new ones without members, or deleted."""
        return [audience for audience in self._columns if not self.path(audience).exists()]

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, batch: Batch) -> None:
        if self._format == "jsonl":
            replace_file(self.path(batch.audience), lambda out: _write_lines(out, batch.rows))
            return
        columns = self._columns.get(batch.audience) or _columns_of(batch.rows)
        replace_file(self.path(batch.audience), lambda out: _write_csv(out, batch.rows, columns))


def replace_file(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file beside `path`, bring it to the disk, and put it in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What a killed process left behind; only one process writes an audience at a time.
    for old in path.parent.glob(f".{path.name}.*.part"):
        old.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123 - a handle
            write(out)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too; not every system lets a folder be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write_csv(out: TextIO, rows: Sequence[Row], columns: Sequence[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row.payload.get(name)) for name in columns] for row in rows)


def _write_lines(out: TextIO, rows: Sequence[Row]) -> None:
    for row in rows:
        out.write(json.dumps(dict(row.payload), ensure_ascii=False, separators=(",", ":")) + "\n")


def cell(value: Any) -> str:
    """A value as a CSV cell; text that a spreadsheet would run gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text.startswith(_FORMULA) and not _NUMBER.match(text):
        return f"'{text}"
    return text


def _columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns of an audience that no rule names any more: those that its rows have."""
    names: dict[str, None] = {"customer_id": None}
    for row in rows:
        names.update(dict.fromkeys(row.payload))
    return list(names)
