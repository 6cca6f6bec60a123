"""Says of a segment how large it is and whom it has, and of a customer why they are in or not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from marketing_platform.errors import InputError
from marketing_platform.segments.compile import explanation_query, label_of, members_query
from marketing_platform.segments.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    FieldTest,
    InSegment,
    Leaf,
    Not,
    Performed,
    PredictionTest,
    Segment,
    leaves,
    references,
)
from marketing_platform.segments.vocabulary import nearest
from marketing_platform.warehouse import Warehouse

_SAMPLE = 5
_OVERLAPS = 5


@dataclass(frozen=True)
class Preview:
    """What a segment would be now, beside what was built last."""

    member_count: int
    built_count: int | None
    entering_count: int
    leaving_count: int
    customer_share: float
    # Other segments by how many of the members are in them too, the most first.
    overlaps: tuple[tuple[str, int], ...]
    sample: tuple[str, ...]
    sql: str


def preview(warehouse: Warehouse, segments: Mapping[str, Segment], name: str) -> Preview:
    """Compute one segment, with those that it asks for, and compare it with what was built."""
    chosen = _with_references(segments, name)
    query = members_query(chosen, name)
    sql = query.sql("duckdb", pretty=True)
    with warehouse.connect() as connection:
        connection.execute(f"create temp table found as {query.sql('duckdb')}")
        try:
            row = connection.sql(_COMPARED, params={"segment": name}).pl().row(0, named=True)
            overlaps = connection.sql(_OVERLAPPING, params={"segment": name}).pl().rows()
            sample = connection.sql(
                "select customer_id from found order by md5(customer_id) limit $count",
                params={"count": _SAMPLE},
            ).pl()["customer_id"]
        finally:
            connection.execute("drop table found")
    return Preview(
        **row, overlaps=tuple(overlaps[:_OVERLAPS]), sample=tuple(sample.to_list()), sql=sql
    )


@dataclass(frozen=True)
class Line:
    """A condition of a rule, as a line: how deep it stands, its words, the person's value."""

    depth: int
    words: str
    holds: bool
    value: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Whether a customer is in a segment, and each condition with the person's value.

    `is_built` is whether they are among the members that were built, null where none were: a file
    may have changed since, and members of a daily segment are those of the first build of the day.
    """

    is_member: bool
    is_built: bool | None
    lines: tuple[Line, ...]


def explain(
    warehouse: Warehouse, segments: Mapping[str, Segment], name: str, customer_id: str
) -> Explanation:
    """Why a customer is in a segment, or is not."""
    chosen = _with_references(segments, name)
    query = explanation_query(chosen, name).where(
        exp.EQ(this=exp.column("customer_id"), expression=exp.Literal.string(customer_id))
    )
    rows = warehouse.query(query.sql("duckdb")).to_dicts()
    if not rows:
        raise InputError(
            "no such customer", where=customer_id, mend="Take an id of profiles.customers"
        )
    [row] = rows
    segment = segments[name]
    places = {id(leaf): place for place, leaf in enumerate(leaves(segment.members))}
    lines = [*_expiry(segment, row["as_of_date"]), *_lines(segment.members, row, places, 0)]
    built = None
    if warehouse.exists("segments.memberships"):
        built = warehouse.query(_BUILT, {"segment": name, "customer": customer_id}).item()
    return Explanation(bool(row["is_member"]), built, tuple(lines))


def _expiry(segment: Segment, today: dt.date) -> Iterator[Line]:
    if segment.expires_on is not None:
        yield Line(0, f"before {segment.expires_on}", today < segment.expires_on, str(today))


def known_segment(segments: Mapping[str, Segment], name: str) -> Segment:
    """The segment of a name. Raises InputError with the nearest name where there is none."""
    if name not in segments:
        raise InputError("no such segment", where=name, mend=nearest(name, segments))
    return segments[name]


_COMPARED = """
select
    (select count(*) from found) as member_count,
    (
        select max(member_count) from segments.sizes where segment = $segment
    ) as built_count,
    (
        select count(*) from found
        where customer_id not in (
            select customer_id from segments.memberships where segment = $segment
        )
    ) as entering_count,
    (
        select count(*) from segments.memberships
        where segment = $segment and customer_id not in (select customer_id from found)
    ) as leaving_count,
    coalesce(
        (select count(*) from found) / nullif((select count(*) from profiles.customers), 0), 0
    ) as customer_share
"""
_BUILT = """
select count(*) > 0 from segments.memberships
where segment = $segment and customer_id = $customer
"""
_OVERLAPPING = """
select m.segment, count(*) as both_count
from segments.memberships as m
inner join found as f on m.customer_id = f.customer_id
where m.segment <> $segment
group by m.segment
order by both_count desc, m.segment
"""


def _with_references(segments: Mapping[str, Segment], name: str) -> dict[str, Segment]:
    """A segment and those that it asks for, through any number of others."""
    known_segment(segments, name)
    wanted = {name}
    waiting = [name]
    while waiting:
        for reference in references(segments[waiting.pop()]):
            if reference.segment not in wanted:
                wanted.add(reference.segment)
                waiting.append(reference.segment)
    return {one: segments[one] for one in segments if one in wanted}


def _lines(
    condition: Condition, row: Mapping[str, Any], places: Mapping[int, int], depth: int
) -> Iterator[Line]:
    match condition:
        case All(parts) | AnyOf(parts):
            word = "all of" if isinstance(condition, All) else "any of"
            yield Line(depth, word, _holds(condition, row, places))
            for part in parts:
                yield from _lines(part, row, places, depth + 1)
        case Not(inner):
            yield Line(depth, "not", _holds(condition, row, places))
            yield from _lines(inner, row, places, depth + 1)
        case _:
            place = places[id(condition)]
            value = row[f"value_{place}"]
            shown = "not known" if value is None else str(value)
            yield Line(depth, words_of(condition), bool(row[f"is_{place}"]), shown)


def _holds(condition: Condition, row: Mapping[str, Any], places: Mapping[int, int]) -> bool:
    match condition:
        case All(parts):
            return all(_holds(part, row, places) for part in parts)
        case AnyOf(parts):
            return any(_holds(part, row, places) for part in parts)
        case Not(inner):
            return not _holds(inner, row, places)
        case _:
            return bool(row[f"is_{places[id(condition)]}"])


def words_of(leaf: Leaf) -> str:
    """A condition in words, as it stands in the file."""
    match leaf:
        case FieldTest(_, operator, value) | PredictionTest(_, _, operator, value):
            return f"{label_of(leaf)} {operator} {_shown(value)}"
        case Performed():
            most = "" if leaf.at_most is None else f", at_most {leaf.at_most}"
            return f"performed {label_of(leaf)}, at_least {leaf.at_least}{most}"
        case Bucket(_, low, high):
            return f"{label_of(leaf)} from {low} to {high}"
        case InSegment():
            return label_of(leaf)


def _shown(value: object) -> str:
    if isinstance(value, dt.timedelta):
        hours = value // dt.timedelta(hours=1)
        return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
