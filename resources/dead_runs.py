"""Ends runs whose process is gone: killed, or lost with the machine.

Whatever launched a run notices its end only while it lives itself. A run that nobody saw die would
count as running for ever, and keep the slot of the warehouse. So each run notes its process, and
that process keeps a file locked while the run lasts. The lock is seen by whoever shares the data
folder, also from a container that has taken the place of the one before under another host name.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from marketing_platform.activation.owner import is_dead, is_of_an_earlier_start, new_owner
from marketing_platform.settings import Settings

# Hidden: in the UI's list of runs it would fill each row.
PROCESS_TAG = ".dagster/marketing_platform_process"
# Of runs that began before an upgrade.
FORMER_PROCESS_TAG = "marketing_platform/process"
# A run that is tried again takes over the tags of the one that died, so each names its run.
_SEPARATOR = "@"
# The locks that this process holds, each until its run has ended.
_HELD: dict[Path, FileLock] = {}
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def platform_of(settings: Settings) -> dg.ResourceDefinition:
    """The resource `platform`: the shop's settings. A run that asks for them notes its process."""

    @dg.resource(description="The settings of the shop.")
    def platform(context: dg.InitResourceContext) -> Iterator[Settings]:
        if not context.instance or not context.run:
            yield settings
            return
        note_process(context.instance, context.run.run_id)
        try:
            yield settings
        finally:
            _let_go(_lock_of(context.instance, context.run.run_id))

    return platform


def note_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag a run with this process, by which others see whether it still lives."""
    instance.add_run_tags(run_id, process_tag(run_id))
    path = _lock_of(instance, run_id)
    if path not in _HELD:
        path.parent.mkdir(exist_ok=True)
        _HELD[path] = FileLock(path)
        _HELD[path].acquire()


def process_tag(run_id: str) -> dict[str, str]:
    """The tag of a run that this process is about to begin: it can die before the first step."""
    return {PROCESS_TAG: f"{run_id}{_SEPARATOR}{new_owner()}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark such runs as failed and free what they held; gives their ids."""
    ended = []
    running = instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED))
    for run in running:
        tag = run.tags.get(PROCESS_TAG) or run.tags.get(FORMER_PROCESS_TAG, "")
        run_id, _, process = tag.partition(_SEPARATOR)
        is_gone = (
            is_dead(process)
            or is_of_an_earlier_start(process)
            or _is_let_go(_lock_of(instance, run_id))
        )
        if run_id == run.run_id and is_gone:
            instance.report_run_failed(run, "the process of this run is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    needed = {run.run_id for run in running} - set(ended)
    for path in _lock_of(instance, "").parent.glob("*.lock"):
        if path.stem not in needed:
            path.unlink(missing_ok=True)
    return ended


def _lock_of(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "running" / f"{run_id}.lock"


def _let_go(path: Path) -> None:
    """Take away the file first: without it the run, which still ends, is not taken for dead."""
    path.unlink(missing_ok=True)
    if lock := _HELD.pop(path, None):
        lock.release()


def _is_let_go(path: Path) -> bool:
    """Whether a process locked the file, and is gone."""
    if not path.exists():
        return False
    try:
        with FileLock(path, blocking=False):
            return True
    except Timeout:
        return False
