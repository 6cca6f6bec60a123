"""What an export says of more than one record: of a whole order, in its first line or in each of
them, the currency of most, and whether a column has keys of people or their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import duckdb
from babel.numbers import is_currency
from sqlglot import exp

from marketing_platform.sources.files.fields import StreamFields
from marketing_platform.sources.files.mapping import Column, plain
from marketing_platform.sources.files.parsing import call, field_value, literal

_MOSTLY = 0.9
# What stands beside an amount in place of a code. A bare dollar is that of most shops.
_CURRENCY_SIGNS = {
    "$": "USD",
    "US$": "USD",
    "AU$": "AUD",
    "A$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "R$": "BRL",
    "MX$": "MXN",
    "NT$": "TWD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "円": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "₽": "RUB",
    "₴": "UAH",
    "₪": "ILS",
    "₫": "VND",
    "฿": "THB",
    "₱": "PHP",
    "₦": "NGN",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
}
_SIGN = r"[A-Z]{0,2} ?\p{Sc}|[A-Z]{3}|zł|Kč|Ft|円"
_NAME = r"\p{L}[^\d@]*[\s,.]\s*\p{L}[^\d@]*"


def find_shared(
    connection: duckdb.DuckDBPyConnection, fields: StreamFields, columns: Mapping[str, Column]
) -> set[str]:
    """The fields that `incoming` says only in the first record of a group, for all of it."""
    names = [name for name in fields.shared if name in columns]
    if not names or fields.group not in columns:
        return set()
    row = connection.execute(_query(names, _texts([fields.group, *names], columns))).fetchone()
    mixed_and_in_first = zip(names, row[::2], row[1::2], strict=True) if row else ()
    # A line's own status may also stand in the first line alone, but not in nearly every order.
    return {name for name, mixed, first in mixed_and_in_first if mixed and first >= _MOSTLY * mixed}


def is_total(
    connection: duckdb.DuckDBPyConnection, fields: StreamFields, columns: Mapping[str, Column]
) -> bool:
    """Whether `incoming` says the amount of a whole group in each record of it."""
    amount = columns.get("amount")
    if amount is None or plain(amount.name) not in fields.totals or fields.group not in columns:
        return False
    row = connection.execute(
        f"""
        select count(*), count(*) filter (where amounts = 1)
        from (
            select count(distinct trim(v[2])) as amounts
            from (select {_texts([fields.group, "amount"], columns)} as v from incoming)
            where trim(v[1]) <> '' group by trim(v[1]) having count(*) > 1
        )
        """
    ).fetchone()
    return bool(row and row[0] and row[1] >= _MOSTLY * row[0])


def find_currency(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, Column]
) -> str | None:
    """The currency that most records of `incoming` name, or the header of an amount."""
    if column := columns.get("currency"):
        code = call("upper", call("trim", field_value(column.pointer))).sql("duckdb")
        rows = connection.execute(
            f"select {code} as code from incoming group by code order by count(*) desc, code"
        ).fetchall()
        if known := [code for (code,) in rows if code and is_currency(code)]:
            return str(known[0])
    units = (column.unit for column in columns.values())
    told = next((unit for unit in units if is_currency(unit)), None)
    return told or next(filter(None, map(partial(_by_sign, connection), _amounts(columns))), None)


def are_names(connection: duckdb.DuckDBPyConnection, pointer: str, email: str) -> bool:
    """Whether a column has names of people, most of whom have an e-mail beside it.

    Two of one name are two people, whom the e-mail tells apart.
    """
    name, mail = (field_value(one).sql("duckdb") for one in (pointer, email))
    row = connection.execute(
        f"""
        select
            count(distinct name),
            count(distinct name) filter (where regexp_full_match(name, $name)),
            count(*), count(*) filter (where mail like '%@%')
        from (select trim({name}) as name, {mail} as mail from incoming) where name <> ''
        """,
        {"name": _NAME},
    ).fetchone() or (0, 0, 0, 0)
    said, named, records, reached = row
    return bool(named * 2 > said and reached * 2 >= records)


def _amounts(columns: Mapping[str, Column]) -> list[Column]:
    return [columns[name] for name in ("amount", "unit_price") if name in columns]


def _by_sign(connection: duckdb.DuckDBPyConnection, column: Column) -> str | None:
    """The currency whose sign or code stands beside most amounts."""
    row = connection.execute(
        f"""
        select replace(regexp_extract({field_value(column.pointer).sql("duckdb")}, $sign), ' ', '')
            as sign
        from incoming where sign <> '' group by sign order by count(*) desc, sign limit 1
        """,
        {"sign": _SIGN},
    ).fetchone()
    sign = str(row[0]) if row else ""
    return _CURRENCY_SIGNS.get(sign, sign if is_currency(sign) else None)


def _texts(names: list[str], columns: Mapping[str, Column]) -> str:
    # All are taken out of the payload at once: that is what takes the time.
    pointers = exp.Array(expressions=[literal(columns[name].pointer) for name in names])
    return call("json_extract_string", exp.column("payload"), pointers).sql("duckdb")


def _query(names: list[str], texts: str) -> str:
    """For each field: the groups that say it in some records only, and in the first one only."""
    known, counted, compared = [], [], []
    for place, name in enumerate(names, start=2):
        known.append(f"coalesce(trim(v[{place}]) <> '', false) as {name}")
        counted.append(f"count(*) filter (where {name}) as {name}_count")
        counted.append(f"arg_min({name}, line_number) as {name}")
        compared.append(f"count(*) filter (where {name}_count between 1 and line_count - 1)")
        compared.append(f"count(*) filter (where {name}_count = 1 and {name} and line_count > 1)")
    return f"""
        with
        lines as (
            select line_number, nullif(trim(v[1]), '') as group_id, {", ".join(known)}
            from (select line_number, {texts} as v from incoming)
        ),
        groups as (
            select count(*) as line_count, {", ".join(counted)}
            from lines where group_id is not null group by group_id
        )
        select {", ".join(compared)} from groups
        """
