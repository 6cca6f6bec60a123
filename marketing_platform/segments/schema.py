"""The rule language as a JSON Schema, so that an editor completes and checks a segment's file.

`config/segments/segment.schema.json` holds what `json_schema_text()` gives; a test compares them.
`python -m marketing_platform.segments.schema` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from marketing_platform.segments.conditions import Operator
from marketing_platform.segments.values import DURATION
from marketing_platform.segments.vocabulary import (
    EVENT_FIELDS,
    FIELDS,
    OPERATORS,
    PREDICTION_TESTS,
    PREDICTIONS,
    SCORED,
    Field,
    Kind,
)

Schema = dict[str, Any]
_CONDITION: Schema = {"$ref": "#/$defs/condition"}
_CONDITIONS: Schema = {"type": "array", "items": _CONDITION, "minItems": 1}
_TEXT: Schema = {"type": "string", "minLength": 1}
_DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_DURATION: Schema = {
    "type": "string",
    "pattern": f"^{DURATION}$",
    "description": "A whole number and h, d or w, such as 7d.",
}


def json_schema() -> Schema:
    """The schema of a segment's file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segment",
        **_object(
            {
                "description": {**_TEXT, "description": "What the segment is for."},
                "owner": {**_TEXT, "description": "Who answers for it."},
                "refresh": {
                    "enum": ["every_build", "daily"],
                    "description": "daily: members are found once a day.",
                },
                "expires_on": {**_DATE, "description": "From this day on it has no members."},
                "review_on": {**_DATE, "description": "From this day on it asks for a look."},
                "members": {**_CONDITION, "description": "Who belongs to it."},
            },
            required=("description", "members"),
        ),
        "$defs": {"condition": {"anyOf": _conditions()}},
    }


def json_schema_text() -> str:
    """The schema as it is written into the file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _conditions() -> list[Schema]:
    return [
        _object({"all": _CONDITIONS}, required=("all",)),
        _object({"any": _CONDITIONS}, required=("any",)),
        _object({"not": _CONDITION}, required=("not",)),
        *(_field_test(names, field) for field, names in _alike(FIELDS.items()).items()),
        _performed(),
        _prediction(),
        *_columns(),
        _bucket(),
        _object({"segment": _TEXT}, required=("segment",)),
    ]


def _alike(fields: Iterable[tuple[str, Field]]) -> dict[Field, list[str]]:
    """Fields that take the same values, together."""
    groups: dict[Field, list[str]] = {}
    for name, field in fields:
        groups.setdefault(field, []).append(name)
    return groups


def _field_test(names: list[str], field: Field) -> Schema:
    operators = {str(o): _operand(o, field) for o in OPERATORS[field.kind]}
    return _object({"field": {"enum": names}, **operators}, required=("field",), at_least=2)


def _operand(operator: Operator, field: Field) -> Schema:
    if operator is Operator.IS_SET:
        return {"type": "boolean"}
    if operator in (Operator.WITHIN, Operator.NOT_WITHIN, Operator.IN_NEXT):
        return _DURATION
    if operator is Operator.ONE_OF:
        return {"type": "array", "items": _value(field), "minItems": 1}
    return _value(field)


def _value(field: Field) -> Schema:
    if field.choices:
        return {"enum": list(field.choices)}
    if field.kind is Kind.NUMBER:
        limits = {"minimum": field.low, "maximum": field.high}
        return {"type": "number", **{k: v for k, v in limits.items() if v is not None}}
    if field.kind is Kind.MOMENT:
        return {**_TEXT, "description": "A date such as 2026-01-31, or a date and time, in UTC."}
    return {"type": "boolean"} if field.kind is Kind.FLAG else _TEXT


def _performed() -> Schema:
    return _object(
        {
            "performed": {**_TEXT, "description": "The name of an event."},
            "at_least": {"type": "integer", "minimum": 1},
            "at_most": {"type": "integer", "minimum": 0},
            "within": _DURATION,
            "where": _object(
                {name: _one_or_more(field) for name, field in EVENT_FIELDS.items()},
                required=(),
                at_least=1,
            ),
            "not_followed_by": {**_TEXT, "description": "An event that has not happened since."},
            "followed_by": {**_TEXT, "description": "An event that has happened since."},
        },
        required=("performed",),
    )


def _prediction() -> Schema:
    tests = {
        key: {"anyOf": [_value(field), _operand(operator, field)]}
        if operator is Operator.ONE_OF
        else _operand(operator, field)
        for key, (_, operator, field) in PREDICTION_TESTS.items()
    }
    return _object(
        {"prediction": {"enum": list(SCORED)}, **tests}, required=("prediction",), at_least=2
    )


def _columns() -> Iterator[Schema]:
    """A column of each table of predictions, compared as a field is."""
    for name, prediction in PREDICTIONS.items():
        for field, columns in _alike(prediction.fields.items()).items():
            operators = {str(o): _operand(o, field) for o in OPERATORS[field.kind]}
            yield _object(
                {"prediction": {"const": name}, "column": {"enum": columns}, **operators},
                required=("prediction", "column"),
                at_least=3,
            )


def _bucket() -> Schema:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return _object(
        {
            "bucket": {**_TEXT, "description": "The same name gives the same parts."},
            "from": share,
            "to": share,
        },
        required=("bucket",),
    )


def _one_or_more(field: Field) -> Schema:
    one = _value(field)
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _object(
    properties: dict[str, Schema], *, required: Sequence[str], at_least: int | None = None
) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return {**schema, "minProperties": at_least} if at_least else schema


if __name__ == "__main__":
    sys.stdout.write(json_schema_text())
