"""Splits pages into records in DuckDB: payload, key, and when each last changed."""

# ruff: noqa: S608 - SQL is put together from declared paths and our own names, quoted

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import duckdb
import orjson

from marketing_platform.sources.fields import Field, Kind
from marketing_platform.sources.json_text import read_json
from marketing_platform.sources.spool import Kept
from marketing_platform.sources.stream import Stream
from marketing_platform.sources.values import literal, trimmed, typed

# Moments outside are mistakes, such as 0001-01-01; they must not span partitions of centuries.
_EARLIEST, _LATEST = "1990-01-01", "2100-01-01"
_LONGEST_LINE_BYTES = 256 * 1024 * 1024
_LONGEST_PAGE_BATCH_BYTES = 32 * 1024 * 1024


def load_pages(connection: duckdb.DuckDBPyConnection, pages: Iterable[Kept]) -> None:
    """Fill `pulled` (place, payload): every record of the pages, in the order they came."""
    connection.execute("create or replace table pulled (place bigint, payload varchar)")
    connection.execute("create or replace sequence places")
    for (format_, records, extra), alike in groupby(
        pages, lambda page: (page.format, page.records, page.extra)
    ):
        if format_ == "json":
            for batch in _batches(page.path for page in alike):
                _load_json(connection, batch, records, extra)
        else:
            select = _csv_select if format_ == "csv" else _lines_select
            for page in alike:
                _insert(connection, select(connection, page.path), extra)


def load_query(connection: duckdb.DuckDBPyConnection, select: str) -> None:
    """Fill `pulled` from a select with the column `payload`."""
    connection.execute("create or replace table pulled (place bigint, payload varchar)")
    connection.execute("create or replace sequence places")
    _insert(connection, select, "")


def updated_at_sql(field: Field, payload: str = "payload") -> str:
    """When a record last changed, as UTC; null where no path has a moment."""
    moments = [
        _moment(field.kind, trimmed(f"({payload} ->> {literal(path)})")) for path in field.paths
    ]
    first = f"coalesce({', '.join(moments)}, null)"
    return (
        f"case when {first} >= timestamp '{_EARLIEST}' and {first} < timestamp '{_LATEST}'"
        f" then {first} end"
    )


def key_sql(stream: Stream, payload: str = "payload") -> str:
    """The vendor's key of a record; without one, a digest of what came."""
    parts = [f"({payload} ->> {literal(path)})" for path in stream.record_keys]
    joined = " || '/' || ".join(parts)
    return f"coalesce({joined}, 'md5:' || md5({payload}))" if parts else f"'md5:' || md5({payload})"


def _moment(kind: Kind, text: str) -> str:
    value = typed(kind, text)
    return f"cast({value} as timestamp)" if kind == "date" else value


def _batches(paths: Iterable[Path]) -> Iterable[list[Path]]:
    """Pages to be read together, so that not all of them lie in memory at once."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        size += path.stat().st_size
        if size >= _LONGEST_PAGE_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _load_json(
    connection: duckdb.DuckDBPyConnection, paths: list[Path], records: str, extra: str
) -> None:
    select = _json_select(paths, records)
    try:
        _insert(connection, select, extra)
    except duckdb.Error:
        for path in paths:
            _mend(path)
        _insert(connection, select, extra)


def _mend(path: Path) -> None:
    """Write a page anew whose text DuckDB may refuse (half a surrogate pair, bad UTF-8)."""
    staged = path.with_name(f".{path.name}")
    staged.write_bytes(orjson.dumps(read_json(path.read_bytes())))
    staged.replace(path)


def _json_select(paths: list[Path], records: str) -> str:
    files = ", ".join(literal(str(path)) for path in paths)
    each = records if "[*]" in records else f"{records}[*]"
    single = (
        f"case when json_type(content, {literal(records)}) = 'OBJECT'"
        f" then [json_extract(content, {literal(records)})] end"
        if "[*]" not in records
        else "null"
    )
    listed = f"json_extract(content, {literal(each)})"
    return f"""
        select unnest(coalesce(nullif({listed}, []), {single}))::varchar as payload
        from read_text([{files}])
    """


def _lines_select(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """A record a line. A line that is no JSON becomes a JSON text, and takes no other with it."""
    return f"""
        select case when json_valid(line) then line else cast(to_json(line) as varchar) end
            as payload
        from read_csv({literal(str(path))}, columns = {{'line': 'varchar'}}, delim = '\\0',
            quote = '', escape = '', header = false, auto_detect = false, null_padding = false,
            max_line_size = {_LONGEST_LINE_BYTES})
        where trim(line) <> ''
    """


def _csv_select(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    source = f"read_csv({literal(str(path))}, all_varchar = true, header = true)"
    return f"select cast(to_json(row) as varchar) as payload from {source} as row"


def _insert(connection: duckdb.DuckDBPyConnection, select: str, extra: str) -> None:
    payload = "payload"
    if extra:
        added = literal(f'"_page":{extra}}}')
        payload = f"""
            case
                when json_type(payload) <> 'OBJECT' then payload
                when json_keys(payload) = [] then '{{' || {added}
                else left(payload, length(payload) - 1) || ',' || {added}
            end
        """
    connection.execute(
        f"insert into pulled select nextval('places'), {payload} from ({select}) as one"
    )
