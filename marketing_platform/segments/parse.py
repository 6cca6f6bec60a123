"""Turns the entries of a segment file into conditions, or says what is wrong and where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from marketing_platform.segments.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    FieldTest,
    InSegment,
    Not,
    Operator,
    Performed,
    PredictionTest,
    Refresh,
    Segment,
    Value,
)
from marketing_platform.segments.document import Entry, too_deep
from marketing_platform.segments.values import (
    duration,
    moment,
    read_value,
    scalar_of,
    whole_number,
)
from marketing_platform.segments.vocabulary import (
    EVENT_FIELDS,
    FIELDS,
    OPERATORS,
    PERFORMED_KEYS,
    PREDICTION_TESTS,
    PREDICTIONS,
    SCORED,
    Field,
    Kind,
    nearest,
)

_FILE_KEYS = ("description", "owner", "refresh", "expires_on", "review_on", "members")
MAX_DEPTH = 20
_SHARE = Field(Kind.NUMBER, low=0, high=1)


def parse_segment(entry: Entry, name: str, known: Collection[str]) -> Segment:
    """The segment of one file; `known` are the names of all segments."""
    content = entry.mapping()
    _refuse_unknown(content, _FILE_KEYS)
    for required in ("description", "members"):
        if required not in content:
            raise entry.error(f"{required} is missing", f"Add {required}: ...")
    owner = content.get("owner")
    return Segment(
        name,
        " ".join(content["description"].text().split()),
        _Parser(known).condition(content["members"]),
        owner.text() if owner else None,
        _refresh(content["refresh"]) if "refresh" in content else "every_build",
        _day(content, "expires_on"),
        _day(content, "review_on"),
        entry.path,
    )


def _day(content: dict[str, Entry], name: str) -> dt.date | None:
    return moment(content[name]).date() if name in content else None


def _refresh(entry: Entry) -> Refresh:
    name = entry.text()
    if name not in ("every_build", "daily"):
        raise entry.error(f"no such refresh: {name}", nearest(name, ("every_build", "daily")))
    return "daily" if name == "daily" else "every_build"


@dataclass(frozen=True)
class _Parser:
    known: Collection[str]
    depth: int = 0

    def condition(self, entry: Entry) -> Condition:
        if self.depth > MAX_DEPTH:
            raise too_deep(entry)
        content = entry.mapping()
        heads = [key for key in content if key in _READERS]
        if len(heads) > 1:
            raise content[heads[1]].error(
                f"{heads[0]} and {heads[1]} stand side by side",
                "Put each into an item of its own under all: or any:",
            )
        if not heads:
            raise _no_head(entry, content)
        head = heads[0]
        rest = {key: value for key, value in content.items() if key != head}
        return _READERS[head](self, content[head], rest)

    def all(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        _refuse_unknown(rest, ())
        return All(self._inner(entry))

    def any(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        _refuse_unknown(rest, ())
        return AnyOf(self._inner(entry))

    def negation(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        _refuse_unknown(rest, ())
        return Not(_Parser(self.known, self.depth + 1).condition(entry))

    def field(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        name = _one_known(entry, "field", FIELDS)
        field = FIELDS[name]
        _refuse_unknown(rest, [operator.value for operator in Operator])
        _require(entry, rest, OPERATORS[field.kind])
        return _together(
            FieldTest(name, operator, value) for operator, value in _comparisons(rest, name, field)
        )

    def prediction(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        name = _one_known(entry, "prediction", PREDICTIONS)
        if "column" in rest:
            return self._column(name, rest)
        if name not in SCORED:
            raise entry.error(
                f"{name} has columns, not one score",
                f"Add column: with one of: {', '.join(PREDICTIONS[name].fields)}",
            )
        _refuse_unknown(rest, (*PREDICTION_TESTS, "column"))
        _require(entry, rest, PREDICTION_TESTS)
        return _together(_prediction_test(name, key, value) for key, value in rest.items())

    def _column(self, name: str, rest: dict[str, Entry]) -> Condition:
        fields = PREDICTIONS[name].fields
        column = _one_known(rest["column"], "column", fields)
        tests = {key: value for key, value in rest.items() if key != "column"}
        _require(rest["column"], tests, OPERATORS[fields[column].kind])
        return _together(
            PredictionTest(name, column, operator, value)
            for operator, value in _comparisons(tests, f"{name}.{column}", fields[column])
        )

    def performed(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        event = entry.text()
        _refuse_unknown(rest, PERFORMED_KEYS)
        at_least = whole_number(rest["at_least"], low=1) if "at_least" in rest else None
        at_most = whole_number(rest["at_most"], low=0) if "at_most" in rest else None
        followed_by = rest["not_followed_by"].text() if "not_followed_by" in rest else None
        if at_least is None:
            # Without a word on how often, once is meant; `at_most` alone also means never.
            at_least = 1 if at_most is None or followed_by else 0
        if at_most is not None and at_most < at_least:
            raise rest["at_most"].error(
                f"at_most {at_most} is below at_least {at_least}, which nobody can be",
                "Raise at_most",
            )
        if followed_by == event:
            raise rest["not_followed_by"].error(
                f"{event} cannot be followed by itself", "Name another event"
            )
        after = rest["followed_by"].text() if "followed_by" in rest else None
        if after == event:
            raise rest["followed_by"].error(
                f"{event} cannot be followed by itself", "Write at_least: 2"
            )
        if at_least == 0 and after:
            at_least = 1
        within = duration(rest["within"]) if "within" in rest else None
        where = _where(rest["where"]) if "where" in rest else ()
        return Performed(event, at_least, at_most, within, followed_by, after, where)

    def bucket(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        _refuse_unknown(rest, ("from", "to"))
        low, high = (
            Decimal(str(scalar_of(rest[key], _SHARE))) if key in rest else default
            for key, default in (("from", Decimal(0)), ("to", Decimal(1)))
        )
        if low >= high:
            raise entry.error("the bucket is empty", "Write from: lower than to:")
        return Bucket(entry.text(), low, high)

    def segment(self, entry: Entry, rest: dict[str, Entry]) -> Condition:
        _refuse_unknown(rest, ())
        return InSegment(_one_known(entry, "segment", sorted(self.known)), entry.line)

    def _inner(self, entry: Entry) -> tuple[Condition, ...]:
        inner = _Parser(self.known, self.depth + 1)
        return tuple(inner.condition(item) for item in entry.items())


_READERS: dict[str, Callable[[_Parser, Entry, dict[str, Entry]], Condition]] = {
    "all": _Parser.all,
    "any": _Parser.any,
    "bucket": _Parser.bucket,
    "not": _Parser.negation,
    "field": _Parser.field,
    "performed": _Parser.performed,
    "prediction": _Parser.prediction,
    "segment": _Parser.segment,
}


def _comparisons(
    tests: dict[str, Entry], name: str, field: Field
) -> Iterator[tuple[Operator, Value]]:
    """The tests of one value; an operator that does not go with it is told first."""
    operators = OPERATORS[field.kind]
    for key, value in tests.items():
        if key not in operators:
            raise value.error(
                f"{key} does not go with {name}, which is {field.kind}",
                f"Use one of: {', '.join(operators)}",
            )
    for key, value in tests.items():
        yield Operator(key), read_value(value, field, Operator(key))


def _where(entry: Entry) -> tuple[FieldTest, ...]:
    """The tests of an event: a value or a list of values for each of its fields."""
    tests = []
    for name, value in entry.mapping().items():
        if name not in EVENT_FIELDS:
            raise value.error(f"no such field of an event: {name}", nearest(name, EVENT_FIELDS))
        operator = Operator.ONE_OF if value.is_list else Operator.EQUALS
        tests.append(FieldTest(name, operator, read_value(value, EVENT_FIELDS[name], operator)))
    if not tests:
        raise entry.error("nothing to compare with", f"Use one of: {', '.join(EVENT_FIELDS)}")
    return tuple(tests)


def _prediction_test(name: str, key: str, entry: Entry) -> PredictionTest:
    column, operator, field = PREDICTION_TESTS[key]
    if key == "band" and not entry.is_list:
        operator = Operator.EQUALS
    return PredictionTest(name, column, operator, read_value(entry, field, operator))


def _together(tests: Iterable[Condition]) -> Condition:
    found = tuple(tests)
    return found[0] if len(found) == 1 else All(found)


def _one_known(entry: Entry, what: str, known: Collection[str]) -> str:
    name = entry.text()
    if name not in known:
        raise entry.error(f"no such {what}: {name}", nearest(name, known))
    return name


def _refuse_unknown(content: dict[str, Entry], known: Collection[str]) -> None:
    for key, entry in content.items():
        if key not in known:
            mend = nearest(key, known) if known else "Take it out"
            raise entry.error(f"unknown key {key}", mend)


def _require(entry: Entry, rest: dict[str, Entry], choices: Iterable[str]) -> None:
    if not rest:
        raise entry.error("nothing to compare with", f"Add one of: {', '.join(choices)}")


def _no_head(entry: Entry, content: dict[str, Entry]) -> Exception:
    if not content:
        return entry.error("the condition is empty", f"Write one of: {', '.join(_READERS)}")
    key, value = next(iter(content.items()))
    return value.error(f"unknown condition {key}", nearest(key, _READERS))
