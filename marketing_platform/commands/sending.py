"""Activating, and what a person does about messages: failures, holds, suppressions, feeds."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from threading import Event
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from rich.console import Console

from marketing_platform.activation import (
    Plan,
    activate,
    failures,
    held_plans,
    plan_all,
    story_of,
    write_feeds,
)
from marketing_platform.activation.became import merged
from marketing_platform.activation.diff import row_of
from marketing_platform.activation.story import bars_of
from marketing_platform.activation.suppression import (
    BY_COMMAND,
    Reason,
    forget_suppression,
    suppress,
)
from marketing_platform.commands.places import built_warehouse, shop_state
from marketing_platform.destinations import Batch, make_destination
from marketing_platform.errors import HeldError, InputError, PlatformError
from marketing_platform.identity.explain import customer_of, customers_of
from marketing_platform.identity.resolve import ID_PREFIX
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Channel, Settings
from marketing_platform.state import OPERATIONS, open_state, utc_now, writing
from marketing_platform.terminal import harmless
from marketing_platform.wording import counted, minute

# All of them are in the JSON.
_SHOWN_MESSAGES = 30


def activate_now(
    console: Console, settings: Settings, *, dry_run: bool, force: bool, as_json: bool
) -> None:
    """Plan and send, or only show the plans. Raises HeldError where something holds everything."""
    state = open_state(settings.state_url.get_secret_value())
    warehouse = built_warehouse(settings)
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
    lines = (*dispatched.lines(), *(feed.line() for feed in feeds))
    for line in () if as_json else lines:
        console.print(line, highlight=False, markup=False)
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
    console.print(f"{counted(len(found), 'message')} failed", highlight=False)


def show_story(console: Console, settings: Settings, name: str, *, as_json: bool) -> None:
    """Print what a person was told, and where they stand with each rule.

    They are named by the customer's id, a contact's, an e-mail or a phone; who is not in the
    warehouse any more by the customer's id.
    """
    state, warehouse = open_state(settings.state_url.get_secret_value()), built_warehouse(settings)
    unknown: InputError | None = None
    try:
        customer = customer_of(warehouse, name)
    except InputError as error:
        customer, unknown = name, error
    story = story_of(warehouse, state, settings, customer)
    if unknown and not (story.said or story.bars):
        raise unknown
    if as_json:
        told = asdict(story)
        for said in told["said"]:
            said["payload"] = json.loads(said["payload"] or "null")
        print(json.dumps(told, indent=2, default=str))
        return
    before = f" (before: {', '.join(story.former_ids)})" if story.former_ids else ""
    consents = ", ".join(f"{one} {'yes' if has else 'no'}" for one, has in story.consents.items())
    lines = [f"customer {customer}{before}", f"consent: {consents or 'no profile'}"]
    lines += [
        f"never by {bar.channel}: {bar.reason}, told by {bar.told_by} on {bar.created_at:%Y-%m-%d}"
        for bar in story.bars
    ]
    for rule in story.standings:
        since = f", in the segment since {minute(rule.entered_at)}" if rule.entered_at else ""
        held = f"; held: {rule.held_reason}" if rule.held_reason else ""
        lines.append(f"{rule.audience} -> {rule.destination}: {rule.stands}{since}{held}")
    lines.append(f"{counted(len(story.said), 'message')}, the newest first")
    for said in story.said[:_SHOWN_MESSAGES]:
        reason = f": {said.reason}" if said.reason else ""
        doubt = ", may have arrived" if said.may_have_arrived and said.state != "sent" else ""
        when, where = minute(said.settled_at or said.created_at), said.destination
        lines.append(
            f"  {when} {said.audience} -> {where}, {said.operation}: {said.state}{reason}{doubt}"
        )
    for line in lines:
        console.print(line, highlight=False, markup=False)


def show_held(console: Console, settings: Settings, *, as_json: bool) -> None:
    """Print the audiences that are held, and why."""
    state = open_state(settings.state_url.get_secret_value())
    found = held_plans(state, settings.platform.activations)
    if as_json:
        print(json.dumps([asdict(plan) for plan in found], indent=2, default=str))
        return
    for plan in found:
        let_go = f"; let go by {plan.released_by}" if plan.released_by else ""
        console.print(
            f"plan {plan.plan_id} of {minute(plan.created_at)},"
            f" {plan.audience} -> {plan.destination}: add {plan.add_count}, update"
            f" {plan.update_count}, remove {plan.remove_count}: {plan.held_reason}{let_go}",
            highlight=False,
            markup=False,
        )
    console.print(f"{counted(len(found), 'audience')} held", highlight=False)


_FINDINGS = {
    "buys_more": "who is told buys more",
    "buys_less": "who is told buys less",
    "no_difference": "no difference can be seen yet",
    "too_few": "too few to say: it needs 100 of each, and 25 buyers",
    "not_as_drawn": "the parts are not as large as they were drawn: nothing may be concluded",
}


def show_lift(console: Console, settings: Settings, *, as_json: bool) -> None:
    """Print what those bought who were told, and those held out, a rule at a time."""
    warehouse = built_warehouse(settings)
    found = warehouse.read("activation.lift").sort("audience", "destination").to_dicts()
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        lines = [
            f"{row['audience']} -> {row['destination']}: {_FINDINGS[row['finding']]}",
            f"  {row['told_count']:,} told and {row['held_out_count']:,} held out"
            f" ({row['holdout_share']:.0%}) since {row['since_at']:%Y-%m-%d}, {row['window_days']}"
            f" days each; {row['waiting_count']:,} more whose days are not over",
        ]
        if row["buyer_share_difference"] is not None:
            lines += [
                f"  bought: {row['told_buyer_share']:.1%} and {row['held_out_buyer_share']:.1%},"
                f" {100 * row['buyer_share_difference']:+.1f} points"
                + _points(row["buyer_share_difference_low"], row["buyer_share_difference_high"]),
                f"  net revenue of a customer: {row['told_mean_amount']:,.2f} and"
                f" {row['held_out_mean_amount']:,.2f}; brought {row['brought_amount']:+,.2f}"
                + _amounts(row["brought_low_amount"], row["brought_high_amount"]),
            ]
        for line in lines:
            console.print(line, highlight=False, markup=False)
    compared = {(row["audience"], row["destination"]) for row in found}
    rules = [rule for rule in settings.platform.activations if rule.held_out]
    for rule in rules:
        if (rule.name, rule.destination) not in compared:
            console.print(
                f"{rule.name} -> {rule.destination}: nobody is counted yet; each run begins with"
                " whom the runs before it told",
                highlight=False,
                markup=False,
            )
    if not rules:
        console.print("no rule has a holdout; give one holdout: 0.1 to compare", highlight=False)


def _points(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" ({100 * low:+.1f} to {100 * high:+.1f})"


def _amounts(low: Decimal | None, high: Decimal | None) -> str:
    return "" if low is None or high is None else f" ({low:+,.2f} to {high:+,.2f})"


def suppress_customers(
    settings: Settings, names: Sequence[str], channel: Channel | Literal["all"], reason: Reason
) -> int:
    """Remember that people must not be written to, and give how many they are.

    Each is named by the customer's id, a contact's, an e-mail or a phone. One who is unknown is
    told, and none is taken.
    """
    if reason == "erased" and channel != "all":
        # A vendor's audience is of no channel, and would keep them.
        raise InputError(
            "who is erased is told of to nobody", where="--channel", mend="Leave --channel out"
        )
    customers = set(names)
    # Who was erased already is not in the warehouse any more, and known by id alone.
    gone = {name for name in customers if reason == "erased" and name.startswith(ID_PREFIX)}
    if known := customers - gone:
        customers = gone | set(customers_of(built_warehouse(settings), known).values())
    state = shop_state(settings)
    _refuse_former(settings, state, gone)
    with writing(state) as connection:
        suppress(connection, sorted(customers), channel, reason, told_by=BY_COMMAND, now=utc_now())
    return len(customers)


def _refuse_former(settings: Settings, state: sa.Engine, names: set[str]) -> None:
    """Refuse ids of customers that are another one by now, who would be written to as before."""
    if not names:
        return
    left = merged(state).filter(pl.col("customer_id").is_in(names)).sort(pl.all())
    if left.is_empty():
        return
    found = built_warehouse(settings).query("select customer_id from identity.contact_customers")
    current = set(found["customer_id"])
    for old, other in left.rows():
        if old not in current and other in current:
            raise InputError(f"it became {other}", where=old, mend="Name that one")


def allow_again(settings: Settings, names: Sequence[str], channel: str) -> list[str]:
    """Take suppressions back; in words how many there were, and what still bars these people."""
    state = shop_state(settings)
    count, left = 0, []
    for name in names:
        # Who was erased is known by id alone.
        customer = name
        found = forget_suppression(state, customer, channel)
        if not found:
            customer = customer_of(built_warehouse(settings), name)
            found = forget_suppression(state, customer, channel)
        count += found
        left += [
            f"{name} is still barred by {bar.channel}: {bar.reason}, told by {bar.told_by};"
            f" to take that back: --channel {bar.channel}"
            for bar in bars_of(state, customer)
        ]
    return [f"{counted(count, 'suppression')} taken back", *left]


def _print_plans(console: Console, plans: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(plan) for plan in plans], indent=2, default=str))
        return
    if not plans:
        console.print("Nobody is told of a segment: platform.yaml has no activations")
    for plan in plans:
        counts = plan.counts
        console.print(
            f"{plan.audience} -> {plan.destination}: {plan.status}, add {counts.add_count},"
            f" update {counts.update_count}, remove {counts.remove_count},"
            f" suppressed {counts.suppressed_count}",
            highlight=False,
            markup=False,
        )
        asleep = f"{plan.sleeping_count} wait until their quiet hours are over"
        waits = asleep if plan.sleeping_count else None
        paced = f"{counts.waiting_count} wait for another day" if counts.waiting_count else None
        for line in (
            plan.finding,
            waits,
            paced,
            *(f"held: {reason}" for reason in plan.held_reasons),
        ):
            if line:
                console.print(f"  {line}", highlight=False, markup=False)


def _print_previews(settings: Settings, plans: Sequence[Plan]) -> None:
    """What each plan would send first, as it would be sent: a request a kind of change."""
    for plan in plans:
        destination = make_destination(plan.destination, settings)
        for operation in OPERATIONS:
            rows = [
                row_of(new["message_key"], operation, new["customer_id"], new["payload"])
                for new in plan.sample
                if new["operation"] == operation and new["state"] == "planned"
            ][: destination.batch_size]
            if rows:
                batch = Batch("preview", plan.destination, plan.audience, rows)
                print(f"\n{plan.audience} -> {plan.destination}, {operation}:")
                print(harmless(destination.preview(batch)))
