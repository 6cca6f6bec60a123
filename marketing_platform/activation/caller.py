"""Calls one destination during one run: at its pace, and again where that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity import wait_random_exponential as random_exponential

from marketing_platform.destinations import Answer, Batch, Destination, may_repeat

# Batches in a row that got no answer, after which a destination is left alone for this run.
_SILENT_BATCHES = 3
_LONGEST_BACKOFF_SECONDS = 10.0
_NAP_SECONDS = 0.05
# The longest rest that is believed: some say a moment where they should say how long.
_LONGEST_REST_SECONDS = 86_400.0


class Caller:
    """What the workers of a destination call it through, so that its pauses hold for all of them.

    No call is repeated once `is_over`; `stop` ends a pause as well.
    """

    def __init__(
        self, destination: Destination, is_over: Callable[[], bool], stop: Event | None = None
    ) -> None:
        self.call_count = 0
        self._destination = destination
        self._is_over = is_over
        self._stop = stop or Event()
        self._silent_batches = 0
        self._quiet_until = 0.0
        self._back_off = random_exponential(
            multiplier=destination.retry_seconds, max=_LONGEST_BACKOFF_SECONDS
        )

    async def send(self, batch: Batch) -> Answer:
        """Call until there is an answer to settle by, or the calls of this run are used up.

        A call after which the rows may have arrived is not undone by a later one that did not.
        """
        is_doubtful = False

        async def call() -> Answer:
            nonlocal is_doubtful
            answer = await self._call(batch)
            is_doubtful = is_doubtful or answer.may_have_arrived
            return answer

        retrying = AsyncRetrying(
            retry=retry_if_result(partial(self._is_worth_another_call, batch.audience)),
            stop=stop_after_attempt(self._destination.calls_per_run),
            wait=self._wait_seconds,
            sleep=self._sleep,
            retry_error_callback=_last_answer,
        )
        answer: Answer = await retrying(call)
        is_silent = answer.kind == "retry" and not answer.rows
        self._silent_batches = self._silent_batches + 1 if is_silent else 0
        return replace(answer, may_have_arrived=is_doubtful)

    def asks_for_rest(self, answer: Answer) -> bool:
        """Whether it asks for a longer pause than a run obeys."""
        return (answer.wait_seconds or 0) > self._destination.max_wait_seconds

    def why_silent(self, answer: Answer) -> str:
        """Why it is left alone after this answer; empty while it is not."""
        if self._silent_batches < _SILENT_BATCHES:
            return ""
        return f"no success in {_SILENT_BATCHES} batches ({answer.reason})"

    async def _call(self, batch: Batch) -> Answer:
        # A vendor that asked one worker to wait meant all of them.
        await self._sleep(self._quiet_until - asyncio.get_running_loop().time())
        self.call_count += 1
        answer = _readable(await self._destination.send(batch))
        if (answer.wait_seconds or 0) > _LONGEST_REST_SECONDS:
            answer = replace(answer, wait_seconds=_LONGEST_REST_SECONDS)
        if answer.wait_seconds and not self.asks_for_rest(answer):
            end = asyncio.get_running_loop().time() + answer.wait_seconds
            self._quiet_until = max(self._quiet_until, end)
        return answer

    def _is_worth_another_call(self, audience: str, answer: Answer) -> bool:
        if answer.kind != "retry" or answer.rows or self._is_over():
            # What it answered for already is not told again.
            return False
        if answer.may_have_arrived and not may_repeat(self._destination, audience):
            return False
        return not self.asks_for_rest(answer)

    def _wait_seconds(self, state: RetryCallState) -> float:
        answer = _last_answer(state)
        if answer.wait_seconds is not None:
            return answer.wait_seconds
        return float(self._back_off(state))

    async def _sleep(self, seconds: float) -> None:
        """Sleep in naps, so that a stop is heard."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0 and not self._stop.is_set():
            await asyncio.sleep(min(left, _NAP_SECONDS))


def _readable(answer: Answer) -> Answer:
    """The same without what no database keeps in a text, as bytes of zero in PostgreSQL."""
    rows = {
        key: row if row.message.isprintable() else replace(row, message=_printable(row.message))
        for key, row in answer.rows.items()
    }
    return replace(answer, reason=_printable(answer.reason), rows=rows)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


def _last_answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101 - there was a call
    answer: Answer = state.outcome.result()
    return answer
