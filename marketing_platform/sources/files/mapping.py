"""Which column of an export means which field: guessed from the header, or told."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from marketing_platform.errors import InputError
from marketing_platform.sources.files.fields import STREAMS, StreamFields

_UNIT = re.compile(r"\(([A-Z]{3}|[$€£])\)\s*$")
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP"}


@dataclass(frozen=True)
class Column:
    """A column of the file that a field is read from, and how its text is to be read.

    `parse` is a strptime format, `iso`, `epoch_s`, `epoch_ms` or `epoch_us` for moments, and
    `point` or `comma` (the decimal sign) for numbers; empty for text.
    """

    name: str
    pointer: str
    parse: str = ""
    # Whether only the first record of a group says it, for all of them.
    is_shared: bool = False
    # Whether each record of a group says what all of them have together.
    is_total: bool = False

    @property
    def unit(self) -> str:
        """The currency or time zone that the header has in brackets: `USD` of `Cost (USD)`."""
        found = _UNIT.search(self.name)
        return _SIGNS.get(found[1], found[1]) if found else ""


def timezone_of(column: Column, shop: str) -> str:
    """The time zone of moments without an offset: the shop's, if the header does not say UTC."""
    return "UTC" if column.unit in ("UTC", "GMT") else shop


def choose_columns(
    stream: str,
    pointers: Mapping[str, str],
    told: Mapping[str, str],
    where: Path,
    is_filled: Callable[[str], bool],
) -> dict[str, str]:
    """The column for each field of the stream: as told, otherwise guessed from the header.

    A column is used once. Of several that a field may go by it is the first that is filled: shop
    systems write columns for what most shops do not have. Raises InputError for a field or column
    that does not exist, and where a required field has no column.
    """
    fields = STREAMS[stream]
    _check_told(fields, pointers, told, where)
    chosen = {field: column for field, column in told.items() if column}
    free = {plain(name): name for name in reversed(list(pointers)) if name not in chosen.values()}
    for header, beside in fields.only_with:
        if not any(other in free for other in beside):
            free.pop(header, None)
    for field in fields.fields:
        if field.name in told:
            continue
        known = [synonym for synonym in field.synonyms if synonym in free]
        if known:
            named = (s for s in known if len(known) > 1 and is_filled(pointers[free[s]]))
            chosen[field.name] = free.pop(next(named, known[0]))
    _check_required(fields, chosen, pointers, where)
    return {name: chosen[name] for name in fields.names() if name in chosen}


def parse_told(options: list[str]) -> dict[str, str]:
    """Read `--map field=column` options; an empty column takes a guessed field out."""
    told = {}
    for option in options:
        field, sign, column = option.partition("=")
        if not sign or not field:
            raise InputError(f"not a mapping: {option!r}", where="--map", mend="Write field=column")
        told[field.strip()] = column.strip()
    return told


def plain(header: str) -> str:
    """A header as synonyms are written: letters and digits alone, without its unit."""
    letters = unicodedata.normalize("NFKD", _UNIT.sub("", header).casefold())
    return re.sub(r"[^a-z0-9]", "", letters)


def _check_told(
    fields: StreamFields, pointers: Mapping[str, str], told: Mapping[str, str], where: Path
) -> None:
    for field, column in told.items():
        if field not in fields.names():
            raise InputError(
                f"{fields.stream} have no field {field!r}",
                where="mapping",
                mend=_nearest(field, fields.names()),
            )
        if column and column not in pointers:
            raise InputError(
                f"no column {column!r} for {field}",
                where=str(where),
                mend=_nearest(column, list(pointers)),
            )


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(known[:20])}"


def _check_required(
    fields: StreamFields, chosen: Mapping[str, str], pointers: Mapping[str, str], where: Path
) -> None:
    for group in fields.required:
        if not any(name in chosen for name in group):
            raise InputError(
                f"no column for {' or '.join(group)} among {', '.join(list(pointers)[:20])}",
                where=str(where),
                mend=f"Name it: --map {group[0]}=COLUMN",
            )
