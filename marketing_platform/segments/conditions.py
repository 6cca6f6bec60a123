"""What a segment's rule says, as a tree of frozen values. Nothing here reads YAML or writes SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Literal

Scalar = str | bool | int | Decimal | dt.datetime | dt.timedelta
Value = Scalar | tuple[Scalar, ...]


class Operator(StrEnum):
    """How a value of a customer is compared. A missing value passes only `is_set: false`."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    ONE_OF = "one_of"
    AT_LEAST = "at_least"
    MORE_THAN = "more_than"
    AT_MOST = "at_most"
    LESS_THAN = "less_than"
    SINCE = "since"
    BEFORE = "before"
    WITHIN = "within"
    NOT_WITHIN = "not_within"
    IN_NEXT = "in_next"
    IS_SET = "is_set"


@dataclass(frozen=True)
class All:
    """Every one of the conditions holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True)
class FieldTest:
    """A column of `profiles.customers`, compared."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class PredictionTest:
    """A column of `predictions.<prediction>`, compared; for lists of products, of their summary."""

    prediction: str
    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Performed:
    """An event happened from `at_least` to `at_most` times, in the last `within` if given.

    `where` limits it to events of which all these tests hold. With `not_followed_by`, that other
    event has not happened at or after the last of them; with `followed_by`, it has happened at or
    after the first of them.
    """

    event: str
    at_least: int = 1
    at_most: int | None = None
    within: dt.timedelta | None = None
    not_followed_by: str | None = None
    followed_by: str | None = None
    where: tuple[FieldTest, ...] = ()


@dataclass(frozen=True)
class Bucket:
    """The customer falls into a part, from `low` up to but not with `high`, of 0 to 1.

    Where somebody falls is settled by a hash of their id and `name`, and so stays the same.
    """

    name: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class InSegment:
    """The customer is in another segment; `line` is where the rule says so."""

    segment: str
    line: int = field(default=0, compare=False)


Condition = All | AnyOf | Not | FieldTest | PredictionTest | Performed | Bucket | InSegment
Leaf = FieldTest | PredictionTest | Performed | Bucket | InSegment
Refresh = Literal["every_build", "daily"]


@dataclass(frozen=True)
class Segment:
    """One file of `config/segments/`: its name, what it is for, and who belongs to it.

    With `refresh` daily its members are found at the first build of a day and kept for the rest of
    it. From `expires_on` on it has no members; from `review_on` on somebody is asked to look at it.
    """

    name: str
    description: str
    members: Condition
    owner: str | None = None
    refresh: Refresh = "every_build"
    expires_on: dt.date | None = None
    review_on: dt.date | None = None
    path: Path = field(default=Path(), compare=False)


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The tests at the ends of the tree, in the order in which they are written."""
    if isinstance(condition, All | AnyOf):
        for part in condition.conditions:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.condition)
    else:
        yield condition


def references(segment: Segment) -> tuple[InSegment, ...]:
    """The other segments that a segment asks for."""
    return tuple(leaf for leaf in leaves(segment.members) if isinstance(leaf, InSegment))
