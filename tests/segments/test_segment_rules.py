"""What each rule means, on a real warehouse."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from segment_shop import AS_OF, SHIPPED, Shop, ago

ANNA = {
    "customer_id": "anna",
    "country": "NO",
    "is_buyer": True,
    "order_count": 3,
    "lifetime_value_amount": Decimal("100.10"),
    "value_percentile": 0.9,
    "created_at": ago(days=10),
    "has_email_consent": True,
}
BERT = {"customer_id": "bert", "country": "SE", "has_email_consent": False}
CARL = {"customer_id": "carl"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{field: country, equals: SE}", {"bert"}),
        ("{field: country, not_equals: SE}", {"anna"}),
        ("{not: {field: country, equals: SE}}", {"anna", "carl"}),
        ('{field: country, one_of: ["NO", DK]}', {"anna"}),
        ("{field: country, is_set: true}", {"anna", "bert"}),
        ("{field: country, is_set: false}", {"carl"}),
        ("{field: has_email_consent, equals: true}", {"anna"}),
        ("{field: has_email_consent, not_equals: true}", {"bert"}),
        ("{field: lifetime_value_amount, at_least: 100.10}", {"anna"}),
        ("{field: lifetime_value_amount, more_than: 100.10}", set()),
        (
            "{field: lifetime_value_amount, more_than: -0.5, less_than: 100.11}",
            {"anna", "bert", "carl"},
        ),
        ("{field: order_count, at_most: 2.5}", {"bert", "carl"}),
        ("{field: order_count, one_of: [3, 4]}", {"anna"}),
        ("{field: value_percentile, at_least: 0.9}", {"anna"}),
        ("{not: {field: value_percentile, at_least: 0.9}}", {"bert", "carl"}),
        ("{field: created_at, since: 2026-02-19T12:00:00Z}", {"anna"}),
        ("{field: created_at, since: 2026-02-19T12:00:00+01:00}", {"anna"}),
        ("{field: created_at, before: 2026-02-19}", set()),
        ("{field: created_at, before: 2026-02-19T12:00:00Z}", set()),
        ('{field: created_at, before: "2026-02-20"}', {"anna"}),
        ("{all: [{field: order_count, at_least: 1}, {field: country, equals: SE}]}", set()),
        (
            "{any: [{field: order_count, at_least: 1}, {field: country, equals: SE}]}",
            {"anna", "bert"},
        ),
    ],
)
def test_a_field_is_compared_and_a_missing_value_passes_no_comparison(
    shop: Shop, rule: str, expected: set[str]
) -> None:
    shop.customers(ANNA, BERT, CARL)
    assert shop.members(rule) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{field: created_at, within: 7d}", {"now", "recent"}),
        ("{field: created_at, not_within: 7d}", {"edge", "later"}),
        ("{not: {field: created_at, within: 1w}}", {"edge", "never", "later"}),
        ("{field: created_at, within: 169h}", {"now", "recent", "edge"}),
    ],
)
def test_a_window_ends_at_the_clock_and_leaves_out_its_start(
    shop: Shop, rule: str, expected: set[str]
) -> None:
    shop.customers(
        {"customer_id": "now", "created_at": AS_OF},
        {"customer_id": "recent", "created_at": ago(days=7) + dt.timedelta(microseconds=1)},
        {"customer_id": "edge", "created_at": ago(days=7)},
        {"customer_id": "later", "created_at": ago(days=-1)},
        {"customer_id": "never"},
    )
    assert shop.members(rule) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{performed: product_viewed}", {"anna", "bert"}),
        ("{performed: product_viewed, at_least: 2}", {"anna"}),
        ("{performed: product_viewed, at_least: 2, within: 7d}", set()),
        ("{performed: product_viewed, within: 7d}", {"anna"}),
        ("{performed: product_viewed, at_most: 1}", {"bert", "carl"}),
        ("{performed: product_viewed, at_most: 0, within: 7d}", {"bert", "carl"}),
        ("{not: {performed: product_viewed}}", {"carl"}),
        ("{performed: unheard_of}", set()),
    ],
)
def test_events_are_counted_up_to_the_clock(shop: Shop, rule: str, expected: set[str]) -> None:
    shop.customers(ANNA, BERT, CARL)
    shop.events(
        ("anna", "product_viewed", ago(days=1)),
        ("anna", "product_viewed", ago(days=20)),
        ("bert", "product_viewed", ago(days=20)),
        ("carl", "product_viewed", ago(days=-1)),
        ("stranger", "product_viewed", ago(days=1)),
    )
    assert shop.members(rule) == expected


def test_events_of_all_contacts_of_a_customer_count_together(shop: Shop) -> None:
    shop.customers(ANNA)
    shop.fill(
        "profiles.visitors",
        {"identifier": "files:old", "customer_id": "anna"},
        {"identifier": "files:new", "customer_id": "anna"},
    )
    shop.events(
        ("old", "product_viewed", ago(days=1)),
        ("new", "product_viewed", ago(days=2)),
    )
    assert shop.members("{performed: product_viewed, at_least: 2}") == {"anna"}


def test_what_was_done_on_a_device_of_one_customer_alone_is_theirs(shop: Shop) -> None:
    shop.customers(ANNA, BERT)
    shop.fill(
        "core.events",
        *(
            {
                "event_id": f"web:{device}", "source": "web", "anonymous_id": device,
                "event": "product_viewed", "occurred_at": ago(days=1),
                "event_date": ago(days=1).date(),
            }
            for device in ("phone", "kiosk", "unknown")
        ),
    )  # fmt: skip
    shop.fill(
        "profiles.visitors",
        {"identifier": "anonymous:web:phone", "customer_id": "anna"},
        {
            "identifier": "anonymous:web:kiosk", "customer_id": "bert",
            "shared_date": ago(days=2).date(),
        },
    )  # fmt: skip
    assert shop.members("{performed: product_viewed, within: 7d}") == {"anna"}


def test_an_event_that_another_event_follows_is_told_from_one_that_stays_alone(shop: Shop) -> None:
    names = ["left", "done", "again", "same", "before", "never", "only_follower"]
    shop.customers(*({"customer_id": name} for name in names))
    shop.events(
        ("left", "product_added", ago(days=2)),
        ("done", "product_added", ago(days=2)),
        ("done", "checkout_started", ago(days=1)),
        ("again", "product_added", ago(days=3)),
        ("again", "checkout_started", ago(days=2)),
        ("again", "product_added", ago(days=1)),
        ("same", "product_added", ago(days=1)),
        ("same", "checkout_started", ago(days=1)),
        ("before", "checkout_started", ago(days=3)),
        ("before", "product_added", ago(days=2)),
        ("only_follower", "checkout_started", ago(days=2)),
    )
    rule = "{performed: product_added, within: 7d, not_followed_by: checkout_started}"
    assert shop.members(rule) == {"left", "again", "before"}


def test_a_shop_whose_site_reports_no_orders_has_bought_all_the_same(shop: Shop) -> None:
    shop.customers(*({"customer_id": name} for name in ("shop", "site", "both", "once")))
    days = (3, 5)
    shop.events(
        *(("site", "order_completed", ago(days=day)) for day in days),
        *(("both", "order_completed", ago(days=day)) for day in days),
    )
    shop.fill(
        "profiles.orders",
        *(
            {"order_id": f"{who}{day}", "customer_id": who, "ordered_at": ago(days=day)}
            for who, when in (("shop", days), ("both", days), ("once", (3, 50)))
            for day in when
        ),
    )
    rule = "{performed: order_completed, at_least: 2, at_most: 2, within: 30d}"
    assert shop.members(rule) == {"shop", "site", "both"}


def test_an_order_known_only_from_the_shop_also_ends_an_abandoned_cart(shop: Shop) -> None:
    shop.customers(*({"customer_id": name} for name in ("bought", "future", "earlier")))
    shop.events(*((name, "product_added", ago(days=2)) for name in ("bought", "future", "earlier")))
    shop.fill(
        "profiles.orders",
        {"order_id": "1", "customer_id": "bought", "ordered_at": ago(days=1)},
        {"order_id": "2", "customer_id": "future", "ordered_at": ago(days=-1)},
        {"order_id": "3", "customer_id": "earlier", "ordered_at": ago(days=3)},
    )
    rule = "{performed: product_added, not_followed_by: order_completed}"
    assert shop.members(rule) == {"future", "earlier"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{prediction: churn_30d, score_at_least: 0.6}", {"anna"}),
        ("{prediction: churn_30d, score_at_most: 0.6}", {"anna", "bert"}),
        ("{prediction: churn_30d, percentile_at_least: 0.9}", {"anna"}),
        ("{prediction: churn_30d, band: high}", {"anna"}),
        ("{prediction: churn_30d, band: [low, high]}", {"anna", "bert"}),
        ("{not: {prediction: churn_30d, score_at_least: 0.6}}", {"bert", "carl"}),
        ("{prediction: purchase_14d, score_at_least: 0}", set()),
    ],
)
def test_a_prediction_is_compared_and_who_has_no_score_passes_no_test(
    shop: Shop, rule: str, expected: set[str]
) -> None:
    shop.customers(ANNA, BERT, CARL)
    shop.fill(
        "predictions.churn_30d",
        {"customer_id": "anna", "score": 0.6, "percentile": 0.95, "band": "high"},
        {"customer_id": "bert", "score": 0.59, "percentile": 0.2, "band": "low"},
    )
    assert shop.members(rule) == expected


def test_a_segment_asks_for_another_whatever_their_names(shop: Shop) -> None:
    shop.customers(ANNA, BERT, CARL)
    shop.segment("a_last", "{all: [{segment: customer_id}, {not: {segment: zebra}}]}")
    shop.segment("customer_id", "{not: {segment: country}}")
    shop.segment("country", "{field: country, equals: SE}")
    shop.segment("zebra", "{field: order_count, at_least: 1}")
    assert shop.memberships() == {
        "a_last": {"carl"},
        "customer_id": {"anna", "carl"},
        "country": {"bert"},
        "zebra": {"anna"},
    }


def test_the_six_segments_of_the_shop_pick_the_people_they_describe(shop: Shop) -> None:
    for path in SHIPPED.glob("*.yaml"):
        (shop.folder / path.name).write_text(path.read_text())
    first, buyer = ago(days=200), {"is_buyer": True, "order_count": 2}
    shop.customers(
        {**ANNA, "value_percentile": 0.95, "first_ordered_at": first, "lifecycle_stage": "loyal"},
        {**BERT, **buyer, "value_percentile": 0.3, "first_ordered_at": ago(days=5)},
        {**CARL, **buyer, "first_ordered_at": first, "lifecycle_stage": "lapsed"},
        {"customer_id": "dora"},
    )
    score = {"score": 0.7, "percentile": 0.95, "band": "very_high"}
    shop.fill("predictions.churn_30d", {"customer_id": "anna", **score})
    shop.fill("predictions.purchase_14d", {"customer_id": "bert", **score})
    shop.events(("dora", "product_added", ago(days=3)), ("bert", "product_added", ago(days=8)))
    expected = {
        "high_value_churn_risk": {"anna"},
        "likely_to_buy": {"bert"},
        "cart_abandoners": {"dora"},
        "new_customers": {"bert"},
        "lapsed": {"carl"},
        "vip": {"anna"},
    }
    found = shop.memberships()
    assert {name: found[name] for name in expected} == expected
