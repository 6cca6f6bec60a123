"""Reads a webhook's answer. The protocol is written down in docs/ledger.md."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
from collections.abc import Mapping
from typing import Any

import httpx

from marketing_platform.destinations.base import Answer, Batch, RowAnswer

_SHOWN = 300
_TRY_AGAIN = frozenset({408, 425, 429, 503})
_WRONG_ADDRESS = frozenset({404, 405, 410, 501})
_STATUSES = frozenset({"ok", "duplicate", "error"})


def read_answer(response: httpx.Response, batch: Batch, now: dt.datetime) -> Answer:
    """What a response means for the rows of `batch`."""
    status = response.status_code
    if status < 300:
        return _read_success(response, batch)
    said = f"{status} {vendor_words(response)}".strip()
    if status in (401, 403):
        return Answer("stop", f"refuses the credentials ({said})", is_counted=False)
    if status in _WRONG_ADDRESS:
        return Answer("stop", f"has no receiver at this URL ({said})", is_counted=False)
    if status < 400:
        return Answer(
            "stop", f"redirects elsewhere ({status}); set its final URL", is_counted=False
        )
    if status in _TRY_AGAIN:
        wait = retry_after(response.headers.get("Retry-After"), now)
        return Answer("retry", said, wait_seconds=wait, is_counted=status != 429)
    if status >= 500:
        wait = retry_after(response.headers.get("Retry-After"), now)
        return Answer("retry", said, wait_seconds=wait, may_have_arrived=True)
    return Answer("refused", said, rows=_row_answers(_json(response), batch) or {})


def retry_after(header: str | None, now: dt.datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for: a number or an HTTP date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - now).total_seconds())


def vendor_words(response: httpx.Response) -> str:
    """What the vendor said, in one short line."""
    content = _json(response)
    if isinstance(content, dict):
        for name in ("message", "error", "detail", "title"):
            if isinstance(content.get(name), str):
                return _one_line(content[name])
    if _is_page(response):
        return response.reason_phrase
    return _one_line(response.text) or response.reason_phrase


def _read_success(response: httpx.Response, batch: Batch) -> Answer:
    if _is_page(response):
        # A login or proxy page answers 200 too, and has taken nothing.
        return Answer("retry", "answers with a web page instead of a receiver's answer")
    rows = _row_answers(_json(response), batch)
    if rows is None:
        return Answer("accepted")
    if not rows and batch.rows:
        return Answer("retry", "answers for none of the rows", may_have_arrived=True)
    return Answer("accepted", rows=rows)


def _row_answers(content: Any, batch: Batch) -> dict[str, RowAnswer] | None:
    """The answers for rows of this batch; None if the answer does not speak of rows."""
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, list):
        return None
    keys = {row.key for row in batch.rows}
    return {
        str(result["key"]): RowAnswer(result["status"], _one_line(str(result.get("message") or "")))
        for result in results
        if isinstance(result, Mapping)
        and result.get("key") in keys
        and result.get("status") in _STATUSES
    }


def _json(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def _is_page(response: httpx.Response) -> bool:
    return "html" in response.headers.get("Content-Type", "").lower()


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
