"""The dispatcher's desk: the ledger's calls in one thread beside the event loop.

One thread, because the calls of a run would only wait for each other in the database; its own,
because a name server that hangs fills the threads that the event loop shares.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa

from marketing_platform.activation import claims
from marketing_platform.activation.claims import Claim, Holder
from marketing_platform.activation.owner import new_owner
from marketing_platform.activation.settle import settle
from marketing_platform.activation.verdict import Verdict
from marketing_platform.destinations import Destination
from marketing_platform.settings import Fatigue

_Result = TypeVar("_Result")


class Desk:
    """The ledger as one dispatcher sees it: under its name, with its clock and its leases."""

    def __init__(
        self,
        engine: sa.Engine,
        now: Callable[[], dt.datetime],
        lease_seconds: float,
        fatigue: Fatigue | None = None,
    ) -> None:
        self.now = now
        self._engine = engine
        self._name = new_owner()
        self._lease = dt.timedelta(seconds=lease_seconds)
        self._fatigue = fatigue or Fatigue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def claim(
        self,
        destination: Destination,
        phase: str,
        *,
        audiences: Collection[str],
        without: Collection[str] = (),
    ) -> Claim | None:
        """The next batch of a phase, of other audiences than those of `without`."""
        chosen = {"audiences": audiences, "without": tuple(without)}
        return await self._do(
            lambda me: claims.claim(self._engine, destination, phase, me, **chosen)
        )

    async def claim_whole(self, destination: Destination, audience: str) -> Claim | None:
        """A feed that has to be written though nothing changed."""
        return await self._do(
            lambda me: claims.claim_whole(self._engine, destination, audience, me)
        )

    async def take_over(self, destination: Destination, audiences: Collection[str]) -> Claim | None:
        """A batch that a dead dispatcher left."""
        return await self._do(lambda me: claims.take_over(self._engine, destination, me, audiences))

    async def settle(self, claimed: Claim, verdict: Verdict) -> tuple[Counter[str], list[Claim]]:
        """Write a verdict down."""
        return await self._do(
            lambda me: settle(
                self._engine,
                claimed,
                me,
                verdict.default,
                verdict.rows,
                groups=verdict.groups,
                notes=verdict.notes,
                is_doubtful=verdict.is_doubtful,
            )
        )

    async def postpone(self, destination: Destination, until: dt.datetime) -> None:
        """Leave all that waits for a destination alone until then."""
        await self._do(lambda _: claims.postpone(self._engine, destination, until))

    async def keep_leases(self) -> None:
        """Renew the leases of this dispatcher, for ever."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await self._do(lambda me: claims.renew(self._engine, me))

    async def close(self) -> None:
        """Let go of whatever is still open."""
        await self._do(lambda me: claims.release(self._engine, me))
        self._thread.shutdown()

    async def _do(self, work: Callable[[Holder], _Result]) -> _Result:
        def run() -> _Result:
            now = self.now()
            return work(Holder(self._name, now, now + self._lease, self._fatigue))

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)
