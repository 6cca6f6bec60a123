"""Sends what the ledger holds: all destinations at once, each at its own pace."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable
from threading import Event

import sqlalchemy as sa

from marketing_platform.activation.balance import in_flight_count, waiting_counts
from marketing_platform.activation.courier import Courier
from marketing_platform.activation.desk import Desk
from marketing_platform.activation.ledger import close_plans, note_telling
from marketing_platform.activation.report import DestinationReport, DispatchReport
from marketing_platform.activation.rules import check_destination
from marketing_platform.destinations import Destination, make_destination
from marketing_platform.settings import Settings
from marketing_platform.state import utc_now, writing

LEASE_SECONDS = 120.0
_TELL_SECONDS = 3.0
_log = logging.getLogger(__name__)


def dispatch(
    engine: sa.Engine,
    settings: Settings,
    *,
    now: Callable[[], dt.datetime] = utc_now,
    destinations: Iterable[str] | None = None,
    stop: Event | None = None,
    only_leftovers: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    make: Callable[[str, Settings], Destination] = make_destination,
    on_progress: Callable[[str], None] | None = None,
) -> DispatchReport:
    """Send what is due, and settle it row by row.

    `destinations` limits the run to some, `stop` ends it: what is under way is finished, nothing
    new is claimed. `only_leftovers` just brings to an end what a dead run left in flight. A batch
    that is not settled belongs to this run for `lease_seconds`, renewed as long as the run lives.
    `on_progress` is told in a line, every few seconds, how far each destination is.
    """
    names = list(dict.fromkeys(destinations or settings.platform.destinations))
    for name in names:
        check_destination(name, settings)
    note_telling(engine, settings.data_dir)
    halt = stop or Event()
    desk = Desk(engine, now, lease_seconds, settings.platform.fatigue)
    audiences: dict[str, set[str]] = {name: set() for name in names}
    for rule in settings.platform.activations:
        audiences.setdefault(rule.destination, set()).add(rule.name)
    couriers = [Courier(desk, make(name, settings), audiences[name], halt) for name in names]
    reports = asyncio.run(_run(desk, couriers, only_leftovers, on_progress))
    with writing(engine) as connection:
        close_plans(connection, now())
    waiting = waiting_counts(engine)
    return DispatchReport(
        destinations=tuple(reports),
        was_stopped=halt.is_set(),
        in_flight_count=in_flight_count(engine, names),
        unknown_destinations={
            name: count
            for name, count in waiting.items()
            if name not in settings.platform.destinations
        },
    )


async def _run(
    desk: Desk,
    couriers: list[Courier],
    only_leftovers: bool,
    on_progress: Callable[[str], None] | None,
) -> list[DestinationReport]:
    leases = asyncio.create_task(desk.keep_leases())
    progress = asyncio.create_task(_tell(couriers, on_progress)) if on_progress else None
    try:
        return await asyncio.gather(*(_guarded(courier, only_leftovers) for courier in couriers))
    finally:
        leases.cancel()
        if progress:
            progress.cancel()
        await desk.close()


async def _tell(couriers: list[Courier], on_progress: Callable[[str], None]) -> None:
    """Tell how far each destination is, until it is over."""
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        on_progress("; ".join(courier.report.line() for courier in couriers))


async def _guarded(courier: Courier, only_leftovers: bool) -> DestinationReport:
    """Run one destination; whatever goes wrong with it stops no other."""
    try:
        return await courier.run(only_leftovers=only_leftovers)
    except Exception as error:
        _log.exception("the dispatch to %s ended early", courier.report.destination)
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        courier.report.stopped = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return courier.report
