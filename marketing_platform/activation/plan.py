"""Decides what a destination has to be told about an audience, and writes it into the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from marketing_platform.activation.cause import cause_of
from marketing_platform.activation.diff import Counts, Diff, Reach, compare
from marketing_platform.activation.guards import (
    attribute_holds,
    clock_guards,
    segment_holds,
    size_guards,
)
from marketing_platform.activation.ledger import (
    known_messages,
    supersede_without_rule,
    write_messages,
    write_plan,
)
from marketing_platform.activation.quiet import Window, forget_windows, keep_to, windows_of
from marketing_platform.activation.release import is_released
from marketing_platform.activation.rules import check_rules
from marketing_platform.activation.suppression import (
    forget_old_addresses,
    forget_who_came_back,
    reach_of,
)
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import utc_now, writing
from marketing_platform.warehouse import Warehouse

_SAMPLE = 5


@dataclass(frozen=True)
class Plan:
    """What was decided about one audience at one destination.

    `eligible_count` is the number of messages in the ledger that belong to this plan; `counts` is
    what the comparison found, also where the plan is held. A dry run has no `plan_id`. `finding` is
    what a rule that waits has found, or that it still waits, and that a rule is tried out.
    `sleeping_count` are messages that wait until the quiet hours of their people are over.
    """

    plan_id: int | None
    destination: str
    audience: str
    status: str
    held_reasons: tuple[str, ...]
    as_of: dt.datetime
    eligible_count: int
    counts: Counts
    sample: tuple[dict[str, Any], ...]
    finding: str | None = None
    sleeping_count: int = 0

    @property
    def is_held(self) -> bool:
        """Whether nothing is sent because something looks wrong."""
        return self.status == "held"


def make_plan(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    rule: ActivationRule,
    *,
    holds: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
) -> Plan:
    """Plan one rule. `holds` are reasons of the caller not to send.

    `force` lets a plan pass that the limits would hold; it lifts neither `holds` nor the hold of a
    segment or a prediction. A dry run compares and writes nothing.
    """
    check_rules(warehouse, settings, [rule])
    return _plan(warehouse, engine, settings, rule, tuple(holds), force, dry_run)


def plan_all(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    *,
    holds: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
) -> list[Plan]:
    """Plan every rule of the settings; a mistake in one of them is told before any is planned.

    What waits for a rule that was taken out is given up.
    """
    rules = settings.platform.activations
    check_rules(warehouse, settings, rules)
    if not dry_run:
        forget_old_addresses(warehouse, engine)
        forget_who_came_back(warehouse, engine)
    made = [
        _plan(warehouse, engine, settings, rule, tuple(holds), force, dry_run) for rule in rules
    ]
    if not dry_run:
        with writing(engine) as connection:
            for name in settings.platform.destinations:
                audiences = [rule.name for rule in rules if rule.destination == name]
                supersede_without_rule(connection, name, audiences, utc_now())
    return made


def _plan(
    warehouse: Warehouse,
    engine: sa.Engine,
    settings: Settings,
    rule: ActivationRule,
    holds: tuple[str, ...],
    force: bool,
    dry_run: bool,
) -> Plan:
    as_of = _clock(warehouse)
    destination = settings.platform.destinations[rule.destination]
    reach = reach_of(engine, rule, destination, settings.platform.fatigue)
    ledger = known_messages(engine, rule.destination, rule.name)
    cause = cause_of(warehouse, rule)
    with warehouse.connect() as connection:
        diff = compare(connection, ledger, rule, destination, reach, cause)
    reasons = [
        *holds,
        *segment_holds(warehouse, rule.segment),
        *attribute_holds(warehouse, rule),
    ]
    if not force:
        reasons += clock_guards(engine, rule, as_of)
        limits = destination.limits or settings.platform.limits
        sizes = size_guards(diff.counts, limits, cause, is_once=rule.is_once)
        # What a person has looked at and let go passes, as long as it is the same.
        if sizes and not reasons and is_released(engine, rule, diff.fingerprint):
            sizes = []
        reasons += sizes
    plan_id, eligible = None, diff.new.height if not reasons else 0
    hours = destination.quiet_hours if reach.reaches_person else None
    now, windows = utc_now(), list[Window]()
    if hours and not reasons:
        waiting = pl.concat(
            frame.filter(pl.col("state").is_in(["planned", "deferred"])).select(
                "message_key", "customer_id"
            )
            for frame in (ledger, diff.new)
        )
        windows = windows_of(warehouse, hours, waiting, settings.platform.shop.timezone, now)
    if not dry_run:
        kept_to = windows if hours else None
        plan_id, eligible = _write(engine, rule, as_of, diff, reasons, reach, kept_to)
    return Plan(
        plan_id=plan_id,
        destination=rule.destination,
        audience=rule.name,
        status="held" if reasons else "planned" if eligible else "done",
        held_reasons=tuple(reasons),
        as_of=as_of,
        eligible_count=eligible,
        counts=diff.counts,
        sample=tuple(diff.new.head(_SAMPLE).to_dicts()),
        finding="; ".join(filter(None, (cause.finding, rule.trial))) or None,
        sleeping_count=sum(len(w.keys) for w in windows if w.opens > now),
    )


def _write(
    engine: sa.Engine,
    rule: ActivationRule,
    as_of: dt.datetime,
    diff: Diff,
    reasons: list[str],
    reach: Reach,
    windows: Sequence[Window] | None,
) -> tuple[int, int]:
    """Write the plan and, unless it is held, its messages; gives its number and how many.

    `windows` is None where there are no quiet hours.
    """
    now = utc_now()
    names = {"destination": rule.destination, "audience": rule.name}
    counts = asdict(diff.counts)
    for name in ("leaving_count", "told_count", "again_count", "waiting_count"):
        counts.pop(name)
    row = {
        **names,
        **counts,
        "status": "held" if reasons else "planned",
        "held_reason": "; ".join(reasons) or None,
        "created_at": now,
        "as_of": as_of,
        "eligible_count": 0,
        "fingerprint": diff.fingerprint,
        "holdout": rule.drawn,
    }
    fixed = {**names, "channel": reach.channel, "reaches_person": reach.reaches_person}
    with writing(engine) as connection:
        plan_id = write_plan(connection, row)
        if reasons:
            return plan_id, 0
        eligible = write_messages(connection, plan_id, fixed, diff, now)
        if windows is None:
            forget_windows(connection, rule.destination, rule.name)
        else:
            keep_to(connection, windows, now)
        return plan_id, eligible


def _clock(warehouse: Warehouse) -> dt.datetime:
    """The moment that the warehouse was computed for."""
    if not warehouse.exists("core.clock"):
        return utc_now()
    moments = warehouse.query("select as_of from core.clock")["as_of"].to_list()
    return moments[0].replace(tzinfo=dt.UTC) if moments else utc_now()
