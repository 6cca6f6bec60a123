"""One comparison of one value, as SQL; a value of a rule is a literal in a tree, never text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from sqlglot import exp

from marketing_platform.segments.conditions import Operator, Scalar, Value

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


def comparison(column: exp.Expr, operator: Operator, value: Value) -> exp.Expr:
    """The comparison; null where the column is null, but for `is_set`."""
    if operator is Operator.IS_SET:
        is_null = exp.Is(this=column, expression=exp.null())
        return exp.not_(is_null) if value else is_null
    if isinstance(value, dt.timedelta):
        if operator is Operator.IN_NEXT:
            return _coming(column, value)
        recent = exp.and_(
            after_start(column, value),
            exp.LTE(this=column.copy(), expression=exp.column("as_of")),
        )
        return recent if operator is Operator.WITHIN else exp.not_(recent)
    if isinstance(value, tuple):
        return column.isin(*map(literal, value))
    return _COMPARISONS[operator](this=column, expression=literal(value))


def after_start(moment: exp.Expr, within: dt.timedelta, clock: str | None = None) -> exp.GT:
    """Whether a moment lies after the start of the window that ends at the clock."""
    as_of = exp.column("as_of", clock)
    return exp.GT(this=moment, expression=exp.Sub(this=as_of, expression=_interval(within)))


def _coming(column: exp.Expr, ahead: dt.timedelta) -> exp.Expr:
    """From the clock's day on, to so many days later: what is to come is known by its date.

    The day is the shop's, as such dates are: in UTC it may be yesterday or tomorrow.
    """
    days = exp.Interval(
        this=exp.Literal.string(str(-(-ahead // dt.timedelta(days=1)))), unit=exp.var("DAY")
    )
    today = exp.column("as_of_date")
    return exp.and_(
        exp.GTE(this=column, expression=today),
        exp.LTE(this=column.copy(), expression=exp.Add(this=today.copy(), expression=days)),
    )


def never_null(test: exp.Expr) -> exp.Expr:
    """The test, false where it is null."""
    return exp.Coalesce(this=test, expressions=[exp.false()])


def literal(value: Scalar) -> exp.Expr:
    """A value of a rule as SQL."""
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


def _interval(length: dt.timedelta) -> exp.Interval:
    hours = length // dt.timedelta(hours=1)
    count, unit = (hours // 24, "DAY") if hours % 24 == 0 else (hours, "HOUR")
    return exp.Interval(this=exp.Literal.string(str(count)), unit=exp.var(unit))
