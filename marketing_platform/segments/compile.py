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

from marketing_platform.segments.comparisons import comparison, literal, never_null
from marketing_platform.segments.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    FieldTest,
    InSegment,
    Leaf,
    Not,
    Operator,
    Performed,
    PredictionTest,
    Segment,
    Value,
    leaves,
    references,
)
from marketing_platform.segments.facts import (
    Facts,
    Relations,
    field_column,
    measures_of,
    score_column,
)
from marketing_platform.segments.load import in_order

_PREFIX = "in_"
_DIGITS = 8


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
    relations, _ = _relations(segments)
    return _with(_unpivot(segments), relations)


def reasons_query(segments: Mapping[str, Segment]) -> exp.Select:
    """The same members, each with the values that decided, as JSON: `why`."""
    if not segments:
        return memberships_query(segments).select(exp.cast(exp.null(), "text").as_("why"))
    relations, facts = _relations(segments)
    # Under names of their own, so that a value of the facts is never ambiguous beside them.
    relations["found"] = _unpivot(segments)
    relations["members"] = exp.select("segment as in_segment", "customer_id as member_id").from_(
        "found"
    )
    case = exp.Case(this=exp.column("in_segment", "members"))
    for name, segment in segments.items():
        told = {label_of(leaf): _value(leaf, facts) for leaf in leaves(segment.members)}
        pairs = [part for label, value in told.items() for part in (literal(label), value)]
        why = exp.cast(exp.Anonymous(this="json_object", expressions=pairs), "text")
        case = case.when(exp.Literal.string(name), why)
    query = (
        exp.select("members.in_segment as segment", "members.member_id as customer_id")
        .select(case.as_("why"))
        .from_("members")
        .join("judged", on="judged.customer_id = members.member_id")
    )
    return _with(query, relations)


def members_query(segments: Mapping[str, Segment], name: str) -> exp.Select:
    """The members of one segment: `customer_id`."""
    relations, _ = _relations(segments)
    return _with(exp.select("customer_id").from_("flags").where(_flag(name)), relations)


def explanation_query(segments: Mapping[str, Segment], name: str) -> exp.Select:
    """One row per customer: for each leaf of a segment, in order, its value and whether it holds.

    The columns are `value_0`, `is_0`, `value_1`, ..., `as_of_date` and `is_member`.
    """
    relations, facts = _relations(segments)
    columns: list[exp.Expr] = []
    for place, leaf in enumerate(leaves(segments[name].members)):
        columns.append(exp.alias_(exp.cast(_value(leaf, facts), "text"), f"value_{place}"))
        columns.append(exp.alias_(_condition(leaf, facts), f"is_{place}"))
    columns.append(_flag(name).as_("is_member"))
    query = exp.select("customer_id", "as_of_date", *columns).from_("judged")
    return _with(query, relations)


def label_of(leaf: Leaf) -> str:
    """What a leaf looks at, in a few words."""
    match leaf:
        case FieldTest(field):
            return field
        case PredictionTest(prediction, column):
            return f"{prediction}.{column}"
        case Performed():
            return _performed_label(leaf)
        case Bucket(name):
            return f"bucket {name}"
        case InSegment(segment):
            return f"segment {segment}"


def _performed_label(rule: Performed) -> str:
    where = []
    for test in rule.where:
        values = test.value if isinstance(test.value, tuple) else (test.value,)
        where.append(f"{test.field} {'/'.join(map(str, values))}")
    window = f" in {rule.within // dt.timedelta(hours=1)}h" if rule.within else ""
    then = f" then {rule.followed_by}" if rule.followed_by else ""
    without = f" without {rule.not_followed_by}" if rule.not_followed_by else ""
    return f"{rule.event}{' of ' + ', '.join(where) if where else ''}{window}{then}{without}"


def _value(leaf: Leaf, facts: Facts) -> exp.Expr:
    match leaf:
        case FieldTest(field):
            return field_column(field)
        case PredictionTest(prediction, column):
            return score_column(prediction, column)
        case Performed():
            count = facts.measure(measures_of(leaf)[0])
            return exp.Coalesce(this=count, expressions=[exp.Literal.number(0)])
        case Bucket():
            return _place(leaf)
        case InSegment(segment):
            return _flag(segment)


def _relations(segments: Mapping[str, Segment]) -> tuple[Relations, Facts]:
    """The common table expressions up to `judged` (facts and flags) and `flags`."""
    facts = Facts.of(leaf for segment in segments.values() for leaf in leaves(segment.members))
    relations = facts.relations()
    source = "facts"
    for rank, members in enumerate(_ranks(segments)):
        relations[f"rank_{rank}"] = exp.select(f"{source}.*", *_columns(members, facts)).from_(
            source
        )
        source = f"rank_{rank}"
    relations["judged"] = exp.select(f"{source}.*").from_(source)
    relations["flags"] = exp.select("customer_id", *map(_flag, segments)).from_("judged")
    return relations, facts


def _with(query: exp.Select, relations: Relations) -> exp.Select:
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
        exp.alias_(_membership(segment, facts), f"{_PREFIX}{segment.name}", quoted=True)
        for segment in segments
    ]


def _membership(segment: Segment, facts: Facts) -> exp.Expr:
    """Whether the rule holds, and it is not the day yet from which on nobody is in the segment."""
    rule = _condition(segment.members, facts)
    if segment.expires_on is None:
        return rule
    day = exp.cast(exp.Literal.string(segment.expires_on.isoformat()), "date")
    return exp.and_(exp.LT(this=exp.column("as_of_date"), expression=day), rule)


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
        case Bucket():
            return in_bucket(condition)
        case InSegment(segment):
            return _flag(segment)


def _test(column: exp.Column, operator: Operator, value: Value) -> exp.Expr:
    test = comparison(column, operator, value)
    return test if operator is Operator.IS_SET else never_null(test)


def _performed(rule: Performed, facts: Facts) -> exp.Expr:
    count, *moments = (facts.measure(measure) for measure in measures_of(rule))
    often = exp.Coalesce(this=count, expressions=[exp.Literal.number(0)])
    tests: list[exp.Expr] = [exp.GTE(this=often, expression=exp.Literal.number(rule.at_least))]
    if rule.at_most is not None:
        tests.append(exp.LTE(this=often.copy(), expression=exp.Literal.number(rule.at_most)))
    if rule.not_followed_by:
        last, follower, *moments = moments
        tests.append(exp.not_(_at_or_after(follower, last)))
    if rule.followed_by:
        first, follower = moments
        tests.append(_at_or_after(follower, first))
    return exp.and_(*tests, copy=False)


def _at_or_after(moment: exp.Expr, other: exp.Expr) -> exp.Expr:
    # At the same moment counts as after: clocks of seconds cannot tell, and whoever has bought must
    # not be reminded to.
    return never_null(exp.GTE(this=moment, expression=other))


def _place(bucket: Bucket) -> exp.Expr:
    """Where a customer falls, in hexadecimal.

    Digits of equal length stand in the order of their numbers.
    """
    salt = exp.Literal.string(f"{bucket.name}:")
    salted = exp.func("concat", salt, exp.column("customer_id"))
    return exp.Left(this=exp.MD5(this=salted), expression=exp.Literal.number(_DIGITS))


def in_bucket(bucket: Bucket) -> exp.Expr:
    """Whether the customer of a row, `customer_id`, falls into a part."""
    place = _place(bucket)
    tests: list[exp.Expr] = []
    if bucket.low > 0:
        tests.append(exp.GTE(this=place, expression=_hexadecimal(bucket.low)))
    if bucket.high < 1:
        tests.append(exp.LT(this=place.copy(), expression=_hexadecimal(bucket.high)))
    return exp.and_(*tests, copy=False) if tests else exp.true()


def _hexadecimal(share: Decimal) -> exp.Expr:
    return exp.Literal.string(format(int(share * 16**_DIGITS), f"0{_DIGITS}x"))
