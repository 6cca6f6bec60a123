"""Plans and sends in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa

from marketing_platform.activation.dispatch import dispatch
from marketing_platform.activation.plan import Plan, plan_all
from marketing_platform.activation.report import DispatchReport
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse


def activate(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    *,
    holds: Sequence[str] = (),
    force: bool = False,
    stop: Event | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> tuple[list[Plan], DispatchReport]:
    """Bring what a dead run left to its end, plan every rule, and send.

    What is in flight cannot be planned anew, so leftovers go first. With `holds` nothing leaves.
    """
    if holds:
        plans = plan_all(warehouse, engine, settings, holds=holds, force=force)
        return plans, DispatchReport(destinations=())
    leftovers = dispatch(engine, settings, stop=stop, only_leftovers=True)
    plans = plan_all(warehouse, engine, settings, force=force)
    sent = dispatch(engine, settings, stop=stop, on_progress=on_progress)
    return plans, leftovers.add(sent)
