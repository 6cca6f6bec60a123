"""The one-name rule: a table's file, its place in the warehouse and its asset share a name."""

from __future__ import annotations

import re
from typing import NamedTuple

LAYERS = (
    "raw",
    "staging",
    "core",
    "identity",
    "profiles",
    "predictions",
    "segments",
    "activation",
    "quality",
)
# What a customer has of one of its contacts.
GOLDEN_ATTRIBUTES = (
    *("email", "phone", "first_name", "last_name", "country", "language", "birth_date"),
    *("street", "city", "postcode", "region", "loyalty_number"),
)
_WORD = re.compile(r"[a-z][a-z0-9_]*\Z")


class TableName(NamedTuple):
    """A table's place in the warehouse, `schema.table`."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.table`; both must be plain lower-case words, which need no quoting."""
        schema, dot, table = text.partition(".")
        if not dot or not _WORD.match(schema) or not _WORD.match(table):
            raise ValueError(f"not a table name: {text!r}; expected schema.table in lower case")
        return cls(schema, table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"
