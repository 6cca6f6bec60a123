"""Reads an export (CSV, Parquet, JSON lines, a workbook) as records: a line number and a payload.

Nothing is interpreted here: a CSV value stays the text it was. A JSON line that is not JSON, or a
CSV line that is no row, is kept as `{"unreadable": line}`, to be quarantined later and not lost.
"""

from __future__ import annotations

import json
import re
import tempfile
from codecs import BOM_UTF8
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.sources.files import workbook
from marketing_platform.sources.files.csv_text import (
    count_lines,
    find_shape,
    is_wide,
    open_bytes,
    unclosed_quote,
    write_utf8,
)
from marketing_platform.sources.json_lines import (
    AS_LINES,
    LINE_SIZES,
    LONGEST_LINE_BYTES,
    reason_of,
)

_SAMPLE = 1_000
# The place of the mistake is told by us; the engine may name a copy.
_FILE_NAME = re.compile(r'^Invalid Input Error: | in file "[^"]*"| of .+(?= is longer than)')
_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    **dict.fromkeys(workbook.ENDINGS, "workbook"),
}


@dataclass(frozen=True)
class Export:
    """An export file loaded into the temporary table `incoming` (line_number, payload).

    `pointers` maps each column of the file to its JSON pointer in the payload; a nested key is
    called by its path with dots.
    """

    path: Path
    row_count: int
    pointers: dict[str, str]


def load_export(connection: duckdb.DuckDBPyConnection, path: Path) -> Export:
    """Load a file into the temporary table `incoming`; raises InputError if it cannot be read."""
    file_format = _check(path)
    connection.execute("set preserve_insertion_order = true")
    try:
        _load(connection, path, file_format)
    except (duckdb.Error, OSError, EOFError) as error:
        reason = _FILE_NAME.sub("", reason_of(error))
        raise InputError(
            f"not readable as {file_format}: {reason}",
            where=str(path),
            mend="Export it again as CSV, Parquet or JSON lines in UTF-8, or as a workbook",
        ) from None
    count = _count(connection, "incoming")
    if count == 0:
        raise InputError("the file has no records", where=str(path), mend="Export it again")
    return Export(path, count, _pointers(connection))


def _check(path: Path) -> str:
    if not path.exists():
        raise InputError("no such file", where=str(path), mend="Check the path")
    if path.is_dir():
        raise InputError("this is a folder", where=str(path), mend="Name one file")
    if path.stat().st_size == 0:
        raise InputError("the file is empty", where=str(path), mend="Export it again")
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    is_compressed = suffixes[-1:] == [".gz"]
    ending = next(iter(suffixes[-2:-1] if is_compressed else suffixes[-1:]), "")
    kind = _FORMATS.get(ending, "csv" if is_compressed else "")
    if not kind or (is_compressed and kind in ("parquet", "workbook")):
        raise InputError(
            f"unknown kind of file {''.join(suffixes[-1:]) or '(no ending)'}",
            where=str(path),
            mend=f"Use one of {', '.join(sorted(_FORMATS))}; CSV and JSON may end in .gz",
        )
    return kind


def _load(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> None:
    if file_format == "workbook":
        with tempfile.TemporaryDirectory(prefix="export-") as folder:
            copy = Path(folder, "export.csv")
            workbook.write_csv(path, copy)
            _load(connection, copy, "csv")
        return
    if file_format == "parquet":
        _create(connection, "select * from read_parquet($path)", path)
    elif is_wide(path) or not _is_loaded(connection, path, file_format):
        # Of another encoding, or with lines that end in different ways.
        with tempfile.TemporaryDirectory(prefix="export-") as folder:
            copy = Path(folder, f"export.{file_format}")
            write_utf8(path, copy)
            _load_text(connection, copy, file_format)
    if file_format == "csv":
        _check_lines(connection, path)


def _is_loaded(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> bool:
    try:
        _load_text(connection, path, file_format)
    except duckdb.Error:
        return False
    broken = "rejects where error_type = 'INVALID ENCODING'"
    return file_format != "csv" or not _count(connection, broken)


def _load_text(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> None:
    if file_format == "csv":
        _load_csv(connection, path)
    elif _is_array(path):
        _load_json_array(connection, path)
    else:
        _load_json_lines(connection, path)


def _load_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Load the rows; a line that is no row of this file is kept as it came."""
    for table in ("rejects", "reject_scans"):
        connection.execute(f"drop table if exists {table}")
    shape = find_shape(path)
    quoted = (exp.Literal.string(name).sql("duckdb") for name in shape.columns)
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in quoted)
    delimiter = exp.Literal.string(shape.delimiter).sql("duckdb")
    # Rows of several lines are read right by one thread only.
    source = f"""
        select * from read_csv($path, columns = {{{columns}}}, delim = {delimiter}, header = true,
            skip = {shape.skip}, auto_detect = false, quote = '"', escape = '"', parallel = false,
            null_padding = true, {LINE_SIZES}, store_rejects = true,
            rejects_table = 'rejects', rejects_scan = 'reject_scans', rejects_limit = 0)
        """
    _create(connection, source, path)
    connection.execute(
        """
        insert into incoming
        select
            (select count(*) from incoming) + row_number() over (order by line),
            cast(json_object('unreadable', any_value(csv_line)) as varchar)
        from rejects group by line
        """
    )


def _check_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a file whose lines are not all in a record: an open quote swallows what follows."""
    row = connection.execute(
        r"""
        select sum(
            1 + (length(payload) - length(replace(payload, '\n', ''))) / 2
            + (length(payload) - length(replace(payload, '\r', ''))) / 2
        ) from incoming
        """
    ).fetchone()
    in_records = int(row[0] or 0) if row else 0
    lost = count_lines(path) - find_shape(path).header_lines - in_records
    if lost > 0:
        raise unclosed_quote(path, lost)


def _create(connection: duckdb.DuckDBPyConnection, source: str, path: Path) -> None:
    connection.execute(
        "create or replace temp table incoming as"
        " select row_number() over () as line_number, cast(to_json(t) as varchar) as payload"
        f" from ({source}) t",
        {"path": str(path)},
    )


def _is_array(path: Path) -> bool:
    with open_bytes(path) as content:
        return content.read(_SAMPLE).removeprefix(BOM_UTF8).lstrip().startswith(b"[")


def _load_json_array(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(
        f"""
        create or replace temp table incoming as
        select
            row_number() over () as line_number,
            case
                when json_type(json) = 'OBJECT' then cast(json as varchar)
                else cast(json_object('unreadable', json) as varchar)
            end as payload
        from read_json_objects($path, format = 'array', maximum_object_size = {LONGEST_LINE_BYTES})
        """,
        {"path": str(path)},
    )


def _load_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(
        f"""
        create or replace temp table incoming as
        select
            row_number() over () as line_number,
            case
                when json_valid(text) and json_type(text) = 'OBJECT' then text
                else cast(json_object('unreadable', text) as varchar)
            end as payload
        from read_csv($path, {AS_LINES})
        where trim(text) <> ''
        """,
        {"path": str(path)},
    )


def _count(connection: duckdb.DuckDBPyConnection, of: str) -> int:
    row = connection.execute(f"select count(*) from {of}").fetchone()
    return int(row[0]) if row else 0


def _pointers(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = connection.execute(
        "select payload from incoming order by line_number limit $limit", {"limit": _SAMPLE}
    ).fetchall()
    found: dict[str, str] = {}
    for (payload,) in rows:
        # A line that is nested a thousand times over names no columns, and stops no other line.
        with suppress(RecursionError):
            _collect(json.loads(payload), "", "", found)
    found.pop("unreadable", None)
    return found


def _collect(value: dict[str, object], name: str, pointer: str, found: dict[str, str]) -> None:
    for key, inner in value.items():
        path = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(inner, dict):
            _collect(inner, f"{name}{key}.", path, found)
        else:
            found.setdefault(f"{name}{key}", path)
