"""Reads the value on the right of an operator, as the kind of value that the field has."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

from marketing_platform.segments.conditions import Operator, Scalar, Value
from marketing_platform.segments.document import Entry
from marketing_platform.segments.vocabulary import Field, Kind, nearest

DURATION = r"[1-9][0-9]{0,4}[hdw]"
_UNITS = {"h": dt.timedelta(hours=1), "d": dt.timedelta(days=1), "w": dt.timedelta(weeks=1)}
_LONGEST = dt.timedelta(days=3660)
# Together they fit a decimal of 38 digits beside any column; a longer number could not be compared.
_LARGEST = 10**15
_DECIMALS = 9


def read_value(entry: Entry, field: Field, operator: Operator) -> Value:
    """The value of one comparison."""
    if operator is Operator.IS_SET:
        return flag(entry)
    if operator in (Operator.WITHIN, Operator.NOT_WITHIN, Operator.IN_NEXT):
        return duration(entry)
    if operator is Operator.ONE_OF:
        return tuple(scalar_of(item, field) for item in entry.items())
    return scalar_of(entry, field)


def scalar_of(entry: Entry, field: Field) -> Scalar:
    """One value of the field's kind, within its limits."""
    if field.kind is Kind.TEXT:
        return _chosen(entry, field)
    if field.kind is Kind.NUMBER:
        return _number(entry, field)
    return flag(entry) if field.kind is Kind.FLAG else moment(entry)


def duration(entry: Entry) -> dt.timedelta:
    """A length of time such as `12h`, `7d` or `2w`."""
    text = entry.scalar()
    if not isinstance(text, str) or not re.fullmatch(DURATION, text):
        raise entry.error(
            f"not a length of time: {entry.shown()}",
            "Write a whole number and h, d or w, such as 7d",
        )
    length = int(text[:-1]) * _UNITS[text[-1]]
    if length > _LONGEST:
        raise entry.error(f"{text} is too long", "Write ten years or less")
    return length


def whole_number(entry: Entry, *, low: int) -> int:
    """A count that is not below `low`."""
    value = entry.scalar()
    if isinstance(value, bool) or not isinstance(value, int):
        raise entry.error(
            f"expected a whole number, found {entry.shown()}", f"Write {max(low, 1)} or more"
        )
    if not low <= value <= _LARGEST:
        raise entry.error(f"{value} is out of range", f"Write {low} or more")
    return value


def flag(entry: Entry) -> bool:
    """True or false."""
    value = entry.scalar()
    if not isinstance(value, bool):
        raise entry.error(f"expected true or false, found {entry.shown()}", "Write true or false")
    return value


def moment(entry: Entry) -> dt.datetime:
    """A date, or a date and time; without a zone it is UTC."""
    value = entry.scalar()
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise _not_a_moment(entry) from None
    if isinstance(value, dt.datetime):
        try:
            return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        except OverflowError:
            raise _not_a_moment(entry) from None
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    raise _not_a_moment(entry)


def _not_a_moment(entry: Entry) -> Exception:
    return entry.error(f"not a date: {entry.shown()}", "Write it as 2026-01-31")


def _chosen(entry: Entry, field: Field) -> str:
    text = entry.text()
    if field.choices and text not in field.choices:
        raise entry.error(f"no such value: {text}", nearest(text, field.choices))
    return text


def _number(entry: Entry, field: Field) -> int | Decimal:
    value = entry.scalar()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise entry.error(
            f"expected a number, found {entry.shown()}", "Write a number without quotes"
        )
    number: int | Decimal = value if isinstance(value, int) else Decimal(repr(value))
    if not -_LARGEST < number < _LARGEST or number != round(number, _DECIMALS):
        raise entry.error(
            f"the number has too many digits: {entry.shown()}",
            f"Write at most 15 digits before the point and {_DECIMALS} after it",
        )
    below = field.low is not None and number < field.low
    above = field.high is not None and number > field.high
    if below or above:
        raise entry.error(f"{number} is never reached", f"Write a number {_range(field)}")
    return number


def _range(field: Field) -> str:
    if field.high is None:
        return f"from {field.low:g}"
    hint = " (0.9 for 90 %)" if field.high == 1 else ""
    return f"from {field.low:g} to {field.high:g}{hint}"
