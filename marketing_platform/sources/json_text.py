"""Reads JSON that vendors send and strict readers refuse."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import orjson

_SKIPS = msgspec.json.Decoder(msgspec.Raw)
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(content: bytes) -> Any:
    """The value of a JSON text; a ValueError if there is none.

    Half a surrogate pair becomes U+FFFD, and a number that is none (`NaN`) null: one odd value must
    not lose the others.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode("utf-8-sig", errors="replace")
        try:
            return _mended(json.loads(text, parse_constant=lambda _: None))
        except RecursionError:
            raise ValueError("nested without end") from None


def is_json_text(content: bytes) -> bool:
    """Whether `read_json` finds a value. Nothing is made of it, which takes a sixth of the time."""
    try:
        _SKIPS.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError):
        try:
            read_json(content)
        except ValueError:
            return False
    return True


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(inner) for name, inner in value.items()}
    return value
