"""Ends runs of the command line whose process is gone.

The daemon watches only the runs that it launched. A run in a process of its own that was killed
would count as running for ever, and keep the slot of the warehouse.
"""

import dagster as dg

from marketing_platform.activation.owner import is_dead, new_owner

PROCESS_TAG = "marketing_platform/process"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """The tag by which others see whether the process of a run still lives."""
    return {PROCESS_TAG: new_owner()}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark such runs as failed and free what they held; gives their ids."""
    ended = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        process = run.tags.get(PROCESS_TAG)
        if process and is_dead(process):
            instance.report_run_failed(run, "the process of this run is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended
