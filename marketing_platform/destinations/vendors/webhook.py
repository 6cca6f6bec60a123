"""Any receiver that speaks the protocol of docs/ledger.md: JSON batches, a key for each row.

With `signing_secret` each request is signed as https://www.standardwebhooks.com says.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import Field, SecretStr, field_validator

from marketing_platform.destinations.answers import is_page, one_line, read_json, refusal
from marketing_platform.destinations.base import Answer, Batch, Place, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    checked_url,
    dump,
    plain,
)
from marketing_platform.settings import ActivationRule
from marketing_platform.sources.secrets import secrets_in_url
from marketing_platform.state import utc_now

_STATUSES = frozenset({"ok", "duplicate", "error"})
_PREFIX = "whsec_"


class WebhookDestination(HttpSettings):
    """JSON batches over HTTP with a bearer token."""

    # Some vendors put a secret into the path, so it is not shown.
    url: str = Field(repr=False)
    token: SecretStr | None = None
    # Base64, with or without `whsec_` in front.
    signing_secret: SecretStr | None = None
    batch_size: int = Field(default=500, ge=1, le=10_000)
    # Whether the receiver drops a row whose key it has seen. If not, a row whose outcome is unknown
    # after a crash is not sent again.
    is_idempotent: bool = True

    @field_validator("url")
    @classmethod
    def _receiver(cls, url: str) -> str:
        return checked_url(url)

    @field_validator("signing_secret")
    @classmethod
    def _key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            try:
                key = _signing_key(secret)
            except (binascii.Error, ValueError):
                raise ValueError("not a signing secret: base64 is expected") from None
            if not key:
                raise ValueError("the signing secret is empty")
        return secret


class Webhook(HttpDestination):
    """An HTTP receiver. Its token and the path of its URL appear in no text that it gives out."""

    modes = ("audience", "event")
    shares_audience = True
    needs_rule = False
    # Its settings say what may be repeated.
    repeatable = ()

    def __init__(self, name: str, settings: WebhookDestination, place: Place | None = None) -> None:
        super().__init__(name, settings, place or Place())
        self.is_idempotent = settings.is_idempotent
        self._settings = settings
        self._secrets |= secrets_in_url(settings.url)

    @property
    def base_url(self) -> str:
        """The receiver."""
        return self._settings.url

    def headers(self) -> Mapping[str, str]:
        """The bearer token, where there is one."""
        token = plain(self._settings.token)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One request for the whole batch."""
        body = request_body(batch, event=rule.event)
        headers = {"Content-Type": "application/json", "Idempotency-Key": batch.batch_id}
        if secret := self._settings.signing_secret:
            seconds = int(utc_now().timestamp())
            headers |= signature(secret, batch.batch_id, seconds, body)
        yield Call(self._settings.url, content=body, headers=headers)
        return {}

    def preview(self, batch: Batch) -> str:
        """The body alone, as the URL may hold a secret."""
        return request_body(batch, event=self._rule(batch).event).decode()

    def judge(self, response: httpx.Response, batch: Batch) -> Answer:
        """The protocol's own answer for rows, on a success as on a refusal."""
        return read_answer(response, batch, utc_now())


def signature(secret: SecretStr, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers that sign a request, as Standard Webhooks says."""
    signed = b".".join((message_id.encode(), str(seconds).encode(), body))
    digest = hmac.new(_signing_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def request_body(batch: Batch, *, event: str | None = None) -> bytes:
    """The body of the request; the same batch gives the same bytes."""
    rows = [
        {"key": row.key, "operation": row.operation, **row.payload, "customer_id": row.customer_id}
        for row in batch.rows
    ]
    content: dict[str, Any] = {
        "batch_id": batch.batch_id,
        "destination": batch.destination,
        "audience": batch.audience,
        **({"event": event} if event else {}),
        "rows": rows,
    }
    return dump(content)


def read_answer(response: httpx.Response, batch: Batch, now: dt.datetime) -> Answer:
    """What a response means for the rows of `batch`."""
    if response.is_success:
        return _read_success(response, batch)
    answer = refusal(response, now)
    if answer.kind != "refused":
        return answer
    return Answer("refused", answer.reason, rows=_row_answers(read_json(response), batch) or {})


def _read_success(response: httpx.Response, batch: Batch) -> Answer:
    if is_page(response):
        # A login or proxy page answers 200 too, and has taken nothing.
        return Answer("retry", "answers with a web page instead of a receiver's answer")
    rows = _row_answers(read_json(response), batch)
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
        str(result["key"]): RowAnswer(result["status"], one_line(str(result.get("message") or "")))
        for result in results
        if isinstance(result, Mapping)
        and result.get("key") in keys
        and result.get("status") in _STATUSES
    }


def _signing_key(secret: SecretStr) -> bytes:
    return base64.b64decode(secret.get_secret_value().removeprefix(_PREFIX), validate=True)


SETTINGS = WebhookDestination
DESTINATION = Webhook
