"""What columns mean, read from the comments above them in their table's SQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


@cache
def definitions(schema: str, table: str) -> Mapping[str, str]:
    """The definition of each column of the last select of a table that has a comment above it."""
    text = (_PACKAGE / schema / f"{table}.sql").read_text(encoding="utf-8")
    lines = text[text.rindex("\nselect\n") :].splitlines()[2:]
    found: dict[str, str] = {}
    comment: list[str] = []
    body: list[str] = []
    for line in lines:
        stripped = line.strip()
        # The columns stand at the first level; what is deeper belongs to the one above.
        if line.startswith("from "):
            break
        if line.startswith("    --"):
            if body:
                _keep(found, comment, body)
                comment, body = [], []
            comment.append(stripped.removeprefix("--").strip())
        else:
            if body and body[-1].endswith(",") and line.startswith("    ") and line[4] != " ":
                _keep(found, comment, body)
                comment, body = [], []
            body.append(stripped)
    _keep(found, comment, body)
    return found


def _keep(found: dict[str, str], comment: list[str], body: list[str]) -> None:
    if comment and body:
        name = body[-1].removesuffix(",").split(" ")[-1].split(".")[-1]
        found[name] = " ".join(comment)
