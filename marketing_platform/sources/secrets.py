"""Keeps secrets out of what is told, logged and stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, SecretBytes, SecretStr

_MASK = "***"
# A shorter text could as well be part of a record.
_SHORTEST_IN_CONTENT = 8
# A shorter part of a path could as well be a word.
_SHORTEST_IN_PATH = 16


def secrets_of(value: Any) -> frozenset[str]:
    """All secret values in settings, at any depth."""
    return frozenset(secret for secret in _secrets(value) if secret)


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode(errors="replace")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _secrets(inner)


def secrets_in_url(url: str) -> frozenset[str]:
    """What of a URL may be a secret: all behind the host, and each long part of it by itself.

    Some vendors put their token there, and say of a call that goes wrong where it went.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    values = [value for _, value in parse_qsl(parts.query)]
    alone = {word for word in (*path.split("/"), *values) if len(word) >= _SHORTEST_IN_PATH}
    whole = {path, parts.query, f"{path}?{parts.query}"} if parts.query else {path}
    return frozenset(alone | {one for one in whole if len(one) >= _SHORTEST_IN_CONTENT})


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each secret, however it is written there."""
    for form in _all_forms(frozenset(secrets)):
        text = text.replace(form, _MASK)
    return text


@lru_cache(maxsize=64)
def _all_forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Each way in which they may be written, the longest first."""
    return tuple(sorted({form for one in secrets for form in _forms(one)}, key=len, reverse=True))


def _forms(secret: str) -> set[str]:
    plain = {secret, secret.strip(), quote(secret, safe=""), quote(secret), quote_plus(secret)}
    escaped = {json.dumps(secret)[1:-1], secret.encode("unicode_escape").decode()}
    encoded = {base64.b64encode(pair.encode()).decode() for pair in (secret, f"{secret}:")}
    return {form for form in plain | escaped | encoded if form}


def forms_in_content(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Each way in which a secret may be written in an answer, the longest first."""
    forms = {
        written.encode()
        for secret in secrets
        if len(secret) >= _SHORTEST_IN_CONTENT
        for form in _forms(secret)
        for written in (form, form.replace("/", "\\/"))
    }
    return tuple(sorted(forms, key=len, reverse=True))


def mask_content(content: bytes, forms: Iterable[bytes]) -> bytes:
    """An answer's content without secrets: vendors repeat them in the URL of the next page."""
    for form in forms:
        content = content.replace(form, _MASK.encode())
    return content


def without_secrets(value: Any, secrets: frozenset[str]) -> Any:
    """Plain JSON without secrets: from a URL the parameter goes, any other text loses the secret.

    What authorises a request adds its secret again.
    """
    if isinstance(value, Mapping):
        return {name: without_secrets(inner, secrets) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner, secrets) for inner in value]
    if not isinstance(value, str) or mask(value, secrets) == value:
        return value
    parts = urlsplit(value)
    if not parts.query:
        return mask(value, secrets)
    kept = [
        (name, inner)
        for name, inner in parse_qsl(parts.query, keep_blank_values=True)
        if mask(inner, secrets) == inner
    ]
    return mask(urlunsplit(parts._replace(query=urlencode(kept))), secrets)
