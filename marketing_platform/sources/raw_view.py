"""The raw views of a pulled source: the records of the lake, their declared fields typed.

A payload is parsed once for all its fields. Nothing in a payload makes a view fail: what cannot be
read is null, and its field is named in `unreadable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from marketing_platform.lake import Lake
from marketing_platform.lake import Stream as LakeStream
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.fields import Field
from marketing_platform.sources.records import key_sql, moment_sql, sane_moment, text_in, texts_at
from marketing_platform.sources.stream import Items, Stream, Versions
from marketing_platform.sources.values import (
    TYPES,
    each_trimmed,
    each_without_controls,
    literal,
    local_date,
    may_have_controls,
    trimmed,
    typed,
    within_years,
)

_STORED = {
    "record_id": "VARCHAR",
    "record_key": "VARCHAR",
    "received_date": "DATE",
    "record_updated_at": "TIMESTAMP",
    "received_at": "TIMESTAMP",
    "payload": "VARCHAR",
}
_RECORD = {**_STORED, "unreadable": "VARCHAR"}
_ELEMENT = {"record_id": "VARCHAR", "parent_record_id": "VARCHAR", **_RECORD}


def create_views(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    source: ActiveSource,
    names: Iterable[str] | None = None,
) -> None:
    """Create the raw views of a source, or those of them that are named (`raw.shopify_orders`)."""
    wanted = None if names is None else set(names)
    connection.execute("create schema if not exists raw")
    for stream in source.streams:
        for items in (None, *stream.items):
            name = source.raw_name(items.name if items else stream.name)
            if wanted is None or name in wanted:
                select = view_select(settings, source, stream, items)
                connection.execute(f"create or replace view {name} as {select}")


def columns(stream: Stream) -> dict[str, str]:
    """The columns of a stream's raw view with their DuckDB types."""
    return {**_RECORD, **_field_columns(stream.fields)}


def item_columns(stream: Stream, items: Items) -> dict[str, str]:
    """The columns of the raw view of a list in a stream's records."""
    return {**_ELEMENT, **_field_columns(items.fields)}


def raw_columns(source: ActiveSource) -> dict[str, dict[str, str]]:
    """The columns of every raw view of a source."""
    return {
        **{source.raw_name(stream.name): columns(stream) for stream in source.streams},
        **{
            source.raw_name(items.name): item_columns(stream, items)
            for stream in source.streams
            for items in stream.items
        },
    }


def view_select(
    settings: Settings, source: ActiveSource, stream: Stream, items: Items | None = None
) -> str:
    """The select behind a raw view, in DuckDB's SQL."""
    lake = Lake(settings.lake_dir)
    records = _records(lake, source.name, stream)
    timezone = settings.platform.shop.timezone
    if items is None:
        return _stream_select(records, stream, timezone)
    return _items_select(records, items, timezone)


def _field_columns(fields: Sequence[Field]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in fields:
        found[field.name] = TYPES[field.kind]
        if field.local_date:
            found[field.local_date] = "DATE"
    return found


def _stream_select(records: str, stream: Stream, timezone: str) -> str:
    document = _Document("payload", "", stream.fields)
    wrong = _wrong_lists(stream.items)
    parsed = f"""
        select *{document.pieces("is_valid")}{_list_types(stream.items)}
        from ({_with_texts(records, document)})
    """
    return _typed_select(parsed, [document], tuple(_STORED), stream.fields, wrong, timezone)


def _items_select(records: str, items: Items, timezone: str) -> str:
    """An element of the innermost list with the elements around it, as `e1`, `e2` and so on."""
    depth = len(items.levels)
    by_level = [[f for f in items.fields if _level(f, depth) == n] for n in range(depth + 1)]
    record = _Document("payload", "0", by_level[0])
    around = [_Document(f"e{n}", str(n), by_level[n]) for n in range(1, depth + 1)]
    key = f"json_extract_string(e{depth}, {literal(items.record_key)})"
    element_key = typed("id", trimmed(key)) if items.record_key else "cast(place as varchar)"
    elements = f"""
        select *{record.pieces("is_valid")},
            case when is_valid then {_elements(items.levels)} end as elements
        from ({_with_texts(records, record)})
    """
    unnested = f"""
        select * exclude (elements), unnest(elements) as element,
            generate_subscripts(elements, 1) as place
        from ({elements})
    """
    named = ", ".join(f"element.e{n} as e{n}" for n in range(1, depth + 1))
    parsed = f"""
        select * exclude (record_id, record_key, payload, parent_payload),
            parent_record_id || '/' || place as record_id,
            record_key || '/' || {element_key} as record_key,
            cast(e{depth} as varchar) as payload,
            parent_payload as payload_0
            {"".join(one.texts() + one.pieces() for one in around)}
        from (
            select * exclude (element), {named}, record_id as parent_record_id,
                payload as parent_payload
            from ({unnested})
        )
    """
    stored = ("record_id", "parent_record_id", *(name for name in _STORED if name != "record_id"))
    documents = [_Document("payload_0", "0", by_level[0]), *around]
    return _typed_select(parsed, documents, stored, items.fields, [], timezone)


def _level(field: Field, depth: int) -> int:
    return depth + 1 + field.level if field.level < 0 else field.level


@dataclass(frozen=True)
class _Document:
    """A JSON text and what is read from it.

    `texts<suffix>` is the list of the texts at its paths, `trimmed<suffix>` and `clean<suffix>`
    what is left of them, `pieces<suffix>` the list of its JSON pieces.
    """

    name: str
    suffix: str
    fields: Sequence[Field]

    def texts(self) -> str:
        """The column of its texts, for the end of a select list."""
        paths = self._paths()
        return f", {texts_at(self.name, paths)} as texts{self.suffix}" if paths else ""

    def tried_texts(self) -> str:
        """The list of its texts, null where the document cannot be read."""
        # Where nothing is asked for, some path or other tells whether it can.
        return f"try({texts_at(self.name, self._paths() or ['$.id'])})"

    def pieces(self, condition: str = "true") -> str:
        """The column of its JSON pieces where a condition holds, for the end of a select list."""
        listed = ", ".join(map(literal, self._json_paths()))
        found = f"case when {condition} then json_extract({self.name}, [{listed}]) end"
        return f", {found} as pieces{self.suffix}" if listed else ""

    def cleaned(self) -> list[str]:
        """The columns that trim its texts, and those that take control characters out of them."""
        if not self._paths():
            return []
        texts = f"texts{self.suffix}"
        trimmed_texts = f"{each_trimmed(texts)} as trimmed{self.suffix}"
        plain = each_trimmed(each_without_controls(texts))
        clean = f"case when may_have_controls then {plain} end"
        return [trimmed_texts, f"{clean} as clean{self.suffix}"]

    def texts_of(self, field: Field) -> list[str]:
        """The trimmed text at each path of the field; null where there is none."""
        if field.kind == "json":
            pieces = self._json_paths()
            found = [f"pieces{self.suffix}[{pieces.index(path) + 1}]" for path in field.paths]
            return [f"nullif(cast({piece} as varchar), 'null')" for piece in found]
        paths = self._paths()
        places = [f"{self.suffix}[{paths.index(path) + 1}]" for path in field.paths]
        if field.kind in ("text", "id", "person"):
            return [
                f"case when may_have_controls then clean{place} else trimmed{place} end"
                for place in places
            ]
        return [f"trimmed{place}" for place in places]

    def scalar(self, text: str, path: str) -> str:
        """The text, or null where it is an object or a list written out."""
        looks_nested = f"(starts_with({text}, '{{') or starts_with({text}, '['))"
        is_nested = f"json_type({self.name}, {literal(path)}) in ('OBJECT', 'ARRAY')"
        return (
            f"case when {looks_nested} then case when not {is_nested} then {text} end"
            f" else {text} end"
        )

    def _paths(self) -> list[str]:
        return _distinct(self.fields, is_json=False)

    def _json_paths(self) -> list[str]:
        return _distinct(self.fields, is_json=True)


def _distinct(fields: Sequence[Field], *, is_json: bool) -> list[str]:
    paths = (path for f in fields if (f.kind == "json") is is_json for path in f.paths)
    return list(dict.fromkeys(paths))


def _typed_select(
    parsed: str,
    documents: Sequence[_Document],
    stored: Sequence[str],
    fields: Sequence[Field],
    wrong_lists: Sequence[str],
    timezone: str,
) -> str:
    """The texts at each path (`t`), of each field (`v`), its value unbounded (`u`) and bound (`f`).

    Each step is a select of its own, so that no expression is written, or computed, twice.
    """
    owners = {field.name: document for document in documents for field in document.fields}
    texts, chosen, values, bounded, named = [], [], [], [], []
    for n, field in enumerate(fields):
        found = owners[field.name].texts_of(field)
        at = [f"t{n}_{place}" for place in range(len(found))]
        texts += [f"{text} as {name}" for text, name in zip(found, at, strict=True)]
        scalars = [owners[field.name].scalar(*one) for one in zip(at, field.paths, strict=True)]
        chosen.append(f"{_first(at if field.kind == 'json' else scalars)} as v{n}")
        values.append(f"cast({typed(field.kind, f'v{n}')} as {TYPES[field.kind]}) as u{n}")
        bounded.append(f"{within_years(field.kind, f'u{n}')} as f{n}")
        named.append(f'f{n} as "{field.name}"')
        if field.local_date:
            named.append(f'{local_date(f"f{n}", timezone)} as "{field.local_date}"')
    cleaned = [column for document in documents for column in document.cleaned()]
    select = _select_with(texts, _select_with(cleaned, parsed))
    select = _select_with(chosen, select)
    select = _select_with(values, select)
    select = _select_with(bounded, select)
    unreadable = f"{_unreadable(fields, wrong_lists)} as unreadable"
    return f"select {', '.join([*stored, unreadable, *named])} from ({select})"


def _select_with(expressions: Sequence[str], select: str) -> str:
    """The select with more columns."""
    return f"select {', '.join(['*', *expressions])} from ({select})"


def _first(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _unreadable(fields: Sequence[Field], wrong_lists: Sequence[str]) -> str:
    """The names of the fields that have a text but no value, and of the lists that are none."""
    cases = list(wrong_lists)
    for n, field in enumerate(fields):
        if not field.is_loose:
            there = _first([f"t{n}_{place}" for place in range(len(field.paths))])
            cases.append(f"when {there} is not null and f{n} is null then {literal(field.name)}")
    if not cases:
        return "case when is_valid is not true then 'payload' end"
    any_wrong = " or ".join(case.removeprefix("when ").rpartition(" then ")[0] for case in cases)
    names = ", ".join(f"case {case} end" for case in cases)
    return (
        f"case when is_valid is not true then 'payload'"
        f" when {any_wrong} then concat_ws(', ', {names}) end"
    )


def _list_types(items: Sequence[Items]) -> str:
    """The column that tells what stands where the lists of a record should be."""
    if not items:
        return ""
    listed = ", ".join(literal(_list_path(one.levels[0])) for one in items)
    return f", case when is_valid then json_type(payload, [{listed}]) end as list_types"


def _wrong_lists(items: Sequence[Items]) -> list[str]:
    """Cases that name the lists which are something else, at whatever level."""
    cases = []
    for n, one in enumerate(items, start=1):
        wrong = _is_no_list(f"list_types[{n}]")
        inner = _wrong_within(one.levels)
        if inner:
            wrong = f"({wrong} or (list_types[{n}] = 'ARRAY' and {inner}))"
        cases.append(f"when {wrong} then {literal(one.name)}")
    return cases


def _wrong_within(levels: Sequence[str], document: str = "payload", depth: int = 1) -> str:
    """Whether an element of the first list has something else where its own list should be."""
    if len(levels) < 2:
        return ""
    element = f"x{depth}"
    wrong = _is_no_list(f"json_type({element}, {literal(_list_path(levels[1]))})")
    inner = _wrong_within(levels[1:], element, depth + 1)
    condition = f"({wrong} or {inner})" if inner else wrong
    found = f"list_transform({_list_of(document, levels[0])}, lambda {element}: {condition})"
    return f"coalesce(list_bool_or({found}), false)"


def _is_no_list(json_type: str) -> str:
    return f"coalesce({json_type} not in ('ARRAY', 'NULL'), false)"


def _list_path(level: str) -> str:
    """Where the list itself is: `$.edges` of `$.edges[*].node`."""
    return level.partition("[*]")[0]


def _list_of(document: str, level: str) -> str:
    path = level if "[*]" in level else f"{level}[*]"
    return f"json_extract({document}, {literal(path)})"


def _elements(levels: Sequence[str], document: str = "payload", depth: int = 1) -> str:
    """The elements of the innermost lists in order, each with those around it."""
    element = f"x{depth}"
    if len(levels) == 1:
        fields = ", ".join(f"e{n}: x{n}" for n in range(1, depth + 1))
        return f"list_transform({_list_of(document, levels[0])}, lambda {element}: {{{fields}}})"
    inner = _elements(levels[1:], element, depth + 1)
    found = f"list_transform({_list_of(document, levels[0])}, lambda {element}: {inner})"
    return f"flatten({found})"


def _with_texts(records: str, document: _Document) -> str:
    """The records with their texts, and what they are worth: a lone value is no record either."""
    is_nested = "(starts_with(ltrim(payload), '{') or starts_with(ltrim(payload), '['))"
    texts = f"texts{document.suffix}"
    # To try costs less than to read the whole payload once more to see that it can be read.
    return f"""
        select *, {texts} is not null as is_valid
        from (
            select *, case when {is_nested} then {document.tried_texts()} end as {texts},
                {may_have_controls("payload")} as may_have_controls
            from ({records})
        )
    """


def _records(lake: Lake, source: str, stream: Stream) -> str:
    """The stored records of a stream, and the versions of them that other streams bring."""
    selects = []
    own = lake.stream(source, stream.name)
    if own.days():
        selects.append(f"select {', '.join(_STORED)} from ({_day_files(own)})")
    for versions in stream.versions:
        other = lake.stream(source, versions.stream)
        if other.days():
            selects.append(_version_records(_day_files(other), stream, versions))
    if not selects:
        nulls = (f"cast(null as {kind}) as {name}" for name, kind in _STORED.items())
        return f"select {', '.join(nulls)} where false"
    return " union all ".join(selects)


def _day_files(stored: LakeStream) -> str:
    return (
        "select *, try_cast(parse_filename(filename, true) as date) as received_date"
        f" from read_parquet({literal(stored.pattern)}, filename = true)"
    )


def _version_records(day_files: str, stream: Stream, versions: Versions) -> str:
    """Records of another stream that carry a version of this stream's record."""
    path, start = versions.where
    paths = versions.updated_at.paths
    key = key_sql(stream, "inner_payload", text_in("keys", stream.record_keys))
    return f"""
        select
            concat(record_key, '@', record_updated_at, '@', outer_id) as record_id,
            record_key, received_date, record_updated_at, received_at, inner_payload as payload
        from (
            select outer_id, received_date, received_at, inner_payload,
                {key} as record_key,
                {sane_moment("moment")} as record_updated_at
            from (
                select *,
                    {texts_at("inner_payload", stream.record_keys)} as keys,
                    {moment_sql(versions.updated_at, text_in("moments", paths))} as moment
                from (
                    select record_id as outer_id, received_date, received_at,
                        {each_trimmed(texts_at("payload", paths))} as moments,
                        cast(json_extract(payload, {literal(versions.payload)}) as varchar)
                            as inner_payload
                    from ({day_files})
                    where case when json_valid(payload) then starts_with(
                        json_extract_string(payload, {literal(path)}), {literal(start)}
                    ) end
                )
            )
        )
    """
