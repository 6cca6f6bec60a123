"""Reasons to hold a plan because it looks wrong rather than right."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from marketing_platform.activation.attributes import known_attributes
from marketing_platform.activation.cause import Cause
from marketing_platform.activation.diff import Counts
from marketing_platform.segments.holds import held_reason
from marketing_platform.settings import ActivationRule, Limits
from marketing_platform.state import plans, reading
from marketing_platform.warehouse import Warehouse
from marketing_platform.wording import counted, minute


def size_guards(
    counts: Counts, limits: Limits, cause: Cause, *, is_once: bool = False
) -> list[str]:
    """What is suspicious about the size of a plan.

    Shares and ratios are of the audience before: they do not judge its first plan, nor what is told
    once, nor an audience that is emptied because what it waits for is over.
    """
    before, after = counts.audience_count, counts.wanted_count
    reasons = []
    if is_once:
        if limits.max_messages is not None and counts.add_count > limits.max_messages:
            reasons.append(
                f"would tell {counts.add_count} customers at once (limit {limits.max_messages})"
            )
        told, again = counts.told_count, counts.again_count
        # A warehouse that was built anew does not know since when anybody is in a segment.
        is_judged = told >= limits.minimum_audience and cause.occasion is None
        if is_judged and told and again / told > limits.max_removal_share:
            reasons.append(
                f"would tell {again} of {told} customers again"
                f" ({again / told:.0%}; limit {limits.max_removal_share:.0%})"
            )
        return reasons
    if not cause.is_on:
        return reasons
    if after < limits.min_size:
        reasons.append(f"would have {counted(after, 'customer')} (at least {limits.min_size:,})")
    if limits.max_size is not None and after > limits.max_size:
        reasons.append(f"would have {counted(after, 'customer')} (at most {limits.max_size:,})")
    if not before or before < limits.minimum_audience:
        return reasons
    share = counts.leaving_count / before
    if share > limits.max_removal_share:
        reasons.append(
            f"would remove {counts.leaving_count} of {before} customers"
            f" ({share:.0%}; limit {limits.max_removal_share:.0%})"
        )
    if after / before > limits.max_growth_ratio:
        reasons.append(
            f"would grow the audience from {before} to {after} customers"
            f" ({after / before:.1f} times; limit {limits.max_growth_ratio:g})"
        )
    return reasons


def clock_guards(engine: sa.Engine, rule: ActivationRule, as_of: dt.datetime) -> list[str]:
    """A plan for an earlier moment than the last one: a backfill, which must tell nobody."""
    last = (
        sa.select(plans.c.as_of)
        .where(
            plans.c.destination == rule.destination,
            plans.c.audience == rule.name,
            plans.c.status != "held",
        )
        .order_by(plans.c.plan_id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        latest = connection.execute(last).scalar()
    if latest is None or as_of >= latest:
        return []
    return [f"the clock stands at {minute(as_of)}, before the plan of {minute(latest)}"]


def segment_holds(warehouse: Warehouse, segment: str) -> list[str]:
    """Why a segment is held, if it is."""
    row = warehouse.query(
        "select status, held_reason from segments.sizes where segment = $segment",
        {"segment": segment},
    ).row(0, named=True)
    if row["status"] != "held":
        return []
    return [f"the segment {segment} is held: {row['held_reason'] or 'no reason given'}"]


def attribute_holds(warehouse: Warehouse, rule: ActivationRule) -> list[str]:
    """Why attributes of a rule may not be told: they come of predictions that may not be used."""
    named: dict[str, str] = {}
    for name in rule.attributes:
        prediction = known_attributes()[name].prediction
        if prediction is not None:
            named.setdefault(prediction, name)
    return [
        f"the attribute {name} may not be told: {reason}"
        for prediction, name in named.items()
        if (reason := held_reason(warehouse, prediction))
    ]
