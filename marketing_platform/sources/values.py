"""How the text of a JSON value becomes a typed one, as DuckDB expressions that never fail.

What cannot be read becomes null; the raw view tells that from a value that is not there.
"""

from __future__ import annotations

from marketing_platform.sources.fields import Kind

TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "person": "VARCHAR",
    "number": "DECIMAL(28,8)",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "seconds": "TIMESTAMP",
    "milliseconds": "TIMESTAMP",
    "microseconds": "TIMESTAMP",
    "rfc2822": "TIMESTAMP",
    "json": "VARCHAR",
}

# No money of a shop reaches 1e13 and no count 1e15; what does would not fit staging's columns.
_SANE_NUMBER, _SANE_WHOLE = "DECIMAL(21,8)", "DECIMAL(15,0)"

_FIRST_DAY, _LAST_DAY = "1900-01-01", "2200-12-31"
_MICROSECONDS: dict[Kind, int] = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
# The engine reads `10:00 PM` as 10:00 and drops the name of a time zone, so nothing but these may
# follow the time; and it drops an offset unless a moment with one is asked for.
_ISO_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_ISO_TIME = r"[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
_ISO_UTC = rf"{_ISO_DAY}({_ISO_TIME}\s?(Z|UTC|GMT)?)?"
_ISO_OFFSET = rf"{_ISO_DAY}{_ISO_TIME}\s?[+-]([01]\d|2[0-3])(:?[0-5]\d)?"
# Line breaks and tabs stay: they part words.
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_TRUE = ("true", "1", "yes", "1.0")
_FALSE = ("false", "0", "no", "0.0")
# What scripts of a site write where nobody is signed in, in small letters.
_NOBODY = (
    *("null", "undefined", "nan", "none", "nil", "false", "0", "-1", "(not set)", "n/a", "-"),
    *("[object object]", "guest", "anonymous", "unknown"),
)


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def typed(kind: Kind, text: str) -> str:
    """The value of a trimmed, non-empty text, or null where it cannot be read as `kind`."""
    if kind in _MICROSECONDS:
        return _since_1970(text, _MICROSECONDS[kind])
    readers = {
        "id": _key,
        "person": _person,
        "number": _number,
        "integer": _integer,
        "flag": _flag,
        "date": _date,
        "timestamp": _timestamp,
        "rfc2822": _rfc2822,
    }
    return readers[kind](text) if kind in readers else text


def within_years(kind: Kind, value: str) -> str:
    """A day or moment, or null outside the years that a shop can mean; other values as they are."""
    if TYPES[kind] not in ("DATE", "TIMESTAMP"):
        return value
    bounds = f"'{_FIRST_DAY}' and '{_LAST_DAY} 23:59:59.999999'"
    return f"case when {value} between {bounds} then {value} end"


def may_have_controls(payload: str) -> str:
    """Whether a JSON text can hold control characters: it must escape all but one of them."""
    return f"(contains({payload}, '\\') or contains({payload}, chr(127)))"


def each_without_controls(texts: str) -> str:
    """The texts of a list without control characters, and without plain blanks where those were."""
    removed = f"regexp_replace(x, {literal(_CONTROLS)}, '', 'g')"
    blanks = rf"regexp_replace({removed}, '^\s+|\s+$', '', 'g')"
    return f"list_transform({texts}, lambda x: {blanks})"


def each_trimmed(texts: str) -> str:
    """The texts of a list without the blanks around them; null where nothing is left."""
    return f"list_transform({texts}, lambda x: {trimmed('x')})"


def trimmed(text: str) -> str:
    """The text without the blanks around it; null when nothing is left.

    To look whether there may be any takes a fifth of the time of `trim`.
    """
    may_have_blanks = f"{text} < '!' or ends_with({text}, ' ') or strlen({text}) <> length({text})"
    return f"case when {may_have_blanks} then nullif(trim({text}), '') else {text} end"


def local_date(moment: str, timezone: str) -> str:
    """The day of a UTC moment on the shop's calendar."""
    if timezone == "UTC":
        return f"cast({moment} as date)"
    return f"cast(timezone({literal(timezone)}, timezone('UTC', {moment})) as date)"


def _key(text: str) -> str:
    """Tables and spreadsheets turn whole keys into 123.0."""
    whole = rf"regexp_replace({text}, '^(-?\d+)\.0+$', '\1')"
    return f"case when contains({text}, '.0') then {whole} else {text} end"


def _person(text: str) -> str:
    nobody = ", ".join(map(literal, _NOBODY))
    return f"case when lower({text}) not in ({nobody}) then {_key(text)} end"


def _number(text: str) -> str:
    # The engine takes 1_000 for a thousand; nobody who writes JSON does.
    return f"case when not contains({text}, '_') then try_cast({text} as {_SANE_NUMBER}) end"


def _integer(text: str) -> str:
    """Most are plain digits; 5.0 and 1e3 are taken apart, for a cast would round 5.5."""
    number = f"try_cast({text} as DECIMAL(23,8))"
    return f"""case
        when contains({text}, '_') then null
        when regexp_matches({text}, '[.eE]') then case
            when {number} = trunc({number}) then try_cast({number} as {_SANE_WHOLE})
        end
        else try_cast({text} as {_SANE_WHOLE})
    end"""


def _flag(text: str) -> str:
    word = f"lower({text})"
    yes = ", ".join(map(literal, _TRUE))
    no = ", ".join(map(literal, _FALSE))
    return f"case when {word} in ({yes}) then true when {word} in ({no}) then false end"


def _date(text: str) -> str:
    """The day as it is written: that of a moment with an offset is not moved to UTC."""
    digits = rf"regexp_full_match({text}, '\d{{8}}')"
    return f"""case
        when {digits} then cast(try_strptime({text}, '%Y%m%d') as date)
        when {_timestamp(text)} is not null
        then try_cast(regexp_extract({text}, '^[0-9-]+') as date)
    end"""


def _timestamp(text: str) -> str:
    """Most are written in one of two ways, which are read in half the time."""
    joined = f"replace(replace(upper({text}), ' +', '+'), ' -', '-')"
    return f"""coalesce(
        case strlen({text})
            when 19 then try_strptime({text}, '%Y-%m-%dT%H:%M:%S')
            when 20 then try_strptime({text}, '%Y-%m-%dT%H:%M:%SZ')
        end,
        case
            when regexp_full_match({text}, {literal(_ISO_UTC)}, 'i')
            then try_cast(upper({text}) as timestamp)
            when regexp_full_match({text}, {literal(_ISO_OFFSET)}, 'i')
            then timezone('UTC', try_cast({joined} as timestamptz))
        end
    )"""


def _rfc2822(text: str) -> str:
    offset = rf"regexp_replace({text}, '\s*(GMT|UTC|UT|Z)$', ' +0000')"
    formats = [f"{day}%d %b %Y {time} %z" for day in ("%a, ", "") for time in ("%H:%M:%S", "%H:%M")]
    moment = f"try_strptime({offset}, [{', '.join(map(literal, formats))}])"
    return f"timezone('UTC', {moment})"


def _since_1970(text: str, factor: int) -> str:
    micros = f"round(try_cast({text} as double) * {factor})"
    bounds = f"epoch_us(timestamp '{_FIRST_DAY}') and epoch_us(timestamp '{_LAST_DAY} 23:59:59')"
    is_sane = f"{micros} between {bounds} and not contains({text}, '_')"
    return f"case when {is_sane} then make_timestamp(try_cast({micros} as bigint)) end"
