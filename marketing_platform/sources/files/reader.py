"""Reads an export file (CSV, Parquet, JSON lines) as records: a line number and a JSON payload.

Nothing is interpreted here: a CSV value stays the text it was, and a JSON line that is not JSON is
kept as `{"unreadable": line}`, to be quarantined later rather than lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from marketing_platform.errors import InputError

_SAMPLE = 1_000
_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".gz": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
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
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"not readable as {file_format}: {reason}",
            where=str(path),
            mend="Export it again as CSV, Parquet or JSON lines in UTF-8",
        ) from None
    row = connection.execute("select count(*) from incoming").fetchone()
    count = int(row[0]) if row else 0
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
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(
            f"unknown kind of file {suffix or '(no ending)'}",
            where=str(path),
            mend=f"Use one of {', '.join(sorted(_FORMATS))}",
        )
    return _FORMATS[suffix]


def _load(connection: duckdb.DuckDBPyConnection, path: Path, file_format: str) -> None:
    if file_format == "csv":
        _load_csv(connection, path)
    elif file_format == "parquet":
        _create(connection, "select * from read_parquet($path)", path)
    else:
        _load_json_lines(connection, path)


def _load_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    read = (
        "select * from read_csv($path, all_varchar = true, header = true, null_padding = true,"
        " sample_size = 20480, encoding = '{}')"
    )
    try:
        _create(connection, read.format("utf-8"), path)
    except duckdb.Error as error:
        if "utf-8" not in str(error).lower() and "unicode" not in str(error).lower():
            raise
        # Older spreadsheets write Latin-1, in which every byte is a letter.
        _create(connection, read.format("latin-1"), path)


def _create(connection: duckdb.DuckDBPyConnection, source: str, path: Path) -> None:
    connection.execute(
        "create or replace temp table incoming as"
        " select row_number() over () as line_number, cast(to_json(t) as varchar) as payload"
        f" from ({source}) t",
        {"path": str(path)},
    )


def _load_json_lines(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute(
        """
        create or replace temp table incoming as
        select
            row_number() over () as line_number,
            case
                when json_valid(line) and json_type(line) = 'OBJECT' then line
                else cast(json_object('unreadable', line) as varchar)
            end as payload
        from read_csv($path, columns = {'line': 'VARCHAR'}, header = false, delim = '\\0',
            quote = '', escape = '', max_line_size = 20000000, strict_mode = false)
        where trim(line) <> ''
        """,
        {"path": str(path)},
    )


def _pointers(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = connection.execute(
        "select payload from incoming order by line_number limit $limit", {"limit": _SAMPLE}
    ).fetchall()
    found: dict[str, str] = {}
    for (payload,) in rows:
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
