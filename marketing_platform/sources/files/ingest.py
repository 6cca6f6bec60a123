"""From an export file to the lake and the view `raw.files_<stream>`.

An export replaces what it covers, from its oldest record to its newest; a later export of the same
shop overlaps freely. Where it is silent for more than a month it covers nothing: one mistyped year
must not empty all the years between. A record that comes again replaces its earlier copy, wherever
that lay. A record without a readable date lies on the newest day of its export. A list of people or
products without any date has all that there is: it replaces what earlier ones brought without one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from marketing_platform.lake import Lake, Stream
from marketing_platform.settings import FileStream, Settings
from marketing_platform.sources.files.fields import STREAMS
from marketing_platform.sources.files.mapping import Column, choose_columns, plain
from marketing_platform.sources.files.parsing import (
    OPEN,
    UnreadableColumnError,
    find_parse,
    is_filled,
)
from marketing_platform.sources.files.placing import assign_days, mappings_used, write_days
from marketing_platform.sources.files.raw_view import SOURCE as SOURCE
from marketing_platform.sources.files.raw_view import raw_columns as raw_columns
from marketing_platform.sources.files.raw_view import view_select
from marketing_platform.sources.files.reader import load_export
from marketing_platform.sources.files.shared import are_names, find_currency, find_shared, is_total
from marketing_platform.sources.progress import missing_since
from marketing_platform.warehouse import Part, Warehouse

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Ingested:
    """What an export brought: records, the days they cover, and how its columns are read.

    `missing` has the fields that earlier exports had a column for, with the day since when not.
    """

    stream: str
    path: Path
    row_count: int
    first: dt.date
    last: dt.date
    columns: dict[str, Column]
    is_new: bool
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspected:
    """How an export would be read: its columns, and the currency of most of its records."""

    columns: dict[str, Column]
    currency: str | None


def inspect(stream: str, file: FileStream) -> Inspected:
    """Look at an export without taking anything in."""
    with Warehouse(":memory:").connect() as connection:
        pointers = load_export(connection, file.path).pointers
        columns = _columns(connection, stream, file, pointers, {})
        return Inspected(columns, find_currency(connection, columns))


def ingest(settings: Settings, stream: str, part: Part | None = None) -> Ingested:
    """Take the configured export of a stream into the lake: whole, or only the days of `part`.

    An export that lies there already, as its fingerprint says, is not read again.
    """
    file = settings.platform.sources.files[stream]  # type: ignore[index]
    target = Lake(settings.lake_dir).stream(SOURCE, stream)
    timezone = settings.platform.shop.timezone
    fingerprint = _fingerprint(stream, file, timezone)
    note = target.note()
    if note.get("fingerprint") == fingerprint and _is_loaded(note, target, part):
        return _remembered(note, stream, file.path)
    with Warehouse(":memory:").connect() as connection:
        export = load_export(connection, file.path)
        columns = _columns(connection, stream, file, export.pointers, note.get("columns", {}))
        for name in find_shared(connection, STREAMS[stream], columns):
            columns[name] = replace(columns[name], is_shared=True)
        if is_total(connection, STREAMS[stream], columns):
            columns["amount"] = replace(columns["amount"], is_total=True)
        first, last = assign_days(connection, STREAMS[stream], columns, timezone, file.path)
        gone = set(note.get("columns", {})) - set(columns)
        missing = missing_since(
            note.get("missing", {}), gone, columns, dt.datetime.now(dt.UTC).date()
        )
        done = Ingested(
            stream, file.path, export.row_count, first, last, columns, is_new=True, missing=missing
        )
        loaded = part or Part(first, last)
        mappings = {**note.get("mappings", {}), _key(columns): _plain(columns)}
        # A run that dies from here on takes the file in again, and what it wrote can be read.
        target.write_note({**note, "fingerprint": None, "mappings": mappings})
        write_days(connection, target, loaded, last, _key(columns))
        used = {key: mappings[key] for key in mappings_used(connection, target)}
    told = {"fingerprint": fingerprint, "loaded": asdict(loaded), "mappings": used}
    moment = dt.datetime.now(dt.UTC).isoformat()
    target.write_note({**told, "taken_in_at": moment, **asdict(done)})
    return done


def coverage(settings: Settings) -> Part | None:
    """The days from the oldest to the newest record of all exports taken in so far."""
    lake = Lake(settings.lake_dir)
    notes = [lake.stream(SOURCE, stream).note() for stream in settings.platform.sources.files]
    days = [
        dt.date.fromisoformat(str(note[end]))
        for note in notes
        for end in ("first", "last")
        if end in note
    ]
    return Part(min(days), max(days)) if days else None


def taken_in(settings: Settings, stream: str, since: dt.datetime) -> Part | None:
    """The days of an export that were taken in since a moment; None where none were."""
    note = Lake(settings.lake_dir).stream(SOURCE, stream).note()
    told, moment = note.get("loaded"), note.get("taken_in_at")
    if not told or (moment and dt.datetime.fromisoformat(moment) <= since):
        return None
    return Part(*(dt.date.fromisoformat(told[end]) for end in ("first", "last")))


def create_view(warehouse: Warehouse, settings: Settings, stream: str) -> None:
    """Create `raw.files_<stream>`: each record of the lake, its fields typed by the mapping."""
    source = Lake(settings.lake_dir).stream(SOURCE, stream)
    mappings = {
        key: _read_columns(columns) for key, columns in source.note().get("mappings", {}).items()
    }
    select = view_select(STREAMS[stream], mappings, source, settings.platform.shop)
    with warehouse.connect() as connection:
        connection.execute(f"create or replace view raw.{SOURCE}_{stream} as {select}")


def _columns(
    connection: duckdb.DuckDBPyConnection,
    stream: str,
    file: FileStream,
    pointers: dict[str, str],
    before: Mapping[str, Mapping[str, Any]],
) -> dict[str, Column]:
    """The columns of an export.

    What the numbers of one leave open is settled by the others, and by the export before: whoever
    writes 12,50 means a thousand by 1.000.
    """
    filled = partial(is_filled, connection)
    chosen = choose_columns(stream, pointers, file.mapping, file.path, filled)
    key, mail = chosen.get("customer_id", ""), chosen.get("email", "")
    if (
        mail
        and plain(key) in STREAMS[stream].bare_people
        and "customer_id" not in file.mapping
        and are_names(connection, pointers[key], pointers[mail])
    ):
        chosen.setdefault("full_name", chosen.pop("customer_id"))
    fields = STREAMS[stream]
    kinds = {field.name: field.kind for field in fields.fields}
    columns = {}
    for name, column in chosen.items():
        pointer = pointers[column]
        kind = kinds[name]
        try:
            same = before.get(name, {})
            known = str(same.get("parse", "")) if same.get("name") == column else ""
            parse = find_parse(
                connection, kind, pointer, column, file.path, file.date_format, known
            )
        except UnreadableColumnError:
            # Many tools keep birthdays without the year, and some call a code a discount.
            if kind not in ("birthday", "discount") or name in file.mapping:
                raise
            continue
        columns[name] = Column(column, pointer, parse)
    return _settled(columns, before)


def _settled(
    columns: dict[str, Column], before: Mapping[str, Mapping[str, Any]]
) -> dict[str, Column]:
    """The columns, those of numbers that have either decimal sign read as all the others."""
    signs = {column.parse for column in columns.values()} & {"comma", "point"}
    settled = dict(columns)
    for name, column in columns.items():
        if column.parse == OPEN:
            same = before.get(name, {})
            known = str(same.get("parse", "")) if same.get("name") == column.name else ""
            sign = next(iter(signs)) if len(signs) == 1 else known or "point"
            settled[name] = replace(column, parse=sign)
    return settled


def _key(columns: dict[str, Column]) -> str:
    content = json.dumps(_plain(columns), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _plain(columns: dict[str, Column]) -> dict[str, dict[str, object]]:
    return {name: asdict(column) for name, column in columns.items()}


def _fingerprint(stream: str, file: FileStream, timezone: str) -> str:
    """What an export is and how it is read: a version that knows more headers reads it again."""
    if not file.path.is_file():
        return ""
    known = repr(STREAMS[stream])
    told = json.dumps([file.mapping, file.date_format, timezone, known], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    with file.path.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_loaded(note: dict[str, object], target: Stream, part: Part | None) -> bool:
    loaded, first, last = note.get("loaded"), str(note["first"]), str(note["last"])
    if not isinstance(loaded, dict) or not target.days():
        return False
    wanted_first = max(first, part.first.isoformat()) if part else first
    wanted_last = min(last, part.last.isoformat()) if part else last
    return bool(loaded["first"] <= wanted_first and wanted_last <= loaded["last"])


def _read_columns(columns: Any) -> dict[str, Column]:
    return {name: Column(**column) for name, column in columns.items()}


def _remembered(note: dict[str, object], stream: str, path: Path) -> Ingested:
    return Ingested(
        stream=stream,
        path=path,
        row_count=int(str(note["row_count"])),
        first=dt.date.fromisoformat(str(note["first"])),
        last=dt.date.fromisoformat(str(note["last"])),
        columns=_read_columns(note["columns"]),
        is_new=False,
        missing=dict(note.get("missing", {})),  # type: ignore[call-overload]
    )
