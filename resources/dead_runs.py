"""Ends runs whose process is gone: killed, or lost with the machine.

Whatever launched a run notices its end only while it lives itself. A run that nobody saw die would
count as running for ever, and keep the slot of the warehouse. So each run notes its process.
"""

import dagster as dg

from marketing_platform.activation.owner import is_dead, is_of_an_earlier_start, new_owner
from marketing_platform.settings import Settings

PROCESS_TAG = "marketing_platform/process"
# A run that is tried again takes over the tags of the one that died, so each names its run.
_SEPARATOR = "@"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def platform_of(settings: Settings) -> dg.ResourceDefinition:
    """The resource `platform`: the shop's settings. A run that asks for them notes its process."""

    @dg.resource(description="The settings of the shop.")
    def platform(context: dg.InitResourceContext) -> Settings:
        if context.instance and context.run:
            note_process(context.instance, context.run.run_id)
        return settings

    return platform


def note_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag a run with this process, by which others see whether it still lives."""
    instance.add_run_tags(run_id, process_tag(run_id))


def process_tag(run_id: str) -> dict[str, str]:
    """The tag of a run that this process is about to begin: it can die before the first step."""
    return {PROCESS_TAG: f"{run_id}{_SEPARATOR}{new_owner()}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark such runs as failed and free what they held; gives their ids."""
    ended = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        run_id, _, process = run.tags.get(PROCESS_TAG, "").partition(_SEPARATOR)
        is_gone = is_dead(process) or is_of_an_earlier_start(process)
        if run_id == run.run_id and is_gone:
            instance.report_run_failed(run, "the process of this run is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended
