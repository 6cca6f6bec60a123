"""Writes an audience as a CSV or JSON-lines file for another tool to fetch.

The file is always the whole audience as it is now, and is replaced in one step: who reads it sees
the feed of before or the new one, never half of one.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TextIO

from pydantic import Field, SecretStr

from marketing_platform.destinations.base import IDENTIFYING, Answer, Audience, Batch, Place, Row
from marketing_platform.destinations.store import StoreError, open_store
from marketing_platform.errors import ConfigError
from marketing_platform.settings import DestinationSettings, Mode

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A signed number computes nothing, and a phone number must stay one: +4915112345678, -12.50.
_NUMBER = re.compile(r"[+-]\d+(\.\d+)?\Z")


class FilesDestination(DestinationSettings):
    """CSV or JSON-lines feeds, replaced atomically.

    `folder` is a folder, or a bucket's URL (`s3://`, `gs://`, `az://`). Its credentials come from
    where the cloud's own tools look for them, or from `store`, the options of obstore.
    """

    folder: str | None = None
    store: dict[str, SecretStr] = Field(default_factory=dict)
    format: Literal["csv", "jsonl"] = "csv"


class Files:
    """A folder of feeds, one file an audience; `columns` gives the columns of each audience."""

    modes: ClassVar[tuple[Mode, ...]] = ("audience",)
    audience: ClassVar[Audience | None] = None
    shares_audience: ClassVar[bool] = True
    batch_size = 10_000_000
    concurrency = 1
    is_idempotent = True
    is_full_feed = True
    calls_per_run = 1
    retry_seconds = 0.0
    max_wait_seconds = 0.0
    max_attempts = 1_000_000

    def __init__(self, name: str, settings: FilesDestination, place: Place) -> None:
        self.name = name
        self._format = settings.format
        told = {option: value.get_secret_value() for option, value in settings.store.items()}
        self._store = open_store(settings.folder or str(place.folder), told)
        self._columns = {
            audience: list(dict.fromkeys((*IDENTIFYING, *rule.attributes)))
            for audience, rule in place.rules.items()
        }

    def file_name(self, audience: str) -> str:
        """The name of the file of an audience."""
        if not _PLAIN_NAME.match(audience):
            raise ConfigError(f"the segment name {audience!r} cannot be the name of a file")
        return f"{audience}.{self._format}"

    async def send(self, batch: Batch) -> Answer:
        """Replace the audience's file by the rows of the batch."""
        name = self.file_name(batch.audience)
        try:
            await asyncio.to_thread(self._store.replace, name, lambda out: self._write(out, batch))
        except StoreError as error:
            return Answer("retry", f"cannot write {self._store.shown(name)}: {error}")
        return Answer("accepted")

    def preview(self, batch: Batch) -> str:
        """The rows as they would stand in the file."""
        out = io.StringIO()
        self._write(out, batch)
        return f"{self._store.shown(self.file_name(batch.audience))}\n{out.getvalue()}".rstrip()

    def missing(self) -> list[str]:
        """The audiences of the rules that have no file: new ones without members, or deleted."""
        return [a for a in self._columns if not self._store.has(self.file_name(a))]

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, out: TextIO, batch: Batch) -> None:
        if self._format == "jsonl":
            _write_lines(out, batch.rows)
            return
        columns = self._columns.get(batch.audience) or _columns_of(batch.rows)
        _write_csv(out, batch.rows, columns)


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
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    if text.startswith(_FORMULA) and not _NUMBER.match(text):
        return f"'{text}"
    return text


def _columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns of an audience that no rule names any more: those that its rows have."""
    names: dict[str, None] = {"customer_id": None}
    for row in rows:
        names.update(dict.fromkeys(row.payload))
    return list(names)


SETTINGS = FilesDestination
DESTINATION = Files
