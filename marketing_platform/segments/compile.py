"""Compiles the rules of all segments into one select of (segment, customer_id).

The SQL is built as a tree and printed by SQLGlot; a value of a rule is a literal in that tree, so
nothing that stands in a rule can become SQL. Every test is true or false, never null: a comparison
with a missing value is false, and its opposite true.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlglot import exp

from marketing_platform.segments.conditions import (
    All,
    AnyOf,
    Condition,
    FieldTest,
    InSegment,
    Not,
    Operator,
    Performed,
    PredictionTest,
    Scalar,
    Segment,
    Value,
    leaves,
    references,
)
from marketing_platform.segments.facts import (
    Facts,
    after_start,
    field_column,
    measures_of,
    score_column,
)
from marketing_platform.segments.load import in_order
from marketing_platform.segments.vocabulary import ORDER_COMPLETED

_COMPARISONS: dict[Operator, type[exp.Binary]] = {
    Operator.EQUALS: exp.EQ,
    Operator.NOT_EQUALS: exp.NEQ,
    Operator.AT_LEAST: exp.GTE,
    Operator.MORE_THAN: exp.GT,
    Operator.AT_MOST: exp.LTE,
    Operator.LESS_THAN: exp.LT,
    Operator.SINCE: exp.GTE,
    Operator.BEFORE: exp.LT,
}
_PREFIX = "in_"


def compile_memberships(segments: Mapping[str, Segment]) -> str:
    """The DuckDB select whose rows are the members: `segment`, `customer_id`."""
    return memberships_query(segments).sql(dialect="duckdb", pretty=True)


def memberships_query(segments: Mapping[str, Segment]) -> exp.Select:
    """The same as a tree, for other dialects or to build on."""
    if not segments:
        return exp.select(
            exp.cast(exp.null(), "text").as_("segment"),
            exp.cast(exp.null(), "text").as_("customer_id"),
        ).where(exp.false())
    facts = Facts.of(leaf for segment in segments.values() for leaf in leaves(segment.members))
    relations = facts.relations()
    source = "facts"
    for rank, members in enumerate(_ranks(segments)):
        relations[f"rank_{rank}"] = exp.select(f"{source}.*", *_columns(members, facts)).from_(
            source
        )
        source = f"rank_{rank}"
    relations["flags"] = exp.select("customer_id", *map(_flag, segments)).from_(source)
    query = _unpivot(segments)
    for name, relation in relations.items():
        query = query.with_(name, as_=relation, copy=False)
    return query


def _ranks(segments: Mapping[str, Segment]) -> list[list[Segment]]:
    """Segments that ask for no other, then those that ask for these only, and so on.

    A rank reads the columns of the ranks before it, so a segment that many others ask for is
    computed once, and the query grows with the rules and not with the ways through them.
    """
    rank: dict[str, int] = {}
    for name, segment in in_order(segments).items():
        rank[name] = max((rank[r.segment] + 1 for r in references(segment)), default=0)
    return [
        [segments[name] for name in segments if rank[name] == level]
        for level in range(max(rank.values()) + 1)
    ]


def _columns(segments: Sequence[Segment], facts: Facts) -> list[exp.Expr]:
    return [
        exp.alias_(_condition(segment.members, facts), f"{_PREFIX}{segment.name}", quoted=True)
        for segment in segments
    ]


def _flag(segment: str) -> exp.Column:
    # Quoted, because an engine that folds names to capitals would fold the segment's name too.
    return exp.column(f"{_PREFIX}{segment}", quoted=True)


def _unpivot(segments: Mapping[str, Segment]) -> exp.Select:
    """A row for each flag that is true; the name of the segment is the column's less its prefix."""
    flags = exp.to_table("flags")
    names = exp.In(this=exp.to_identifier("flag"), expressions=[_flag(name) for name in segments])
    pivot = exp.Pivot(
        expressions=[exp.to_identifier("is_member")],
        fields=[names],
        unpivot=True,
        alias=exp.TableAlias(this=exp.to_identifier("unpivoted")),
    )
    flags.set("pivots", [pivot])
    name = exp.Substring(this=exp.column("flag"), start=exp.Literal.number(len(_PREFIX) + 1))
    return exp.select(name.as_("segment"), "customer_id").from_(flags).where("is_member")


def _condition(condition: Condition, facts: Facts) -> exp.Expr:
    match condition:
        case All(conditions):
            return exp.and_(*(_condition(part, facts) for part in conditions), copy=False)
        case AnyOf(conditions):
            return exp.or_(*(_condition(part, facts) for part in conditions), copy=False)
        case Not(inner):
            return exp.not_(exp.paren(_condition(inner, facts), copy=False), copy=False)
        case FieldTest(field, operator, value):
            return _test(field_column(field), operator, value)
        case PredictionTest(prediction, column, operator, value):
            return _test(score_column(prediction, column), operator, value)
        case Performed():
            return _performed(condition, facts)
        case InSegment(segment):
            return _flag(segment)


def _test(column: exp.Column, operator: Operator, value: Value) -> exp.Expr:
    if operator is Operator.IS_SET:
        is_null = exp.Is(this=column, expression=exp.null())
        return exp.not_(is_null) if value else is_null
    return _never_null(_comparison(column, operator, value))


def _comparison(column: exp.Column, operator: Operator, value: Value) -> exp.Expr:
    if isinstance(value, dt.timedelta):
        recent = exp.and_(
            after_start(column, value),
            exp.LTE(this=column.copy(), expression=exp.column("as_of")),
        )
        return recent if operator is Operator.WITHIN else exp.not_(recent)
    if isinstance(value, tuple):
        return column.isin(*map(_literal, value))
    return _COMPARISONS[operator](this=column, expression=_literal(value))


def _performed(rule: Performed, facts: Facts) -> exp.Expr:
    count, *moments = (facts.measure(measure) for measure in measures_of(rule))
    often = exp.Coalesce(this=count, expressions=[exp.Literal.number(0)])
    tests: list[exp.Expr] = [exp.GTE(this=often, expression=exp.Literal.number(rule.at_least))]
    if rule.at_most is not None:
        tests.append(exp.LTE(this=often.copy(), expression=exp.Literal.number(rule.at_most)))
    if moments:
        last, follower = moments
        tests.append(exp.not_(_at_or_after(follower, last)))
        if rule.not_followed_by == ORDER_COMPLETED:
            tests.append(exp.not_(_at_or_after(exp.column("last_purchase_at"), last.copy())))
    return exp.and_(*tests, copy=False)


def _at_or_after(moment: exp.Expr, other: exp.Expr) -> exp.Expr:
    # At the same moment counts as after: clocks of seconds cannot tell, and whoever has bought must
    # not be reminded to.
    return _never_null(exp.GTE(this=moment, expression=other))


def _never_null(test: exp.Expr) -> exp.Expr:
    return exp.Coalesce(this=test, expressions=[exp.false()])


def _literal(value: Scalar) -> exp.Expr:
    match value:
        case bool():
            return exp.true() if value else exp.false()
        case int() | Decimal():
            return exp.Literal.number(format(value, "f"))
        case dt.datetime():
            return exp.cast(exp.Literal.string(value.isoformat(" ")), "timestamp")
        case dt.timedelta():
            raise TypeError("a length of time is compared by within only")
        case str():
            return exp.Literal.string(value)
