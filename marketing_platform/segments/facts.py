"""What the rules need to know of each customer, gathered for all segments in one pass.

`Facts.relations()` gives the common table expressions that end in `facts`: one row per customer of
`profiles.customers` with a column for every field, prediction and count of events that some rule
asks for. The events are read once, whatever the number of rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from sqlglot import exp

from marketing_platform.segments.comparisons import after_start, comparison
from marketing_platform.segments.conditions import (
    FieldTest,
    Leaf,
    Performed,
    PredictionTest,
)
from marketing_platform.segments.vocabulary import ORDER_COMPLETED, PRODUCT_FIELDS

Relations = dict[str, exp.Select]
_Thing = TypeVar("_Thing")
_LISTS = "product_affinity"
_PRODUCT = "product_id"


class Aspect(StrEnum):
    """What is asked about an event: how often, when first, when last."""

    COUNT = "count"
    FIRST = "first_at"
    LAST = "last_at"


_AGGREGATES = {Aspect.COUNT: exp.Count, Aspect.FIRST: exp.Min, Aspect.LAST: exp.Max}


@dataclass(frozen=True)
class Measure:
    """An aspect of an event in a window up to the clock; `where` limits which of them count."""

    event: str
    within: dt.timedelta | None
    aspect: Aspect
    where: tuple[FieldTest, ...] = ()

    @property
    def is_of_orders(self) -> bool:
        """Whether the shop's own orders tell of it too, which no browser keeps back."""
        return self.event == ORDER_COMPLETED and not self.where


@dataclass(frozen=True)
class Facts:
    """The columns that the leaves of all rules need."""

    fields: tuple[str, ...]
    scores: tuple[tuple[str, str], ...]
    measures: tuple[Measure, ...]

    @classmethod
    def of(cls, leaves: Iterable[Leaf]) -> Facts:
        """What these leaves need, each thing once."""
        found = list(leaves)
        return cls(
            _once(leaf.field for leaf in found if isinstance(leaf, FieldTest)),
            _once((x.prediction, x.column) for x in found if isinstance(x, PredictionTest)),
            _once(m for x in found if isinstance(x, Performed) for m in measures_of(x)),
        )

    def measure(self, measure: Measure) -> exp.Column:
        """The column of `facts` that holds a measure."""
        return exp.column(self._measure_columns[measure])

    def relations(self) -> Relations:
        """The common table expressions by name, in the order in which they depend on each other."""
        relations = {"clock": exp.select("as_of", "as_of_date").from_("core.clock")}
        if self.measures:
            relations["behaviour"] = self._behaviour()
        if any(measure.is_of_orders for measure in self.measures):
            relations["purchases"] = self._purchases()
        if any(prediction == _LISTS for prediction, _ in self.scores):
            relations["lists"] = _lists()
        relations["facts"] = self._facts()
        return relations

    @cached_property
    def _measure_columns(self) -> dict[Measure, str]:
        # Numbered, because the name of an event may be any text.
        return {
            measure: f"event_{number}_{measure.aspect}"
            for number, measure in enumerate(self.measures, start=1)
        }

    def _behaviour(self) -> exp.Select:
        """One row per customer who did something that a rule asks for."""
        events = exp.column("event", "events").isin(
            *_once(exp.Literal.string(measure.event) for measure in self.measures)
        )
        query = (
            exp.select("visitors.customer_id")
            .select(*(_aggregate(m).as_(name) for m, name in self._measure_columns.items()))
            .from_("core.events as events")
            # Signed in, or on a device that is theirs alone.
            .join(
                "profiles.visitors as visitors",
                on="visitors.identifier = coalesce(events.contact_id,"
                " concat('anonymous:', events.source, ':', events.anonymous_id))",
            )
            .join("clock", join_type="cross")
            .where("events.occurred_at <= clock.as_of", events, "visitors.shared_date is null")
            .group_by("visitors.customer_id")
        )
        asked = {test.field for measure in self.measures for test in measure.where}
        if asked & {_PRODUCT, *PRODUCT_FIELDS}:
            query = query.join(
                "core.product_names as names",
                on="names.name = substr(events.product_id, length(events.source) + 2)",
                join_type="left",
            )
        if asked & set(PRODUCT_FIELDS):
            query = query.join(
                "core.products as products",
                on=exp.EQ(this=exp.column(_PRODUCT, "products"), expression=_product()),
                join_type="left",
            )
        windows = [measure.within for measure in self.measures if measure.within]
        if len(windows) == len(self.measures):
            # Every rule looks back a limited time: older events need not be read at all.
            query = query.where(_within(exp.column("occurred_at", "events"), max(windows)))
        return query

    def _facts(self) -> exp.Select:
        """One row per customer of `profiles.customers`."""
        query = (
            exp.select("customers.customer_id", "clock.as_of", "clock.as_of_date")
            .select(*(exp.column(f, "customers").as_(field_column(f).name) for f in self.fields))
            .select(*(exp.column(c, p).as_(score_column(p, c).name) for p, c in self.scores))
            .from_("profiles.customers as customers")
            .join("clock", join_type="cross")
        )
        for prediction in _once(prediction for prediction, _ in self.scores):
            query = _join(query, _table_of(prediction), prediction)
        if self.measures:
            columns = (_told(measure, name) for measure, name in self._measure_columns.items())
            query = _join(query.select(*columns), "behaviour", "behaviour")
        if any(measure.is_of_orders for measure in self.measures):
            query = _join(query, "purchases", "purchases")
        return query

    def _purchases(self) -> exp.Select:
        """One row per customer with an order: what the measures ask of orders."""
        when = exp.column("ordered_at", "orders")
        return (
            exp.select("orders.customer_id")
            .select(
                *(
                    _AGGREGATES[m.aspect](
                        this=exp.Case().when(_within(when, m.within), when.copy())
                        if m.within
                        else when.copy()
                    ).as_(name)
                    for m, name in self._measure_columns.items()
                    if m.is_of_orders
                )
            )
            .from_("profiles.orders as orders")
            .join("clock", join_type="cross")
            .where("orders.ordered_at <= clock.as_of")
            .group_by("orders.customer_id")
        )


def measures_of(performed: Performed) -> tuple[Measure, ...]:
    """What one rule about behaviour needs: a count, and the last moments where order matters.

    An event that follows one within the window lies within it too, so one window does for both.
    """
    event, within, where = performed.event, performed.within, performed.where
    measures = [Measure(event, within, Aspect.COUNT, where)]
    if performed.not_followed_by:
        measures += [
            Measure(event, within, Aspect.LAST, where),
            Measure(performed.not_followed_by, within, Aspect.LAST),
        ]
    if performed.followed_by:
        measures += [
            Measure(event, within, Aspect.FIRST, where),
            Measure(performed.followed_by, within, Aspect.LAST),
        ]
    return tuple(measures)


def field_column(name: str) -> exp.Column:
    """The column of `facts` that holds a field of `profiles.customers`."""
    return exp.column(f"field_{name}")


def score_column(prediction: str, column: str) -> exp.Column:
    """The column of `facts` that holds a column of a prediction."""
    return exp.column(f"{prediction}_{column}")


def _aggregate(measure: Measure) -> exp.Expr:
    happened: exp.Expr = exp.EQ(
        this=exp.column("event", "events"), expression=exp.Literal.string(measure.event)
    )
    when = exp.column("occurred_at", "events")
    if measure.within:
        happened = exp.and_(happened, _within(when, measure.within))
    for test in measure.where:
        happened = exp.and_(happened, comparison(_asked(test.field), test.operator, test.value))
    return _AGGREGATES[measure.aspect](this=exp.Case().when(happened, when.copy()))


def _asked(field: str) -> exp.Expr:
    """What `where` asks of an event."""
    if field == _PRODUCT:
        return _product()
    return exp.column(field, "products" if field in PRODUCT_FIELDS else "events")


def _product() -> exp.Expr:
    """The product of an event: who sends events calls it by the shop's key, or by its SKU."""
    told = exp.column(_PRODUCT, "events")
    return exp.Coalesce(this=exp.column(_PRODUCT, "names"), expressions=[told])


def _told(measure: Measure, name: str) -> exp.Expr:
    """What events tell; of orders the more that events or the shop tell, and the first or last."""
    column = exp.column(name, "behaviour")
    if not measure.is_of_orders:
        return column
    both = exp.Least if measure.aspect is Aspect.FIRST else exp.Greatest
    # Either may be null, where nothing is told: the other one counts then.
    other = exp.column(name, "purchases")
    return both(this=column, expressions=[other], ignore_nulls=True).as_(name)


def _within(when: exp.Column, within: dt.timedelta) -> exp.GT:
    return after_start(when.copy(), within, "clock")


def _table_of(prediction: str) -> str:
    return "lists" if prediction == _LISTS else f"predictions.{prediction}"


def _lists() -> exp.Select:
    """One row per customer with a list of products: the first of each, and what is due next.

    Where nothing is, what was due last: what was given up long ago hides neither.
    """
    due = "case when affinity.kind = 'again' then affinity.due_date end"
    ahead = f"case when affinity.due_date >= affinity.as_of_date then {due} end"
    return (
        exp.select(
            "affinity.customer_id",
            f"coalesce(min({ahead}), max({due})) as next_due_date",
            _first_product("again"),
            _first_product("new"),
        )
        .from_("predictions.product_affinity as affinity")
        .group_by("affinity.customer_id")
    )


def _first_product(kind: str) -> str:
    return (
        f"max(case when affinity.kind = '{kind}' and affinity.place = 1"
        f" then affinity.product_id end) as {kind}_product_id"
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
