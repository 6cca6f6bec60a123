"""Google's discovery documents as JSON Schema, closed: what they do not name is a mistake."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from shared_folder import find_shared_data


def check(document: str, schema: str, found: Any) -> None:
    """Fail unless `found` is what the document describes as `schema`."""
    definitions = _definitions(document)
    whole = {"$ref": f"#/$defs/{schema}", "$defs": definitions}
    jsonschema.Draft202012Validator(whole).validate(found)


@cache
def _definitions(document: str) -> dict[str, Any]:
    path = find_shared_data("../specs") / "google" / "discovery" / document
    return {name: _closed(one) for name, one in json.loads(path.read_bytes())["schemas"].items()}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    found = {key: _closed(value) for key, value in schema.items() if key not in ("id", "format")}
    if isinstance(found.get("properties"), dict):
        found["additionalProperties"] = False
    return found
