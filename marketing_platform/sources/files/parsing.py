"""How the text of a column is read: found out from its values, written as SQL expressions.

Numbers may have a decimal point or comma, moments may be ISO 8601, one of the usual local formats,
or seconds since 1970. What is found is shown to the user; what cannot be told apart, and no earlier
export told, is asked for.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.sources.files.fields import Kind

_DISTINCT_VALUES = 20_000
# Older moments are placeholders: the zero of a spreadsheet or of a computer's clock.
EARLIEST = "1990-01-01"
_EARLIEST_BIRTHDAY = "1900-01-02"
OPEN = "open"
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


class UnreadableColumnError(InputError):
    """Not one value of a column can be read as what its header says."""


def _with_times(*days: str) -> tuple[str, ...]:
    return tuple(day + time for day in days for time in _TIMES)


_DAY_FIRST = _with_times("%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y", "%d-%m-%y")
_MONTH_FIRST = _with_times("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y", "%m-%d-%y")
# Where the month is a word there is nothing to confuse.
_WORDS = (
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %b %y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b-%d-%Y",
    "%b-%d-%y",
)
_OTHER = (
    *_with_times("%d.%m.%Y", "%d.%m.%y", "%Y-%m-%d", "%Y%m%d", *_WORDS),
    *(f"{day},{time}" for day in _WORDS for time in _TIMES if time),
)
_FORMATS = (*_OTHER, *_MONTH_FIRST, *_DAY_FIRST, "epoch_s", "epoch_ms", "epoch_us")
# Ten digits are seconds, thirteen milliseconds and sixteen microseconds in every year that a shop
# has seen.
_EPOCHS = {
    "epoch_s": r"\d{10}(\.\d+)?",
    "epoch_ms": r"\d{13}(\.\d+)?",
    "epoch_us": r"\d{16}",
}
_MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_ISO_DAY = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
_ISO_TIME = r"[T ]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
_ISO_ZONE = r"\s*(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
# What stands in a column where nothing is known: of data frames, databases and spreadsheets.
_NO_ID = ["nan", "none", "null", "<na>", "n/a", "#n/a", "\\n", "-"]
# Who never subscribed has not refused.
_NO_ANSWER = [
    *("never_subscribed", "not_subscribed", "never subscribed", "not subscribed"),
    *("nonsubscribed", "non-subscribed"),
]
_NO_VALUE = [*_NO_ID, "na", "nat", "--", "0000-00-00", "0000-00-00 00:00:00", *_NO_ANSWER]
# As programs write them: there are people whose name is Null.
_NO_TEXT = ["NULL", "null", "NaN", "nan", "None", "<NA>", "N/A", "n/a", "#N/A", "\\N", "-"]
# Fewer words than a script may write: in an export a key may be a person's name, such as Nil.
_NO_PERSON = [*_NO_ID, "na", "0", "guest", "anonymous", "unknown"]
_EMAIL = r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]{2,}"
_NO_EMAIL = r"(no-?e?mail|no-?reply|none|null|na|n/a|unknown|anonymous|guest|test)@.*"
_SAME_DIGIT = "|".join(rf"({digit}\D*)+" for digit in range(10))
_NO_PHONE = rf"\D*({_SAME_DIGIT}|0?123456789?0?|(\d\D*){{0,5}})"
_TRUE = [
    *("true", "t", "yes", "y", "1", "1.0", "on", "subscribed", "optin", "granted"),
    *("opted_in", "opted in", "opted-in", "opt_in", "opt in", "opt-in"),
    *("ja", "wahr", "oui", "vrai", "sí", "si", "sì", "verdadero", "vero", "waar"),
]
# A refusal that is not understood as one would leave the word to another source.
_FALSE = [
    *("false", "f", "no", "n", "0", "0.0", "off", "unsubscribed", "optout", "denied"),
    *("opted_out", "opted out", "opted-out", "opt_out", "opt out", "opt-out", "unsubscribe"),
    *("withdrawn", "revoked", "refused", "declined", "rejected", "suppressed", "cleaned"),
    *("bounced", "complained", "blocked", "blacklisted", "do not contact"),
    *("nein", "falsch", "abgemeldet", "non", "faux", "falso", "nee", "onwaar"),
]
# Anything else marks who left or what was cancelled: a tick, the moment or the reason.
_NOT_MARKED = [
    *("false", "f", "no", "n", "0", "0.0", "off", "never", "[]", "{}", "active", "subscribed"),
    *("opted in", "opted-in", "opted_in", "opt-in", "opt in", "not suppressed", "not blocked"),
    *("nein", "falsch", "non", "faux", "falso", "nee", "onwaar"),
]


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """A function call that SQLGlot passes through as it is."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def literal(text: str) -> exp.Expression:
    """A text literal, quoted by SQLGlot."""
    return exp.Literal.string(text)


def find_parse(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    pointer: str,
    column: str,
    where: Path,
    told: str | None = None,
    before: str = "",
) -> str:
    """How the values of a column of `incoming` are to be read; empty for text.

    `told` is a date format that wins where it reads anything: one is told for several files, which
    may write their dates differently. `before` is how the column was read in an earlier export: it
    settles which way the dates of this one are where they leave it open. A column of numbers that
    have either decimal sign, or none, is `OPEN`.
    """
    if kind in ("timestamp", "date", "birthday"):
        return _find_moment(connection, kind, pointer, column, where, told, before)
    if kind in ("number", "integer", "discount"):
        return _find_decimal_sign(connection, pointer, column, where)
    return ""


def parsed(kind: Kind, parse: str, value: exp.Expression, timezone: str) -> exp.Expression:
    """The typed value of a text; null where the text cannot be read."""
    text = call("nullif", call("trim", value), literal(""))
    if kind in ("number", "integer", "discount", "timestamp", "date", "birthday"):
        return _measured(kind, parse, text, timezone)
    if kind in ("id", "person", "phone"):
        text = _key(text, _NO_PERSON if kind == "person" else _NO_ID)
        if kind != "phone":
            return text
    if kind == "email":
        return _unless(_is(text, _EMAIL, negate=True), _NO_EMAIL, text)
    if kind in ("phone", "postcode"):
        # Spreadsheets put an apostrophe before a number that is to stay a text.
        text = call("regexp_replace", text, literal(r"^'"), literal(""))
    if kind == "phone":
        return _unless(exp.false(), _NO_PHONE, text)
    if kind == "flag":
        return _flag(text)
    if kind == "mark":
        told = exp.and_(
            exp.Not(this=_is_one_of(call("lower", text), [*_NO_VALUE, *_NOT_MARKED])),
            _is(text, r"0+[.,]0+", negate=True),
        )
        return exp.Case(ifs=[exp.If(this=told, true=exp.true())])
    known = exp.Not(this=_is_one_of(text, _NO_TEXT))
    return exp.Case(ifs=[exp.If(this=known, true=text.copy())])


def says_nothing(value: exp.Expression) -> exp.Expression:
    """Whether the text of a number or a moment is one that stands where nothing is known."""
    return _is_one_of(call("lower", call("trim", value)), ["", *_NO_VALUE])


def is_filled(connection: duckdb.DuckDBPyConnection, pointer: str) -> bool:
    """Whether any record of `incoming` says something in a column."""
    nothing = says_nothing(field_value(pointer)).sql("duckdb")
    return bool(
        connection.execute(f"select 1 from incoming where not {nothing} limit 1").fetchone()
    )


def _measured(kind: Kind, parse: str, text: exp.Expression, timezone: str) -> exp.Expression:
    if kind in ("number", "discount"):
        return _number(text, parse, "DECIMAL(18, 4)")
    if kind == "integer":
        return _whole(_number(text, parse, "DOUBLE"))
    if kind == "timestamp":
        return _moment(text, parse or "iso", timezone)
    moment = _moment(text, parse or "iso", "UTC")
    if kind == "birthday":
        moment = _in_the_past(moment, parse)
    return exp.TryCast(this=moment, to=exp.DataType.build("DATE"))


def _in_the_past(moment: exp.Expression, parse: str) -> exp.Expression:
    """A birthday, of which two digits of the year may be written, is not in a year to come."""
    if "%y" not in parse:
        return moment
    today, century = exp.CurrentDate(), exp.Interval(this=literal("100"), unit=exp.var("YEAR"))
    return exp.Case(
        ifs=[
            exp.If(
                this=exp.GT(this=moment.copy(), expression=today),
                true=exp.Sub(this=moment.copy(), expression=century),
            )
        ],
        default=moment.copy(),
    )


def local_date(moment: exp.Expression, timezone: str) -> exp.Expression:
    """The day of a UTC moment on the shop's calendar."""
    local = call("timezone", literal(timezone), call("timezone", literal("UTC"), moment))
    return exp.Cast(this=local, to=exp.DataType.build("DATE"))


def _key(text: exp.Expression, placeholders: list[str]) -> exp.Expression:
    # Spreadsheets and data frames turn whole keys with gaps into 17850.0, and `'0012` or `="0012"`
    # keeps a key from being a number.
    guarded = call("regexp_replace", text, literal(r"""^(?:'|=")([^'"]+)"?$"""), literal(r"\1"))
    plain = call("regexp_replace", guarded, literal(r"^([+-]?\d+)\.0+$"), literal(r"\1"))
    # A long one that was rounded stands for a million others.
    known = exp.and_(
        exp.Not(this=_is_one_of(call("lower", plain), placeholders)),
        _is(plain, r"\d([.,]\d+)?[eE]\+\d+", negate=True),
    )
    return exp.Case(ifs=[exp.If(this=known, true=plain.copy())])


def _unless(wrong: exp.Expression, placeholder: str, text: exp.Expression) -> exp.Expression:
    """The text, or null where it is wrong or a placeholder, which would tie strangers together."""
    is_nothing = exp.or_(wrong, _is(call("lower", text.copy()), placeholder))
    return exp.Case(ifs=[exp.If(this=exp.not_(is_nothing), true=text.copy())])


def _is(text: exp.Expression, pattern: str, *, negate: bool = False) -> exp.Expression:
    matches = call("regexp_full_match", text.copy(), literal(pattern))
    return exp.Not(this=matches) if negate else matches


def _number(text: exp.Expression, parse: str, to: str) -> exp.Expression:
    kind = exp.DataType.build(to)
    written = exp.TryCast(this=_number_text(text.copy(), parse), to=kind)
    if parse == "comma":
        return written
    # Most numbers are plain; taking the others apart costs more.
    return call("coalesce", exp.TryCast(this=text.copy(), to=kind.copy()), written)


def _number_text(text: exp.Expression, parse: str) -> exp.Expression:
    """A number as people write it, as the engine reads it; null where it is none.

    Thousands are told from decimals by the sign before them and by coming in threes, so that 12,5
    is not taken for 125.
    """
    # `AU $`, `R$` and `EUR` too.
    currency = r"(?:[A-Z]{0,3} ?\p{Sc}|[A-Z]{3}|%|kr\.?|zł|Kč|Ft|円|元)"
    steps = (
        (r"[\x{2212}\x{2013}]", "-"),
        (r"[\x{00A0}\x{202F}\x{2009}]", " "),
        (rf"^([-+(]?)\s*{currency}\s*", r"\1"),
        (rf"\s*{currency}\s*(\)?)$", r"\1"),
        (r"^\((.+)\)$|^([^-]+)-$", r"-\1\2"),
        # A point between groups of three, where the comma is the decimal sign, and so on.
        (r"[\s'\x{2019}]", "_"),
    )
    for pattern, replacement in steps:
        text = call("regexp_replace", text, literal(pattern), literal(replacement), literal("g"))
    decimal, thousands = (",", r"\.") if parse == "comma" else (r"\.", ",")
    groups = rf"\d{{1,3}}((_\d{{3}})+|({thousands}\d{{2,3}})*{thousands}\d{{3}})"
    shape = rf"[-+]?(\d*|{groups})({decimal}\d*)?"
    bare = call("translate", text.copy(), literal("_," if parse != "comma" else "_."), literal(""))
    if parse == "comma":
        bare = call("replace", bare, literal(","), literal("."))
    return exp.Case(ifs=[exp.If(this=_is(text, shape), true=bare)])


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
    if parse in _EPOCHS:
        return _epoch(text, parse)
    moment = call("try_strptime", text, literal(parse))
    if "%z" in parse or "%Z" in parse:
        return call("timezone", literal("UTC"), moment)
    return _to_utc(moment, timezone)


def _epoch(text: exp.Expression, parse: str) -> exp.Expression:
    number = exp.TryCast(this=text.copy(), to=exp.DataType.build("DOUBLE"))
    factor = exp.Literal.number(_MICROSECONDS[parse])
    micros = exp.TryCast(
        this=exp.Mul(this=number, expression=factor), to=exp.DataType.build("BIGINT")
    )
    known = _is(text, _EPOCHS[parse])
    return exp.Case(ifs=[exp.If(this=known, true=call("make_timestamp", micros))])


def _iso(text: exp.Expression, timezone: str) -> exp.Expression:
    """ISO 8601. Anything after it is refused: the engine would read `3:04 PM` as 3:04."""
    named = call("regexp_replace", text.copy(), literal(r"\s*(UTC|GMT)$"), literal("Z"))
    joined = call("regexp_replace", named, literal(r"\s+([+-]\d{2}(:?\d{2})?)$"), literal(r"\1"))
    with_offset = exp.TryCast(this=joined, to=exp.DataType.build("TIMESTAMPTZ"))
    without = exp.TryCast(this=text.copy(), to=exp.DataType.build("TIMESTAMP"))
    return exp.Case(
        ifs=[
            exp.If(this=_is(text, f"{_ISO_DAY}({_ISO_TIME})?"), true=_to_utc(without, timezone)),
            exp.If(
                this=_is(text, f"{_ISO_DAY}{_ISO_TIME}{_ISO_ZONE}"),
                true=call("timezone", literal("UTC"), with_offset),
            ),
        ]
    )


def _to_utc(local: exp.Expression, timezone: str) -> exp.Expression:
    if timezone == "UTC":
        return local
    return call("timezone", literal("UTC"), call("timezone", literal(timezone), local))


def field_value(pointer: str) -> exp.Expression:
    """The text of a column in the payload of a record."""
    return call("json_extract_string", exp.column("payload"), literal(pointer))


def filled(value: exp.Expression, group: exp.Expression) -> exp.Expression:
    """The value of a record, or else that of the group it is in."""
    known = exp.Window(this=call("max", value.copy()), partition_by=[group.copy()])
    is_grouped = exp.Not(this=group.copy().is_(exp.null()))
    others = exp.Case(ifs=[exp.If(this=is_grouped, true=known)])
    return call("coalesce", value.copy(), others)


def _distinct(connection: duckdb.DuckDBPyConnection, pointer: str) -> int:
    """Make the table `seen` of values of a column, the same ones each time; how many there are."""
    value = field_value(pointer)
    connection.execute(
        f"create or replace temp table seen as select distinct trim({value.sql('duckdb')}) as v"
        f" from incoming where not {says_nothing(value).sql('duckdb')}"
        f" order by hash(v), v limit {_DISTINCT_VALUES}"
    )
    row = connection.execute("select count(*) from seen").fetchone()
    return int(row[0]) if row else 0


def _check_format(connection: duckdb.DuckDBPyConnection, told: str, where: Path) -> None:
    if told in ("iso", *_EPOCHS):
        return
    try:
        connection.execute("select try_strptime('', $told)", {"told": told})
        is_format = "%" in told
    except duckdb.Error:
        is_format = False
    if not is_format:
        raise InputError(
            f"not a date format: {told!r}", where=str(where), mend="Write e.g. '%d/%m/%Y %H:%M'"
        )


def _find_moment(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    pointer: str,
    column: str,
    where: Path,
    told: str | None,
    before: str,
) -> str:
    if told:
        _check_format(connection, told, where)
    count = _distinct(connection, pointer)
    if not count:
        return told or "iso"
    if told and _counts(connection, kind, [told])[0]:
        return told
    iso = _counts(connection, kind, ["iso"])[0]
    if iso and iso == count:
        return "iso"
    counts = [iso, *_counts(connection, kind, list(_FORMATS))]
    row = connection.execute("select min(v) from seen").fetchone()
    example = row[0] if row else None
    best = max(counts)
    if best == 0:
        raise UnreadableColumnError(
            f"no value of column {column!r} can be read as a date, e.g. {example!r}",
            where=str(where),
            mend="Map another column, or give --date-format",
        )
    tried = zip(("iso", *_FORMATS), counts, strict=True)
    winners = [parse for parse, readable in tried if readable == best]
    if before in winners:
        return before
    if any(w in _DAY_FIRST for w in winners) and any(w in _MONTH_FIRST for w in winners):
        raise InputError(
            f"column {column!r} could be day/month or month/day, e.g. {example!r}",
            where=str(where),
            mend="Say which: --date-format '%d/%m/%Y' or '%m/%d/%Y' (with %H:%M as needed)",
        )
    return winners[0]


def _counts(connection: duckdb.DuckDBPyConnection, kind: Kind, formats: list[str]) -> list[int]:
    """How many values each format reads as a moment that a shop can have seen, or as a birthday."""
    read = (_measured(kind, parse, exp.column("v"), "UTC").sql("duckdb") for parse in formats)
    first = _EARLIEST_BIRTHDAY if kind == "birthday" else EARLIEST
    tried = (f"count(*) filter (where {m} between '{first}' and '2200-01-01')" for m in read)
    return list(connection.execute(f"select {', '.join(tried)} from seen").fetchone() or ())


def _find_decimal_sign(
    connection: duckdb.DuckDBPyConnection, pointer: str, column: str, where: Path
) -> str:
    if not _distinct(connection, pointer):
        return OPEN
    comma, point = (
        _number(exp.column("v"), parse, "DECIMAL(18, 4)").sql("duckdb")
        for parse in ("comma", "point")
    )
    row = connection.execute(
        "select count(*) filter (where regexp_matches(v, ',\\d{1,2}\\D*$')),"
        " count(*) filter (where regexp_matches(v, '\\.(\\d{1,2}|\\d{4,})\\D*$')),"
        f" count({comma}), count({point}), min(v) from seen"
    ).fetchone() or (0, 0, 0, 0, None)
    commas, points, as_comma, as_point, example = row
    if not as_comma and not as_point:
        raise UnreadableColumnError(
            f"no value of column {column!r} can be read as a number, e.g. {example!r}",
            where=str(where),
            mend="Map another column",
        )
    if as_comma != as_point:
        return "comma" if as_comma > as_point else "point"
    if commas != points:
        return "comma" if commas > points else "point"
    # 1.500 alone may be either.
    return OPEN
