"""The JSON Schema is that of the language, and the shipped segments keep to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from segment_shop import SHIPPED

from marketing_platform.segments.schema import json_schema, json_schema_text
from marketing_platform.segments.vocabulary import (
    FIELDS,
    OPERATORS,
    PREDICTION_TESTS,
    PREDICTIONS,
    SCORED,
)


def conditions() -> dict[str, list[dict[str, Any]]]:
    """The shapes of a condition by the key that they begin with."""
    found: dict[str, list[dict[str, Any]]] = {}
    for shape in json_schema()["$defs"]["condition"]["anyOf"]:
        found.setdefault(shape["required"][0], []).append(shape["properties"])
    return found


def test_the_published_schema_is_current() -> None:
    assert (SHIPPED / "segment.schema.json").read_text(encoding="utf-8") == json_schema_text()


def test_every_word_of_the_language_is_in_the_schema() -> None:
    shapes = conditions()
    heads = {"all", "any", "bucket", "not", "field", "performed", "prediction", "segment"}
    assert set(shapes) == heads
    told = {name: set(s) - {"field"} for s in shapes["field"] for name in s["field"]["enum"]}
    assert told == {name: set(OPERATORS[field.kind]) for name, field in FIELDS.items()}
    scores, *columns = shapes["prediction"]
    assert set(scores) == {"prediction", *PREDICTION_TESTS}
    assert scores["prediction"]["enum"] == list(SCORED)
    asked = {(s["prediction"]["const"], name) for s in columns for name in s["column"]["enum"]}
    assert asked == {(table, name) for table, known in PREDICTIONS.items() for name in known.fields}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_segment_keeps_to_the_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=segment.schema.json\n")
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "members",
    [
        {"field": "email"},
        {"field": "email", "at_least": 1},
        {"field": "order_count", "at_least": "many"},
        {"field": "value_percentile", "at_least": 90},
        {"field": "created_at", "within": "7 days"},
        {"prediction": "churn_30d"},
        {"all": []},
        {"performed": "a", "at_least": 0},
        {"segment": "a", "at_least": 1},
        {"prediction": "lifetime_value", "score_at_least": 0.5},
        {"prediction": "lifetime_value", "column": "percentile", "at_least": 90},
        {"performed": "a", "where": {"colour": "red"}},
        {"performed": "a", "where": {}},
        {"bucket": "a", "to": 10},
    ],
)
def test_the_schema_refuses_what_the_language_refuses(members: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not validator.is_valid({"description": "x", "members": members})
