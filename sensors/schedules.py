"""The daily load, and the sensor that builds what follows from it."""

import datetime as dt

import dagster as dg

from marketing_platform.settings import Settings
from sensors.jobs import ingest_job

# Exports are restated for some days; a load covers them again.
LOOK_BACK_DAYS = 7
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags of a run that covers the daily partitions from `first` to `last`."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def daily_ingest(settings: Settings, start: dt.date) -> dg.ScheduleDefinition:
    """Loads the last days at six in the morning, shop time.

    Switched on for a shop that lives; an export of the past has no tomorrow.
    """
    lives = settings.platform.clock == "now"

    @dg.schedule(
        name="daily_ingest",
        job=ingest_job,
        cron_schedule="0 6 * * *",
        execution_timezone=settings.platform.shop.timezone,
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if lives else dg.DefaultScheduleStatus.STOPPED
        ),
    )
    def _daily_ingest(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.astimezone(dt.UTC).date()
        first = max(start, today - dt.timedelta(days=LOOK_BACK_DAYS))
        return dg.RunRequest(run_key=today.isoformat(), tags=range_tags(first, today))

    return _daily_ingest


automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
