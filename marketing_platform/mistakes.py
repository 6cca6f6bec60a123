"""The first thing that is wrong in what a person wrote, with its key, in their words."""

from __future__ import annotations

import difflib
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

# Of mistakes that pydantic tells in the words of Python.
_WORDS = {
    "missing": "missing",
    **dict.fromkeys(("model_type", "dict_type"), "expected keys and values"),
    **dict.fromkeys(("tuple_type", "list_type"), "expected a list, such as [one, two]"),
    # YAML reads 5, NO and 2026-01-31 as something else.
    "string_type": "expected text; put it in quotes",
    **dict.fromkeys(("bool_type", "bool_parsing"), "expected true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "expected a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_parsing"), "expected a number"),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing"),
        "expected a day such as 2024-01-31",
    ),
}
# And of those that say what would be right, by what pydantic knows of it.
_BOUNDS = {
    "too_short": "expected at least {min_length}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "string_pattern_mismatch": "not of the form {pattern}",
}


def first_mistake(error: ValidationError, model: type[BaseModel], *above: str) -> str:
    """`key.of.it: what is wrong`; `above` are the keys that lead to what `model` was to read.

    A key that nobody knows is told before one that is missing: it may be that one, misspelt.
    """
    found = error.errors(include_url=False, include_input=False)
    unknown = [one for one in found if one["type"] == "extra_forbidden"]
    first = (unknown or found)[0]
    words = f"no such key{_nearest_key(model, first['loc'])}" if unknown else words_of(first)
    # A key that is itself wrong is told by pydantic as a part of what stands under it.
    place = ".".join([*above, *(str(part) for part in first["loc"] if part != "[key]")])
    return f"{place}: {words}" if place else words


def words_of(mistake: ErrorDetails) -> str:
    """One mistake that pydantic found, in words of ours."""
    if mistake["type"] in _BOUNDS:
        return _BOUNDS[mistake["type"]].format(**mistake["ctx"])
    return _WORDS.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))


def _nearest_key(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    models = [model]
    for part in place[:-1]:
        fields = [one.model_fields.get(str(part)) for one in models]
        # What is no field is a name of the shop's own, or a place in a list.
        models = [m for field in fields if field for m in _models_in(field.annotation)] or models
    known = [field.alias or key for one in models for key, field in one.model_fields.items()]
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f", perhaps {near[0]}" if near else f"; there are: {', '.join(sorted(known))}"


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for one in get_args(annotation) for found in _models_in(one)]
