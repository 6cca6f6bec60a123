"""`marketing-platform identity` and `dedupe`: who is who, why, and what people say about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from marketing_platform.errors import InputError
from marketing_platform.settings import Settings, load_settings
from marketing_platform.sources.files.mapping import parse_told
from marketing_platform.terminal import terminal
from marketing_platform.wording import counted, minute

if TYPE_CHECKING:
    import sqlalchemy as sa

    from marketing_platform.warehouse import Warehouse

identity_app = typer.Typer(no_args_is_help=True, help="See and correct who is the same person.")
Name = Annotated[str, typer.Argument(help="A customer's id, a contact's, an e-mail or a phone.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with it.")]
_FOLLOWS = "The next build follows."
# What the check of a mapping that is held says before its digest.
_ACCEPT = "marketing-platform identity accept "


@identity_app.command("explain")
def explain(customer: Name) -> None:
    """Show the contacts of a customer, and what ties each to the others."""
    from marketing_platform.identity import edges, explain

    settings, console = load_settings(), terminal()
    warehouse, state = _warehouse(settings), _state(settings)
    found = explain.customer_of(warehouse, customer)
    console.print(f"[bold]{found}[/]", highlight=False)
    for tie in explain.explain(warehouse, found, edges.edges(state)):
        by = f"  tied to {tie.tied_to} by {tie.by}" if tie.tied_to else ""
        _say(console, f"  {tie.contact_id}  {tie.known_as}{by}")
    for change in edges.logged_changes(state, found, 10):
        _say(
            console,
            f"  {minute(change['changed_at'])} {change['kind']}: {change['customer_id']}"
            f" -> {change['other_customer_id']} ({change['cause']})",
        )


@identity_app.command("merge")
def merge(
    first: Name,
    second: Name,
    reason: Reason = "told by a person",
) -> None:
    """Say that two are one person."""
    from marketing_platform.identity import edges, explain

    settings = load_settings()
    warehouse, state = _warehouse(settings), _state(settings)
    contacts = [
        _some_contact(warehouse, explain.customer_of(warehouse, n)) for n in (first, second)
    ]
    if contacts[0] == contacts[1]:
        raise InputError("they are one customer already", where=f"{first} {second}")
    edge = edges.add_edge(state, "together", contacts, reason)
    print(f"edge {edge.edge_id}: {' and '.join(edge.contact_ids)} are one person. {_FOLLOWS}")


@identity_app.command("unmerge")
def unmerge(
    contacts: Annotated[
        list[str], typer.Argument(help="The contacts that are another person, as source:key.")
    ],
    reason: Reason = "told by a person",
) -> None:
    """Say that these contacts are not who the others are that they share an identifier with."""
    from marketing_platform.identity import edges

    settings = load_settings()
    warehouse, state = _warehouse(settings), _state(settings)
    known = warehouse.query(
        "select contact_id, customer_id from identity.contact_customers"
        " where list_contains($contacts, contact_id)",
        {"contacts": contacts},
    )
    if missing := sorted(set(contacts) - set(known["contact_id"])):
        raise InputError("no such contact", where=missing[0], mend="See: identity explain CUSTOMER")
    edge = edges.add_edge(state, "apart", contacts, reason)
    print(f"edge {edge.edge_id}: {', '.join(edge.contact_ids)} set apart. {_FOLLOWS}")


@identity_app.command("undo")
def undo(edge_id: Annotated[int, typer.Argument(help="As `identity edges` shows it.")]) -> None:
    """Take back what was said by merge or unmerge."""
    from marketing_platform.identity import edges

    edge = edges.take_back(_state(load_settings()), edge_id)
    print(f"edge {edge.edge_id} is taken back. {_FOLLOWS}")


@identity_app.command("edges")
def show_edges() -> None:
    """List what people have said."""
    from marketing_platform.identity import edges

    console = terminal()
    found = edges.edges(_state(load_settings()), also_taken_back=True)
    for edge in found:
        gone = f", taken back {edge.taken_back_at:%Y-%m-%d}" if edge.taken_back_at else ""
        _say(
            console,
            f"{edge.edge_id}  {edge.kind}: {', '.join(edge.contact_ids)}"
            f"  ({edge.reason}, {edge.made_at:%Y-%m-%d}{gone})",
        )
    if not found:
        _say(console, "Nobody has said that two are one person, or are not")


@identity_app.command("changes")
def show_changes(
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """List which customers were merged and split, and why; the newest first."""
    from marketing_platform.identity import edges

    console = terminal()
    found = edges.logged_changes(_state(load_settings()), limit=limit)
    for row in found:
        _say(
            console,
            f"{minute(row['changed_at'])}  {row['kind']}: {row['customer_id']} ->"
            f" {row['other_customer_id']}, {counted(row['contact_count'], 'contact')}:"
            f" {row['cause']}",
        )
    if not found:
        _say(console, "No customers were merged or split")


@identity_app.command("review")
def review() -> None:
    """List who is too many to be one, identifiers that tie nobody, and who may be one person."""
    from marketing_platform.identity import explain

    console, warehouse = terminal(), _warehouse(load_settings())
    held, shared = explain.held_back(warehouse), explain.shared_too_often(warehouse)
    for row in held.to_dicts():
        _say(
            console,
            f"held: {row['kind']} {row['value']} is that of {row['customer_count']} customers, who"
            " would be too many for one or are set apart",
        )
    for row in shared.to_dicts():
        _say(
            console,
            f"{row['kind']} {row['value']}: {counted(row['contact_count'], 'contact')},"
            f" {row['reason']}",
        )
    pairs = warehouse.query(
        "select * from identity.probable_links order by probability desc limit 50"
    )
    for row in pairs.to_dicts():
        _say(
            console,
            f"probable {row['probability']:.3f}: {row['contact_id']} and {row['other_contact_id']}",
        )
    if held.is_empty() and shared.is_empty() and pairs.is_empty():
        _say(console, "There is nothing to look at")


@identity_app.command("accept")
def accept(
    digest: Annotated[str, typer.Argument(help="As the check of the mapping says.")],
) -> None:
    """Let a mapping pass that the limits hold."""
    from marketing_platform.identity import edges
    from marketing_platform.quality.results import latest_checks

    state = _state(load_settings())
    held = [
        check.detail.partition(_ACCEPT)[2]
        for check in latest_checks(state)
        if not check.passed and _ACCEPT in check.detail
    ]
    # One that is mistyped would pass nothing, and the hold would never lift.
    if digest not in held:
        mend = f"Say: {_ACCEPT}{held[0]}" if held else None
        raise InputError("no such mapping is held", where=digest, mend=mend)
    edges.accept(state, digest)
    print(f"accepted. {_FOLLOWS}")


def dedupe(
    file: Annotated[Path, typer.Argument(help="CSV of people.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write the file with a column cluster_id.")
    ] = None,
    truth: Annotated[
        str | None, typer.Option(help="Column of the true person; for measuring alone.")
    ] = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="ROLE=COLUMN; repeatable.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that is not compared; repeatable.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability from which two are one.")
    ] = None,
) -> None:
    """Find the records of one person in any CSV of people; no platform is needed."""
    import polars as pl

    from marketing_platform.identity.dedupe import dedupe, quality, read_people

    if out and not out.absolute().parent.is_dir():
        raise InputError("no such folder", where=str(out.parent), mend="Make it, or name another")
    console = terminal(for_errors=True)
    ignored = [*(ignore or []), *([truth] if truth else [])]
    people = read_people(file, parse_told(maps or []), ignored)
    taken = [f"{role}={column}" for role, column in people.roles.items()]
    _say(console, f"compared: {', '.join([*taken, *people.identifiers])}")
    found = dedupe(people, threshold)
    if out:
        people.records.with_columns(found.clusters).write_csv(out)
    told = {
        "records": people.records.height,
        "clusters": found.clusters.n_unique(),
        "threshold": round(found.threshold, 4),
        "seconds": round(found.seconds, 2),
    }
    if truth:
        told |= quality(found.clusters, people.records[truth].cast(pl.String))
    print(json.dumps(told))


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False)


def _some_contact(warehouse: Warehouse, customer_id: str) -> str:
    contact: str = warehouse.query(
        "select min(contact_id) as contact_id from identity.contact_customers"
        " where customer_id = $customer",
        {"customer": customer_id},
    ).item()
    return contact


def _warehouse(settings: Settings) -> Warehouse:
    from marketing_platform.commands.places import built_warehouse

    return built_warehouse(settings)


def _state(settings: Settings) -> sa.Engine:
    from marketing_platform.commands.places import shop_state
    from marketing_platform.identity import edges  # noqa: F401 - its tables

    return shop_state(settings)
