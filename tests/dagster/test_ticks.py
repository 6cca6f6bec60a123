"""A machine whose clock was ahead for a while."""

from __future__ import annotations

import datetime as dt
import time
from types import SimpleNamespace
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.sensor import is_under_min_interval

from marketing_platform.definitions import begin_instance
from marketing_platform.settings import Settings

DAY = 86_400.0
SENSOR: Any = SimpleNamespace(min_interval_seconds=30)


def noted(
    instance: dg.DagsterInstance, name: str, kind: InstigatorType, data: Any, when: float
) -> InstigatorState:
    """Something that is switched on, and ticked last at that moment."""
    location = RegisteredCodeLocationOrigin("here")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "it"), name)
    state = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)
    for moment in (when - 30, when):
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=kind,
                status=TickStatus.SKIPPED,
                timestamp=moment,
                selector_id=state.selector_id,
            )
        )
    return state


def found(instance: dg.DagsterInstance, state: InstigatorState) -> tuple[InstigatorState, float]:
    """A state as it stands now, and its last tick."""
    now = instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
    [last] = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    assert now is not None
    return now, last.timestamp


def test_after_a_clock_that_was_ahead_a_start_of_the_daemon_lets_all_tick_again(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    began = time.time()
    ahead = began + 300 * DAY
    kept = SensorInstigatorData(
        last_tick_timestamp=ahead, last_tick_start_timestamp=ahead, min_interval=30, cursor="17"
    )
    sensor = noted(instance, "activation", InstigatorType.SENSOR, kept, ahead)
    daily = ScheduleInstigatorData("0 6 * * *", began - 9 * DAY, last_iteration_timestamp=ahead)
    schedule = noted(instance, "daily_ingest", InstigatorType.SCHEDULE, daily, ahead)
    assert is_under_min_interval(sensor, SENSOR)
    begin_instance(tiny_shop)
    now, last = found(instance, sensor)
    assert (
        now.instigator_data._replace(last_tick_timestamp=ahead, last_tick_start_timestamp=ahead)
        == kept
    ), "a cursor stays where it is"
    assert now.instigator_data.last_tick_timestamp <= time.time()
    assert last <= time.time()
    now, last = found(instance, schedule)
    assert now.instigator_data.last_iteration_timestamp <= time.time()
    assert now.instigator_data.start_timestamp == daily.start_timestamp
    assert last <= time.time()


def test_what_ticked_at_its_time_is_left_as_it_is(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    when = dt.datetime.now(dt.UTC).timestamp() - 10
    kept = SensorInstigatorData(last_tick_timestamp=when, min_interval=30, cursor="17")
    sensor = noted(instance, "activation", InstigatorType.SENSOR, kept, when)
    begin_instance(tiny_shop)
    assert found(instance, sensor) == (sensor, when)
