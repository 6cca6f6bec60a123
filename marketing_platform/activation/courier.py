"""Carries the messages of one destination: claims, sends, tries again, settles."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Iterator
from threading import Event

from marketing_platform.activation.caller import Caller
from marketing_platform.activation.claims import OTHERS, REMOVALS, Claim
from marketing_platform.activation.desk import Desk
from marketing_platform.activation.report import DestinationReport
from marketing_platform.activation.verdict import Verdict, judge, unknown, untried
from marketing_platform.destinations import Answer, Destination, may_repeat

_Next = Callable[[], Awaitable[Claim | None]]
# Single rows in a row that were refused, after which it is the destination and not the rows.
_REFUSED_ROWS = 25


class Courier:
    """One destination during one run; `audiences` are those that have a rule."""

    def __init__(
        self, desk: Desk, destination: Destination, audiences: Collection[str], stop: Event
    ) -> None:
        self.report = DestinationReport(destination.name)
        self._desk = desk
        self._destination = destination
        self._audiences = audiences
        self._stop = stop
        self._caller = Caller(destination, self._is_over, stop)
        self._refused_rows = 0
        # Audiences that cannot be used in this run, and why.
        self._closed: dict[str, str] = {}

    async def run(self, *, only_leftovers: bool = False) -> DestinationReport:
        """Carry what is due: first what a dead run left, then removals, then the rest."""
        try:
            for work in self._works(only_leftovers):
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._destination.concurrency):
                        workers.create_task(self._work(work))
        finally:
            await self._destination.close()
        if self._closed and not self.report.stopped:
            told = (f"{audience}: {reason}" for audience, reason in self._closed.items())
            self.report.stopped = "; ".join(told)
        return self.report

    def _works(self, only_leftovers: bool) -> Iterator[_Next]:
        desk, destination = self._desk, self._destination
        yield lambda: desk.take_over(destination, self._audiences)
        if only_leftovers:
            return
        # A customer who moves from one audience to another leaves before entering.
        for phase in ("1 = 1",) if destination.is_full_feed else (REMOVALS, OTHERS):
            yield lambda phase=phase: desk.claim(  # type: ignore[misc]
                destination, phase, audiences=self._audiences, without=self._closed
            )
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
        if claimed.is_leftover and not may_repeat(self._destination, claimed.batch.audience):
            return unknown()
        if self._is_over():
            return untried(self.report.stopped or "the run was stopped", self._desk.now())
        if closed := self._closed.get(claimed.batch.audience):
            return untried(closed, self._desk.now())
        self.report.batch_count += 1
        answer = await self._caller.send(claimed.batch)
        self.report.call_count = self._caller.call_count
        now = self._desk.now()
        await self._learn(answer, claimed, now)
        return judge(answer, claimed, self._destination, now)

    async def _learn(self, answer: Answer, claimed: Claim, now: dt.datetime) -> None:
        """Draw from an answer what it says of the destination rather than of the batch."""
        refused = _refused_row(answer, claimed)
        if refused is not None:
            self._refused_rows += 1
        elif answer.kind == "accepted":
            self._refused_rows = 0
        if answer.kind == "stop" and answer.is_of_audience:
            self._closed[claimed.batch.audience] = answer.reason
        elif answer.kind == "stop":
            self.report.stopped = answer.reason
        elif self._caller.asks_for_rest(answer):
            self.report.paused_until = now + dt.timedelta(seconds=answer.wait_seconds or 0)
            await self._desk.postpone(self._destination, self.report.paused_until)
        elif why := self._caller.why_silent(answer):
            self.report.stopped = why
        elif self._refused_rows >= _REFUSED_ROWS:
            self.report.stopped = (
                f"refused {_REFUSED_ROWS} rows in a row ({refused or answer.reason})"
            )


def _refused_row(answer: Answer, claimed: Claim) -> str | None:
    """Why the only row of a batch was refused; None where it was not, or the person said no."""
    if len(claimed.batch.rows) != 1:
        return None
    if answer.kind == "refused":
        return answer.reason
    refusals = (row for row in answer.rows.values() if row.status == "error" and not row.suppresses)
    return next((row.message for row in refusals), None)
