"""What is read from a vendor's payload: fields by JSON path, typed; `raw_view` reads them.

Every field is tried at each of its paths in turn, and the first that has a value wins: vendors
rename fields between versions, and landing tools between vendors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "text",
    "id",
    "person",
    "number",
    "integer",
    "flag",
    "date",
    "timestamp",
    "seconds",
    "milliseconds",
    "microseconds",
    "rfc2822",
    "json",
]


@dataclass(frozen=True)
class Field:
    """A column of a raw view.

    `paths` are JSON paths (`$.customer.id`). In a list's element they start at the element; `level`
    0 reads from the record itself instead, 1 from the element of the first list, and so on (-1: the
    innermost). `local_date` names a second column: the day of this timestamp in the shop's time
    zone. A value that is there but cannot be read as `kind` makes the record `unreadable`, unless
    `is_loose`: then it is null.
    """

    name: str
    kind: Kind
    paths: tuple[str, ...]
    local_date: str = ""
    level: int = -1
    is_loose: bool = False


def text(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """Text, trimmed; an empty text is null. A number or a flag becomes its text."""
    return Field(name, "text", paths, level=level, is_loose=is_loose)


def ident(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """A vendor's key, as text: `123` and `"123"` are the same key."""
    return Field(name, "id", paths, level=level, is_loose=is_loose)


def person(name: str, *paths: str, level: int = -1) -> Field:
    """A key of a visitor or a user; null where a script wrote that there is none (`undefined`)."""
    return Field(name, "person", paths, level=level, is_loose=True)


def number(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """A number, written as one or as text; `decimal(28, 8)` in the view."""
    return Field(name, "number", paths, level=level, is_loose=is_loose)


def integer(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """A whole number, written as one or as text; `bigint` in the view."""
    return Field(name, "integer", paths, level=level, is_loose=is_loose)


def flag(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """True or false, also as text (`"true"`, `"TRUE"`, `"1"`, `"yes"`)."""
    return Field(name, "flag", paths, level=level, is_loose=is_loose)


def date(name: str, *paths: str, level: int = -1, is_loose: bool = False) -> Field:
    """A day: `2026-01-31` or `20260131`."""
    return Field(name, "date", paths, level=level, is_loose=is_loose)


def timestamp(
    name: str, *paths: str, local_date: str = "", level: int = -1, is_loose: bool = False
) -> Field:
    """A moment in ISO 8601, as UTC; without an offset it is read as UTC."""
    return Field(name, "timestamp", paths, local_date, level, is_loose)


def seconds(
    name: str, *paths: str, local_date: str = "", level: int = -1, is_loose: bool = False
) -> Field:
    """A moment in seconds since 1970; `milliseconds` and `microseconds` alike."""
    return Field(name, "seconds", paths, local_date, level, is_loose)


def milliseconds(
    name: str, *paths: str, local_date: str = "", level: int = -1, is_loose: bool = False
) -> Field:
    """A moment in milliseconds since 1970."""
    return Field(name, "milliseconds", paths, local_date, level, is_loose)


def microseconds(
    name: str, *paths: str, local_date: str = "", level: int = -1, is_loose: bool = False
) -> Field:
    """A moment in microseconds since 1970."""
    return Field(name, "microseconds", paths, local_date, level, is_loose)


def rfc2822(
    name: str, *paths: str, local_date: str = "", level: int = -1, is_loose: bool = False
) -> Field:
    """A moment as in the head of an e-mail: `Thu, 24 Aug 2023 05:01:45 +0000`."""
    return Field(name, "rfc2822", paths, local_date, level, is_loose)


def json_text(name: str, *paths: str, level: int = -1) -> Field:
    """A piece of the payload as JSON text, unread."""
    return Field(name, "json", paths, level=level)
