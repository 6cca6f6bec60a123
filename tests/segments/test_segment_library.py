"""The shipped segments: each takes in whom it describes, and leaves out the next person."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from segment_shop import AS_OF, SHIPPED, Shop, ago

TODAY = AS_OF.date()
DAY = dt.timedelta(days=1)
SCORE = {"score": 0.9, "percentile": 0.95, "band": "very_high"}
NEVER_SEEN = {"created_at": ago(days=100)}
# For each segment: what is known of somebody who is in, and of somebody who just is not.
PEOPLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "recent_purchasers": ({"last_ordered_at": ago(days=29)}, {"last_ordered_at": ago(days=31)}),
    "email_engagers": (
        {"email_opened_of_last_10_count": 3},
        {"email_opened_of_last_10_count": 2},
    ),
    "dormant": (NEVER_SEEN, {**NEVER_SEEN, "last_seen_at": ago(days=5)}),
    "bargain_hunters": (
        {"order_count": 2, "discounted_order_share": 0.6},
        {"order_count": 1, "discounted_order_share": 1.0},
    ),
    "one_time_buyers": (
        {"order_count": 1, "last_ordered_at": ago(days=61)},
        {"order_count": 1, "last_ordered_at": ago(days=59)},
    ),
    "subscribers": ({"has_email_consent": True}, {"has_email_consent": None}),
    "first_time_buyers": ({"lifecycle_stage": "first_time_buyer"}, {}),
    "repeat_buyers": ({"lifecycle_stage": "repeat_buyer"}, {}),
    "loyal": ({"lifecycle_stage": "vip"}, {"lifecycle_stage": "repeat_buyer"}),
    "advocates": ({"lifecycle_stage": "advocate"}, {"lifecycle_stage": "loyal"}),
    "at_risk": ({"lifecycle_stage": "at_risk"}, {"lifecycle_stage": "lapsed"}),
    "lapsed": ({"lifecycle_stage": "lapsed"}, {"lifecycle_stage": "at_risk"}),
    "category_fans": (
        {"order_count": 3, "top_category_share": 0.6},
        {"order_count": 3, "top_category_share": 0.5},
    ),
    "premium_buyers": (
        {"order_count": 2, "price_tier": 0.8},
        {"order_count": 2, "price_tier": 0.7},
    ),
    "budget_buyers": ({"order_count": 2, "price_tier": 0.2}, {"order_count": 2}),
    "value_plateau": ({"is_value_plateau": True}, {}),
    "velocity_decay": ({"is_velocity_decay": True}, {}),
    "sunset": (
        {
            "created_at": ago(days=200),
            "last_message_at": ago(days=3),
            "last_email_engaged_at": ago(days=120),
        },
        {
            "created_at": ago(days=200),
            "last_message_at": ago(days=3),
            "last_email_engaged_at": ago(days=181),
        },
    ),
    "birthday_soon": ({"birthday_in_days": 7}, {"birthday_in_days": 8}),
    "anniversary_soon": (
        {"anniversary_in_days": 3, "tenure_days": 362},
        {"anniversary_in_days": 3, "tenure_days": 0},
    ),
    "vip": (
        {"is_buyer": True, "value_percentile": 0.9},
        {"is_buyer": True, "value_percentile": 0.89},
    ),
    "new_customers": ({"first_ordered_at": ago(days=3)}, {"first_ordered_at": ago(days=40)}),
}
# For each segment: the table of predictions, and the rows of somebody in and somebody out.
PREDICTED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "high_potential": ("lifetime_value", {"percentile": 0.9}, {"percentile": 0.8}),
    "likely_first_buyers": ("lead_score", SCORE, {**SCORE, "percentile": 0.8}),
    "likely_to_buy": ("purchase_14d", SCORE, {**SCORE, "percentile": 0.8}),
    "high_value_churn_risk": ("churn_30d", SCORE, {**SCORE, "score": 0.4}),
    "replenishment_due": (
        "product_affinity",
        {"kind": "again", "due_date": TODAY},
        {"kind": "again", "due_date": TODAY + 8 * DAY},
    ),
    "next_order_due": (
        "next_order",
        {"expected_date": TODAY + 7 * DAY},
        {"expected_date": TODAY - DAY},
    ),
}
VALUABLE = {"order_count": 2, "is_buyer": True, "value_percentile": 0.85}
DID: dict[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]] = {
    "active_browsers": (
        [("product_viewed", 1), ("product_viewed", 2), ("product_viewed", 160)],
        [("product_viewed", 1), ("product_viewed", 2), ("product_viewed", 170)],
    ),
    "browse_abandoners": (
        [("product_viewed", 5)],
        [("product_viewed", 5), ("product_added", 4)],
    ),
    "cart_abandoners": (
        [("product_added", 5)],
        [("product_added", 5), ("order_completed", 4)],
    ),
}


@pytest.fixture
def library(shop: Shop) -> Shop:
    for path in SHIPPED.glob("*.yaml"):
        (shop.folder / path.name).write_text(path.read_text())
    return shop


def test_every_shipped_segment_is_tried() -> None:
    tried = {*PEOPLE, *PREDICTED, *DID, "control_group"}
    assert tried == {path.stem for path in SHIPPED.glob("*.yaml")}


def test_the_shipped_segments_take_in_whom_they_describe(library: Shop) -> None:
    library.customers(
        *(
            {"customer_id": f"{segment}_{place}", **known}
            for segment, pair in PEOPLE.items()
            for place, known in zip(("in", "out"), pair, strict=True)
        ),
        *(
            {"customer_id": f"{segment}_{place}", **VALUABLE}
            for segment in PREDICTED
            for place in ("in", "out")
        ),
        *({"customer_id": f"{segment}_{place}"} for segment in DID for place in ("in", "out")),
    )
    for table in {table for table, _, _ in PREDICTED.values()}:
        library.fill(
            f"predictions.{table}",
            *(
                {"customer_id": f"{segment}_{place}", "is_promoted": True, **row}
                for segment, (name, *pair) in PREDICTED.items()
                if name == table
                for place, row in zip(("in", "out"), pair, strict=True)
            ),
        )
    library.events(
        *(
            (f"{segment}_{place}", event, ago(hours=hours))
            for segment, pair in DID.items()
            for place, events in zip(("in", "out"), pair, strict=True)
            for event, hours in events
        )
    )
    found = library.memberships()
    for segment in (*PEOPLE, *PREDICTED, *DID):
        own = {name for name in found[segment] if name.startswith(f"{segment}_")}
        assert own == {f"{segment}_in"}, segment


def test_the_control_group_is_a_tenth_by_the_hash_of_the_id(library: Shop) -> None:
    names = [f"c{number}" for number in range(500)]
    library.customers(*({"customer_id": name} for name in names))
    expected = {
        name
        for name in names
        if int(hashlib.md5(f"control:{name}".encode(), usedforsecurity=False).hexdigest()[:8], 16)
        < 0.1 * 16**8
    }
    assert library.memberships()["control_group"] == expected


def test_a_checkout_that_the_shop_alone_knows_of_is_a_cart_that_was_left(library: Shop) -> None:
    library.customers(
        {"customer_id": "begun", "open_cart_at": ago(days=6)},
        {"customer_id": "long_ago", "open_cart_at": ago(days=8)},
    )
    assert library.memberships()["cart_abandoners"] == {"begun"}


def test_who_clicks_in_text_messages_is_not_given_up_for_the_mails_they_leave(
    library: Shop,
) -> None:
    known = {"created_at": ago(days=200), "last_message_at": ago(days=3)}
    library.customers(
        {"customer_id": "clicks", **known, "last_sms_engaged_at": ago(days=5)},
        {"customer_id": "clicked", **known, "last_sms_engaged_at": ago(days=95)},
        {"customer_id": "never", **known},
    )
    assert library.memberships()["sunset"] == {"clicked", "never"}
