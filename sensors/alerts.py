"""Opens and closes incidents, tells people of them, and writes the health page."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Sequence

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.run_request import InstigatorType

from assets.names import asset_key
from marketing_platform.quality.alerts import announce
from marketing_platform.quality.findings import find_all, held_by
from marketing_platform.quality.health import health_page
from marketing_platform.quality.holds import is_gone
from marketing_platform.quality.incidents import (
    Finding,
    close_incident,
    open_incident,
    open_incidents,
    report,
)
from marketing_platform.settings import Settings
from marketing_platform.state import open_state, utc_now
from resources.run_errors import errors_of

HEALTH = asset_key("quality.health")
_INCIDENTS = "incidents"
_EVENTS_PER_TICK = 50
_ERRORS_TOLD = 3
_INTERVAL_SECONDS = 30
# A page on which nothing changed is written again after this time, so that its age tells something.
_PAGE_LASTS = dt.timedelta(hours=1)
# A sensor that has not ticked for this long is silent; all of ours tick every half a minute.
_SILENT_AFTER = dt.timedelta(minutes=15)


def alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """All sensors of a shop that look after incidents, switched on."""
    return [
        _after_run(settings, dg.DagsterRunStatus.SUCCESS),
        _after_run(settings, dg.DagsterRunStatus.FAILURE),
        _freshness(settings),
        _incidents(settings),
    ]


def _after_run(settings: Settings, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"incidents_after_{status.value.lower()}",
        run_status=status,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Opens an incident for a job whose run failed, and closes it when one is"
        " well again.",
    )
    def _sensor(context: dg.RunStatusSensorContext) -> None:
        run, state = context.dagster_run, open_state(settings.state_url.get_secret_value())
        if status is dg.DagsterRunStatus.SUCCESS:
            close_incident(state, f"run:{run.job_name}")
            return
        finding = Finding(
            f"run:{run.job_name}",
            f"a run of {run.job_name} failed",
            "; ".join(errors_of(context.instance, run.run_id)[:_ERRORS_TOLD])
            or context.dagster_event.message
            or "no message",
            "critical",
            link=f"/runs/{run.run_id}",
        )
        open_incident(state, "runs", finding)

    return _sensor


def _freshness(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="freshness_incidents",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Opens an incident for a table that was not built in time, and closes it when"
        " it is fresh again.",
    )
    def _sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        forget_gone(settings)
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
        note_freshness(settings, records)
        return dg.SensorResult(
            skip_reason=f"noted {len(records)} change(s) of freshness",
            cursor=str(records[-1].storage_id),
        )

    return _sensor


def forget_gone(settings: Settings) -> None:
    """Close the incidents of tables of a source that was taken out: nothing builds them again."""
    state = open_state(settings.state_url.get_secret_value())
    for incident in open_incidents(state):
        kind, _, path = incident.key.partition(":")
        if kind == "freshness" and is_gone(settings, path.replace("/", ".")):
            close_incident(state, incident.key)


def note_freshness(settings: Settings, records: Iterable[dg.EventLogRecord]) -> None:
    """Open or close the incident of each table whose freshness changed."""
    state = open_state(settings.state_url.get_secret_value())
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        change = event.event_specific_data
        path = "/".join(change.key.path)
        key = f"freshness:{path}"
        if change.new_state is FreshnessState.PASS:
            close_incident(state, key)
        elif change.new_state in (FreshnessState.FAIL, FreshnessState.WARN):
            is_stale = change.new_state is FreshnessState.FAIL
            finding = Finding(
                key,
                f"{path} was not built in time",
                "it is stale" if is_stale else "it is late",
                "critical" if is_stale else "warning",
                holds=held_by(settings, ".".join(change.key.path)) if is_stale else None,
                link=f"/assets/{path}",
            )
            open_incident(state, "freshness", finding)


def _incidents(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name=_INCIDENTS,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at checks, sources, plans, the ledger and the other sensors; opens and"
        " closes incidents, sends alerts, and writes the health page (quality/health).",
    )
    def _sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = utc_now()
        state = open_state(settings.state_url.get_secret_value())
        report(state, "state", find_all(state, settings, now=now), now=now)
        silent = silent_sensors(context.instance, now, _names(context))
        report(state, "sensors", silent, now=now)
        close_mended_jobs(state, context.instance)
        delivered = announce(state, settings, now=now)
        page = health_page(state, settings, now=now)
        before, _, written = (context.cursor or "").partition(" ")
        # What changes by itself, the page's own time, is in its first line.
        digest = hashlib.sha256(page.partition("\n")[2].encode()).hexdigest()[:16]
        is_young = bool(written) and now - dt.datetime.fromisoformat(written) < _PAGE_LASTS
        if digest == before and is_young:
            told = "nothing new" if delivered else "an alert could not be delivered"
            return dg.SkipReason(told)
        return dg.SensorResult(
            skip_reason="the health page was written",
            cursor=f"{digest} {now.isoformat()}",
            asset_events=[
                dg.AssetMaterialization(HEALTH, metadata={"page": dg.MetadataValue.md(page)})
            ],
        )

    return _sensor


def close_mended_jobs(state: sa.Engine, instance: dg.DagsterInstance) -> None:
    """Close the incidents of jobs of which a run succeeded since one failed.

    Of runs from the command line, which have a process of their own, Dagster tells no sensor.
    """
    for incident in open_incidents(state):
        kind, _, job = incident.key.partition(":")
        if kind == "run":
            good, bad = (
                _last_end(instance, job, status)
                for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
            )
            if good > bad:
                close_incident(state, incident.key)


def _last_end(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> float:
    filters = dg.RunsFilter(job_name=job, statuses=[status])
    ends = [record.end_time or 0 for record in instance.get_run_records(filters, limit=1)]
    return max(ends, default=0)


def _names(context: dg.SensorEvaluationContext) -> Collection[str] | None:
    """The sensors that there are; None where the context does not tell."""
    location = context.repository_def
    return {sensor.name for sensor in location.sensor_defs} if location else None


def silent_sensors(
    instance: dg.DagsterInstance, now: dt.datetime, names: Collection[str] | None = None
) -> Sequence[Finding]:
    """The sensors of these names that are switched on and have not ticked for a while.

    Dagster keeps the state of a sensor that an earlier version had under another name.
    After an outage of the daemon, or of the machine, none has: whichever ticks first tells nothing
    of the others, whose turn comes.
    """
    ages = {}
    for one in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        ticked = getattr(one.instigator_data, "last_tick_timestamp", None)
        is_ours = names is None or one.instigator_name in names
        if is_ours and one.is_running and ticked is not None:
            ages[one.instigator_name] = now - dt.datetime.fromtimestamp(ticked, dt.UTC)
    if ages.get(_INCIDENTS, dt.timedelta(0)) > _SILENT_AFTER:
        return []
    return [
        Finding(
            f"sensor:{name}",
            f"the sensor {name} is silent",
            f"it has not ticked for {int(age.total_seconds() // 60)} minutes",
            "critical",
            link=f"/overview/sensors/{name}",
        )
        for name, age in ages.items()
        if age > _SILENT_AFTER
    ]
