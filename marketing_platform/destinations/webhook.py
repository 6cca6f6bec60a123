"""Sends batches as JSON over HTTP, with a key for the batch and one for each row."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from dataclasses import replace

import httpx

from marketing_platform.destinations.answers import read_answer
from marketing_platform.destinations.base import Answer, Batch, RowAnswer
from marketing_platform.settings import WebhookDestination
from marketing_platform.state import utc_now

_HIDDEN = "[hidden]"


class Webhook:
    """An HTTP receiver. Its token and the path of its URL appear in no text that it gives out."""

    is_full_feed = False

    def __init__(self, name: str, settings: WebhookDestination) -> None:
        self.name = name
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self.is_idempotent = settings.is_idempotent
        self.calls_per_run = settings.calls_per_run
        self.retry_seconds = settings.retry_seconds
        self.max_wait_seconds = settings.max_wait_seconds
        self.max_attempts = settings.max_attempts
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"

    async def send(self, batch: Batch) -> Answer:
        """Post the batch once; whatever happens becomes an answer."""
        limit = self._settings.timeout_seconds
        if not _fits_a_header(self._token()):
            return _stop("its token has characters that a header cannot carry")
        try:
            # The limit of httpx is for each read; a receiver that drips bytes must end as well.
            async with asyncio.timeout(2 * limit):
                response = await self._open().post(
                    self._settings.url,
                    content=request_body(batch),
                    headers={"Idempotency-Key": batch.batch_id},
                )
            return self._without_secrets(read_answer(response, batch, utc_now()))
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            reason = f"no answer within {limit:g} seconds"
            return Answer("retry", reason, may_have_arrived=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return _stop("its URL cannot be used; correct it")
        except httpx.RequestError as error:
            return self._trouble(error)

    def missing(self) -> tuple[str, ...]:
        """Nothing: the receiver keeps its own."""
        return ()

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()
            self._client = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            # At INFO it logs whole URLs, and some vendors put a secret into the path.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            headers = {"Content-Type": "application/json", "User-Agent": "marketing-platform"}
            if token := self._token():
                headers["Authorization"] = f"Bearer {token}"
            self._client = httpx.AsyncClient(
                headers=headers, timeout=self._settings.timeout_seconds
            )
        return self._client

    def _token(self) -> str:
        return self._settings.token.get_secret_value() if self._settings.token else ""

    def _trouble(self, error: httpx.RequestError) -> Answer:
        cause = _root(error)
        host = httpx.URL(self._settings.url).host
        if isinstance(cause, socket.gaierror):
            return _stop(f"the host {host} does not resolve")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _stop(f"the certificate of {host} is not trusted")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return Answer("retry", f"no connection to {host}")
        return Answer("retry", f"{host} dropped the connection", may_have_arrived=True)

    def _without_secrets(self, answer: Answer) -> Answer:
        """The same answer; a vendor that repeats the token does not bring it into the ledger."""
        token = self._token()
        if not token:
            return answer
        rows = {
            key: RowAnswer(row.status, row.message.replace(token, _HIDDEN))
            for key, row in answer.rows.items()
        }
        return replace(answer, reason=answer.reason.replace(token, _HIDDEN), rows=rows)


def _stop(reason: str) -> Answer:
    return Answer("stop", reason, is_counted=False)


def _fits_a_header(token: str) -> bool:
    return token.isascii() and (token.isprintable() or not token)


def request_body(batch: Batch) -> bytes:
    """The body of the request; the same batch gives the same bytes."""
    rows = [
        {"key": row.key, "operation": row.operation, **row.payload, "customer_id": row.customer_id}
        for row in batch.rows
    ]
    content = {
        "batch_id": batch.batch_id,
        "destination": batch.destination,
        "audience": batch.audience,
        "rows": rows,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _root(error: BaseException) -> BaseException:
    """The innermost cause: httpx wraps what httpcore wraps what the socket said."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
