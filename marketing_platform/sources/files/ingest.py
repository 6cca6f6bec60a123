"""From an export file to the lake and the view `raw.files_<stream>`.

An export replaces the days that it covers, from its oldest record to its newest; a later export of
the same shop overlaps freely. A record without a readable date lies on the newest day of its
export.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.lake import Lake, Stream
from marketing_platform.settings import FileStream, Settings, Shop
from marketing_platform.sources.files.fields import STREAMS, Field, StreamFields
from marketing_platform.sources.files.mapping import Column, choose_columns
from marketing_platform.sources.files.parsing import call, find_parse, literal, local_date, parsed
from marketing_platform.sources.files.reader import load_export
from marketing_platform.warehouse import Part, Warehouse

SOURCE = "files"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Ingested:
    """What an export brought: records, the days they cover, and how its columns are read."""

    stream: str
    path: Path
    row_count: int
    first: dt.date
    last: dt.date
    columns: dict[str, Column]
    is_new: bool


def inspect(stream: str, file: FileStream) -> dict[str, Column]:
    """How the columns of an export would be read, without taking anything in."""
    with Warehouse(":memory:").connect() as connection:
        return _columns(connection, stream, file, load_export(connection, file.path).pointers)


def ingest(settings: Settings, stream: str, part: Part | None = None) -> Ingested:
    """Take the configured export of a stream into the lake: whole, or only the days of `part`.

    An export that lies there already, as its fingerprint says, is not read again.
    """
    file = settings.platform.sources.files[stream]  # type: ignore[index]
    target = Lake(settings.lake_dir).stream(SOURCE, stream)
    fingerprint = _fingerprint(file)
    note = target.note()
    if note.get("fingerprint") == fingerprint and _is_loaded(note, target, part):
        return _remembered(note, stream, file.path)
    with Warehouse(":memory:").connect() as connection:
        export = load_export(connection, file.path)
        columns = _columns(connection, stream, file, export.pointers)
        first, last = _assign_days(connection, STREAMS[stream], columns, settings, file.path)
        done = Ingested(stream, file.path, export.row_count, first, last, columns, is_new=True)
        loaded = part or Part(first, last)
        _write(connection, target, loaded, last)
    target.write_note({"fingerprint": fingerprint, "loaded": asdict(loaded), **asdict(done)})
    return done


def coverage(settings: Settings) -> Part | None:
    """The days from the oldest to the newest record of all exports taken in so far."""
    lake = Lake(settings.lake_dir)
    notes = [lake.stream(SOURCE, stream).note() for stream in settings.platform.sources.files]
    days = [
        dt.date.fromisoformat(str(note[end])) for note in notes if note for end in ("first", "last")
    ]
    return Part(min(days), max(days)) if days else None


def create_view(warehouse: Warehouse, settings: Settings, stream: str) -> None:
    """Create `raw.files_<stream>`: each record of the lake, its fields typed by the mapping."""
    source = Lake(settings.lake_dir).stream(SOURCE, stream)
    columns = _noted_columns(source.note())
    select = view_select(STREAMS[stream], columns, source, settings.platform.shop)
    with warehouse.connect() as connection:
        connection.execute(f"create or replace view raw.{SOURCE}_{stream} as {select}")


def view_select(
    fields: StreamFields, columns: dict[str, Column], source: Stream, shop: Shop
) -> str:
    """The select behind `raw.files_<stream>`, in DuckDB's SQL."""
    timezone = shop.timezone
    mapped = [field for field in fields.fields if field.name in columns]
    values = {field.name: _value(mapped.index(field) + 1) for field in mapped}
    typed = {
        field.name: parsed(field.kind, columns[field.name].parse, values[field.name], timezone)
        for field in mapped
    }
    select = exp.select(*_RECORD)
    for field in fields.fields:
        value = typed.get(field.name, _null(field))
        if field.name == "currency":
            value = call("coalesce", call("upper", value), literal(shop.currency))
        select = select.select(value.as_(field.name))
    clock = next(field for field in fields.fields if field.name == fields.clock)
    moment = typed.get(clock.name, _null(clock))
    select = select.select(local_date(moment.copy(), timezone).as_("local_date"))
    select = select.select(_unreadable(mapped, typed, values).as_("unreadable"))
    pointers = exp.Array(expressions=[literal(columns[f.name].pointer) for f in mapped])
    extracted = call("json_extract_string", exp.column("payload"), pointers)
    if not source.days():
        return select.from_(_nothing(extracted)).sql("duckdb")
    files = call("read_parquet", literal(source.pattern))
    return select.from_(exp.select("*", extracted.as_("v")).from_(files).subquery("records")).sql(
        "duckdb"
    )


def raw_columns() -> dict[str, dict[str, str]]:
    """The columns of every view `raw.files_<stream>` with their DuckDB types."""
    return {
        f"raw.{SOURCE}_{stream}": {
            **_RECORD,
            **{field.name: _TYPES[field.kind] for field in fields.fields},
            "local_date": "DATE",
            "unreadable": "VARCHAR",
        }
        for stream, fields in STREAMS.items()
    }


def _value(position: int) -> exp.Expression:
    return exp.Bracket(this=exp.column("v"), expressions=[exp.Literal.number(position)], offset=1)


_RECORD = {
    "record_id": "VARCHAR",
    "occurrence": "BIGINT",
    "line_number": "BIGINT",
    "received_at": "TIMESTAMP",
    "received_date": "DATE",
    "payload": "VARCHAR",
}
_TYPES = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "number": "DECIMAL(18, 4)",
    "integer": "BIGINT",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "flag": "BOOLEAN",
}


def _null(field: Field) -> exp.Expression:
    return exp.Cast(this=exp.null(), to=exp.DataType.build(_TYPES[field.kind]))


def _unreadable(
    mapped: list[Field], typed: dict[str, exp.Expression], values: dict[str, exp.Expression]
) -> exp.Expression:
    """Names of the fields that have a text but no readable value, joined by commas; else null."""
    cases = [
        exp.Case(
            ifs=[
                exp.If(
                    this=exp.and_(
                        exp.NEQ(
                            this=call("trim", values[field.name].copy()), expression=literal("")
                        ),
                        typed[field.name].copy().is_(exp.null()),
                    ),
                    true=literal(field.name),
                )
            ]
        )
        for field in mapped
        if field.kind not in ("text", "id", "flag")
    ]
    return call("nullif", call("concat_ws", literal(", "), exp.null(), *cases), literal(""))


def _nothing(extracted: exp.Expression) -> exp.Expression:
    empty = exp.select(
        *(
            exp.Cast(this=exp.null(), to=exp.DataType.build(kind)).as_(name)
            for name, kind in _RECORD.items()
        )
    )
    inner = exp.select("*", extracted.as_("v")).from_(empty.subquery("one"))
    return inner.where(exp.false()).subquery("records")


def _columns(
    connection: duckdb.DuckDBPyConnection,
    stream: str,
    file: FileStream,
    pointers: dict[str, str],
) -> dict[str, Column]:
    chosen = choose_columns(stream, pointers, file.mapping, file.path)
    kinds = {field.name: field.kind for field in STREAMS[stream].fields}
    columns = {}
    for name, column in chosen.items():
        kind, pointer = kinds[name], pointers[column]
        told = file.date_format if kind in ("timestamp", "date") else None
        parse = told or find_parse(connection, kind, pointer, column, file.path)
        columns[name] = Column(column, pointer, parse)
    return columns


def _assign_days(
    connection: duckdb.DuckDBPyConnection,
    fields: StreamFields,
    columns: dict[str, Column],
    settings: Settings,
    where: Path,
) -> tuple[dt.date, dt.date]:
    """Make the table `records` of `incoming`: keys, and the day that each record lies on."""
    clock = columns.get(fields.clock)
    day: exp.Expression = exp.Cast(this=exp.null(), to=exp.DataType.build("DATE"))
    if clock:
        kind = next(field.kind for field in fields.fields if field.name == fields.clock)
        value = call("json_extract_string", exp.column("payload"), literal(clock.pointer))
        moment = parsed(kind, clock.parse, value, settings.platform.shop.timezone)
        day = exp.Cast(this=moment, to=exp.DataType.build("DATE"))
    connection.execute(
        f"""
        create or replace temp table records as
        select line_number, payload, md5(payload) as fingerprint,
            row_number() over (partition by md5(payload) order by line_number) as occurrence,
            {day.sql("duckdb")} as day
        from incoming
        """
    )
    row = connection.execute("select min(day), max(day) from records").fetchone() or (None, None)
    if row[0] is None:
        if clock:
            raise InputError(
                f"no value of column {clock.name!r} can be read as a date",
                where=str(where),
                mend="Map another column, or give --date-format",
            )
        today = dt.datetime.now(dt.UTC).date()
        return today, today
    return row[0], row[1]


def _write(
    connection: duckdb.DuckDBPyConnection, target: Stream, part: Part, undated: dt.date
) -> None:
    target.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staged-", dir=target.folder) as staging:
        # One thread writes one file per day; more would write several.
        connection.execute("set threads = 1")
        connection.execute(
            f"""
            copy (
                select
                    fingerprint || '-' || cast(occurrence as varchar) as record_id,
                    occurrence, line_number, payload,
                    cast(timezone('UTC', current_timestamp) as timestamp) as received_at,
                    coalesce(day, date '{undated.isoformat()}') as received_date,
                    coalesce(day, date '{undated.isoformat()}') as day
                from records
                where coalesce(day, date '{undated.isoformat()}')
                    between date '{part.first.isoformat()}' and date '{part.last.isoformat()}'
                order by line_number
            ) to {literal(staging + "/days").sql("duckdb")}
            (format parquet, partition_by (day), compression zstd)
            """
        )
        staged = {
            dt.date.fromisoformat(folder.name.removeprefix("day=")): next(folder.glob("*.parquet"))
            for folder in Path(staging, "days").glob("day=*")
        }
        target.publish(staged, part.first, part.last)
        shutil.rmtree(Path(staging, "days"), ignore_errors=True)


def _fingerprint(file: FileStream) -> str:
    if not file.path.is_file():
        return ""
    digest = hashlib.sha256(json.dumps([file.mapping, file.date_format], sort_keys=True).encode())
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


def _noted_columns(note: dict[str, object]) -> dict[str, Column]:
    columns = note.get("columns")
    if not isinstance(columns, dict):
        return {}
    return {name: Column(**column) for name, column in columns.items()}


def _remembered(note: dict[str, object], stream: str, path: Path) -> Ingested:
    return Ingested(
        stream=stream,
        path=path,
        row_count=int(str(note["row_count"])),
        first=dt.date.fromisoformat(str(note["first"])),
        last=dt.date.fromisoformat(str(note["last"])),
        columns=_noted_columns(note),
        is_new=False,
    )
