"""The compiled SQL agrees with a slow and plain reading of the same rules."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_shop import AS_OF, Shop

from marketing_platform.segments.compile import compile_memberships
from marketing_platform.segments.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    FieldTest,
    InSegment,
    Not,
    Operator,
    Performed,
    PredictionTest,
    Scalar,
    Segment,
    Value,
)
from marketing_platform.segments.vocabulary import FIELDS, OPERATORS, Kind

EVENTS = ("product_added", "order_completed", "it's")
TEXTS = ("NO", "SE", "it's", "")
NUMBERS = (Decimal("-1.5"), 0, 1, Decimal("0.3"), Decimal("0.9"), 2, Decimal("100.10"))
BANDS = ("low", "high")
ASKED = ("country", "order_count", "lifetime_value_amount", "value_percentile", "created_at")
CATEGORIES = {"p1": "shoes", "p2": "hats"}
EDGES = (Decimal(0), Decimal("0.2"), Decimal("0.5"), Decimal(1))
TEN_DAYS = dt.timedelta(days=10)
FLAGS = ("is_buyer", "has_email_consent")

# Few of them, so that moments meet each other and the edges of windows.
moments = st.integers(-1, 8).map(lambda steps: AS_OF - dt.timedelta(hours=6 * steps))
windows = st.sampled_from((6, 12, 24, 42)).map(lambda hours: dt.timedelta(hours=hours))


@dataclass
class Person:
    """All that is known of one customer."""

    row: Mapping[str, Any]
    # What, when, and of which product.
    events: list[tuple[str, dt.datetime, str]] = field(default_factory=list)
    orders: list[dt.datetime] = field(default_factory=list)
    scores: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def is_in(rule: Condition, person: Person, segments: Mapping[str, Segment]) -> bool:
    """Whether the rule holds, read word by word."""
    if isinstance(rule, All):
        return all(is_in(part, person, segments) for part in rule.conditions)
    if isinstance(rule, AnyOf):
        return any(is_in(part, person, segments) for part in rule.conditions)
    if isinstance(rule, Not):
        return not is_in(rule.condition, person, segments)
    if isinstance(rule, InSegment):
        return is_in(segments[rule.segment].members, person, segments)
    if isinstance(rule, FieldTest):
        return passes(person.row.get(rule.field), rule.operator, rule.value)
    if isinstance(rule, Bucket):
        digest = hashlib.md5(
            f"{rule.name}:{person.row['customer_id']}".encode(), usedforsecurity=False
        ).hexdigest()
        return rule.low <= Decimal(int(digest[:8], 16)) / 16**8 < rule.high
    if isinstance(rule, PredictionTest):
        score = person.scores.get(rule.prediction, {})
        return passes(score.get(rule.column), rule.operator, rule.value)
    return has_performed(rule, person)


def passes(known: Any, operator: Operator, value: Value) -> bool:
    """Whether one value passes one test."""
    if operator is Operator.IS_SET:
        return (known is not None) == value
    if known is None:
        return False
    if isinstance(value, tuple):
        return any(like(known, choice) == choice for choice in value)
    if operator is Operator.IN_NEXT:
        today = dt.datetime.combine(AS_OF.date(), dt.time())
        return today <= known <= today + dt.timedelta(days=math.ceil(value / dt.timedelta(days=1)))
    if isinstance(value, dt.timedelta):
        return (AS_OF - value < known <= AS_OF) == (operator is Operator.WITHIN)
    known = like(known, value)
    return {
        Operator.EQUALS: known == value,
        Operator.NOT_EQUALS: known != value,
        **({} if isinstance(value, str | bool) else ordered(known, value)),
    }[operator]


def ordered(known: Any, value: Any) -> dict[Operator, bool]:
    """The answers of the tests that need an order."""
    return {
        Operator.AT_LEAST: known >= value,
        Operator.SINCE: known >= value,
        Operator.MORE_THAN: known > value,
        Operator.AT_MOST: known <= value,
        Operator.LESS_THAN: known < value,
        Operator.BEFORE: known < value,
    }


def like(known: Any, value: Scalar) -> Any:
    """The shortest decimal of a float, since rules are written in decimals."""
    return Decimal(repr(known)) if isinstance(known, float) else known


def has_performed(rule: Performed, person: Person) -> bool:
    """Whether the events of one customer keep to the rule."""
    past = [(name, when) for name, when, _ in person.events if when <= AS_OF]
    since = AS_OF - rule.within if rule.within else dt.datetime.min
    times = [
        when
        for name, when, product in person.events
        if name == rule.event
        and since < when <= AS_OF
        and all(
            passes(of_event(product, test.field), test.operator, test.value) for test in rule.where
        )
    ]
    count = len(times)
    if rule.event == "order_completed" and not rule.where:
        orders = [when for when in person.orders if since < when <= AS_OF]
        count, times = max(count, len(orders)), times + orders
    most = rule.at_most if rule.at_most is not None else count
    if not rule.at_least <= count <= most:
        return False
    if (
        rule.not_followed_by
        and times
        and not all(end < max(times) for end in ends(rule.not_followed_by, person, past))
    ):
        return False
    if rule.followed_by is None:
        return True
    return any(
        end >= min(times, default=dt.datetime.max) for end in ends(rule.followed_by, person, past)
    )


def ends(event: str, person: Person, past: list[tuple[str, dt.datetime]]) -> list[dt.datetime]:
    """When an event that follows another happened; an order counts that no event told of."""
    found = [when for name, when in past if name == event]
    if event == "order_completed":
        found += [when for when in person.orders if when <= AS_OF]
    return found


def of_event(product: str, name: str) -> str | None:
    """What is known of an event by its product."""
    return product if name == "product_id" else CATEGORIES.get(product)


def values(kind: Kind, operator: Operator) -> st.SearchStrategy[Any]:
    """Values that an operator takes."""
    if operator is Operator.IS_SET:
        return st.booleans()
    if operator in (Operator.WITHIN, Operator.NOT_WITHIN, Operator.IN_NEXT):
        return windows
    one = {
        Kind.TEXT: st.sampled_from(TEXTS),
        Kind.NUMBER: st.sampled_from(NUMBERS),
        Kind.FLAG: st.booleans(),
        Kind.MOMENT: moments,
    }[kind]
    return st.lists(one, min_size=1, max_size=3).map(tuple) if operator is Operator.ONE_OF else one


@st.composite
def field_tests(draw: st.DrawFn) -> FieldTest:
    name = draw(st.sampled_from((*ASKED, *FLAGS)))
    kind = FIELDS[name].kind
    operator = draw(st.sampled_from(OPERATORS[kind]))
    return FieldTest(name, operator, draw(values(kind, operator)))


@st.composite
def behaviours(draw: st.DrawFn) -> Performed:
    event, other = draw(st.permutations(EVENTS))[:2]
    follower = draw(st.sampled_from([None, other]))
    after = draw(st.sampled_from([None, other]))
    at_least = draw(st.integers(1 if follower or after else 0, 2))
    at_most = draw(st.none() | st.integers(at_least, 3))
    where = draw(
        st.sampled_from(
            [
                (),
                (FieldTest("category", Operator.EQUALS, "shoes"),),
                (FieldTest("product_id", Operator.ONE_OF, ("p1", "p2")),),
            ]
        )
    )
    return Performed(event, at_least, at_most, draw(st.none() | windows), follower, after, where)


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    low, high = sorted(draw(st.sets(st.sampled_from(EDGES), min_size=2, max_size=2)))
    return Bucket(draw(st.sampled_from(("a", "it's"))), low, high)


@st.composite
def predictions(draw: st.DrawFn) -> PredictionTest:
    if draw(st.booleans()):
        operator = draw(st.sampled_from(OPERATORS[Kind.MOMENT]))
        value = draw(values(Kind.MOMENT, operator))
        return PredictionTest("product_affinity", "next_due_date", operator, value)
    name = draw(st.sampled_from(("purchase_14d", "churn_30d")))
    if draw(st.booleans()):
        return PredictionTest(name, "band", Operator.EQUALS, draw(st.sampled_from(BANDS)))
    number = draw(st.sampled_from((Decimal("0.3"), Decimal("0.9"))))
    return PredictionTest(name, "score", Operator.AT_LEAST, number)


def rules(names: list[str]) -> st.SearchStrategy[Condition]:
    leaf = field_tests() | behaviours() | predictions() | buckets()
    if names:
        leaf = leaf | st.sampled_from(names).map(InSegment)
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(tuple).map(All)
            | st.lists(inner, min_size=1, max_size=3).map(tuple).map(AnyOf)
            | inner.map(Not)
        ),
        max_leaves=6,
    )


@st.composite
def segment_sets(draw: st.DrawFn) -> dict[str, Segment]:
    found: dict[str, Segment] = {}
    for name in ("zeta", "country", "customer_id", "alpha", "as_of"):
        found[name] = Segment(name, "Somebody.", draw(rules(list(found))))
    # A file's name says nothing about who asks for whom.
    return dict(sorted(found.items()))


people = st.builds(
    Person,
    row=st.fixed_dictionaries(
        {
            "country": st.none() | st.sampled_from(TEXTS),
            "order_count": st.integers(0, 2),
            "lifetime_value_amount": st.sampled_from((Decimal("-1.50"), Decimal("100.10"))),
            "value_percentile": st.none() | st.sampled_from((0.3, 0.9, 1.0)),
            "created_at": st.none() | moments,
            "is_buyer": st.booleans(),
            "has_email_consent": st.none() | st.booleans(),
            "due": st.none()
            | st.sampled_from([AS_OF.date() + dt.timedelta(days=n) for n in (-9, 0, 1)]),
        }
    ),
    events=st.lists(
        st.tuples(st.sampled_from(EVENTS), moments, st.sampled_from(("p1", "p2", "p3"))), max_size=5
    ),
    orders=st.lists(moments, max_size=1),
    scores=st.dictionaries(
        st.sampled_from(("purchase_14d", "churn_30d")),
        st.fixed_dictionaries(
            {"score": st.sampled_from((0.3, 0.9)), "band": st.sampled_from(BANDS)}
        ),
    ),
)


def fill(shop: Shop, everyone: Mapping[str, Person]) -> None:
    """Write all that is known of these customers into the warehouse."""
    shop.customers(
        *(
            {"customer_id": name, **{key: value for key, value in p.row.items() if key != "due"}}
            for name, p in everyone.items()
        )
    )
    shop.events(*((name, *event) for name, p in everyone.items() for event in p.events))
    due = [(name, p.row["due"]) for name, p in everyone.items() if p.row["due"]]
    shop.fill(
        "predictions.product_affinity",
        *(
            {"customer_id": name, "kind": kind, "due_date": day + later}
            for name, day in due
            for kind, later in (("again", dt.timedelta(0)), ("again", TEN_DAYS), ("new", -TEN_DAYS))
        ),
    )
    orders = [(name, when) for name, p in everyone.items() for when in p.orders]
    shop.fill(
        "profiles.orders",
        *(
            {"order_id": str(number), "customer_id": name, "ordered_at": when}
            for number, (name, when) in enumerate(orders)
        ),
    )
    for table in ("purchase_14d", "churn_30d"):
        scored = {name: p.scores[table] for name, p in everyone.items() if table in p.scores}
        rows = ({"customer_id": name, **score} for name, score in scored.items())
        shop.fill(f"predictions.{table}", *rows)


@pytest.fixture(scope="module")
def lasting_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"), audits=False)
    products = ({"product_id": name, "category": kind} for name, kind in CATEGORIES.items())
    shop.fill("core.products", *products)
    return shop


@settings(max_examples=60, deadline=None)
@given(segments=segment_sets(), crowd=st.lists(people, min_size=1, max_size=12))
def test_the_query_finds_whom_a_plain_reading_of_the_rules_finds(
    lasting_shop: Shop, segments: dict[str, Segment], crowd: list[Person]
) -> None:
    everyone = {}
    for number, person in enumerate(crowd):
        name, due = f"c{number}", person.row["due"]
        # `fill` has another product due ten days later.
        following = due if due is None or due >= AS_OF.date() else due + TEN_DAYS
        first = dt.datetime.combine(following, dt.time()) if following else None
        known = {"product_affinity": {"next_due_date": first}} if first else {}
        row = {**person.row, "customer_id": name}
        everyone[name] = replace(person, row=row, scores={**person.scores, **known})
    fill(lasting_shop, everyone)
    found = set(lasting_shop.warehouse.query(compile_memberships(segments)).iter_rows())
    expected = {
        (segment, name)
        for segment in segments
        for name, person in everyone.items()
        if is_in(segments[segment].members, person, segments)
    }
    assert found == expected
