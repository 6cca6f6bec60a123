"""Starts activation when the segments are new and sound, and holds it when they are not."""

import dagster as dg

from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Settings
from marketing_platform.state import open_state
from sensors.jobs import activation_job

_SEGMENTS = (dg.AssetKey(["segments", "memberships"]), dg.AssetKey(["segments", "sizes"]))


def activation_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor of a shop, switched on."""

    @dg.sensor(
        name="activation",
        job=activation_job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the activation job when the segments were rebuilt and every blocking"
        " check before them passed; otherwise holds, and says why.",
    )
    def _sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        built = newest_build(context.instance)
        if built is None:
            return dg.SkipReason("the segments were never built")
        if str(built) == context.cursor:
            return dg.SkipReason("the segments are as they were at the last activation")
        holds = find_holds(open_state(settings.state_url.get_secret_value()), settings)
        if holds:
            # The cursor stays, so that activation goes on by itself once nothing holds it.
            return dg.SkipReason(f"held: {'; '.join(holds)}")
        request = dg.RunRequest(run_key=f"segments-{built}")
        return dg.SensorResult(run_requests=[request], cursor=str(built))

    return _sensor


def newest_build(instance: dg.DagsterInstance) -> int | None:
    """The id of the newest event that built the segments; none before all of them exist."""
    events = [instance.get_latest_materialization_event(key) for key in _SEGMENTS]
    if any(event is None for event in events):
        return None
    records = [instance.fetch_materializations(key, limit=1).records for key in _SEGMENTS]
    return max(record.storage_id for found in records for record in found)
