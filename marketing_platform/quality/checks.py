"""Checks that look at tables after they were built; contracts are checked before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from marketing_platform.predictions.leaks import leaking_columns
from marketing_platform.quality.results import CheckResult
from marketing_platform.segments.warnings import MOST_ACTIVE
from marketing_platform.settings import Settings
from marketing_platform.sources.staging import staging_tables
from marketing_platform.state import utc_now
from marketing_platform.warehouse import Warehouse

_SHOWN = 5
_EVENT_TIMES = {
    "core.orders": "ordered_at",
    "core.events": "occurred_at",
}


def judged_tables(settings: Settings) -> dict[str, str]:
    """The staging tables whose records must add up, each with the raw view that it judges."""
    return {
        name: staged.judges for name, staged in staging_tables(settings).items() if staged.judges
    }


def records_add_up(warehouse: Warehouse, table_name: str, raw_view: str) -> CheckResult:
    """Whether accepted, duplicate and quarantined records add up to those that arrived."""
    row = warehouse.query(
        f"""
        select
            (select count(*) from {raw_view}) as arrived,
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


def rates_known(warehouse: Warehouse) -> CheckResult:
    """Whether the currency of every order can be converted to the shop's own on its day.

    A day to come has no rate yet, and what is dated so counts for nothing until it is there.
    """
    unknown = warehouse.query(
        """
        select
            orders.currency,
            count(*) as order_count,
            min(orders.order_date) as first_date,
            max(orders.order_date) as last_date
        from core.orders as orders
        left join core.exchange_rates as rates
            on orders.currency = rates.currency and orders.order_date = rates.rate_date
        where rates.rate is null and orders.order_date <= $tomorrow
        group by orders.currency
        order by orders.currency
        """,
        # Where the shop is it may be the day after that of UTC.
        {"tomorrow": utc_now().date() + dt.timedelta(days=1)},
    ).rows()
    told = "; ".join(
        f"no rate of {currency} for {count} orders from {first} to {last}"
        for currency, count, first, last in unknown
    )
    detail = (
        f"{told}. Set rates.file to a file that has them, or shop.currency (--currency)"
        if told
        else "all rates are known"
    )
    return CheckResult("core.orders", "rates_are_known", not unknown, detail)


def newest_record(warehouse: Warehouse, table_name: str) -> dt.datetime | None:
    """The moment of a table's newest record that is not of a time to come, where it has one.

    A pre-order may have the day of its delivery, an event the clock of a phone: neither is a sign
    that a source still tells of what happens.
    """
    column = _EVENT_TIMES.get(table_name)
    if column is None:
        return None
    query = f"select max({column}) from {table_name} where {column} <= $now"
    newest = warehouse.query(query, {"now": utc_now().replace(tzinfo=None)}).item()
    return newest.replace(tzinfo=dt.UTC) if isinstance(newest, dt.datetime) else None


def features_know_no_future(warehouse: Warehouse) -> CheckResult:
    """Whether the features of a past day are the same without what came after it."""
    day, columns = leaking_columns(warehouse)
    detail = f"the features of {day} are the same without what came after it"
    if columns:
        detail = f"these features of {day} know what came after it: {', '.join(columns)}"
    elif day is None:
        detail = "there is no past day to look at"
    return CheckResult("predictions.features", "features_know_no_future", not columns, detail)


def nothing_is_odd(warehouse: Warehouse) -> CheckResult:
    """Whether no series is odd on the newest day that is over."""
    return _nothing_open(warehouse, "quality.anomalies", "nothing_is_odd", "series")


def no_hour_is_odd(warehouse: Warehouse) -> CheckResult:
    """Whether no hourly series is odd in the newest hours that are known."""
    return _nothing_open(warehouse, "quality.judged_hours", "no_hour_is_odd", "hourly series")


def _nothing_open(warehouse: Warehouse, table: str, check: str, what: str) -> CheckResult:
    """Whether no row of a table of findings is open; of a series in a row the worst is told."""
    found = warehouse.query(
        f"""
        select finding
        from {table}
        where is_open
        qualify
            row_number() over (partition by metric, slice_kind, slice order by abs(score) desc) = 1
        order by slice_kind <> 'all', abs(score) desc, metric, slice
        """
    )["finding"].to_list()
    told = "; ".join(found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    detail = told + more or f"every {what} is as expected"
    return CheckResult(table, check, not found, detail, is_blocking=False)


def reports_agree(warehouse: Warehouse) -> CheckResult:
    """Whether each destination that tells of messages has told of all that the ledger says went."""
    rows = warehouse.query(
        "select r.destination, r.sent_date, r.missing_count, r.sent_count,"
        " list_sort(list(o.message_key))[:5] as keys"
        " from activation.reconciliation as r inner join activation.outcomes as o"
        " on r.destination = o.destination and r.sent_date = o.sent_date"
        " where r.is_due and r.missing_count > 0 and o.first_told_at is null"
        " group by all order by r.destination, r.sent_date"
    ).rows()
    told = "; ".join(
        f"{destination} has not told of {missing} of {sent} messages of {day}: {', '.join(keys)}"
        for destination, day, missing, sent, keys in rows
    )
    return CheckResult(
        "activation.reconciliation",
        "ledger_and_reports_agree",
        not rows,
        told or "every destination that tells of messages has told of all",
        is_blocking=False,
    )


def segments_make_sense(warehouse: Warehouse, active: Collection[str]) -> CheckResult:
    """Whether no segment is empty, explodes or says the same as another, and few are active."""
    told = warehouse.query(
        "select segment, warning from segments.sizes where warning is not null order by segment"
    ).rows()
    found = [f"{segment} {warning}" for segment, warning in told if segment in active]
    if len(active) > MOST_ACTIVE:
        found.append(f"{len(active)} segments are active, more than {MOST_ACTIVE}")
    detail = "; ".join(found) or f"{len(active)} segments are active"
    return CheckResult(
        "segments.sizes", "segments_make_sense", not found, detail, is_blocking=False
    )


def model_is_sound(warehouse: Warehouse, task: str) -> CheckResult:
    """Whether the scores of a task are of a known population, and those of before came true."""
    rows = warehouse.query(
        "select w.is_sound, w.finding from predictions.watch as w"
        " inner join core.clock as k on w.as_of_date = k.as_of_date where w.task = $task",
        {"task": task},
    ).rows()
    sound, finding = rows[0] if rows else (True, "no model scores it")
    return CheckResult(
        "predictions.watch", f"{task}_model_is_sound", bool(sound), finding, is_blocking=False
    )


def model_is_promoted(warehouse: Warehouse, task: str) -> CheckResult:
    """Whether the scores of a task come from a model that beat the baselines."""
    rows = warehouse.query(
        "select is_promoted, reason from predictions.models"
        " where task = $task and standing = 'champion'",
        {"task": task},
    ).rows()
    promoted, reason = rows[0] if rows else (False, "no model was trained")
    return CheckResult(
        "predictions.models", f"{task}_model_is_promoted", bool(promoted), reason, is_blocking=False
    )
