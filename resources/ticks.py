"""Sets ticks right that a machine noted while its clock was ahead.

A schedule begins after its last tick, and a sensor waits until some time after it. Where the last
one was noted by a clock that was ahead, both wait until it is as late as it was then, a start of
the daemon changes nothing, and the sensor that would tell of it waits with them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState

# Two processes may be this far apart.
_TOLERANCE_SECONDS = 300.0


def set_ticks_right(instance: dg.DagsterInstance, now: dt.datetime) -> list[str]:
    """Let what was noted of a time to come be of now; gives the schedules and sensors."""
    ours = []
    for state in instance.all_instigator_state():
        data: Any = state.instigator_data
        known = data._asdict() if data is not None else {}
        # What tells a moment is a number of seconds; the interval is no moment.
        wrong = {
            name: now.timestamp()
            for name, value in known.items()
            if name.endswith("_timestamp") and value and _is_to_come(value, now)
        }
        if wrong:
            instance.update_instigator_state(state.with_data(data._replace(**wrong)))
        if _set_ticks_right(instance, state, now) or wrong:
            ours.append(state.instigator_name)
    return ours


def _set_ticks_right(
    instance: dg.DagsterInstance, state: InstigatorState, now: dt.datetime
) -> bool:
    after = now.timestamp() + _TOLERANCE_SECONDS
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=after)
    for tick in ticks:
        right = tick.tick_data._replace(timestamp=now.timestamp())
        instance.update_tick(tick._replace(tick_data=right))
    return bool(ticks)


def _is_to_come(timestamp: float, now: dt.datetime) -> bool:
    return timestamp > now.timestamp() + _TOLERANCE_SECONDS
