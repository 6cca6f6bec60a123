"""What the commands do, step by step; `cli.py` reads the arguments.

Dagster and scikit-learn are imported where they are used: a mistake in an option is told at once.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any, Literal

from rich.console import Console

from marketing_platform import report
from marketing_platform.activation import (
    Plan,
    activate,
    failures,
    held_plans,
    plan_all,
    write_feeds,
)
from marketing_platform.activation.suppression import Reason, forget_suppression, suppress
from marketing_platform.destinations import Batch, Row, make_destination
from marketing_platform.errors import HeldError, InputError, PlatformError, SourceError
from marketing_platform.pipeline import build_all, build_table
from marketing_platform.quality.checks import rates_known
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.incidents import acknowledge, open_incidents, recent_incidents
from marketing_platform.quality.incidents import report as report_incidents
from marketing_platform.quality.results import record_build
from marketing_platform.segments.explain import explain, known_segment, preview
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.warnings import MOST_ACTIVE
from marketing_platform.settings import Channel, FileStream, Settings, Shop, Sources, load_settings
from marketing_platform.shop import claim_folder, remember_input
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.files.fields import STREAMS
from marketing_platform.sources.files.ingest import coverage, ingest, inspect
from marketing_platform.sources.files.mapping import parse_told
from marketing_platform.sources.staging import staging_tables
from marketing_platform.state import OPERATIONS, open_state, utc_now, writing
from marketing_platform.warehouse import Warehouse

_DEMO_DAYS = 540


def run_export(
    console: Console,
    files: Mapping[str, Path],
    maps: list[str],
    date_format: str | None,
    as_of: dt.date | None,
    currency: str | None,
) -> None:
    """Take in exports, build every table, activate the segments, and say what happened."""
    streams = _streams(files, maps, date_format)
    # A mistake in a segment or a file is told before anything is written.
    load_segments(load_settings().segments_dir)
    for stream, file in streams.items():
        inspect(stream, file)
    folder = claim_folder("shop")
    overlay: dict[str, Any] = {
        "clock": as_of.isoformat() if as_of else "newest_record",
        "sources": {"files": {s: f.model_dump(mode="json") for s, f in streams.items()}},
    }
    if currency:
        overlay["shop"] = {"currency": currency}
    remember_input(folder, overlay)
    _run_everything(console, load_settings(data_dir=folder))


def run_configured(console: Console, as_of: dt.date | None) -> None:
    """Pull the systems of `config/platform.yaml`, build every table, activate the segments.

    Exports that an earlier run named are forgotten: their records would be there twice.
    """
    configured = load_settings()
    load_segments(configured.segments_dir)
    overlay = {"clock": as_of.isoformat()} if as_of else {}
    folder = claim_folder("shop")
    remember_input(folder, overlay)
    settings = load_settings(data_dir=folder)
    if not active_sources(settings) and not settings.platform.sources.files:
        raise InputError(
            "no source is configured",
            where=str(settings.config_dir / "platform.yaml"),
            mend="Name systems there, see docs/sources.md, or an export: --orders FILE",
        )
    _run_everything(console, settings)


def run_demo(console: Console, customers: int, seed: int, as_of: dt.date | None) -> None:
    """Serve the demo shop's systems and a receiver on the loopback, and run everything on them."""
    from marketing_platform.demo.stand import Stand, plan

    folder = claim_folder("demo")
    end = as_of or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    plan(folder, customers=customers, seed=seed, end=end, days=_DEMO_DAYS)
    with console.status("Making the shop"):
        stand = Stand(folder).__enter__()
    with stand:
        remember_input(folder, stand.settings(_segment_names()))
        console.print(
            f"A shop of {stand.person_count:,} people until {end}; its systems are served at"
            f" {stand.sandbox.address}, a receiver at {stand.receiver.url}",
            highlight=False,
        )
        _run_everything(console, load_settings(data_dir=folder))
        counts = stand.receiver.received.summary()
    console.print(
        f"The receiver took {counts['rows_accepted']:,} rows in {counts['requests']:,} requests;"
        f" they lie in {_shown(folder / 'received.jsonl')}",
        highlight=False,
    )


def serve_stand(folder: Path, parent: int) -> None:
    """Serve a demo's systems and receiver until the process `parent` is no more."""
    from marketing_platform.demo.stand import Stand

    with Stand(folder) as stand:
        remember_input(folder, stand.settings(_segment_names()))
        print("ready", flush=True)
        while os.getppid() == parent:
            time.sleep(0.5)


def start_stand(folder: Path) -> None:
    """Serve a demo's systems and receiver from a process beside this one; it ends with this one."""
    command = [sys.executable, "-m", "marketing_platform.cli", "stand", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert child.stdout is not None  # noqa: S101 - tells the type checker
    # It is ready, or it has told on the terminal why it is not.
    child.stdout.readline()


def serve_sandbox(
    console: Console,
    customers: int,
    seed: int,
    as_of: dt.date | None,
    port: int,
    fault_share: float,
    vendors: list[str],
) -> None:
    """Serve the simulated shop until Ctrl-C, and say how to make it the sources of a shop."""
    import yaml

    from marketing_platform.demo.sandbox.config import demo_sources, event_files
    from marketing_platform.demo.sandbox.facts import make_facts
    from marketing_platform.demo.sandbox.faults import Faults
    from marketing_platform.demo.sandbox.server import Sandbox, vendor_names

    unknown = sorted(set(vendors) - set(vendor_names()))
    if unknown:
        known = ", ".join(vendor_names())
        raise InputError("not served by the sandbox", where=unknown[0], mend=f"There are: {known}")
    end = as_of or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    with console.status("Making the shop"):
        facts = make_facts(customers=customers, seed=seed, end=end, days=_DEMO_DAYS)
        sandbox = Sandbox(
            facts, faults=Faults(share=fault_share), vendors=vendors or None, port=port
        )
    secrets_folder = load_settings().data_dir / "sandbox"
    with sandbox:
        sources = demo_sources(sandbox, secrets_folder)
        if not vendors:
            sources |= event_files(sandbox, secrets_folder / "site")
        console.print(f"The shop until {end}; put this into config/platform.yaml:\n")
        # Plain, so that it can be copied: no wrapping, no markup.
        print(yaml.safe_dump({"sources": sources}, sort_keys=False, width=1000), flush=True)
        console.print(f"The secrets lie in {_shown(secrets_folder)}. Ctrl-C ends it.")
        try:
            # A wait without an end is not always woken by the signal while other threads run.
            while True:
                time.sleep(0.5)
        except KeyboardInterrupt:
            console.print("Ended.")


def run_backtest(
    file: Path,
    task: str,
    horizon_days: int,
    as_of: dt.date | None,
    maps: list[str],
    date_format: str | None,
    currency: str | None,
) -> dict[str, Any]:
    """Backtest a task on an export of orders, in a scratch folder and database."""
    from marketing_platform.predictions.backtest import backtest

    streams = _streams({"orders": file}, maps, date_format)
    base = load_settings()
    with tempfile.TemporaryDirectory(prefix="backtest-") as scratch:
        sources = Sources(files={"orders": streams["orders"]})
        shop = base.platform.shop
        if currency:
            shop = Shop.model_validate({**shop.model_dump(), "currency": currency})
        platform = base.platform.model_copy(
            update={"sources": sources, "clock": "newest_record", "shop": shop}
        )
        settings = base.model_copy(update={"data_dir": Path(scratch), "platform": platform})
        warehouse = Warehouse(":memory:")
        build_all(
            warehouse,
            settings,
            until=["profiles.orders", "profiles.daily_activity", "core.order_items"],
        )
        if not (rates := rates_known(warehouse)).passed:
            raise InputError(rates.detail, where=str(file))
        return backtest(
            warehouse, task=task, horizon_days=horizon_days, as_of=as_of, settings=settings
        )


def activate_now(
    console: Console, settings: Settings, *, dry_run: bool, force: bool, as_json: bool
) -> None:
    """Plan and send, or only show the plans. Raises HeldError where something holds everything."""
    state = open_state(settings.state_url.get_secret_value())
    warehouse = _warehouse(settings)
    holds = find_holds(state, settings)
    if dry_run:
        plans = plan_all(warehouse, state, settings, holds=holds, force=force, dry_run=True)
        _print_plans(console, plans, as_json)
        if not as_json:
            _print_previews(settings, plans)
        return
    if holds:
        raise HeldError("; ".join(holds), where="activation", mend="It goes on once this recovers")
    with console.status("Planning and sending") as shown, stop_at_sigterm() as stop:
        plans, dispatched = activate(
            warehouse, state, settings, force=force, stop=stop, on_progress=shown.update
        )
    _print_plans(console, plans, as_json)
    feeds = write_feeds(warehouse, state, settings)
    for line in (*dispatched.lines(), *(feed.line() for feed in feeds)):
        console.print(line, highlight=False)
    if dispatched.has_failures or any(feed.status == "failed" for feed in feeds):
        raise PlatformError(
            "not everything could be sent",
            where="activation",
            mend="See: marketing-platform activation failures",
        )


def accept_feed(settings: Settings, name: str) -> str:
    """Write a product feed although it loses many offers; a line of what became of it."""
    known = settings.platform.feeds
    if name not in known:
        mend = f"There are: {', '.join(known)}" if known else "Name one under feeds"
        raise InputError(f"no feed {name!r}", where="platform.yaml", mend=mend)
    state = open_state(settings.state_url.get_secret_value())
    holds = find_holds(state, settings)
    outcomes = write_feeds(built_warehouse(settings), state, settings, holds=holds, accept=name)
    [outcome] = [one for one in outcomes if one.feed == name]
    if outcome.status in ("held", "failed"):
        raise HeldError(outcome.line(), where="feeds", mend="It goes on once this recovers")
    return outcome.line()


@contextmanager
def stop_at_sigterm() -> Iterator[Event]:
    """An event that SIGTERM sets: what is under way is finished, nothing new is begun."""
    stop = Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def examine(console: Console, settings: Settings) -> None:
    """Print a line per configured system. Raises SourceError where one cannot be used."""
    from marketing_platform.sources.doctor import examine_sources

    ill = []
    for finding in examine_sources(settings):
        mark = "[green]good[/]" if finding.is_well else "[red]bad [/]"
        console.print(f"{mark}  {finding.source:<16}", end="")
        console.print(
            f"{finding.title}: {finding.found}", markup=False, highlight=False, soft_wrap=True
        )
        if not finding.is_well:
            ill.append(finding.source)
    for stream, file in settings.platform.sources.files.items():
        inspect(stream, file)
        console.print(f"[green]good[/]  {'files':<16}{stream}: {file.path}", highlight=False)
    if ill:
        raise SourceError(f"cannot be used: {', '.join(ill)}", where="doctor")
    if not settings.platform.sources.files and not settings.platform.sources.systems:
        console.print("No source is configured; see docs/sources.md")


def read_status(settings: Settings) -> dict[str, Any]:
    """Everything that `status` tells."""
    from marketing_platform.definitions import recent_runs

    state = open_state(settings.state_url.get_secret_value())
    return report.status(settings, state, recent_runs(settings))


def list_quarantine(console: Console, settings: Settings) -> None:
    """Print how many records are held back, by stream and reason."""
    rows = built_warehouse(settings).query(
        "select source, stream, reason, count(*) as n, max(received_date) as latest"
        " from quality.quarantine group by all order by n desc, source, stream, reason"
    )
    for row in rows.to_dicts():
        console.print(
            f"{row['n']:>8,}  {row['source']}.{row['stream']}: {row['reason']}"
            f" (latest {row['latest']})",
            highlight=False,
            markup=False,
        )
    console.print(f"{rows['n'].sum():,} record(s) held back", highlight=False)


def show_quarantine(console: Console, settings: Settings, stream: str | None, limit: int) -> None:
    """Print the first records of the quarantine, of one source or stream where it is named."""
    source, _, name = (stream or "").partition(".")
    rows = built_warehouse(settings).query(
        "select * from quality.quarantine"
        " where ($source = '' or source = $source) and ($stream = '' or stream = $stream)"
        " order by source, stream, line_number, record_id limit $limit",
        {"limit": limit, "source": source, "stream": name},
    )
    for row in rows.to_dicts():
        console.print(
            f"{row['source']} {row['stream']} record {row['line_number'] or row['record_id']}:"
            f" {row['reason']}: {row['payload']}",
            highlight=False,
            markup=False,
        )


def retry_quarantine(console: Console, settings: Settings, source: str | None) -> None:
    """Build the staging tables of a source, and the quarantine, again; say what became of it."""
    warehouse = built_warehouse(settings)
    count = "select count(*) from quality.quarantine where $source = '' or source = $source"
    named = {"source": source or ""}
    before = warehouse.query(count, named).item()
    tables = [
        name
        for name, staged in staging_tables(settings).items()
        if source is None or staged.source == source
    ]
    if not tables:
        raise InputError("no such source", where=str(source), mend="See: quarantine list")
    state = open_state(settings.state_url.get_secret_value())
    for name in (*tables, "quality.quarantine", "quality.reconciliation"):
        built = build_table(warehouse, settings, name)
        # Activation holds until what is built on it was built again.
        record_build(state, name, built.row_count)
    after = warehouse.query(count, named).item()
    console.print(f"{before:,} record(s) were held back, {after:,} are now", highlight=False)
    if after < before:
        console.print("Build again to take them in: marketing-platform run, or the job build")


def show_failures(console: Console, settings: Settings, *, as_json: bool) -> None:
    """Print the messages that were given up."""
    found = failures(open_state(settings.state_url.get_secret_value()))
    if as_json:
        print(json.dumps([asdict(failure) for failure in found], indent=2, default=str))
        return
    for failure in found:
        console.print(
            f"{failure.destination} {failure.audience} {failure.customer_id}"
            f" {failure.operation}: {failure.reason}",
            highlight=False,
            markup=False,
        )
    console.print(f"{len(found)} message(s) failed")


def list_segments(console: Console, settings: Settings) -> None:
    """Print a line per segment."""
    load_segments(settings.segments_dir)
    report.print_segments(console, built_warehouse(settings))
    active = {rule.segment for rule in settings.platform.activations}
    if len(active) > MOST_ACTIVE:
        console.print(
            f"[yellow]{len(active)} segments are active[/]; more than {MOST_ACTIVE} nobody keeps"
            " an eye on",
            highlight=False,
        )


def preview_segment(console: Console, settings: Settings, name: str, *, with_sql: bool) -> None:
    """Print what a segment would be as its file is now."""
    segments = load_segments(settings.segments_dir)
    segment = known_segment(segments, name)
    found = preview(built_warehouse(settings), segments, name)
    console.print(f"[bold]{name}[/]: {segment.description}", highlight=False)
    before = "not built yet" if found.built_count is None else f"{found.built_count:,} when built"
    console.print(
        f"{found.member_count:,} members ({found.customer_share:.1%} of all customers); {before},"
        f" {found.entering_count:,} enter, {found.leaving_count:,} leave",
        highlight=False,
    )
    for other, count in found.overlaps:
        share = count / found.member_count if found.member_count else 0.0
        console.print(f"  {share:>4.0%} of them are in {other} too ({count:,})", highlight=False)
    if found.sample:
        console.print(f"Some of them: {', '.join(found.sample)}", highlight=False, markup=False)
    if with_sql:
        print(found.sql)


def explain_segment(console: Console, settings: Settings, name: str, customer: str) -> None:
    """Print each condition of a segment with a customer's value."""
    segments = load_segments(settings.segments_dir)
    found = explain(built_warehouse(settings), segments, name, customer)
    told = "is in" if found.is_member else "is not in"
    console.print(f"{customer} {told} {name}", highlight=False, markup=False, style="bold")
    for line in found.lines:
        mark = "[green]yes[/]" if line.holds else "[red]no [/]"
        console.print(f"{mark} {'  ' * line.depth}", end="")
        value = "" if line.value is None else f": {line.value}"
        console.print(f"{line.words}{value}", highlight=False, markup=False)


def _run_everything(console: Console, settings: Settings) -> None:
    from marketing_platform.definitions import run_job

    _quiet_logs()
    started = time.monotonic()
    for stream in settings.platform.sources.files:
        report.print_ingested(console, ingest(settings, stream))
    _refuse_a_clock_before_everything(settings)
    if settings.platform.sources.files:
        console.print("Another column: --map STREAM.FIELD=COLUMN", style="dim")
    for source in active_sources(settings):
        streams = ", ".join(stream.name for stream in source.streams)
        console.print(f"{source.system.title}: {streams}", highlight=False)
    with console.status("Pulling and building every table"):
        built = run_job(settings, "build")
    if not built.success:
        raise PlatformError(
            "; ".join(f"{step}: {error}" for step, error in built.failures.items()),
            where="build",
            mend="What was built before stands; see it in the UI: make up",
        )
    report.print_outcome(console, _warehouse(settings))
    with console.status("Activating the segments"):
        sent = run_job(settings, "activation")
    content = read_status(settings)
    report.print_ledger(console, content["plans"][-12:], content["ledger"])
    if settings.platform.feeds:
        for check in content["checks"]:
            if check["check"] == "feeds_written":
                console.print(check["detail"], highlight=False)
    for name, found in sent.failed_checks.items():
        if name.endswith("not_held"):
            console.print(f"[yellow]held[/] {found}", highlight=False)
    _print_places(console, settings, time.monotonic() - started)
    if not sent.success:
        raise PlatformError("; ".join(sent.failures.values()), where="activation")
    trouble = [found for name, found in sent.failed_checks.items() if name.endswith("delivered")]
    if trouble:
        raise PlatformError(
            f"not everything could be sent: {'; '.join(trouble)}",
            where="activation",
            mend="Nothing is lost; the next activation goes on",
        )


def _refuse_a_clock_before_everything(settings: Settings) -> None:
    """Stop where the clock stands before the first record: everything would be empty."""
    clock, covered = settings.platform.clock, coverage(settings)
    if isinstance(clock, dt.date) and covered and clock < covered.first:
        raise InputError(
            f"{clock} is before the first record, of {covered.first}",
            where="--as-of",
            mend=f"Name a day from {covered.first} to {covered.last}",
        )


def _print_places(console: Console, settings: Settings, seconds: float) -> None:
    places = {
        "warehouse": settings.warehouse_path,
        "raw records": settings.lake_dir,
        "models": settings.models_dir,
        "ledger": settings.data_dir / "state.db",
        "feeds": settings.feeds_dir,
    }
    for name, path in places.items():
        console.print(f"{name + ':':<14}{_shown(path)}", highlight=False)
    console.print(f"Done in {seconds:.0f} s. Open the UI: [bold]make up[/]", highlight=False)


def _streams(
    files: Mapping[str, Path], maps: list[str], date_format: str | None
) -> dict[str, FileStream]:
    told: dict[str, dict[str, str]] = {}
    for field, column in parse_told(maps).items():
        stream, dot, name = field.partition(".")
        if dot and stream not in STREAMS:
            raise InputError(
                f"no stream {stream!r}", where="--map", mend=f"There are: {', '.join(STREAMS)}"
            )
        told.setdefault(stream if dot else "orders", {})[name if dot else field] = column
    configured = load_settings().platform.sources.files
    return {
        stream: FileStream(
            path=path.absolute(),
            mapping={**_mapping_of(configured, stream), **told.get(stream, {})},
            date_format=date_format,
        )
        for stream, path in files.items()
    }


def _mapping_of(configured: Mapping[Any, FileStream], stream: str) -> dict[str, str]:
    return configured[stream].mapping if stream in configured else {}


def _segment_names() -> list[str]:
    """The segments that the configuration activates."""
    return sorted({rule.segment for rule in load_settings().platform.activations})


def _print_previews(settings: Settings, plans: Sequence[Plan]) -> None:
    """What each plan would send first, as it would be sent: a request a kind of change."""
    for plan in plans:
        destination = make_destination(plan.destination, settings)
        for operation in OPERATIONS:
            rows = [
                Row(new["message_key"], operation, new["customer_id"], json.loads(new["payload"]))
                for new in plan.sample
                if new["operation"] == operation and new["state"] == "planned"
            ][: destination.batch_size]
            if rows:
                batch = Batch("preview", plan.destination, plan.audience, rows)
                print(f"\n{plan.audience} -> {plan.destination}, {operation}:")
                print(destination.preview(batch))


def suppress_customers(
    settings: Settings, customers: Sequence[str], channel: Channel | Literal["all"], reason: Reason
) -> None:
    """Remember that people must not be written to; a mistyped id is told, and none is taken."""
    # Who was erased is not in the warehouse any more.
    if reason != "erased":
        known = built_warehouse(settings).query(
            "select customer_id from identity.customers where list_contains($ids, customer_id)",
            {"ids": list(customers)},
        )["customer_id"]
        for customer in sorted(set(customers) - set(known)):
            raise InputError(
                "no such customer", where=customer, mend="Take an id of profiles.customers"
            )
    state = open_state(settings.state_url.get_secret_value())
    with writing(state) as connection:
        suppress(connection, customers, channel, reason, told_by="command", now=utc_now())


def allow_again(settings: Settings, customers: Sequence[str], channel: str) -> int:
    """Take suppressions back; gives how many there were."""
    state = open_state(settings.state_url.get_secret_value())
    return sum(forget_suppression(state, customer, channel) for customer in customers)


def show_incidents(
    console: Console, settings: Settings, acknowledged: int | None, by: str, *, closed: bool
) -> None:
    """Print what is wrong, as of now."""
    state = open_state(settings.state_url.get_secret_value())
    now = utc_now()
    report_incidents(state, "state", find_all(state, settings, now=now), now=now)
    if acknowledged is not None:
        acknowledge(state, acknowledged, by)
    found = recent_incidents(state) if closed else open_incidents(state)
    for one in found:
        style = "red" if one.severity == "critical" else "yellow"
        console.print(f"[{style}]{one.severity}[/] {one.incident_id} ", end="", highlight=False)
        over = f", closed {one.closed_at:%Y-%m-%d %H:%M}" if one.closed_at else ""
        holds = f"; holds {one.holds}" if one.holds else ""
        who = f"; looked after by {one.acknowledged_by}" if one.acknowledged_by else ""
        since = f"since {one.opened_at:%Y-%m-%d %H:%M} UTC{over}"
        console.print(
            f"{since}: {one.title}: {one.detail}{holds}{who}",
            highlight=False,
            markup=False,
        )
    if not found:
        console.print("Nothing is wrong")


def show_held(console: Console, settings: Settings) -> None:
    """Print the audiences that are held, and why."""
    found = held_plans(open_state(settings.state_url.get_secret_value()))
    for plan in found:
        let_go = f"; let go by {plan.released_by}" if plan.released_by else ""
        console.print(
            f"plan {plan.plan_id} of {plan.created_at:%Y-%m-%d %H:%M} UTC,"
            f" {plan.audience} -> {plan.destination}: add {plan.add_count}, update"
            f" {plan.update_count}, remove {plan.remove_count}: {plan.held_reason}{let_go}",
            highlight=False,
            markup=False,
        )
    console.print(f"{len(found)} audience(s) held", highlight=False)


def _print_plans(console: Console, plans: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(plan) for plan in plans], indent=2, default=str))
        return
    for plan in plans:
        counts = plan.counts
        console.print(
            f"{plan.audience} -> {plan.destination}: {plan.status}, add {counts.add_count},"
            f" update {counts.update_count}, remove {counts.remove_count},"
            f" suppressed {counts.suppressed_count}",
            highlight=False,
        )
        for line in (plan.finding, *(f"held: {reason}" for reason in plan.held_reasons)):
            if line:
                console.print(f"  {line}", highlight=False, markup=False)


def built_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of a shop that was built. Raises InputError where nothing was."""
    if not settings.warehouse_path.exists():
        raise InputError("nothing was built yet", mend="Start: marketing-platform run")
    return _warehouse(settings)


def _warehouse(settings: Settings) -> Warehouse:
    limits = settings.platform.warehouse
    return Warehouse(
        settings.warehouse_path, memory_limit=limits.memory_limit, threads=limits.threads
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _quiet_logs() -> None:
    # A run writes a line per event; the UI shows them, the terminal shows what came of it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
