"""Starts activation when there is something to send, and holds it when the tables are not sound."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa

from marketing_platform.activation.balance import due_count
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Settings
from marketing_platform.state import open_state, utc_now
from resources.dead_runs import end_dead_runs
from sensors.jobs import activation_job

_SEGMENTS = (dg.AssetKey(["segments", "memberships"]), dg.AssetKey(["segments", "sizes"]))
_ANOMALIES = dg.AssetKey(["quality", "anomalies"])
_SENDING = (dg.AssetKey(["activation", "plans"]), dg.AssetKey(["activation", "messages"]))
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Rows that the last run could have sent and did not (their destination refused everything, or the
# run failed) would start a run at every tick; they wait this long after it.
PATIENCE = dt.timedelta(minutes=30)


@dataclass(frozen=True)
class LastRun:
    """The latest run of the activation job: its id, when it ended, and whether it failed."""

    run_id: str
    ended_at: dt.datetime
    failed: bool


def activation_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor of a shop, switched on."""
    waits = any(rule.when for rule in settings.platform.activations)
    starts = (*_SEGMENTS, *([_ANOMALIES] if waits else []))

    @dg.sensor(
        name="activation",
        job=activation_job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the activation job when the segments (and the anomalies, where a rule"
        " waits for one) were rebuilt or rows that were put off are due, and every blocking check"
        " before them passed; otherwise holds, and says why.",
    )
    def _sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        end_dead_runs(context.instance)
        built = newest_build(context.instance, starts)
        if built is None:
            return dg.SkipReason("the segments were never built")
        if is_under_way(context.instance):
            return dg.SkipReason("an activation is under way")
        state = open_state(settings.state_url.get_secret_value())
        if str(built) != context.cursor:
            run_key = f"segments-{built}"
        else:
            last = last_run(context.instance)
            if not is_worth_a_run(state, settings, last, utc_now()):
                return dg.SkipReason("the segments are as they were, and nothing is due")
            # One run after each: a tick that is repeated asks for the same, and whatever became of
            # a run, the one after it has another key.
            run_key = f"due-{built}-{last.run_id if last else 'first'}"
        holds = find_holds(state, settings)
        if holds:
            # The cursor stays, so that activation goes on by itself once nothing holds it.
            return dg.SkipReason(f"held: {'; '.join(holds)}")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)], cursor=str(built))

    return _sensor


def newest_build(
    instance: dg.DagsterInstance, tables: Sequence[dg.AssetKey] = _SEGMENTS
) -> int | None:
    """The id of the newest event that built one of the tables; none before all of them exist."""
    records = [instance.fetch_materializations(key, limit=1).records for key in tables]
    if not all(records):
        return None
    return max(record.storage_id for found in records for record in found)


def is_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a run that plans or sends is queued or running, whoever started it."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY))
    return any(
        run.job_name == activation_job.name
        or any(key in _SENDING for key in run.asset_selection or ())
        for run in runs
    )


def last_run(instance: dg.DagsterInstance) -> LastRun | None:
    """The latest run of the activation job, once it has ended."""
    filters = dg.RunsFilter(job_name=activation_job.name)
    for record in instance.get_run_records(filters=filters, limit=1):
        # A run that was cancelled before it began has no end of its own.
        moment = record.update_timestamp
        if record.end_time is not None:
            moment = dt.datetime.fromtimestamp(record.end_time, dt.UTC)
        failed = record.dagster_run.status is dg.DagsterRunStatus.FAILURE
        return LastRun(record.dagster_run.run_id, moment.replace(tzinfo=dt.UTC), failed)
    return None


def is_worth_a_run(
    state: sa.Engine, settings: Settings, last: LastRun | None, now: dt.datetime
) -> bool:
    """Whether rows are due: at once for those that became due since the last run.

    A run that failed may not even have planned, and is worth another once patience is over.
    """
    names = list(settings.platform.destinations)
    if last is None:
        return due_count(state, now, names) > 0
    if now - last.ended_at >= PATIENCE:
        return last.failed or due_count(state, now, names) > 0
    return due_count(state, now, names, since=last.ended_at) > 0
