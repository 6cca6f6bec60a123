"""The tables of `segments`, both built from the rules in `config/segments/`."""

from __future__ import annotations

import polars as pl
import sqlglot
from sqlglot import exp

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.names import TableName
from marketing_platform.segments.compile import memberships_query
from marketing_platform.segments.conditions import Segment
from marketing_platform.segments.holds import held_reasons
from marketing_platform.segments.load import load_segments
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, PythonTable, Warehouse

_MEMBERSHIPS = "segments.memberships"
_SIZES = "segments.sizes"
# A clock that is set back must not leave members who entered after it: the earlier moment is kept.
_WITH_ENTRY = """
    select
        members.segment,
        members.customer_id,
        least(coalesce(previous.entered_at, now.as_of), now.as_of) as entered_at
    from members
    cross join core.clock as now
    left join segments.memberships as previous
        on previous.segment = members.segment and previous.customer_id = members.customer_id
"""


def build_memberships(warehouse: Warehouse, settings: Settings) -> Built:
    """Compute all segments in one query; whoever was in before keeps the moment of entry."""
    members = memberships_query(load_segments(settings.segments_dir))
    _require_clock(warehouse)
    warehouse.ensure(_MEMBERSHIPS)
    query = sqlglot.parse_one(_WITH_ENTRY, read="duckdb", into=exp.Select)
    query = query.with_("members", as_=members, copy=False)
    return warehouse.build(_MEMBERSHIPS, query.sql("duckdb"))


def build_sizes(warehouse: Warehouse, settings: Settings) -> Built:
    """One row per segment, empty ones too: its members, its share of customers, its status."""
    segments = load_segments(settings.segments_dir)
    held = held_reasons(warehouse, segments)
    counts = dict(
        warehouse.query(
            "select segment, count(*) as member_count from segments.memberships group by segment"
        ).iter_rows()
    )
    customers = warehouse.query("select count(*) from profiles.customers").item()
    rows = [
        _size(segment, counts.get(name, 0), customers, held.get(name))
        for name, segment in segments.items()
    ]
    schema = CONTRACTS[_SIZES].empty().schema
    return warehouse.replace(_SIZES, pl.DataFrame(rows, schema=schema, orient="row"))


def _size(
    segment: Segment, members: int, customers: int, reason: str | None
) -> tuple[str, str, int, float, str, str | None]:
    share = members / customers if customers else 0.0
    status = "held" if reason else "ready"
    return segment.name, segment.description, members, share, status, reason


def _require_clock(warehouse: Warehouse) -> None:
    # Without a moment nobody is in any segment, and an audience that empties is a wrong message.
    moments = warehouse.query("select as_of from core.clock").height
    if moments != 1:
        raise InputError(
            f"expected one moment, found {moments}",
            where="core.clock",
            mend="Build core.clock again",
        )


TABLES: tuple[PythonTable, ...] = (
    PythonTable(
        TableName.parse(_MEMBERSHIPS),
        "One row is a customer in a segment, and since when.",
        (
            "core.clock",
            "core.events",
            "identity.contact_customers",
            "predictions.churn_30d",
            "predictions.purchase_14d",
            "profiles.customers",
            "profiles.orders",
        ),
        build_memberships,
    ),
    PythonTable(
        TableName.parse(_SIZES),
        "One row is a segment: what it is for, how many are in it, and whether it is held.",
        (
            "predictions.churn_30d",
            "predictions.models",
            "predictions.purchase_14d",
            "predictions.watch",
            "profiles.customers",
            "segments.memberships",
        ),
        build_sizes,
    ),
)
