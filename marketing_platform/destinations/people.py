"""How a person's attributes are told to vendors: under their names, hashed, or in a template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from jinja2 import StrictUndefined, TemplateError, Undefined, meta
from jinja2.sandbox import SandboxedEnvironment

from marketing_platform.destinations.base import IDENTIFYING, Row

Form = Literal["text", "html", "url"]
# What would not be of the value any more: a plus is a blank to who reads a query.
_OF_URLS = str.maketrans({"+": "%2B", "&": "%26", "#": "%23"})


def _in_url(value: Any) -> Any:
    """A value as a part of a URL; one that is a URL stays."""
    if not isinstance(value, str) or "://" in value:
        return value
    return value.translate(_OF_URLS)


_PLAIN = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_ENVIRONMENTS: Mapping[Form, SandboxedEnvironment] = {
    "text": _PLAIN,
    "html": SandboxedEnvironment(undefined=StrictUndefined, autoescape=True),
    "url": SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, finalize=_in_url),
}


class NotTold(Exception):  # noqa: N818 - not an error of the program
    """A row cannot be told to this vendor, and why."""


def split(row: Row, standard: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes that the vendor has a field of its own for, under its names, and the rest.

    What was never known is left out: the vendor may know it. What it was told and is not known any
    more is None.
    """
    told = worth_telling(row)
    theirs = {standard[name]: value for name, value in told.items() if name in standard}
    return theirs, {name: value for name, value in told.items() if name not in standard}


def worth_telling(row: Row) -> dict[str, Any]:
    """The attributes that are known, and those that were told and are not known any more."""
    return {
        name: value
        for name, value in row.payload.items()
        if name not in IDENTIFYING and (value is not None or name in row.cleared)
    }


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that are not known."""
    return {name: value for name, value in values.items() if value is not None}


def cleared_as(blank: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with what is to be cleared as the vendor wants it written."""
    return {name: blank if value is None else value for name, value in values.items()}


def only_known_by(row: Row, *names: str) -> Row:
    """The row with what a vendor knows a person by: of who leaves it needs no more.

    What it was told last may be wrong by now, and who was deleted there is not to come back.
    """
    kept = {*IDENTIFYING, *names}
    return replace(
        row,
        payload={name: value for name, value in row.payload.items() if name in kept},
        cleared=frozenset(),
    )


def flag_name(segment: str) -> str:
    """The property by which a vendor without lists knows who is in a segment."""
    return f"segment_{segment}"


def text(row: Row, name: str) -> str:
    """An attribute as text; empty where it is not known."""
    return as_text(row.payload.get(name))


def as_text(value: Any) -> str:
    """A value for a vendor whose fields are texts: of a list of products their titles."""
    if isinstance(value, list):
        return ", ".join(str(one.get("title") or one.get("product_id")) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def cut(value: str, most: int) -> str:
    """A text without what is beyond so many bytes."""
    return value.encode()[:most].decode(errors="ignore")


def with_numbers(row: Row) -> Row:
    """The row with amounts of money as numbers.

    In a payload they are texts that keep every digit; so do numbers, up to a billion with cents.
    Prices of products stay texts: they are there to be shown.
    """
    payload = {
        name: float(value) if name.endswith("_amount") and isinstance(value, str) else value
        for name, value in row.payload.items()
    }
    return replace(row, payload=payload)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with lists of products as text, for a vendor that takes no lists."""
    return {n: as_text(v) if isinstance(v, list) else v for n, v in values.items()}


def render(template: str | None, row: Row, *, form: Form = "text") -> str:
    """A template filled in once: what stands in a value is text, whatever it looks like.

    What is not known of a person is nothing, and takes `default('...')`. Raises NotTold where it
    names what is not there, or does what templates may not.
    """
    if not template:
        return ""
    try:
        return str(_compiled(template, form).render(_told(row.payload)))
    except TemplateError as error:
        raise NotTold(f"the template cannot be filled in: {error.message}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotTold(f"the template cannot be filled in: {error}") from None


def render_marked(template: str | None, row: Row) -> str:
    """The same for whoever reads `&`, `<` and `>` as markup: of a value they are shown.

    Quotes stay as they are, for not all of them read those that are escaped.
    """
    return render(template, row, form="html").replace("&#39;", "'").replace("&#34;", '"')


def names_in(template: str) -> frozenset[str]:
    """The attributes that a template asks for. Raises NotTold where it is no template."""
    try:
        return frozenset(meta.find_undeclared_variables(_PLAIN.parse(template)))
    except TemplateError as error:
        raise NotTold(f"not a template: {error.message}") from None


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a template has them; nobody is called None."""
    told = dict(values)
    for name, value in values.items():
        if value is None:
            told[name] = Undefined(name=name)
        elif isinstance(value, list):
            told[name] = [_told(one) for one in value]
    return told


@cache
def _compiled(template: str, form: Form) -> Any:
    return _ENVIRONMENTS[form].from_string(template)


def sha256(value: str) -> str:
    """The hash of a text in hexadecimal."""
    return hashlib.sha256(value.encode()).hexdigest()


def hashed(value: str, normalise: Callable[[str], str]) -> str:
    """The hash of a normalised value; empty where nothing is left of it."""
    normal = normalise(value)
    return sha256(normal) if normal else ""


def lower(value: str) -> str:
    """Trimmed and in small letters, as all ad platforms hash e-mails and names."""
    return value.strip(" \t\r\n\0\x0b.").lower()


def without_blanks(value: str) -> str:
    """Small letters without any blank, as Google hashes phones."""
    return re.sub(r"\s", "", value).lower()


def google_email(value: str) -> str:
    """As Google hashes e-mails: those of Gmail without dots and without what follows a plus."""
    mailbox, at, domain = without_blanks(value).rpartition("@")
    if domain in ("gmail.com", "googlemail.com"):
        mailbox = mailbox.partition("+")[0].replace(".", "") or mailbox
    return f"{mailbox}{at}{domain}"


def digits(value: str) -> str:
    """The digits of a phone with its country code, as Meta hashes phones."""
    return re.sub(r"\D", "", value).lstrip("0")


def letters(value: str) -> str:
    """Small letters alone, as Meta hashes towns and states."""
    return re.sub(r"[\W\d_]", "", value.lower())


def by_size(
    things: Iterable[Any], size_of: Callable[[Any], int], *, most: int, count: int
) -> list[list[Any]]:
    """Things in their order, in parts of at most `count` that are not larger than `most` bytes."""
    parts: list[list[Any]] = []
    size = most + 1
    for thing in things:
        own = size_of(thing)
        if size + own > most or len(parts[-1]) >= count:
            parts.append([])
            size = 0
        parts[-1].append(thing)
        size += own
    return parts
