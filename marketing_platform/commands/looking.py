"""Looking at a shop: systems, status, incidents, records held back, segments."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from marketing_platform import report
from marketing_platform.activation.rules import check_declared
from marketing_platform.commands.places import built_warehouse
from marketing_platform.destinations.probes import try_destinations
from marketing_platform.errors import InputError, SourceError
from marketing_platform.identity.explain import customer_of
from marketing_platform.pipeline import all_tables, build_table
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.incidents import acknowledge, open_incidents, recent_incidents
from marketing_platform.quality.incidents import report as report_incidents
from marketing_platform.quality.results import record_build
from marketing_platform.segments.explain import explain, known_segment, preview
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.warnings import MOST_ACTIVE
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest, inspect
from marketing_platform.sources.staging import FILES, Staged, expand, staging_tables
from marketing_platform.state import open_state, utc_now
from marketing_platform.warehouse import Warehouse, sql_tables
from marketing_platform.wording import counted, minute


def examine(console: Console, settings: Settings) -> None:
    """Print a line per configured system. Raises SourceError where one cannot be used."""
    from marketing_platform.sources.doctor import examine_sources

    ill = []
    for finding in examine_sources(settings):
        mark = "[green]good[/]" if finding.is_well else "[red]bad [/]"
        console.print(f"{mark}  {finding.source:<16}", end="")
        console.print(f"{finding.title}: {finding.found}", markup=False, highlight=False)
        if not finding.is_well:
            ill.append(finding.source)
    for stream, file in settings.platform.sources.files.items():
        inspect(stream, file)
        console.print(
            f"[green]good[/]  {'files':<16}{stream}: {escape(str(file.path))}", highlight=False
        )
    for tried in try_destinations(settings):
        mark = {True: "[green]good[/]", False: "[red]bad [/]", None: "    "}[tried.is_well]
        console.print(f"{mark}  {tried.destination:<16}", end="")
        console.print(f"{tried.kind}: {tried.found}", markup=False, highlight=False)
        if tried.is_well is False:
            ill.append(tried.destination)
    rules = settings.platform.activations
    check_declared(settings, rules, load_segments(settings.segments_dir))
    if rules:
        trials = [f"{rule.name} -> {rule.destination}" for rule in rules if rule.only]
        told = f"; tried out: {', '.join(trials)}" if trials else ""
        line = f"[green]good[/]  {'activations':<16}{len(rules)} sound{escape(told)}"
        console.print(line, highlight=False)
    if ill:
        raise SourceError(f"cannot be used: {', '.join(ill)}", where="doctor")
    if not settings.platform.sources.files and not settings.platform.sources.systems:
        console.print("No source is configured; see docs/sources.md")


def read_status(settings: Settings) -> dict[str, Any]:
    """Everything that `status` tells."""
    from marketing_platform.definitions import recent_runs

    state = open_state(settings.state_url.get_secret_value())
    return report.status(settings, state, recent_runs(settings))


def show_incidents(
    console: Console,
    settings: Settings,
    acknowledged: int | None,
    by: str,
    *,
    closed: bool,
    as_json: bool,
) -> None:
    """Print what is wrong, as of now."""
    state = open_state(settings.state_url.get_secret_value())
    now = utc_now()
    report_incidents(state, "state", find_all(state, settings, now=now), now=now)
    if acknowledged is not None:
        acknowledge(state, acknowledged, by)
    found = recent_incidents(state) if closed else open_incidents(state)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2, default=str))
        return
    for one in found:
        style = "red" if one.severity == "critical" else "yellow"
        console.print(f"[{style}]{one.severity}[/] #{one.incident_id} ", end="", highlight=False)
        over = f", closed {minute(one.closed_at)}" if one.closed_at else ""
        holds = f"; holds {one.holds}" if one.holds else ""
        who = f"; looked after by {one.acknowledged_by}" if one.acknowledged_by else ""
        since = f"since {minute(one.opened_at)}{over}"
        console.print(
            f"{since}: {one.title}: {one.detail}{holds}{who}",
            highlight=False,
            markup=False,
        )
    if not found:
        console.print("Nothing is wrong")


def list_quarantine(console: Console, settings: Settings) -> None:
    """Print how many records are held back, by stream and reason."""
    warehouse = built_warehouse(settings)
    rows = warehouse.query(
        "select source, stream, quarantine_reason as reason, count(*) as n,"  # noqa: S608 - a query of ours
        f" max(received_date) as latest from ({_judged(warehouse, settings)})"
        " where outcome = 'quarantined' group by all order by n desc, source, stream, reason"
    )
    for row in rows.to_dicts():
        console.print(
            f"{row['n']:>8,}  {row['source']}.{row['stream']}: {row['reason']}"
            f" (latest {row['latest']})",
            highlight=False,
            markup=False,
        )
    console.print(f"{counted(int(rows['n'].sum()), 'record')} held back", highlight=False)


def show_quarantine(
    console: Console, settings: Settings, stream: str | None, limit: int, *, as_json: bool
) -> None:
    """Print the first records of the quarantine, of one source or stream where it is named."""
    source, _, name = (stream or "").partition(".")
    warehouse = built_warehouse(settings)
    rows = warehouse.query(
        f"select * from ({_held_back(warehouse, settings)})"  # noqa: S608 - a query of ours
        " where ($source = '' or source = $source) and ($stream = '' or stream = $stream)"
        " order by source, stream, line_number, record_id limit $limit",
        {"limit": limit, "source": source, "stream": name},
    )
    if rows.is_empty() and source:
        _check_stream(settings, source, name)
    if as_json:
        print(json.dumps(rows.to_dicts(), indent=2, default=str))
        return
    if rows.is_empty():
        console.print("Nothing is held back")
    for row in rows.to_dicts():
        console.print(
            f"{row['source']} {row['stream']} record {row['line_number'] or row['record_id']}:"
            f" {row['reason']}: {row['payload']}",
            highlight=False,
            markup=False,
        )


def _check_stream(settings: Settings, source: str, stream: str) -> None:
    """Refuse a source, or a stream of it, that there is not."""
    known = {(one.source, one.stream) for one in staging_tables(settings).values()}
    named = f"{source}.{stream}" if stream else source
    if not any(one == source and stream in ("", name) for one, name in known):
        raise InputError("no such source or stream", where=named, mend="See: quarantine list")


def _judged(warehouse: Warehouse, settings: Settings) -> str:
    """A query for the records that were judged.

    It reads what the staging tables say now: where a check stops a build because of them,
    `quality.quarantine` is of the build before.
    """
    return expand("select * from staging.records", _staged(warehouse, settings))


def _held_back(warehouse: Warehouse, settings: Settings) -> str:
    """What `quality.quarantine` would be now."""
    return expand(sql_tables()["quality.quarantine"].sql, _staged(warehouse, settings))


def _staged(warehouse: Warehouse, settings: Settings) -> list[Staged]:
    found = [s for n, s in staging_tables(settings).items() if warehouse.exists(n)]
    if not found:
        raise InputError("nothing was built yet", mend="Start: marketing-platform run")
    return found


def retry_quarantine(console: Console, settings: Settings, source: str | None) -> None:
    """Build the staging tables of a source, and the quarantine, again; say what became of it."""
    warehouse = built_warehouse(settings)
    before = _count_held_back(warehouse, settings, source)
    staged = staging_tables(settings)
    tables = [
        name
        for name in all_tables(settings)
        if name in staged and (source is None or staged[name].source == source)
    ]
    if not tables:
        raise InputError("no such source", where=str(source), mend="See: quarantine list")
    if source in (None, FILES):
        for stream, file in settings.platform.sources.files.items():
            # By which mapping an export is read is kept with its records.
            if file.path.exists():
                ingest(settings, stream)
    state = open_state(settings.state_url.get_secret_value())
    for name in (*tables, "quality.quarantine", "quality.reconciliation"):
        built = build_table(warehouse, settings, name)
        # Activation holds until what is built on it was built again.
        record_build(state, name, built.row_count)
    after = _count_held_back(warehouse, settings, source)
    were = "was" if before == 1 else "were"
    now = f"{after:,} {'is' if after == 1 else 'are'} now"
    console.print(f"{counted(before, 'record')} {were} held back, {now}", highlight=False)
    console.print("Activation holds until all is built again: marketing-platform run")


def _count_held_back(warehouse: Warehouse, settings: Settings, source: str | None) -> int:
    count: int = warehouse.query(
        f"select count(*) from ({_judged(warehouse, settings)})"  # noqa: S608 - a query of ours
        " where outcome = 'quarantined' and ($source = '' or source = $source)",
        {"source": source or ""},
    ).item()
    return count


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
    console.print(f"[bold]{name}[/]: {escape(segment.description)}", highlight=False)
    before = "not built yet" if found.built_count is None else f"{found.built_count:,} when built"
    console.print(
        f"{counted(found.member_count, 'member')} ({found.customer_share:.1%} of all customers);"
        f" {before}, {found.entering_count:,} enter, {found.leaving_count:,} leave",
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
    warehouse = built_warehouse(settings)
    customer = customer_of(warehouse, customer)
    found = explain(warehouse, segments, name, customer)
    told = "is in" if found.is_member else "is not in"
    console.print(f"{customer} {told} {name}", highlight=False, markup=False, style="bold")
    if found.is_built not in (None, found.is_member):
        built = "are" if found.is_built else "are not"
        is_daily = segments[name].refresh == "daily"
        why = "found once a day" if is_daily else "its file or the tables have changed since"
        console.print(
            f"They {built} among the members that were built: {why}",
            highlight=False,
            style="yellow",
        )
    for line in found.lines:
        mark = "[green]yes[/]" if line.holds else "[red]no [/]"
        console.print(f"{mark} {'  ' * line.depth}", end="")
        value = "" if line.value is None else f": {line.value}"
        console.print(f"{line.words}{value}", highlight=False, markup=False)
