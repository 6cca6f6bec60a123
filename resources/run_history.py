"""Takes away what Dagster keeps of old runs; of itself it keeps all of them for ever.

What an asset, a day of it or a check was last told stays, however old: a day that was loaded last
year counts as loaded. Dagster's own way to delete a run would forget that too, and leaves the file
of the run's log where it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunTagsTable

from resources.event_storage import PooledSqliteEventLogStorage

_EVENTS = SqlEventLogStorageTable.c
_CHECKS = AssetCheckExecutionsTable.c
# Each time that something was built, they take some tens of kB a table.
_EVALUATIONS_LAST = dt.timedelta(days=1)


@dataclass(frozen=True)
class Trimmed:
    """What was taken away: events of assets and runs, results of checks, runs, logs of runs."""

    events: int = 0
    check_results: int = 0
    runs: int = 0
    log_files: int = 0


def has_old_runs(instance: dg.DagsterInstance, before: dt.datetime) -> bool:
    """Whether a run that began before this moment still has its log; one look at an index."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return False
    began = _EVENTS.dagster_event_type == dg.DagsterEventType.RUN_START.value
    with storage.index_connection() as connection:
        oldest = connection.scalar(
            sa.select(_EVENTS.timestamp).where(began).order_by(_EVENTS.id).limit(1)
        )
    return oldest is not None and oldest < _naive(before)


def trim_run_history(instance: dg.DagsterInstance, before: dt.datetime) -> Trimmed:
    """Take away what was told before this moment and told anew since, and the logs of runs.

    A run that told something which is still the newest stays in the list of runs, without its log.
    Nothing of a run that has not ended is touched. Why tables were built by themselves, or were
    not, is forgotten after a day.
    """
    events, runs = instance.event_log_storage, instance.run_storage
    if not isinstance(events, SqlEventLogStorage) or not isinstance(runs, SqlRunStorage):
        return Trimmed()
    if scheduled := instance.schedule_storage:
        recent = dt.datetime.now(dt.UTC) - _EVALUATIONS_LAST
        scheduled.purge_asset_evaluations(recent.timestamp())
    unfinished = {
        run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    }
    told = _trim_events(events, _naive(before), unfinished)
    checked = _trim_checks(events, _naive(before), unfinished)
    files = 0
    if isinstance(events, PooledSqliteEventLogStorage):
        files = events.remove_logs(before, unfinished)
    ended = instance.get_runs(dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before))
    gone = {run.run_id for run in ended} - _runs_that_count(events)
    for run_id in sorted(gone):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        runs.delete_run(run_id)
        # SQLite is not told to let them go with their run.
        with runs.connect() as connection:
            connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run_id))
    return Trimmed(told, checked, len(gone), files)


def _trim_events(
    storage: SqlEventLogStorage, before: dt.datetime, unfinished: Iterable[str]
) -> int:
    is_old = sa.and_(_EVENTS.timestamp < before, _EVENTS.run_id.not_in(list(unfinished)))
    with storage.index_connection() as connection:
        keys = list(connection.scalars(sa.select(AssetKeyTable.c.asset_key)))
    deleted = 0
    # An asset at a time: whoever writes events waits only as long as that takes.
    for key in keys:
        of_asset = _EVENTS.asset_key == key
        newest = (
            sa.select(sa.func.max(_EVENTS.id))
            .where(of_asset)
            .group_by(_EVENTS.dagster_event_type, _EVENTS.partition)
        )
        with storage.index_connection() as connection:
            deleted += connection.execute(
                SqlEventLogStorageTable.delete().where(of_asset, is_old, _EVENTS.id.not_in(newest))
            ).rowcount
    of_no_asset = sa.or_(
        _EVENTS.asset_key.is_(None), _EVENTS.asset_key.not_in(sa.select(AssetKeyTable.c.asset_key))
    )
    with storage.index_connection() as connection:
        deleted += connection.execute(
            SqlEventLogStorageTable.delete().where(of_no_asset, is_old)
        ).rowcount
    if storage.is_run_sharded:
        # What belongs to no run has a file of its own, and is in the index as well.
        with storage.run_connection(RUNLESS_RUN_ID) as connection:
            connection.execute(SqlEventLogStorageTable.delete().where(is_old))
    tags = AssetEventTagsTable.c
    with storage.index_connection() as connection:
        connection.execute(
            AssetEventTagsTable.delete().where(
                tags.event_timestamp < before, ~sa.exists().where(_EVENTS.id == tags.event_id)
            )
        )
    return deleted


def _trim_checks(
    storage: SqlEventLogStorage, before: dt.datetime, unfinished: Iterable[str]
) -> int:
    newest = sa.select(sa.func.max(_CHECKS.id)).group_by(
        _CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition
    )
    with storage.index_connection() as connection:
        return connection.execute(
            AssetCheckExecutionsTable.delete().where(
                _CHECKS.create_timestamp < before,
                _CHECKS.run_id.not_in(list(unfinished)),
                _CHECKS.id.not_in(newest),
            )
        ).rowcount


def _runs_that_count(storage: SqlEventLogStorage) -> set[str]:
    """Runs of which something is still told."""
    with storage.index_connection() as connection:
        return {
            *connection.scalars(sa.select(_EVENTS.run_id).distinct()),
            *connection.scalars(sa.select(_CHECKS.run_id).distinct()),
        }


def _naive(moment: dt.datetime) -> dt.datetime:
    """As Dagster stores moments: in UTC, without saying so."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None)
