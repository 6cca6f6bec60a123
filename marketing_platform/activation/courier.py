"""Carries the messages of one destination: claims, sends, tries again, settles."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from threading import Event

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity import wait_random_exponential as random_exponential

from marketing_platform.activation.claims import OTHERS, REMOVALS, Claim
from marketing_platform.activation.desk import Desk
from marketing_platform.activation.report import DestinationReport
from marketing_platform.activation.verdict import Verdict, judge, unknown, untried
from marketing_platform.destinations import Answer, Batch, Destination

_Next = Callable[[], Awaitable[Claim | None]]
# Batches in a row that got no answer, after which a destination is left alone for this run.
_SILENT_BATCHES = 3
# Single rows in a row that were refused, after which it is the destination and not the rows.
_REFUSED_ROWS = 25
_LONGEST_BACKOFF_SECONDS = 10.0
_NAP_SECONDS = 0.05


class Courier:
    """One destination during one run."""

    def __init__(self, desk: Desk, destination: Destination, stop: Event) -> None:
        self.report = DestinationReport(destination.name)
        self._desk = desk
        self._destination = destination
        self._stop = stop
        self._silent_batches = 0
        self._refused_rows = 0
        self._quiet_until = 0.0
        self._back_off = random_exponential(
            multiplier=destination.retry_seconds, max=_LONGEST_BACKOFF_SECONDS
        )

    async def run(self, *, only_leftovers: bool = False) -> DestinationReport:
        """Carry what is due: first what a dead run left, then removals, then the rest."""
        try:
            for work in self._works(only_leftovers):
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._destination.concurrency):
                        workers.create_task(self._work(work))
        finally:
            await self._destination.close()
        return self.report

    def _works(self, only_leftovers: bool) -> Iterator[_Next]:
        desk, destination = self._desk, self._destination
        yield lambda: desk.take_over(destination)
        if only_leftovers:
            return
        # A customer who moves from one audience to another leaves before entering.
        for phase in ("1 = 1",) if destination.is_full_feed else (REMOVALS, OTHERS):
            yield lambda phase=phase: desk.claim(destination, phase)  # type: ignore[misc]
        for audience in destination.missing():
            yield self._once(audience)

    def _once(self, audience: str) -> _Next:
        done = False

        async def claim() -> Claim | None:
            nonlocal done
            if done:
                return None
            done = True
            return await self._desk.claim_whole(self._destination, audience)

        return claim

    async def _work(self, take: _Next) -> None:
        while not self._is_over() and (claimed := await take()):
            await self._carry(claimed)

    def _is_over(self) -> bool:
        over = self.report.stopped or self.report.paused_until
        return bool(over) or self._stop.is_set()

    async def _carry(self, claimed: Claim) -> None:
        """Bring a batch to its end; what a refused batch falls into is carried in turn."""
        if claimed.is_leftover:
            self.report.taken_over_count += claimed.row_count
        waiting = [claimed]
        while waiting:
            part = waiting.pop(0)
            verdict = await self._deliver(part)
            done, parts = await self._desk.settle(part, verdict)
            self.report.sent_count += done["sent"]
            self.report.failed_count += done["failed"]
            self.report.deferred_count += done["deferred"]
            waiting[:0] = parts

    async def _deliver(self, claimed: Claim) -> Verdict:
        if claimed.is_leftover and not self._destination.is_idempotent:
            return unknown()
        if self._is_over():
            return untried(self.report.stopped or "the run was stopped", self._desk.now())
        self.report.batch_count += 1
        answer = await self._send(claimed.batch)
        now = self._desk.now()
        await self._learn(answer, claimed, now)
        return judge(answer, claimed, self._destination, now)

    async def _send(self, batch: Batch) -> Answer:
        """Call until there is an answer to settle by, or the calls of this run are used up."""
        retrying = AsyncRetrying(
            retry=retry_if_result(self._is_worth_another_call),
            stop=stop_after_attempt(self._destination.calls_per_run),
            wait=self._wait_seconds,
            sleep=self._sleep,
            retry_error_callback=_last_answer,
        )
        return await retrying(self._call, batch)

    async def _call(self, batch: Batch) -> Answer:
        # A vendor that asked one worker to wait meant all of them.
        await self._sleep(self._quiet_until - asyncio.get_running_loop().time())
        self.report.call_count += 1
        answer = await self._destination.send(batch)
        if answer.wait_seconds and answer.wait_seconds <= self._destination.max_wait_seconds:
            end = asyncio.get_running_loop().time() + answer.wait_seconds
            self._quiet_until = max(self._quiet_until, end)
        return answer

    def _is_worth_another_call(self, answer: Answer) -> bool:
        if answer.kind != "retry" or self._is_over():
            return False
        if answer.may_have_arrived and not self._destination.is_idempotent:
            return False
        return (answer.wait_seconds or 0) <= self._destination.max_wait_seconds

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

    async def _learn(self, answer: Answer, claimed: Claim, now: dt.datetime) -> None:
        """Draw from an answer what it says of the destination rather than of the batch."""
        self._silent_batches = self._silent_batches + 1 if answer.kind == "retry" else 0
        if answer.kind == "accepted":
            self._refused_rows = 0
        elif answer.kind == "refused" and len(claimed.batch.rows) == 1:
            self._refused_rows += 1
        if answer.kind == "stop":
            self.report.stopped = answer.reason
        elif (answer.wait_seconds or 0) > self._destination.max_wait_seconds:
            self.report.paused_until = now + dt.timedelta(seconds=answer.wait_seconds or 0)
            await self._desk.postpone(self._destination, self.report.paused_until)
        elif self._silent_batches >= _SILENT_BATCHES:
            self.report.stopped = f"no success in {_SILENT_BATCHES} batches ({answer.reason})"
        elif self._refused_rows >= _REFUSED_ROWS:
            self.report.stopped = f"refused {_REFUSED_ROWS} rows in a row ({answer.reason})"


def _last_answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101 - there was a call
    answer: Answer = state.outcome.result()
    return answer
