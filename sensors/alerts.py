"""Raises alerts: failed checks, failed runs, and tables that became stale or fresh again."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from marketing_platform.quality.alerts import Alert, send_alert
from marketing_platform.settings import Settings

_EVENTS_PER_TICK = 50
# What the daemon says of an asset that it sees for the first time is no news.
_NO_NEWS = {FreshnessState.UNKNOWN, FreshnessState.NOT_APPLICABLE}


def alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """All alert sensors of a shop, switched on."""
    return [
        _after_run(settings, dg.DagsterRunStatus.SUCCESS),
        _after_run(settings, dg.DagsterRunStatus.FAILURE),
        _freshness(settings),
    ]


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks that failed in a run.

    Read run by run: a cursor over all events of this type does not work on SQLite.
    """
    found = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=1000
    )
    events = (record.event_log_entry.dagster_event for record in found.records)
    evaluations = (event.event_specific_data for event in events if event)
    return [
        evaluation
        for evaluation in evaluations
        if isinstance(evaluation, dg.AssetCheckEvaluation) and not evaluation.passed
    ]


def check_alert(run_id: str, failed: Iterable[dg.AssetCheckEvaluation]) -> Alert | None:
    """One alert for all failed checks of a run; none where all passed."""
    failed = list(failed)
    if not failed:
        return None
    lines = tuple(
        f"{'/'.join(e.asset_key.path)} {e.check_name}: {_found(e)}"
        f"{' (holds activation)' if e.blocking else ''}"
        for e in failed
    )
    severity = "error" if any(e.blocking for e in failed) else "warning"
    return Alert(f"checks:{run_id}", f"{len(failed)} check(s) failed", lines, severity)


def _found(evaluation: dg.AssetCheckEvaluation) -> str:
    value = evaluation.metadata.get("found")
    return str(value.value) if value else "no detail"


def _after_run(settings: Settings, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"alerts_after_{status.value.lower()}",
        run_status=status,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert for failed checks, and for the run itself where it failed.",
    )
    def _sensor(context: dg.RunStatusSensorContext) -> None:
        run_id = context.dagster_run.run_id
        alert = check_alert(run_id, failed_checks(context.instance, run_id))
        if alert:
            send_alert(settings, alert)
        if status is dg.DagsterRunStatus.FAILURE:
            title = f"run of {context.dagster_run.job_name} failed"
            message = context.dagster_event.message or "no message"
            send_alert(settings, Alert(f"run:{run_id}", title, (message,)))

    return _sensor


def _freshness(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="freshness_alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert when a table becomes late, stale, or fresh again.",
    )
    def _sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        records = list(
            context.instance.get_event_records(
                dg.EventRecordsFilter(
                    event_type=dg.DagsterEventType.FRESHNESS_STATE_CHANGE,
                    after_cursor=int(context.cursor) if context.cursor else None,
                ),
                limit=_EVENTS_PER_TICK,
                ascending=True,
            )
        )
        if not records:
            return dg.SkipReason("no table changed its freshness")
        alert = freshness_alert(records)
        if alert:
            send_alert(settings, alert)
        return dg.SensorResult(cursor=str(records[-1].storage_id))

    return _sensor


def freshness_alert(records: Iterable[dg.EventLogRecord]) -> Alert | None:
    """One alert for all changes that are news."""
    changes = []
    last_id = 0
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        change = event.event_specific_data
        last_id = record.storage_id
        first_sight = {change.previous_state, change.new_state} & _NO_NEWS
        if first_sight and change.new_state not in (FreshnessState.FAIL, FreshnessState.WARN):
            continue
        key = "/".join(change.key.path)
        changes.append(
            (f"{key}: {change.previous_state.value} -> {change.new_state.value}", change)
        )
    if not changes:
        return None
    worse = any(change.new_state is not FreshnessState.PASS for _, change in changes)
    return Alert(
        f"freshness:{last_id}",
        "tables became stale" if worse else "tables are fresh again",
        tuple(line for line, _ in changes),
        "error" if worse else "warning",
    )
