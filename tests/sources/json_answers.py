"""A vendor's answer that is JSON, as the client gives it."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from marketing_platform.sources.client import Answer


def json_answer(body: Any, status: int = 200, headers: httpx.Headers | None = None) -> Answer:
    """The answer with this body."""
    return Answer(status, headers or httpx.Headers(), orjson.dumps(body), True)
