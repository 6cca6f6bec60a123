"""The daily load, and the sensor that builds what follows from it."""

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

import dagster as dg

from assets.names import LOAD_TAG, asset_key
from marketing_platform.pipeline import all_tables, raw_inputs
from marketing_platform.quality.results import latest_builds
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.state import open_state
from sensors.jobs import housekeeping_job, ingest_job

# The days that a load covers at least; of an export that changed all are taken in.
LOOK_BACK_DAYS = 7
_LOADED_AT = 6
# The day, where the shop is, of which a run is the daily load.
_LOAD_OF = "marketing_platform/load_of"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags of a run that covers the daily partitions from `first` to `last`."""
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}


def load_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags of a load: as `range_tags`, and each stream reads only what it has not read yet."""
    return range_tags(first, last) | {LOAD_TAG: "true"}


def days_to_load(
    today: dt.date, start: dt.date, newest: dt.date | None, look_back_days: int = LOOK_BACK_DAYS
) -> tuple[dt.date, dt.date]:
    """First and last day of a daily load.

    It reaches back to the newest day that was ever loaded, so that days on which nothing ran leave
    no hole; without any, to `start`, where the partitions begin.
    """
    first = min(today - dt.timedelta(days=look_back_days), newest or start)
    return max(start, first), today


def look_back_days(settings: Settings) -> int:
    """How many days a load covers again: as long as any of the shop's systems restates figures."""
    return max(
        [LOOK_BACK_DAYS]
        + [s.look_back_days for source in active_sources(settings) for s in source.streams]
    )


def hourly_pull(
    settings: Settings, loaded: Callable[[Settings], tuple[dt.date, dt.date | None]]
) -> dg.ScheduleDefinition | None:
    """Pulls today and yesterday, every hour, of the systems with `every: hour`.

    What is built of them in staging and core is built in the same run; the rest follows by itself.
    """
    streams = [
        (source, stream)
        for source in active_sources(settings)
        if source.settings.every == "hour"
        for stream in source.streams
    ]
    if not streams:
        return None
    # The elements of a stream's records are views, which nothing has to build.
    views = {source.raw_name(i.name) for source, stream in streams for i in stream.items}
    pulled = [source.raw_name(stream.name) for source, stream in streams]
    arrives = {*pulled, *views}
    tables = [
        name
        for name, table in all_tables(settings).items()
        if table.name.schema in ("staging", "core") and raw_inputs(settings, name) & arrives
    ]
    hourly = [asset_key(name) for name in (*pulled, *tables)]

    @dg.schedule(
        name="hourly_pull",
        job=ingest_job,
        description="Pulls the systems with `every: hour`, and builds of them what is in staging"
        " and core; the rest follows by itself.",
        cron_schedule="30 * * * *",
        execution_timezone=settings.platform.shop.timezone,
        default_status=_status(settings),
    )
    def _hourly_pull(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        built = latest_builds(open_state(settings.state_url.get_secret_value()))
        if "core.clock" not in {build.table_name for build in built}:
            return dg.SkipReason("nothing is built yet: the first load is the daily one")
        moment = context.scheduled_execution_time.astimezone(dt.UTC)
        first, last = days_to_load(moment.date(), *loaded(settings), 1)
        return dg.RunRequest(
            run_key=moment.isoformat(), asset_selection=hourly, tags=load_tags(first, last)
        )

    return _hourly_pull


def _status(settings: Settings) -> dg.DefaultScheduleStatus:
    lives = settings.platform.clock == "now"
    return dg.DefaultScheduleStatus.RUNNING if lives else dg.DefaultScheduleStatus.STOPPED


def daily_ingest(
    settings: Settings, loaded: Callable[[Settings], tuple[dt.date, dt.date | None]]
) -> dg.ScheduleDefinition:
    """Loads the last days at six in the morning, shop time; where that fails, each hour to noon.

    A vendor that is down at six, or somebody who holds the warehouse open, costs an hour then and
    not a day. Switched on for a shop that lives; an export of the past has no tomorrow. `loaded`
    gives the day on which the partitions begin and the newest day that was loaded. It is asked at
    each tick: both move with every load, while the server that asks runs for weeks.
    """
    zone = ZoneInfo(settings.platform.shop.timezone)

    @dg.schedule(
        name="daily_ingest",
        job=ingest_job,
        description="Loads the last days once a day, at six in the morning, shop time; the hours"
        " after it do so only where that failed.",
        cron_schedule="0 6-11 * * *",
        execution_timezone=settings.platform.shop.timezone,
        default_status=_status(settings),
    )
    def _daily_ingest(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(zone)
        today = moment.astimezone(dt.UTC).date()
        key = moment.date().isoformat()
        if moment.hour > _LOADED_AT:
            day = dg.RunsFilter(job_name=ingest_job.name, tags={_LOAD_OF: key})
            runs = context.instance.get_runs(day)
            if any(run.status is not dg.DagsterRunStatus.FAILURE for run in runs):
                return dg.SkipReason("the load of today is done, under way or was stopped")
        first, last = days_to_load(today, *loaded(settings), look_back_days(settings))
        tags = load_tags(first, last) | {_LOAD_OF: key}
        return dg.RunRequest(run_key=f"{key}T{moment.hour:02}", tags=tags)

    return _daily_ingest


housekeeping = dg.ScheduleDefinition(
    name="housekeeping",
    job=housekeeping_job,
    description="Takes away what Dagster keeps of runs older than `run_history.keep_days`.",
    # Evaluations of the automation grow by the hour.
    cron_schedule="15 */6 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    description="Builds what hangs on tables that were loaded or built, once their blocking checks"
    " passed; models that are due are trained again.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
