"""Splits pages into records in DuckDB: payload, key, and when each last changed."""

# ruff: noqa: S608 - SQL is put together from declared paths and our own names, quoted

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import orjson
import pyarrow as pa

from marketing_platform.sources.fields import Field, Kind
from marketing_platform.sources.json_lines import json_lines
from marketing_platform.sources.json_text import read_json
from marketing_platform.sources.spool import Kept
from marketing_platform.sources.stream import Stream
from marketing_platform.sources.values import each_trimmed, literal, typed

# Moments outside are mistakes, such as 0001-01-01; they must not span partitions of centuries.
_EARLIEST, _LATEST = "1990-01-01", "2100-01-01"
_LONGEST_PAGE_BATCH_BYTES = 4 * 1024 * 1024


class Intake:
    """Fills `pulled` with the records of pages, in the order in which they come.

    `pulled` has payload, record_key, record_updated_at, and `digest`, which tells one payload from
    another. Pages are read some at a time: one may wait on disk until `flush`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream
        self._waiting: list[Kept] = []
        self._size = 0
        connection.execute("""
            create or replace table pulled
            (payload varchar, record_key varchar, record_updated_at timestamp, digest ubigint)
        """)

    def add(self, page: Kept) -> None:
        """Take a page."""
        if self._waiting and not page.is_like(self._waiting[0]):
            self.flush()
        self._waiting.append(page)
        self._size += page.size
        if self._size >= _LONGEST_PAGE_BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Read the pages that wait."""
        pages, self._waiting, self._size = self._waiting, [], 0
        if pages and pages[0].format == "json":
            self._load_json([page.content() for page in pages], pages[0].records, pages[0].extra)
        else:
            for page in pages:
                path = str(page.path)
                select = _csv_select(path) if page.format == "csv" else json_lines([path])
                self.insert(select, page.extra)

    def count_keys(self) -> int:
        """How many different records there are."""
        query = "select count(distinct record_key) from pulled"
        ((count,),) = self._connection.execute(query).fetchall()
        return int(count)

    def insert(self, select: str, extra: str = "") -> None:
        """Take the records of a select with the column `payload`, at once."""
        paths = list(dict.fromkeys((*self._stream.record_keys, *self._stream.updated_at.paths)))
        key = key_sql(self._stream, "payload", text_in("texts", paths))
        moment = moment_sql(self._stream.updated_at, text_in("trimmed_texts", paths))
        # Each record is parsed once, for all that tells it from others.
        self._connection.execute(f"""
            insert into pulled
            select payload, record_key, {sane_moment("moment")}, hash(payload)
            from (
                select payload, {key} as record_key, {moment} as moment
                from (
                    select *, {each_trimmed("texts")} as trimmed_texts
                    from (
                        select payload, {texts_at("payload", paths)} as texts
                        from (select {_with_extra(extra)} as payload from ({select}) as one)
                    )
                )
            )
        """)

    def _load_json(self, contents: list[bytes], records: str, extra: str) -> None:
        select = _json_select(records)
        try:
            self._hand_over(contents)
            self.insert(select, extra)
        except (duckdb.Error, pa.ArrowInvalid):
            self._hand_over([_mended(content) for content in contents])
            self.insert(select, extra)
        finally:
            self._connection.unregister("pages")

    def _hand_over(self, contents: list[bytes]) -> None:
        """The relation `pages`, which has the column `content`."""
        column = pa.array(contents, pa.large_string())
        self._connection.register("pages", pa.table({"content": column}))


def texts_at(payload: str, paths: Sequence[str]) -> str:
    """The texts at some paths of a payload, as a list that costs one reading of it."""
    listed = ", ".join(map(literal, paths))
    return f"json_extract_string({payload}, [{listed}])" if paths else "cast([] as varchar[])"


def text_in(texts: str, paths: Sequence[str]) -> Callable[[str], str]:
    """The expression of the text at a path, out of the list of those at some paths."""
    return lambda path: f"{texts}[{paths.index(path) + 1}]"


def moment_sql(field: Field, at: Callable[[str], str]) -> str:
    """When a record last changed, as UTC; null where no path has a moment.

    `at` gives the expression of the trimmed text at a path.
    """
    moments = [_moment(field.kind, at(path)) for path in field.paths]
    return f"coalesce({', '.join([*moments, 'cast(null as timestamp)'])}, null)"


def sane_moment(moment: str) -> str:
    """The moment, or null where it is a mistake."""
    return (
        f"case when {moment} >= timestamp '{_EARLIEST}' and {moment} < timestamp '{_LATEST}'"
        f" then {moment} end"
    )


def key_sql(stream: Stream, payload: str, at: Callable[[str], str]) -> str:
    """The vendor's key of a record; without one, a digest of what came."""
    joined = " || '/' || ".join(at(path) for path in stream.record_keys)
    digest = f"'md5:' || md5({payload})"
    return f"coalesce({joined}, {digest})" if joined else digest


def _moment(kind: Kind, text: str) -> str:
    value = typed(kind, text)
    return f"cast({value} as timestamp)" if kind == "date" else value


def _mended(content: bytes) -> bytes:
    """A page whose text DuckDB may refuse (half a surrogate pair, bad UTF-8) as it takes it."""
    return orjson.dumps(read_json(content))


def _json_select(records: str) -> str:
    each = records if "[*]" in records else f"{records}[*]"
    single = (
        f"case when json_type(content, {literal(records)}) = 'OBJECT'"
        f" then [json_extract(content, {literal(records)})] end"
        if "[*]" not in records
        else "null"
    )
    # To compare the list with an empty one would take as long as to find it.
    return f"""
        select unnest(case when len(listed) > 0 then listed else {single} end)::varchar as payload
        from (select content, json_extract(content, {literal(each)}) as listed from pages)
    """


def _csv_select(path: str) -> str:
    # Told, not found out: what stands at the beginning says little of what comes after it.
    form = """all_varchar = true, header = true, delim = ',', quote = '"', escape = '"'"""
    source = f"read_csv({literal(path)}, {form})"
    return f"select cast(to_json(row) as varchar) as payload from {source} as row"


def _with_extra(extra: str) -> str:
    """The payload with what its page says of it."""
    if not extra:
        return "payload"
    added = literal(f'"_page":{extra}}}')
    return f"""
        case
            when json_type(payload) <> 'OBJECT' then payload
            when json_keys(payload) = [] then '{{' || {added}
            else left(payload, length(payload) - 1) || ',' || {added}
        end
    """
