"""The tables of `segments`, built from the rules in `config/segments/`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from sqlglot import exp

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.names import TableName
from marketing_platform.segments.compile import reasons_query
from marketing_platform.segments.conditions import Segment
from marketing_platform.segments.holds import held_reasons
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.vocabulary import PREDICTIONS
from marketing_platform.segments.warnings import warnings_of
from marketing_platform.settings import Settings
from marketing_platform.state import utc_now
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_MEMBERSHIPS = "segments.memberships"
_STAYS = "segments.stays"
_SIZES = "segments.sizes"
# The stays of which the clock is in the midst. One that ends after it was ended by a clock that was
# ahead, or is looked at from the past.
_STAYING = """
    select
        stays.segment,
        stays.customer_id,
        min(stays.entered_at) as entered_at,
        arg_min(stays.why, stays.entered_at) as why
    from segments.stays as stays
    cross join core.clock as now
    where
        stays.entered_at <= now.as_of
        and (stays.left_at is null or stays.left_at > now.as_of)
    group by stays.segment, stays.customer_id
"""
# A clock that is set back must not leave members who entered after it: the earlier moment is kept
# until the clock has come back to the stay, which knows since when it is.
_WITH_ENTRY = """
    select
        members.segment,
        members.customer_id,
        least(coalesce(stays.entered_at, previous.entered_at, now.as_of), now.as_of) as entered_at,
        case when previous.customer_id is null then members.why else previous.why end as why
    from members_told as members
    cross join core.clock as now
    left join segments.memberships as previous
        on previous.segment = members.segment and previous.customer_id = members.customer_id
    left join staying as stays
        on stays.segment = members.segment and stays.customer_id = members.customer_id
    where not list_contains({found_not}, members.segment)
    union all
    select kept.segment, kept.customer_id, kept.entered_at, kept.why
    from segments.memberships as kept
    inner join profiles.customers as customers on customers.customer_id = kept.customer_id
    where list_contains({kept}, kept.segment)
"""
# An open stay goes on while the customer is a member. Who leaves and is back at the same clock has
# not left.
_STAYS_NOW = """
    select
        stays.segment,
        stays.customer_id,
        coalesce(members.entered_at, stays.entered_at) as entered_at,
        case when members.customer_id is null then now.as_of end as left_at,
        stays.why
    from staying as stays
    cross join core.clock as now
    left join segments.memberships as members
        on members.segment = stays.segment and members.customer_id = stays.customer_id
    union all
    select stays.segment, stays.customer_id, stays.entered_at, stays.left_at, stays.why
    from segments.stays as stays
    cross join core.clock as now
    left join segments.memberships as members
        on members.segment = stays.segment
        and members.customer_id = stays.customer_id
        and members.entered_at = stays.entered_at
    where
        stays.left_at is not null
        and stays.left_at <= now.as_of
        and stays.left_at > now.as_of - interval 400 day
        and members.customer_id is null
    union all
    select members.segment, members.customer_id, members.entered_at, null, members.why
    from segments.memberships as members
    left join staying as stays
        on stays.segment = members.segment and stays.customer_id = members.customer_id
    where stays.customer_id is null
"""

# When somebody last entered or left of whom the warehouse still knows. A moment that is still to
# come is of a clock that was wrong, but for the end of a day.
_LAST_CHANGE = """
    select max(greatest(stays.entered_at, stays.left_at))
    from segments.stays as stays
    semi join profiles.customers as customers on customers.customer_id = stays.customer_id
    where greatest(stays.entered_at, stays.left_at) < $now + interval 2 day
"""


def build_memberships(warehouse: Warehouse, settings: Settings) -> Built:
    """Compute all segments in one query; whoever was in before keeps the moment of entry."""
    segments = load_segments(settings.segments_dir)
    _, today = _clock(warehouse)
    warehouse.ensure(_MEMBERSHIPS)
    warehouse.ensure(_STAYS)
    kept = _kept(warehouse, settings, segments, today)
    expired = _expired(segments, today)
    text = _WITH_ENTRY.format(found_not=_names(kept | expired), kept=_names(kept - expired))
    told = reasons_query(segments).sql("duckdb")
    return warehouse.build(
        _MEMBERSHIPS, f"with members_told as ({told}), staying as ({_STAYING}) {text}"
    )


def build_stays(warehouse: Warehouse, settings: Settings) -> Built:
    """Close the stays of those who left, and begin those of who entered.

    A look at the past, by a clock that was set back, changes none.
    """
    warehouse.ensure(_STAYS)
    now = utc_now().replace(tzinfo=None)
    last = warehouse.query(_LAST_CHANGE, {"now": now}).item()
    as_of, _ = _clock(warehouse)
    is_of_past = last is not None and as_of < last
    now_on = f"with staying as ({_STAYING}) {_STAYS_NOW}"
    return warehouse.build(_STAYS, "select * from segments.stays" if is_of_past else now_on)


def build_sizes(warehouse: Warehouse, settings: Settings) -> Built:
    """One row per segment, empty ones too: its members, its share of customers, its status."""
    segments = load_segments(settings.segments_dir)
    as_of, today = _clock(warehouse)
    held = held_reasons(warehouse, segments)
    kept, expired = _kept(warehouse, settings, segments, today), _expired(segments, today)
    before = _sizes_before(warehouse)
    counts = dict(
        warehouse.query(
            "select segment, count(*) as member_count from segments.memberships group by segment"
        ).iter_rows()
    )
    customers = warehouse.query("select count(*) from profiles.customers").item()
    warned = warnings_of(
        warehouse,
        [segment for name, segment in segments.items() if name not in expired],
        counts,
        {name: row["member_count"] for name, row in before.items()},
        today,
    )
    rows = []
    for name, segment in segments.items():
        count = counts.get(name, 0)
        status = "expired" if name in expired else "held" if name in held else "ready"
        last = before.get(name, {})
        rows.append(
            {
                "segment": name,
                "description": segment.description,
                "member_count": count,
                "customer_share": count / customers if customers else 0.0,
                "status": status,
                "held_reason": held.get(name) if status == "held" else None,
                "previous_count": last.get("member_count"),
                "evaluated_at": last["evaluated_at"] if name in kept else as_of,
                "definition": definition_of(segment),
                "warning": warned.get(name),
            }
        )
    schema = CONTRACTS[_SIZES].empty().schema
    return warehouse.replace(_SIZES, pl.DataFrame(rows, schema=schema))


def definition_of(segment: Segment) -> str:
    """A fingerprint of what makes a customer a member."""
    told = repr((segment.members, segment.refresh, segment.expires_on))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _kept(
    warehouse: Warehouse, settings: Settings, segments: Mapping[str, Segment], today: dt.date
) -> frozenset[str]:
    """Daily segments whose members were found today already, by the rule that they have now."""
    zone = ZoneInfo(settings.platform.shop.timezone)
    before = _sizes_before(warehouse)
    return frozenset(
        name
        for name, segment in segments.items()
        if segment.refresh == "daily"
        and name in before
        and before[name]["evaluated_at"].replace(tzinfo=dt.UTC).astimezone(zone).date() == today
        and before[name]["definition"] == definition_of(segment)
    )


def _expired(segments: Mapping[str, Segment], today: dt.date) -> frozenset[str]:
    return frozenset(
        name
        for name, segment in segments.items()
        if segment.expires_on is not None and today >= segment.expires_on
    )


def _sizes_before(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    if not warehouse.exists(_SIZES):
        return {}
    rows = warehouse.read(_SIZES)
    # A table of an earlier version has no moment of evaluation; all is found anew then.
    if "definition" not in rows.columns:
        return {}
    return {row["segment"]: row for row in rows.to_dicts()}


def _clock(warehouse: Warehouse) -> tuple[dt.datetime, dt.date]:
    """The moment, and which day it is where the shop is."""
    # Without a moment nobody is in any segment, and an audience that empties is a wrong message.
    rows = warehouse.query("select as_of, as_of_date from core.clock").rows()
    if len(rows) != 1:
        raise InputError(
            f"expected one moment, found {len(rows)}",
            where="core.clock",
            mend="Build core.clock again",
        )
    moment, day = rows[0]
    return moment, day


def _names(names: Collection[str]) -> str:
    """A list of names of segments as SQL; such a name holds letters, digits and underscores."""
    return exp.array(*(exp.Literal.string(name) for name in sorted(names))).sql("duckdb")


_PREDICTED = tuple(sorted(f"predictions.{name}" for name in PREDICTIONS))
TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_MEMBERSHIPS),
        "One row is a customer in a segment, since when, and the values that decided.",
        (
            "core.clock",
            "core.events",
            "core.product_names",
            "core.products",
            *_PREDICTED,
            "profiles.customers",
            "profiles.orders",
            "profiles.visitors",
        ),
        build_memberships,
    ),
    PythonTable(
        TableName.parse(_STAYS),
        "One row is a stay of a customer in a segment; ended ones for 400 days.",
        ("core.clock", "profiles.customers", _MEMBERSHIPS),
        build_stays,
    ),
    PythonTable(
        TableName.parse(_SIZES),
        "One row is a segment: what it is for, how many are in it, and whether it is held.",
        (
            "core.clock",
            *sorted((*_PREDICTED, "predictions.models", "predictions.watch")),
            "profiles.customers",
            _MEMBERSHIPS,
        ),
        build_sizes,
    ),
)
