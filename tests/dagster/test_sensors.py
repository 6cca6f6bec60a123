"""Sensors on a real SQLite instance: what starts, what holds, what is told to people."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._utils.error import serializable_error_info_from_exc_info
from inbox import Inbox
from tiny_orders import key

from marketing_platform.activation import plan_all
from marketing_platform.activation.balance import due_count
from marketing_platform.activation.claims import Holder, claim
from marketing_platform.definitions import build_definitions, run_job
from marketing_platform.destinations import make_destination
from marketing_platform.errors import ConfigError
from marketing_platform.quality.alerts import Alert, announce, send_alert
from marketing_platform.quality.incidents import open_incidents, recent_incidents
from marketing_platform.quality.results import CheckResult, record_check
from marketing_platform.settings import Settings, When
from marketing_platform.state import messages, open_state, utc_now, writing
from marketing_platform.warehouse import Warehouse
from resources.run_errors import errors_of
from sensors.activation import PATIENCE, activation_sensor
from sensors.alerts import alert_sensors, silent_sensors

SEGMENTS = (key("segments.memberships"), key("segments.sizes"))


def build_segments(instance: dg.DagsterInstance) -> None:
    for asset in SEGMENTS:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset))


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None) -> Any:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        return sensor(context)


def test_new_anomalies_start_activation_where_a_rule_waits_for_one(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    [rule] = tiny_shop.platform.activations
    waiting = rule.model_copy(update={"when": When(metric="orders", kind="dip")})
    platform = tiny_shop.platform.model_copy(update={"activations": (waiting,)})
    sensor = activation_sensor(tiny_shop.model_copy(update={"platform": platform}))
    other = activation_sensor(tiny_shop)
    build_segments(instance)
    cursor = tick(other, instance, None).cursor
    instance.report_runless_asset_event(dg.AssetMaterialization(key("quality.anomalies")))
    assert "nothing is due" in tick(other, instance, cursor).skip_message
    assert len(tick(sensor, instance, cursor).run_requests) == 1


def test_activation_starts_once_for_each_build_of_the_segments(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = activation_sensor(tiny_shop)
    assert "never built" in tick(sensor, instance, None).skip_message
    build_segments(instance)
    first = tick(sensor, instance, None)
    assert len(first.run_requests) == 1
    assert "as they were" in tick(sensor, instance, first.cursor).skip_message
    build_segments(instance)
    second = tick(sensor, instance, first.cursor)
    assert second.run_requests[0].run_key != first.run_requests[0].run_key


def test_activation_holds_while_a_blocking_check_fails_and_goes_on_when_it_passes(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = activation_sensor(tiny_shop)
    state = open_state(tiny_shop.state_url.get_secret_value())
    failed = CheckResult("core.orders", "contract", False, "order_id: is unique fails for 2 rows")
    build_segments(instance)
    record_check(state, failed)
    skipped = tick(sensor, instance, None)
    assert skipped.skip_message == (
        "held: core.orders: check contract failed: order_id: is unique fails for 2 rows"
    )
    record_check(state, dataclasses.replace(failed, passed=True))
    assert len(tick(sensor, instance, None).run_requests) == 1


def activation_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job: str = "activation"
) -> dg.DagsterRun:
    """A run of the activation job that is, or ended, as told."""

    @dg.job(name=job)
    def activation() -> None: ...

    if status is not dg.DagsterRunStatus.FAILURE:
        return instance.create_run_for_job(activation, status=status)
    run = instance.create_run_for_job(activation, status=dg.DagsterRunStatus.STARTED)
    # The event notes when the run ended.
    instance.report_run_failed(run)
    return run


def put_off(settings: Settings, until: dt.datetime) -> None:
    """All that waits for the destination of the shop is due then."""
    engine = open_state(settings.state_url.get_secret_value())
    with writing(engine) as connection:
        connection.execute(messages.update().values(next_attempt_at=until))


@pytest.fixture
def waiting(built: Settings) -> Settings:
    """The built shop with a plan of which nothing was sent yet."""
    engine = open_state(built.state_url.get_secret_value())
    (plan,) = plan_all(Warehouse(built.warehouse_path), engine, built)
    assert plan.eligible_count == 12
    return built


def test_rows_that_were_put_off_are_sent_when_they_are_due_though_nothing_was_rebuilt(
    waiting: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = activation_sensor(waiting)
    cursor = tick(sensor, instance, None).cursor
    now = dt.datetime.now(dt.UTC)
    put_off(waiting, now + dt.timedelta(hours=1))
    assert "nothing is due" in tick(sensor, instance, cursor).skip_message
    put_off(waiting, now)
    first = tick(sensor, instance, cursor)
    assert len(first.run_requests) == 1
    again = tick(sensor, instance, cursor)
    assert again.run_requests[0].run_key == first.run_requests[0].run_key, "one cause, one run"
    assert run_job(waiting, "activation").success
    assert "nothing is due" in tick(sensor, instance, first.cursor).skip_message


def test_what_the_last_run_could_not_send_waits_and_is_not_blocked_for_ever(
    waiting: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = activation_sensor(waiting)
    cursor = tick(sensor, instance, None).cursor
    put_off(waiting, dt.datetime.now(dt.UTC))
    keys = [tick(sensor, instance, cursor).run_requests[0].run_key]
    for _ in range(2):
        activation_run(instance, dg.DagsterRunStatus.FAILURE)
        assert "nothing is due" in tick(sensor, instance, cursor).skip_message
        later = dt.datetime.now(dt.UTC) + PATIENCE
        with monkeypatch.context() as clock:
            clock.setattr("sensors.activation.utc_now", lambda moment=later: moment)
            keys.append(tick(sensor, instance, cursor).run_requests[0].run_key)
    assert len(set(keys)) == 3
    put_off(waiting, dt.datetime.now(dt.UTC))
    assert tick(sensor, instance, cursor).run_requests, "a new cause does not wait"


def test_a_run_that_failed_before_it_planned_is_tried_again_once_patience_is_over(
    built: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = activation_sensor(built)
    cursor = tick(sensor, instance, None).cursor
    activation_run(instance, dg.DagsterRunStatus.FAILURE)
    assert "nothing is due" in tick(sensor, instance, cursor).skip_message
    later = dt.datetime.now(dt.UTC) + PATIENCE
    monkeypatch.setattr("sensors.activation.utc_now", lambda: later)
    assert len(tick(sensor, instance, cursor).run_requests) == 1
    activation_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert "nothing is due" in tick(sensor, instance, cursor).skip_message


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_no_second_activation_while_one_is_under_way(
    waiting: Settings, instance: dg.DagsterInstance, status: str
) -> None:
    sensor = activation_sensor(waiting)
    run = activation_run(instance, dg.DagsterRunStatus(status))
    assert "under way" in tick(sensor, instance, None).skip_message
    instance.report_run_failed(run)
    assert len(tick(sensor, instance, None).run_requests) == 1


def test_a_run_of_another_job_is_not_an_activation(
    waiting: Settings, instance: dg.DagsterInstance
) -> None:
    activation_run(instance, dg.DagsterRunStatus.STARTED, job="build")
    assert len(tick(activation_sensor(waiting), instance, None).run_requests) == 1


def test_rows_that_are_due_are_held_like_all_others(
    waiting: Settings, instance: dg.DagsterInstance
) -> None:
    sensor = activation_sensor(waiting)
    cursor = tick(sensor, instance, None).cursor
    put_off(waiting, dt.datetime.now(dt.UTC))
    state = open_state(waiting.state_url.get_secret_value())
    record_check(state, CheckResult("core.orders", "contract", False, "broken"))
    assert "held: core.orders" in tick(sensor, instance, cursor).skip_message


def test_due_rows_of_a_held_audience_or_an_unknown_destination_start_nothing(
    waiting: Settings,
) -> None:
    engine = open_state(waiting.state_url.get_secret_value())
    now = dt.datetime.now(dt.UTC)
    assert due_count(engine, now, ["feeds"]) == 12
    assert due_count(engine, now, ["feeds"], since=now) == 0
    assert due_count(engine, now, ["crm"]) == 0
    plan_all(Warehouse(waiting.warehouse_path), engine, waiting, holds=["something is wrong"])
    assert due_count(engine, now, ["feeds"]) == 0


def test_rows_that_a_dead_run_left_in_flight_are_due_when_its_lease_ends(
    waiting: Settings,
) -> None:
    engine = open_state(waiting.state_url.get_secret_value())
    now = dt.datetime.now(dt.UTC)
    holder = Holder("another host|1|1|x", now, now + dt.timedelta(minutes=2))
    assert claim(engine, make_destination("feeds", waiting), "1 = 1", holder) is not None
    assert due_count(engine, now, ["feeds"]) == 0
    assert due_count(engine, now + dt.timedelta(minutes=2), ["feeds"]) == 12


def test_a_failed_check_that_does_not_block_holds_nothing(
    tiny_shop: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(tiny_shop.state_url.get_secret_value())
    record_check(state, CheckResult("predictions.models", "x", False, "weak", is_blocking=False))
    build_segments(instance)
    assert len(tick(activation_sensor(tiny_shop), instance, None).run_requests) == 1


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as opened:
        yield opened


@pytest.fixture
def alerting(inbox: Inbox, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(alerts={"webhook_url": inbox.url, "webhook_token": "t0ken"})


def run_with_a_failing_check(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset(key=["core", "orders"])
    def orders() -> None: ...

    @dg.asset_check(asset=orders, blocking=True)
    def contract() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, metadata={"found": "2 rows without a key"})

    return dg.materialize([orders, contract], instance=instance, raise_on_error=False)


def incidents_sensor(settings: Settings) -> dg.SensorDefinition:
    return next(s for s in alert_sensors(settings) if s.name == "incidents")


def after_run(
    settings: Settings, instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult
) -> None:
    """Let the sensor that looks at runs see this one."""
    name, kind = (
        ("success", "PIPELINE_SUCCESS") if result.success else ("failure", "PIPELINE_FAILURE")
    )
    sensor = next(s for s in alert_sensors(settings) if s.name == f"incidents_after_{name}")
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    event = next(e for e in result.all_events if e.event_type_value == kind)
    sensor(
        dg.build_run_status_sensor_context(
            sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=run
        )
    )


def test_a_failed_run_and_a_failed_check_are_one_alert_and_their_end_another(
    alerting: Settings, inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    state = open_state(alerting.state_url.get_secret_value())
    after_run(alerting, instance, run_with_a_failing_check(instance))
    failed = CheckResult("core.orders", "contract", False, "ada@example.com has no key")
    record_check(state, failed)
    sensor = incidents_sensor(alerting)
    first = tick(sensor, instance, None)
    [alert] = inbox.got
    assert alert["title"].startswith("2 opened: ")
    assert any(
        line == "opened: core.orders: contract failed: [e-mail] has no key (holds all activations)"
        for line in alert["lines"]
    )
    assert inbox.tokens == ["Bearer t0ken"]
    again = tick(sensor, instance, first.cursor)
    assert isinstance(again, dg.SkipReason), "nothing new: no alert, no page"
    record_check(state, dataclasses.replace(failed, passed=True))

    @dg.asset
    def fine() -> None: ...

    after_run(alerting, instance, dg.materialize([fine], instance=instance))
    tick(sensor, instance, first.cursor)
    assert len(inbox.got) == 1, "it could come back at once"
    assert [one.closed_at is None for one in recent_incidents(state)] == [False, False]
    announce(state, alerting, now=utc_now() + dt.timedelta(minutes=11))
    assert inbox.got[-1]["title"].startswith("2 over: ")


def test_the_health_page_is_written_when_something_changes(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(alerting.state_url.get_secret_value())
    sensor = incidents_sensor(alerting)
    first = tick(sensor, instance, None)
    [event] = first.asset_events
    assert event.asset_key == key("quality.health")
    assert "**All is well.**" in event.metadata["page"].value
    assert isinstance(tick(sensor, instance, first.cursor), dg.SkipReason)
    record_check(state, CheckResult("core.orders", "contract", False, "2 rows | without a key"))
    [event] = tick(sensor, instance, first.cursor).asset_events
    page = event.metadata["page"].value
    assert "**Activation is held.** 1 incident open, 1 of them critical." in page
    assert "2 rows / without a key" in page, "a bar would end the cell"


def ticked(instance: dg.DagsterInstance, name: str, when: dt.datetime) -> None:
    """A sensor that is switched on and ticked last at that moment."""
    origin = RemoteInstigatorOrigin(
        repository_origin=RemoteRepositoryOrigin(
            code_location_origin=RegisteredCodeLocationOrigin("here"), repository_name="it"
        ),
        instigator_name=name,
    )
    data = SensorInstigatorData(last_tick_timestamp=when.timestamp(), min_interval=30)
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    )


def test_a_sensor_that_does_not_tick_any_more_is_told(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    hour, now = dt.timedelta(hours=1), utc_now()
    ticked(instance, "activation", now - hour)
    ticked(instance, "incidents", now)
    [finding] = silent_sensors(instance, now)
    assert finding.title == "the sensor activation is silent"
    assert silent_sensors(instance, now - hour) == []


def test_a_daemon_that_starts_after_an_outage_calls_no_sensor_silent(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    night, now = dt.timedelta(hours=9), utc_now()
    for name in ("activation", "incidents"):
        ticked(instance, name, now - night)
    assert silent_sensors(instance, now) == []


def test_a_sensor_that_an_earlier_version_had_is_not_called_silent(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    now = utc_now()
    ticked(instance, "incidents", now)
    ticked(instance, "freshness_alerts", now - dt.timedelta(days=9))
    definitions = build_definitions(alerting)
    with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
        incidents_sensor(alerting)(context)
    assert open_incidents(open_state(alerting.state_url.get_secret_value())) == []


def test_a_job_that_failed_in_the_ui_is_well_again_after_a_run_from_the_command_line(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(alerting.state_url.get_secret_value())
    fails = [True]

    @dg.op
    def build_it() -> None:
        if fails[0]:
            raise dg.Failure("no space left on device")

    @dg.job
    def build() -> None:
        build_it()

    sensor = incidents_sensor(alerting)
    after_run(alerting, instance, build.execute_in_process(instance=instance, raise_on_error=False))
    tick(sensor, instance, None)
    [incident] = open_incidents(state)
    assert incident.title == "a run of build failed"
    assert incident.detail == "build_it: no space left on device"
    fails[0] = False
    # No sensor is told of its end.
    assert build.execute_in_process(instance=instance).success
    tick(sensor, instance, None)
    assert open_incidents(state) == []


def test_a_run_that_could_not_begin_says_which_setting_is_wrong(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    run = activation_run(instance, dg.DagsterRunStatus.STARTED)
    try:
        raise ConfigError("shopp: no such key, perhaps shop", where="config/platform.yaml")
    except ConfigError:
        error = serializable_error_info_from_exc_info(sys.exc_info())
    instance.report_engine_event(
        "Could not load job definition.", run, EngineEventData.engine_error(error)
    )
    instance.report_run_failed(run)
    assert errors_of(instance, run.run_id) == [
        "config/platform.yaml: shopp: no such key, perhaps shop"
    ]


def report_freshness(
    instance: dg.DagsterInstance,
    old: FreshnessState,
    new: FreshnessState,
    table: str = "core.orders",
) -> None:
    instance.report_dagster_event(
        dg.DagsterEvent(
            event_type_value="FRESHNESS_STATE_CHANGE",
            job_name="freshness",
            event_specific_data=FreshnessStateChange(
                key=key(table),
                previous_state=old,
                new_state=new,
                state_change_timestamp=1.0,
            ),
        ),
        run_id="",
    )


def test_a_table_that_becomes_stale_is_an_incident_until_it_is_fresh_again(
    alerting: Settings, instance: dg.DagsterInstance
) -> None:
    state = open_state(alerting.state_url.get_secret_value())
    sensor = next(s for s in alert_sensors(alerting) if s.name == "freshness_incidents")
    report_freshness(instance, FreshnessState.UNKNOWN, FreshnessState.PASS)
    report_freshness(instance, FreshnessState.PASS, FreshnessState.FAIL)
    first = tick(sensor, instance, None)
    [found] = open_incidents(state)
    assert (found.title, found.holds) == ("core/orders was not built in time", "all activations")
    assert "no table changed" in tick(sensor, instance, first.cursor).skip_message
    report_freshness(instance, FreshnessState.FAIL, FreshnessState.PASS)
    tick(sensor, instance, first.cursor)
    assert open_incidents(state) == []


def test_a_stale_table_of_a_source_that_is_taken_out_is_no_incident_any_more(
    make_settings: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    settings = make_settings(sources={"klaviyo": {"api_key": "pk_x"}})
    state = open_state(settings.state_url.get_secret_value())
    report_freshness(
        instance, FreshnessState.PASS, FreshnessState.FAIL, table="raw.klaviyo_profiles"
    )

    def told(settings: Settings, cursor: str | None) -> str | None:
        sensor = next(s for s in alert_sensors(settings) if s.name == "freshness_incidents")
        after = tick(sensor, instance, cursor)
        return after.cursor if isinstance(after, dg.SensorResult) else cursor

    cursor = told(settings, told(settings, None))
    [found] = open_incidents(state)
    assert found.title == "raw/klaviyo_profiles was not built in time"
    told(make_settings(), cursor)
    assert open_incidents(state) == []


def test_an_alert_that_cannot_be_delivered_stops_nothing_and_shows_no_secret(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    with Inbox(status=500) as refused:
        settings = make_settings(alerts={"webhook_url": refused.url, "webhook_token": "s3cret"})
        assert not send_alert(settings, Alert("k", "checks failed", ("core/orders",)))
    assert not send_alert(settings, Alert("k", "checks failed", ("core/orders",)))
    assert "checks failed: core/orders" in caplog.text
    assert "s3cret" not in caplog.text
    assert refused.url not in caplog.text
