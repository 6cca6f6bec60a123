"""What the rules need to know of each customer, gathered for all segments in one pass.

`Facts.relations()` gives the common table expressions that end in `facts`: one row per customer of
`profiles.customers` with a column for every field, prediction and count of events that some rule
asks for. The events are read once, whatever the number of rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from sqlglot import exp

from marketing_platform.segments.conditions import (
    FieldTest,
    Leaf,
    Performed,
    PredictionTest,
)
from marketing_platform.segments.vocabulary import ORDER_COMPLETED

Relations = dict[str, exp.Select]
_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class Measure:
    """How often an event happened in a window up to the clock, or when it last did."""

    event: str
    within: dt.timedelta | None
    is_count: bool


@dataclass(frozen=True)
class Facts:
    """The columns that the leaves of all rules need."""

    fields: tuple[str, ...]
    scores: tuple[tuple[str, str], ...]
    measures: tuple[Measure, ...]
    needs_orders: bool

    @classmethod
    def of(cls, leaves: Iterable[Leaf]) -> Facts:
        """What these leaves need, each thing once."""
        found = list(leaves)
        return cls(
            _once(leaf.field for leaf in found if isinstance(leaf, FieldTest)),
            _once((x.prediction, x.column) for x in found if isinstance(x, PredictionTest)),
            _once(m for x in found if isinstance(x, Performed) for m in measures_of(x)),
            any(isinstance(x, Performed) and x.not_followed_by == ORDER_COMPLETED for x in found),
        )

    def measure(self, measure: Measure) -> exp.Column:
        """The column of `facts` that holds a measure."""
        return exp.column(self._measure_columns[measure])

    def relations(self) -> Relations:
        """The common table expressions by name, in the order in which they depend on each other."""
        relations = {"clock": exp.select("as_of").from_("core.clock")}
        if self.measures:
            relations["behaviour"] = self._behaviour()
        if self.needs_orders:
            relations["purchases"] = _purchases()
        relations["facts"] = self._facts()
        return relations

    @cached_property
    def _measure_columns(self) -> dict[Measure, str]:
        # Numbered, because the name of an event may be any text.
        return {
            measure: f"event_{number}_{'count' if measure.is_count else 'last_at'}"
            for number, measure in enumerate(self.measures, start=1)
        }

    def _behaviour(self) -> exp.Select:
        """One row per customer who did something that a rule asks for."""
        events = exp.column("event", "events").isin(
            *_once(exp.Literal.string(measure.event) for measure in self.measures)
        )
        query = (
            exp.select("contact_customers.customer_id")
            .select(*(_aggregate(m).as_(name) for m, name in self._measure_columns.items()))
            .from_("core.events as events")
            .join(
                "identity.contact_customers as contact_customers",
                on="contact_customers.contact_id = events.contact_id",
            )
            .join("clock", join_type="cross")
            .where("events.occurred_at <= clock.as_of", events)
            .group_by("contact_customers.customer_id")
        )
        windows = [measure.within for measure in self.measures if measure.within]
        if len(windows) == len(self.measures):
            # Every rule looks back a limited time: older events need not be read at all.
            query = query.where(_happened_within(max(windows)))
        return query

    def _facts(self) -> exp.Select:
        """One row per customer of `profiles.customers`."""
        query = (
            exp.select("customers.customer_id", "clock.as_of")
            .select(*(exp.column(f, "customers").as_(field_column(f).name) for f in self.fields))
            .select(*(exp.column(c, p).as_(score_column(p, c).name) for p, c in self.scores))
            .from_("profiles.customers as customers")
            .join("clock", join_type="cross")
        )
        for prediction in _once(prediction for prediction, _ in self.scores):
            query = _join(query, f"predictions.{prediction}", prediction)
        if self.measures:
            columns = (exp.column(name, "behaviour") for name in self._measure_columns.values())
            query = _join(query.select(*columns), "behaviour", "behaviour")
        if self.needs_orders:
            query = _join(query.select("purchases.last_purchase_at"), "purchases", "purchases")
        return query


def measures_of(performed: Performed) -> tuple[Measure, ...]:
    """What one rule about behaviour needs: a count, and the last moments where order matters.

    An event that follows one within the window lies within it too, so one window does for both.
    """
    event, within, follower = performed.event, performed.within, performed.not_followed_by
    count = Measure(event, within, is_count=True)
    if follower is None:
        return (count,)
    return count, Measure(event, within, False), Measure(follower, within, False)


def field_column(name: str) -> exp.Column:
    """The column of `facts` that holds a field of `profiles.customers`."""
    return exp.column(f"field_{name}")


def score_column(prediction: str, column: str) -> exp.Column:
    """The column of `facts` that holds a column of a prediction."""
    return exp.column(f"{prediction}_{column}")


def after_start(moment: exp.Expr, within: dt.timedelta, clock: str | None = None) -> exp.GT:
    """Whether a moment lies after the start of the window that ends at the clock."""
    hours = within // dt.timedelta(hours=1)
    length, unit = (hours // 24, "DAY") if hours % 24 == 0 else (hours, "HOUR")
    interval = exp.Interval(this=exp.Literal.string(str(length)), unit=exp.var(unit))
    as_of = exp.column("as_of", clock)
    return exp.GT(this=moment, expression=exp.Sub(this=as_of, expression=interval))


def _aggregate(measure: Measure) -> exp.Expr:
    happened: exp.Expr = exp.EQ(
        this=exp.column("event", "events"), expression=exp.Literal.string(measure.event)
    )
    if measure.within:
        happened = exp.and_(happened, _happened_within(measure.within))
    when = exp.column("occurred_at", "events")
    case = exp.Case().when(happened, when)
    return exp.Count(this=case) if measure.is_count else exp.Max(this=case)


def _happened_within(within: dt.timedelta) -> exp.GT:
    return after_start(exp.column("occurred_at", "events"), within, "clock")


def _purchases() -> exp.Select:
    """One row per customer with an order: when the last one was."""
    return (
        exp.select("orders.customer_id", "max(orders.ordered_at) as last_purchase_at")
        .from_("profiles.orders as orders")
        .join("clock", join_type="cross")
        .where("orders.ordered_at <= clock.as_of")
        .group_by("orders.customer_id")
    )


def _join(query: exp.Select, table: str, alias: str) -> exp.Select:
    return query.join(
        exp.to_table(table).as_(alias),
        on=exp.EQ(
            this=exp.column("customer_id", alias), expression=exp.column("customer_id", "customers")
        ),
        join_type="left",
    )


def _once(things: Iterable[_Thing]) -> tuple[_Thing, ...]:
    return tuple(dict.fromkeys(things))
