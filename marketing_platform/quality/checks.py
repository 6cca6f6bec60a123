"""Checks that look at tables after they were built; contracts are checked before."""

from __future__ import annotations

import datetime as dt

from marketing_platform.contracts import CONTRACTS
from marketing_platform.quality.results import CheckResult
from marketing_platform.warehouse import Warehouse

_EVENT_TIMES = {
    "core.orders": "ordered_at",
    "core.events": "occurred_at",
}
STAGING_STREAMS = {
    name: name.removeprefix("staging.files_") for name in CONTRACTS if name.startswith("staging.")
}


def records_add_up(warehouse: Warehouse, table_name: str) -> CheckResult:
    """Whether accepted, duplicate and quarantined records add up to those that arrived."""
    stream = STAGING_STREAMS[table_name]
    row = warehouse.query(
        f"""
        select
            (select count(*) from raw.files_{stream}) as arrived,
            count(*) filter (where outcome = 'accepted') as accepted,
            count(*) filter (where outcome = 'duplicate') as duplicate,
            count(*) filter (where outcome = 'quarantined') as quarantined
        from {table_name}
        """
    ).row(0, named=True)
    total = row["accepted"] + row["duplicate"] + row["quarantined"]
    detail = (
        f"{row['arrived']} arrived, {row['accepted']} accepted, {row['duplicate']} duplicate,"
        f" {row['quarantined']} quarantined"
    )
    return CheckResult(table_name, "records_add_up", total == row["arrived"], detail)


def newest_record(warehouse: Warehouse, table_name: str) -> dt.datetime | None:
    """The moment of a table's newest record, where it has one."""
    column = _EVENT_TIMES.get(table_name)
    if column is None:
        return None
    newest = warehouse.query(f"select max({column}) from {table_name}").item()
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def model_is_promoted(warehouse: Warehouse, task: str) -> CheckResult:
    """Whether the scores of a task come from a model that beat the baselines."""
    rows = warehouse.query(
        "select is_promoted, reason from predictions.models where task = $task", {"task": task}
    ).rows()
    promoted, reason = rows[0] if rows else (False, "no model was trained")
    return CheckResult(
        "predictions.models", f"{task}_model_is_promoted", bool(promoted), reason, is_blocking=False
    )
