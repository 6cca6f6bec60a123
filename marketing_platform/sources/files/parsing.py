"""How the text of a column is read: found out from its values, written as SQL expressions.

Numbers may have a decimal point or comma, moments may be ISO 8601, one of the usual local formats,
or seconds since 1970. What is found is shown to the user; what cannot be told apart is asked for.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.sources.files.fields import Kind

_DISTINCT_VALUES = 50_000
_DAY_FIRST = ("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")
_MONTH_FIRST = ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")
_OTHER = ("%Y%m%d", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y", "%d-%b-%Y")
_FORMATS = ("iso", *_OTHER, *_MONTH_FIRST, *_DAY_FIRST, "epoch_s", "epoch_ms")
_TRUE = ["true", "t", "yes", "y", "1", "on", "subscribed", "optin", "opted_in", "granted"]
_FALSE = ["false", "f", "no", "n", "0", "off", "unsubscribed", "optout", "opted_out", "denied"]


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """A function call that SQLGlot passes through as it is."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def literal(text: str) -> exp.Expression:
    """A text literal, quoted by SQLGlot."""
    return exp.Literal.string(text)


def find_parse(
    connection: duckdb.DuckDBPyConnection, kind: Kind, pointer: str, column: str, where: Path
) -> str:
    """How the values of a column of `incoming` are to be read; empty for text."""
    if kind in ("timestamp", "date"):
        return _find_moment(connection, pointer, column, where)
    if kind in ("number", "integer"):
        return _find_decimal_sign(connection, pointer, column, where)
    return ""


def parsed(kind: Kind, parse: str, value: exp.Expression, timezone: str) -> exp.Expression:
    """The typed value of a text; null where the text cannot be read."""
    text = call("nullif", call("trim", value), literal(""))
    if kind == "id":
        # Spreadsheets and data frames turn whole keys with gaps into 17850.0.
        plain = call("regexp_replace", text, literal(r"^(-?\d+)\.0+$"), literal(r"\1"))
        return call("nullif", call("nullif", plain, literal("nan")), literal("None"))
    if kind == "number":
        return exp.TryCast(this=_number_text(text, parse), to=exp.DataType.build("DECIMAL(18, 4)"))
    if kind == "integer":
        return _whole(exp.TryCast(this=_number_text(text, parse), to=exp.DataType.build("DOUBLE")))
    if kind == "timestamp":
        return _moment(text, parse or "iso", timezone)
    if kind == "date":
        return exp.TryCast(this=_moment(text, parse or "iso", "UTC"), to=exp.DataType.build("DATE"))
    if kind == "flag":
        return _flag(text)
    return text


def local_date(moment: exp.Expression, timezone: str) -> exp.Expression:
    """The day of a UTC moment on the shop's calendar."""
    local = call("timezone", literal(timezone), call("timezone", literal("UTC"), moment))
    return exp.Cast(this=local, to=exp.DataType.build("DATE"))


def _number_text(text: exp.Expression, parse: str) -> exp.Expression:
    bare = call(
        "regexp_replace", text, literal(r"^[€$£¥\s]+|[€$£¥%\s]+$"), literal(""), literal("g")
    )
    if parse == "comma":
        bare = call("replace", bare, literal("."), literal(""))
        return call("replace", bare, literal(","), literal("."))
    return call("replace", bare, literal(","), literal(""))


def _whole(number: exp.Expression) -> exp.Expression:
    is_whole = exp.EQ(this=number.copy(), expression=call("floor", number.copy()))
    whole = exp.TryCast(this=number.copy(), to=exp.DataType.build("BIGINT"))
    return exp.Case(ifs=[exp.If(this=is_whole, true=whole)])


def _flag(text: exp.Expression) -> exp.Expression:
    plain = call("lower", text)
    yes = exp.If(this=_is_one_of(plain, _TRUE), true=exp.true())
    no = exp.If(this=_is_one_of(plain, _FALSE), true=exp.false())
    return exp.Case(ifs=[yes, no])


def _is_one_of(value: exp.Expression, words: list[str]) -> exp.Expression:
    return exp.In(this=value.copy(), expressions=[literal(word) for word in words])


def _moment(text: exp.Expression, parse: str, timezone: str) -> exp.Expression:
    if parse == "iso":
        return _iso(text, timezone)
    if parse in ("epoch_s", "epoch_ms"):
        number = exp.TryCast(this=text, to=exp.DataType.build("BIGINT"))
        factor = exp.Literal.number(1_000_000 if parse == "epoch_s" else 1_000)
        return call("make_timestamp", exp.Mul(this=number, expression=factor))
    return _to_utc(call("try_strptime", text, literal(parse)), timezone)


def _iso(text: exp.Expression, timezone: str) -> exp.Expression:
    named = call("regexp_replace", text, literal(r"\s*UTC$"), literal("Z"))
    has_offset = call(
        "regexp_matches", named.copy(), literal(r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$")
    )
    with_offset = exp.TryCast(this=named.copy(), to=exp.DataType.build("TIMESTAMPTZ"))
    without = exp.TryCast(this=named.copy(), to=exp.DataType.build("TIMESTAMP"))
    return exp.Case(
        ifs=[exp.If(this=has_offset, true=call("timezone", literal("UTC"), with_offset))],
        default=_to_utc(without, timezone),
    )


def _to_utc(local: exp.Expression, timezone: str) -> exp.Expression:
    if timezone == "UTC":
        return local
    return call("timezone", literal("UTC"), call("timezone", literal(timezone), local))


def _values(pointer: str) -> exp.Expression:
    return call("json_extract_string", exp.column("payload"), literal(pointer))


def _distinct(connection: duckdb.DuckDBPyConnection, pointer: str) -> None:
    value = _values(pointer).sql("duckdb")
    connection.execute(
        f"create or replace temp table seen as select distinct trim({value}) as v from incoming"
        f" where trim({value}) <> '' limit {_DISTINCT_VALUES}"
    )


def _find_moment(
    connection: duckdb.DuckDBPyConnection, pointer: str, column: str, where: Path
) -> str:
    _distinct(connection, pointer)
    tried = [_readable(parse) for parse in _FORMATS]
    row = connection.execute(f"select {', '.join(tried)}, any_value(v) from seen").fetchone() or ()
    *counts, example = row
    best = max(counts)
    if best == 0:
        raise InputError(
            f"no value of column {column!r} can be read as a date, e.g. {example!r}",
            where=str(where),
            mend="Map another column, or give --date-format",
        )
    winners = [parse for parse, count in zip(_FORMATS, counts, strict=True) if count == best]
    if any(w in _DAY_FIRST for w in winners) and any(w in _MONTH_FIRST for w in winners):
        raise InputError(
            f"column {column!r} could be day/month or month/day, e.g. {example!r}",
            where=str(where),
            mend="Say which: --date-format '%d/%m/%Y' or '%m/%d/%Y' (with %H:%M as needed)",
        )
    return winners[0]


def _readable(parse: str) -> str:
    value = exp.column("v")
    if parse.startswith("epoch"):
        # Ten digits are seconds and thirteen milliseconds in every year that a shop has seen.
        digits = 10 if parse == "epoch_s" else 13
        return f"count(*) filter (where regexp_full_match(v, '\\d{{{digits}}}'))"
    moment = _moment(value, parse, "UTC").sql("duckdb")
    # DuckDB reads 20101201 as a year; no shop has orders of that year.
    return f"count(*) filter (where {moment} between '1970-01-02' and '2200-01-01')"


def _find_decimal_sign(
    connection: duckdb.DuckDBPyConnection, pointer: str, column: str, where: Path
) -> str:
    _distinct(connection, pointer)
    comma, point = (
        exp.TryCast(
            this=_number_text(exp.column("v"), parse), to=exp.DataType.build("DECIMAL(18, 4)")
        ).sql("duckdb")
        for parse in ("comma", "point")
    )
    row = connection.execute(
        "select count(*) filter (where regexp_matches(v, ',\\d{1,2}\\D*$')),"
        " count(*) filter (where regexp_matches(v, '\\.\\d+\\D*$')),"
        f" count({comma}), count({point}), any_value(v) from seen"
    ).fetchone() or (0, 0, 0, 0, None)
    commas, points, as_comma, as_point, example = row
    if not as_comma and not as_point:
        raise InputError(
            f"no value of column {column!r} can be read as a number, e.g. {example!r}",
            where=str(where),
            mend="Map another column",
        )
    return "comma" if commas > points else "point"
