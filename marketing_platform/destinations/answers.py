"""What a vendor's answer over HTTP means, where its module has no better word."""

from __future__ import annotations

import datetime as dt
import email.utils
from dataclasses import replace
from typing import Any

import httpx
import orjson

from marketing_platform.destinations.base import Answer
from marketing_platform.sources.words import words_of

_SHOWN = 300
# What is not paid, not let through by a proxy, or locked.
_CLOSED = frozenset({402, 407, 423})
_TRY_AGAIN = frozenset({408, 425, 429, 503})
_WRONG_ADDRESS = frozenset({404, 405, 410, 501})
# Of those what a list says that is not there.
_GONE = frozenset({404, 410})


def refusal(response: httpx.Response, now: dt.datetime) -> Answer:
    """What an answer that is no success means for the batch."""
    status = response.status_code
    said = f"{status} {vendor_words(response)}".strip()
    wait = retry_after(response.headers.get("Retry-After"), now)
    if status in (401, 403):
        return stop(f"refuses the credentials ({said})")
    if status in _CLOSED:
        return stop(f"is closed to us ({said})")
    if status in _WRONG_ADDRESS:
        answer = stop(f"has no receiver at this URL ({said})")
        return replace(answer, is_of_audience=status in _GONE)
    if status < 400:
        return stop(f"redirects elsewhere ({status}); set its final URL")
    if status in _TRY_AGAIN:
        return Answer("retry", said, wait_seconds=wait, is_counted=status != 429)
    if status >= 500:
        return Answer("retry", said, wait_seconds=wait, may_have_arrived=True)
    return Answer("refused", said)


def stop(reason: str) -> Answer:
    """The destination cannot be used at all in this run."""
    return Answer("stop", reason, is_counted=False)


def only_tried(setting: str) -> Answer:
    """The vendor found the call right and did nothing, as a setting asks: nobody was told."""
    return stop(f"only checked what it was asked; take out {setting} to tell it")


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
    if words := words_of(read_json(response)):
        return one_line(words)
    if is_page(response):
        return response.reason_phrase
    return one_line(response.text) or response.reason_phrase


def read_json(response: httpx.Response) -> Any:
    """The body as JSON; None where it is none."""
    try:
        return orjson.loads(response.content)
    except ValueError:
        return None


def is_page(response: httpx.Response) -> bool:
    """Whether the answer is a web page: a login or a proxy, which has taken nothing.

    JSON is none, whatever it is called: PHP calls all that it says HTML unless it is told not to.
    """
    is_called_so = "html" in response.headers.get("Content-Type", "").lower()
    return is_called_so and read_json(response) is None


def one_line(text: str) -> str:
    """Text as one line of 300 characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
