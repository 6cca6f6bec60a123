"""What people read after a run: tables on the terminal, and the same as data for `--json`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from rich.box import SIMPLE_HEAD
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from marketing_platform.activation import conservation, reason_counts, sums_of
from marketing_platform.quality.holds import current_checks, find_holds
from marketing_platform.quality.results import latest_builds
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.sources.files.ingest import Ingested
from marketing_platform.warehouse import Warehouse
from marketing_platform.wording import counted, minute

_SHOWN = 12
# Columns that a name keeps in a narrow terminal.
_LEAST_NAME = 12


def status(settings: Settings, engine: sa.Engine, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that `marketing-platform status` tells, as plain data.

    Keys: `data_dir`, `tables` (rows by name), `checks`, `holds`, `runs` (newest first), `ledger`
    (the sums of all messages), `reasons` (why messages were not sent, by destination) and `plans`
    (the sums of each plan).
    """
    balances = conservation(engine)
    return {
        "data_dir": str(settings.data_dir),
        "tables": {build.table_name: build.row_count for build in latest_builds(engine)},
        "checks": [
            {
                "table": check.table_name,
                "check": check.check_name,
                "passed": check.passed,
                "blocking": check.is_blocking,
                "detail": check.detail,
                "checked_at": check.checked_at.isoformat() if check.checked_at else None,
            }
            for check in current_checks(engine, settings)
        ],
        "holds": find_holds(engine, settings),
        "runs": runs,
        "ledger": sums_of(balances),
        "reasons": [asdict(reason) for reason in reason_counts(engine)],
        "plans": [
            {
                "plan": b.plan_id,
                "destination": b.destination,
                "segment": b.audience,
                "status": b.status,
                "eligible": b.eligible,
                "sent": b.sent,
                "suppressed": b.suppressed,
                "deferred": b.unsettled,
                "failed": b.failed,
            }
            for b in balances
        ],
    }


def print_status(console: Console, content: dict[str, Any]) -> None:
    """The status for a person."""
    console.print(f"[bold]{escape(content['data_dir'])}[/]")
    if not content["tables"]:
        console.print("Nothing was built yet. Start: marketing-platform run", highlight=False)
        if not any(content[name] for name in ("runs", "plans", "checks", "holds")):
            return
    tables = _table("Tables", "table", "rows")
    for name, rows in content["tables"].items():
        tables.add_row(name, f"{rows:,}")
    _show(console, tables)
    failed = [check for check in content["checks"] if not check["passed"]]
    console.print(f"Checks: {len(content['checks']) - len(failed)} passed, {len(failed)} failed")
    for check in failed:
        told = escape(f"{check['table']} {check['check']}: {check['detail']}")
        console.print(f"  [red]failed[/] {told}")
    for hold in content["holds"]:
        console.print(f"  [yellow]holds activation[/] {escape(hold)}")
    runs = _table("Last runs", "run", "job", "status", "started")
    for run in content["runs"]:
        started = run["started_at"]
        runs.add_row(
            run["run_id"][:8],
            run["job"],
            run["status"].lower(),
            minute(dt.datetime.fromisoformat(started)) if started else "",
        )
    _show(console, runs)
    print_ledger(console, content["plans"], content["ledger"])
    for reason in content["reasons"][:_SHOWN]:
        console.print(
            f"  {reason['count']:,} {reason['state']} for {reason['destination']}:"
            f" {reason['reason']}",
            highlight=False,
            markup=False,
        )


def print_ingested(console: Console, ingested: Ingested) -> None:
    """What an export brought, and how its columns were understood, as `--map` writes it."""
    again = "" if ingested.is_new else ", taken in before"
    console.print(
        f"[bold]{ingested.stream}[/]: {counted(ingested.row_count, 'record')},"
        f" {ingested.first} to {ingested.last}, from {escape(ingested.path.name)}{again}",
        highlight=False,
    )
    pairs = []
    for field, column in ingested.columns.items():
        read = [column.parse, "of the whole order" if column.is_total else ""]
        how = ", ".join(filter(None, read))
        pairs.append(escape(f"{field}={column.name}{f' ({how})' if how else ''}"))
    if not console.is_terminal:
        console.print("\n".join(f"  {pair}" for pair in pairs), highlight=False)
        return
    console.print(Padding(Columns(pairs, padding=(0, 2)), (0, 0, 0, 2)), style="dim")


def print_outcome(console: Console, warehouse: Warehouse) -> None:
    """What the build made: records by outcome, customers, models, segments."""
    _print_records(console, warehouse)
    _print_customers(console, warehouse)
    _print_models(console, warehouse)
    print_segments(console, warehouse)


def print_ledger(console: Console, plans: list[dict[str, Any]], sums: dict[str, int]) -> None:
    """The sums of the ledger: of each segment's newest plan, and of all plans."""
    names = ("eligible", "sent", "suppressed", "deferred", "failed")
    table = _table("Messages", "segment", "destination", *names)
    newest = {(plan["segment"], plan["destination"]): plan for plan in plans}
    for plan in newest.values():
        figures = [f"{plan[name]:,}" for name in names]
        if plan["status"] == "held":
            figures[0] = "held"
        table.add_row(plan["segment"], escape(plan["destination"]), *figures)
    table.add_section()
    table.add_row("all plans so far", "", *(f"{sums[name]:,}" for name in names), style="bold")
    _show(console, table)


def print_trials(console: Console, rules: Iterable[ActivationRule]) -> None:
    """A line per rule that is tried out: who forgets it waits for messages that never come."""
    for rule in rules:
        if rule.trial:
            line = f"{rule.name} -> {rule.destination}: {rule.trial}"
            console.print(line, highlight=False, markup=False)


def _print_records(console: Console, warehouse: Warehouse) -> None:
    names = ("arrived", "accepted", "duplicate", "quarantined")
    table = _table("Records", "stream", *names)
    for row in warehouse.query(
        "select * from quality.reconciliation where arrived_count > 0 order by source, stream"
    ).to_dicts():
        stream = f"{row['source']} {row['stream']}"
        table.add_row(stream, *(f"{row[f'{name}_count']:,}" for name in names))
        if row["arrived_amount"] is not None:
            table.add_row(
                "  amount", *(f"{row[f'{name}_amount'] or 0:,.2f}" for name in names), style="dim"
            )
    _show(console, table)
    reasons = warehouse.query(
        "select source, stream, reason, count(*) as n from quality.quarantine"
        " group by all order by n desc"
    )
    for row in reasons.to_dicts():
        console.print(
            f"  quarantined {row['n']:,} {row['source']} {row['stream']}: {row['reason']}",
            markup=False,
        )


def _print_customers(console: Console, warehouse: Warehouse) -> None:
    row = warehouse.query(
        """
        select
            (select count(*) from core.contacts) as contacts,
            (select count(*) from identity.customers) as customers,
            (select count(*) from profiles.rfm) as buyers,
            (select count(*) from profiles.orders) as orders,
            (select count(*) from core.orders where contact_id is null) as guest_orders,
            (select count(*) from core.refunds) as refunds,
            (select count(order_id) from core.refunds) as matched
        """
    ).row(0, named=True)
    console.print(
        f"{counted(row['contacts'], 'contact is', 'contacts are')}"
        f" {counted(row['customers'], 'customer')}; {row['buyers']:,} of them bought,"
        f" {counted(row['orders'], 'order')}.\n"
        f"{counted(row['guest_orders'], 'order')} of guests; {counted(row['refunds'], 'refund')},"
        f" {row['matched']:,} of them of a known order.",
        highlight=False,
    )


def _print_models(console: Console, warehouse: Warehouse) -> None:
    table = _table("Scores", "task", "customers", "mean score", "may be used")
    reasons = []
    for task, name in (("purchase", "purchase_14d"), ("churn", "churn_30d")):
        row = warehouse.query(
            f"select count(*) as n, avg(score) as mean from predictions.{name}"
        ).row(0, named=True)
        model = warehouse.query(
            "select is_promoted, reason from predictions.models"
            " where task = $task and standing = 'champion'",
            {"task": task},
        ).rows()
        promoted, reason = model[0] if model else (False, "no model")
        mean = f"{row['mean']:.3f}" if row["mean"] is not None else "-"
        table.add_row(task, f"{row['n']:,}", mean, "yes" if promoted else "no")
        reasons.append(f"  {task}: {reason}")
    _show(console, table)
    for reason in reasons:
        console.print(reason, highlight=False, markup=False, style="dim")


def print_segments(console: Console, warehouse: Warehouse) -> None:
    """A line per segment."""
    table = _table("Segments", "segment", "members", "status")
    sizes = warehouse.query("select * from segments.sizes order by segment")
    if sizes.is_empty():
        console.print("No segments: each is a file in config/segments/")
        return
    for row in sizes.to_dicts():
        held = row["status"] == "held"
        shown = f"held: {row['held_reason']}" if held else row["status"]
        if row["warning"]:
            shown += f"; {row['warning']}"
        table.add_row(row["segment"], f"{row['member_count']:,}", escape(shown))
    _show(console, table)


_NUMBERS = {
    *("rows", "members", "customers", "mean score"),
    *("eligible", "sent", "suppressed", "deferred", "failed"),
    *("arrived", "accepted", "duplicate", "quarantined"),
}


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        # Nothing to spare: the sums of the ledger just fit 80 columns.
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    for column in columns:
        is_number = column in _NUMBERS
        table.add_column(
            column,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="ellipsis" if is_number else "fold",
        )
    return table


def _show(console: Console, table: Table) -> None:
    """Print a table; where it is too wide, names are folded, and no figure is ever cut."""
    width = console.width
    least = sum(map(_least_width, table.columns)) + len(table.columns) - 1
    console.width = max(width, least)
    console.print(table, crop=False)
    console.width = width


def _least_width(column: Column) -> int:
    cells = [column.header, *column.cells]
    widest = max(Text.from_markup(str(cell)).cell_len for cell in cells)
    return widest if column.no_wrap else min(widest, _LEAST_NAME)
