"""The jobs that sensors, schedules and the command line start."""

import datetime as dt
from dataclasses import asdict

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from marketing_platform.settings import Settings
from resources.run_history import trim_run_history

# Built for days that a person asks for in a backfill.
_HISTORY = dg.AssetSelection.assets("profiles/history", "predictions/score_history")
# Everything from the exports to the segments; nothing that sends.
SENDING = dg.AssetSelection.assets(
    "activation/plans", "activation/messages", "activation/product_feeds"
)
BUILD_SELECTION = dg.AssetSelection.all() - SENDING - _HISTORY

build_job = dg.define_asset_job(
    "build",
    selection=BUILD_SELECTION,
    description="Takes in the exports and builds every table up to the segments. Sends nothing.",
)
ingest_job = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.groups("raw", "staging", "core"),
    description="Takes in the exports and brings core up to date; the rest follows by itself.",
)
activation_job = dg.define_asset_job(
    "activation",
    selection=SENDING,
    description="Plans what changed in the segments, and sends it.",
)


@dg.op(required_resource_keys={"platform"}, out=dg.Out(dg.Nothing))
def trim_history(context: dg.OpExecutionContext) -> None:
    """Take away the logs of old runs, and what was told anew since."""
    before = oldest_kept_run(context.resources.platform)
    taken = trim_run_history(context.instance, before)
    context.add_output_metadata({"before": before.isoformat(" ", "minutes"), **asdict(taken)})


def oldest_kept_run(settings: Settings) -> dt.datetime:
    """The moment before which runs and their logs are not kept."""
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=settings.platform.run_history.keep_days)


@dg.job(name="housekeeping")
def housekeeping_job() -> None:
    """Keeps Dagster's own storage from growing for ever. What assets were last told stays."""
    trim_history()


JOBS: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = [
    build_job,
    ingest_job,
    activation_job,
    housekeeping_job,
]
