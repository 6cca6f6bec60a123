"""What a vendor says went wrong, wherever its error body has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("message", "error_description", "detail", "title", "error", "errors", "msg", "reason")


def words_of(body: Any) -> str:
    """The words of an error body, which each vendor has elsewhere; empty where there are none."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return words_of(body[0]) if body else ""
    if isinstance(body, Mapping):
        return next((text for name in _NAMES if (text := words_of(body.get(name)))), "")
    return ""
