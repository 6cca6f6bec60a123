"""How the sandbox misbehaves on purpose: a share of its requests, the same ones every time."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

Kind = Literal[
    "rate_limit",
    "server_error",
    "slow",
    "broken_json",
    "truncated",
    "repeat_page",
    "skip_page",
    "wrong_type",
    "clock_off",
    "reset",
]

_UNUSUAL = ("skip_page", "wrong_type", "clock_off")
USUAL: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in _UNUSUAL)
"""Those that happen unless others are named: after them, the records are those of the vendor."""


@dataclass(frozen=True)
class Faults:
    """Which `share` of requests goes wrong, and how.

    - `rate_limit`, `server_error`: answered with 429 or 500 in the vendor's own shape.
    - `slow`: answered well after `slow_seconds`.
    - `broken_json`: a 200 whose body ends in the middle.
    - `truncated`: the connection closes before the promised end of the body.
    - `repeat_page`: the page before of the same list, once more. Nobody notices where pages are
      asked for by number and nothing in them says which one it is.
    - `skip_page`: the page after it in its place. Only a vendor that says how many records there
      are lets that be noticed.
    - `wrong_type`: in some of its records a field that is no key has another type. Such a record
      is held back until it is asked for again.
    - `clock_off`: the vendor's clock, by which it dates the answer, is hours ahead.
    - `reset`: the connection is cut without an answer.

    The same request does not go wrong more than `in_a_row` times in a row.
    """

    share: float = 0.0
    kinds: tuple[Kind, ...] = USUAL
    seed: int = 7
    in_a_row: int = 3
    slow_seconds: float = 0.05


@dataclass
class FaultDraw:
    """Draws what happens to each request, from what is asked and how often it was."""

    faults: Faults
    happened: Counter[str] = field(default_factory=Counter)
    _asked: Counter[bytes] = field(default_factory=Counter)
    _in_a_row: Counter[bytes] = field(default_factory=Counter)

    def draw(self, identity: bytes) -> Kind | None:
        """The fault for this request, or None."""
        faults = self.faults
        if not faults.share or not faults.kinds:
            return None
        name = hashlib.blake2b(identity, digest_size=16).digest()
        self._asked[name] += 1
        seed = f"{faults.seed}/{self._asked[name]}".encode()
        drawn = hashlib.blake2b(seed + name, digest_size=12).digest()
        happens = int.from_bytes(drawn[:8]) / 2**64 < faults.share
        if not happens or self._in_a_row[name] >= faults.in_a_row:
            self._in_a_row[name] = 0
            return None
        self._in_a_row[name] += 1
        kind = faults.kinds[int.from_bytes(drawn[8:]) % len(faults.kinds)]
        self.happened[kind] += 1
        return kind


def mistyped(content: bytes, share: float = 0.3) -> bytes:
    """A JSON answer in some of whose records one text or number has become an object.

    Keys, times and what paging needs stay: they tell the records apart.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
    for number, record in enumerate(_records(body)):
        drawn = hashlib.blake2b(content + number.to_bytes(4), digest_size=16).digest()
        names = [name for name, value in record.items() if _may_change(name, value)]
        if names and int.from_bytes(drawn[:8]) / 2**64 < share:
            name = names[int.from_bytes(drawn[8:]) % len(names)]
            record[name] = {"unexpected": record[name]}
    return orjson.dumps(body)


def _records(body: Any) -> list[dict[str, Any]]:
    """The first list of objects in an answer, the outer ones first."""
    waiting = [body]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return value
        if isinstance(value, dict):
            waiting += value.values()
    return []


def _may_change(name: str, value: Any) -> bool:
    is_key = re.search(r"id$|key|cursor|date|time|created|updated|modified|object|^_", name.lower())
    return not is_key and isinstance(value, (str, int, float)) and not isinstance(value, bool)
