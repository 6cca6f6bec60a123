"""What a segment goes through: why people are in it, when they leave, what is odd about it."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from segment_shop import AS_OF, Shop, ago

from marketing_platform.errors import ConfigError, InputError
from marketing_platform.segments.explain import explain, preview
from marketing_platform.segments.load import load_segments
from marketing_platform.segments.tables import build_stays
from marketing_platform.settings import Platform
from marketing_platform.state import utc_now

BUYERS = "{field: order_count, at_least: 1}"
DAY = dt.timedelta(days=1)


def customers(shop: Shop, **orders: int) -> None:
    shop.customers(*({"customer_id": n, "order_count": count} for n, count in orders.items()))


def stays(shop: Shop) -> list[tuple[str, dt.datetime, dt.datetime | None]]:
    shop.memberships()
    build_stays(shop.warehouse, shop.settings)
    rows = shop.warehouse.query(
        "select customer_id, entered_at, left_at from segments.stays order by all"
    )
    return rows.rows()


def test_a_member_keeps_the_values_that_decided_when_they_entered(shop: Shop) -> None:
    customers(shop, anna=1)
    shop.events(("anna", "product_viewed", ago(hours=1), "p1"))
    shop.fill("core.products", {"product_id": "p1", "category": "shoes"})
    viewed = "{performed: product_viewed, within: 7d, where: {category: shoes}}"
    shop.segment("buyers", f"{{all: [{BUYERS}, {viewed}, {{bucket: b, to: 1}}]}}")
    shop.memberships()
    customers(shop, anna=5)
    shop.memberships()
    [why] = shop.warehouse.read("segments.memberships")["why"]
    told = json.loads(why)
    assert told.pop("bucket b")
    assert told == {"order_count": 1, "product_viewed of category shoes in 168h": 1}


def test_a_stay_ends_at_the_first_build_without_the_person_and_another_begins(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    customers(shop, anna=1)
    assert stays(shop) == [("anna", AS_OF, None)]
    shop.clock(AS_OF + DAY)
    customers(shop, anna=0, bert=1)
    assert stays(shop) == [("anna", AS_OF, AS_OF + DAY), ("bert", AS_OF + DAY, None)]
    shop.clock(AS_OF + 2 * DAY)
    customers(shop, anna=1, bert=1)
    expected = [
        ("anna", AS_OF, AS_OF + DAY),
        ("anna", AS_OF + 2 * DAY, None),
        ("bert", AS_OF + DAY, None),
    ]
    assert stays(shop) == expected
    assert stays(shop) == expected, "the same build again changes nothing"


def test_a_look_at_the_past_is_forgotten_when_the_clock_stands_as_before(shop: Shop) -> None:
    def entered() -> dict[str, dt.datetime]:
        rows = shop.warehouse.query("select customer_id, entered_at from segments.memberships")
        return dict(rows.iter_rows())

    today = dt.datetime(2020, 3, 1, 12)
    shop.segment("buyers", BUYERS)
    shop.clock(today - 9 * DAY)
    customers(shop, anna=1, bert=0, cleo=1, dora=0)
    stays(shop)
    shop.clock(today)
    customers(shop, anna=1, bert=1, cleo=0, dora=0)
    known = stays(shop)
    before = entered()
    assert before == {"anna": today - 9 * DAY, "bert": today}
    # In the past neither was a member, others were, and one of these is until then.
    for days in (20, 3):
        shop.clock(today - days * DAY)
        customers(shop, anna=0, bert=0, cleo=1, dora=1)
        stays(shop)
        assert set(entered()) == {"cleo", "dora"}
    shop.clock(today)
    customers(shop, anna=1, bert=1, cleo=0, dora=0)
    assert [stay for stay in stays(shop) if stay[0] != "dora"] == known
    assert entered() == before
    shop.clock(today + DAY)
    customers(shop, anna=0, bert=1, cleo=0, dora=0)
    assert ("anna", today - 9 * DAY, today + DAY) in stays(shop), "who leaves now has left"
    assert entered() == {"bert": today}


@pytest.mark.parametrize("ahead", [DAY, 5 * DAY, 500 * DAY])
def test_who_left_by_a_clock_that_was_ahead_has_not_left_when_it_is_set_right(
    shop: Shop, ahead: dt.timedelta
) -> None:
    today = utc_now().replace(tzinfo=None)
    shop.segment("buyers", BUYERS)
    for moment, orders in ((today - DAY, 1), (today + ahead, 0), (today, 1), (today + DAY, 1)):
        shop.clock(moment)
        customers(shop, anna=orders)
        found = stays(shop)
    assert found == [("anna", today - DAY, None)]
    [entered] = shop.warehouse.read("segments.memberships")["entered_at"]
    assert entered == today - DAY


def test_who_leaves_and_is_back_at_the_same_clock_has_not_left(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    for orders in (1, 0, 1):
        customers(shop, anna=orders)
        found = stays(shop)
    assert found == [("anna", AS_OF, None)]


def test_a_stay_that_ended_long_ago_is_forgotten(shop: Shop) -> None:
    shop.segment("buyers", BUYERS)
    customers(shop, anna=1)
    stays(shop)
    customers(shop, anna=0)
    shop.clock(AS_OF + DAY)
    assert len(stays(shop)) == 1
    shop.clock(AS_OF + 402 * DAY)
    assert stays(shop) == []


def test_a_daily_segment_is_found_once_a_day_and_anew_when_its_rule_changes(shop: Shop) -> None:
    shop.segment("buyers", BUYERS, refresh="daily")
    customers(shop, anna=1)
    shop.sizes()
    shop.clock(AS_OF + dt.timedelta(hours=2))
    customers(shop, anna=1, bert=1)
    assert shop.sizes()["buyers"]["member_count"] == 1
    assert shop.sizes()["buyers"]["evaluated_at"] == AS_OF
    shop.segment("buyers", "{field: order_count, at_least: 0}", refresh="daily")
    assert shop.sizes()["buyers"]["member_count"] == 2
    shop.segment("buyers", BUYERS, refresh="daily")
    shop.clock(AS_OF + DAY)
    customers(shop, anna=0, bert=1, carl=1)
    assert shop.memberships()["buyers"] == {"bert", "carl"}


def test_who_is_explained_is_told_from_who_was_found_in_the_morning(shop: Shop) -> None:
    shop.segment("buyers", BUYERS, refresh="daily")
    customers(shop, anna=1, bert=0)
    shop.sizes()
    customers(shop, anna=1, bert=1)
    shop.sizes()
    segments = load_segments(shop.folder)
    found = {who: explain(shop.warehouse, segments, "buyers", who) for who in ("anna", "bert")}
    told = {who: (one.is_member, one.is_built) for who, one in found.items()}
    assert told == {"anna": (True, True), "bert": (True, False)}


def test_who_is_gone_is_in_no_daily_segment(shop: Shop) -> None:
    shop.segment("buyers", BUYERS, refresh="daily")
    customers(shop, anna=1, bert=1)
    shop.sizes()
    customers(shop, bert=1)
    assert shop.memberships()["buyers"] == {"bert"}


def test_an_expired_segment_has_no_members_and_says_so(shop: Shop) -> None:
    customers(shop, anna=1)
    shop.segment("buyers", BUYERS, expires_on=str(AS_OF.date() + DAY))
    assert shop.sizes()["buyers"]["status"] == "ready"
    shop.clock(AS_OF + DAY)
    found = shop.sizes()["buyers"]
    assert (found["status"], found["member_count"], found["warning"]) == ("expired", 0, None)


def test_what_is_odd_about_a_segment_is_told(shop: Shop) -> None:
    customers(shop, **{f"c{n}": int(n < 60) for n in range(200)})
    shop.segment("buyers", BUYERS)
    shop.segment("same_buyers", BUYERS)
    shop.segment("nobody", "{field: order_count, at_least: 9}")
    shop.segment("old", "{field: order_count, at_least: 0}", review_on=str(AS_OF.date()))
    sizes = shop.sizes()
    assert {name: row["warning"] for name, row in sizes.items()} == {
        "buyers": "100% the same as same_buyers",
        "same_buyers": "100% the same as buyers",
        "nobody": "is empty",
        "old": f"was to be reviewed on {AS_OF.date()}",
    }
    customers(shop, **{f"c{n}": int(n < 130) for n in range(200)})
    assert shop.sizes()["buyers"]["warning"].startswith("grew from 60 to 130")
    customers(shop, **{f"c{n}": int(n < 20) for n in range(200)})
    assert shop.sizes()["buyers"]["warning"] == "shrank from 130 to 20"


def test_a_preview_compares_the_file_with_what_was_built(shop: Shop) -> None:
    customers(shop, anna=1, bert=2, carl=0)
    shop.segment("buyers", BUYERS)
    shop.segment("all", "{field: order_count, at_least: 0}")
    shop.sizes()
    shop.segment("buyers", "{all: [{segment: all}, {field: order_count, at_most: 1}]}")
    found = preview(shop.warehouse, load_segments(shop.folder), "buyers")
    assert (found.member_count, found.built_count) == (2, 2)
    assert (found.entering_count, found.leaving_count) == (1, 1)
    assert found.overlaps == (("all", 2),)
    assert set(found.sample) == {"anna", "carl"}
    assert found.customer_share == pytest.approx(2 / 3)
    assert shop.memberships()["buyers"] == {"anna", "carl"}


def test_each_condition_is_explained_with_the_persons_value(shop: Shop) -> None:
    customers(shop, anna=1)
    shop.segment("buyers", BUYERS)
    performed = "{any: [{performed: a, within: 2d}]}"
    shop.segment(
        "asked",
        f"{{all: [{{segment: buyers}}, {{not: {{field: country, equals: SE}}}}, {performed}]}}",
    )
    found = explain(shop.warehouse, load_segments(shop.folder), "asked", "anna")
    assert (found.is_member, found.is_built) == (False, None)
    assert [(line.depth, line.words, line.holds, line.value) for line in found.lines] == [
        (0, "all of", False, None),
        (1, "segment buyers", True, "true"),
        (1, "not", True, None),
        (2, "country equals SE", False, "not known"),
        (1, "any of", False, None),
        (2, "performed a in 48h, at_least 1", False, "0"),
    ]
    with pytest.raises(InputError, match="no such customer"):
        explain(shop.warehouse, load_segments(shop.folder), "asked", "nobody")
    with pytest.raises(InputError, match="Did you mean asked"):
        explain(shop.warehouse, load_segments(shop.folder), "askd", "anna")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{prediction: lifetime_value, column: expected_365d_amount, at_least: 100}", {"anna"}),
        ("{prediction: lead_score, percentile_at_least: 0.5}", {"carl"}),
        ("{prediction: next_order, column: expected_date, in_next: 3d}", {"anna"}),
        ("{prediction: next_order, column: expected_date, in_next: 1d}", set()),
        ("{prediction: product_affinity, column: new_product_id, equals: p2}", {"anna"}),
        ("{prediction: send_time, column: weekday, one_of: [monday]}", {"carl"}),
        ("{performed: product_viewed, where: {category: [shoes, hats]}, at_least: 2}", {"anna"}),
        ("{performed: product_viewed, where: {product_id: p2}}", {"carl"}),
        ("{performed: product_viewed, followed_by: product_added}", {"anna"}),
        ("{performed: product_added, followed_by: product_viewed}", {"carl"}),
    ],
)
def test_predictions_products_and_sequences_can_be_asked_for(
    shop: Shop, rule: str, expected: set[str]
) -> None:
    customers(shop, anna=1, carl=0)
    anna, carl = {"customer_id": "anna"}, {"customer_id": "carl"}
    shop.fill("predictions.lifetime_value", {**anna, "expected_365d_amount": 120})
    shop.fill("predictions.lead_score", carl)
    shop.fill("predictions.next_order", {**anna, "expected_date": AS_OF.date() + 2 * DAY})
    shop.fill(
        "predictions.product_affinity", {**anna, "kind": "new", "place": 1, "product_id": "p2"}
    )
    shop.fill("predictions.send_time", {**carl, "weekday": "monday"})
    shop.fill("core.products", {"product_id": "p1", "category": "shoes"})
    shop.events(
        ("anna", "product_viewed", ago(hours=3), "p1"),
        ("anna", "product_viewed", ago(hours=3), "p1"),
        ("anna", "product_added", ago(hours=2), "p1"),
        ("carl", "product_viewed", ago(hours=1), "p2"),
        ("carl", "product_added", ago(hours=2), "p2"),
    )
    assert shop.members(rule) == expected


def test_what_is_overdue_for_long_hides_nothing_that_is_due_next(shop: Shop) -> None:
    customers(shop, anna=1, carl=1)
    today = AS_OF.date()
    due_dates = {"anna": (today + 3 * DAY, today - 300 * DAY), "carl": (today - 2 * DAY,)}
    shop.fill(
        "predictions.product_affinity",
        *(
            {"customer_id": name, "kind": "again", "place": place, "due_date": date}
            for name, dates in due_dates.items()
            for place, date in enumerate((*dates, today - 200 * DAY), 1)
        ),
    )
    due = "{prediction: product_affinity, column: next_due_date, "
    assert shop.members(due + "in_next: 7d}") == {"anna"}
    assert shop.members(due + "within: 7d}") == {"carl"}


@pytest.mark.parametrize("where", ["category: shoes", 'product_id: "shop:7"'])
def test_an_event_of_another_system_is_of_the_product_that_it_names(shop: Shop, where: str) -> None:
    customers(shop, anna=1, carl=0, dora=0)
    shop.fill("core.products", {"product_id": "shop:7", "category": "shoes"})
    shop.fill("core.product_names", {"name": "7", "product_id": "shop:7"})
    viewed = {"event": "product_viewed", "occurred_at": ago(hours=3), "event_date": AS_OF.date()}
    told = (("anna", "web", "web:7"), ("carl", "web", "web:8"), ("dora", "shop", "shop:7"))
    shop.fill(
        "core.events",
        *(
            {**viewed, "event_id": who, "contact_id": f"files:{who}", "source": source,
             "product_id": product}
            for who, source, product in told
        ),
    )  # fmt: skip
    rule = f"{{performed: product_viewed, within: 7d, where: {{{where}}}}}"
    assert shop.members(rule) == {"anna", "dora"}


def test_buckets_part_everybody_once_and_stay_the_same(shop: Shop) -> None:
    customers(shop, **{f"c{n}": 0 for n in range(2000)})
    parts = [
        shop.members(f"{{bucket: test, from: {low}, to: {low + 0.25}}}")
        for low in (0, 0.25, 0.5, 0.75)
    ]
    assert set.union(*parts) == {f"c{n}" for n in range(2000)}
    assert sum(map(len, parts)) == 2000
    assert all(400 < len(part) < 600 for part in parts)
    assert shop.members("{bucket: other, from: 0, to: 0.25}") != parts[0]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{bucket: a, from: 0.5, to: 0.5}", "the bucket is empty"),
        ("{bucket: a, to: 10}", "10 is never reached"),
        ("{prediction: lifetime_value, score_at_least: 1}", "has columns, not one score"),
        ("{prediction: churn_30d, column: scores}", "no such column: scores. Did you mean score"),
        ("{prediction: churn_30d, column: score}", "nothing to compare with"),
        ("{prediction: next_order, column: expected_date, at_least: 3}", "does not go with"),
        ("{performed: a, where: {categry: x}}", "no such field of an event: categry"),
        ("{performed: a, where: {}}", "nothing to compare with"),
        ("{performed: a, followed_by: a}", "cannot be followed by itself"),
    ],
)
def test_mistakes_in_the_newer_words_are_told(shop: Shop, rule: str, told: str) -> None:
    shop.segment("asked", rule)
    with pytest.raises(ConfigError, match=told):
        load_segments(shop.folder)


@pytest.mark.parametrize(("key", "value"), [("refresh", "weekly"), ("expires_on", "soon")])
def test_mistakes_in_the_life_of_a_segment_are_told(shop: Shop, key: str, value: str) -> None:
    shop.segment("asked", BUYERS, **{key: value})
    with pytest.raises(ConfigError, match=f"asked.yaml:2 .{key}"):
        load_segments(shop.folder)


@pytest.mark.parametrize(
    ("moment", "today"),
    [
        # The last moment of the 31st in Los Angeles, and the morning of the 31st in Sydney.
        (dt.datetime(2026, 4, 1, 6, 59, 59), dt.date(2026, 3, 31)),
        (dt.datetime(2026, 3, 30, 22), dt.date(2026, 3, 31)),
    ],
)
def test_what_is_to_come_is_counted_from_the_day_where_the_shop_is(
    shop: Shop, moment: dt.datetime, today: dt.date
) -> None:
    shop.clock(moment, today)
    dates = {"yesterday": -1, "today": 0, "last": 7, "later": 8}
    customers(shop, **dict.fromkeys(dates, 1))
    shop.fill(
        "predictions.next_order",
        *({"customer_id": who, "expected_date": today + n * DAY} for who, n in dates.items()),
    )
    rule = "{prediction: next_order, column: expected_date, in_next: 7d}"
    assert shop.members(rule) == {"today", "last"}


def test_nobody_is_in_a_segment_that_has_expired_whoever_asks(shop: Shop) -> None:
    customers(shop, anna=1, bert=0)
    today = AS_OF.date()
    shop.segment("buyers", BUYERS, expires_on=str(today))
    shop.segment("told", "{all: [{segment: buyers}, {field: order_count, at_most: 9}]}")
    shop.segment("others", "{not: {segment: buyers}}")
    sizes = {name: row["member_count"] for name, row in shop.sizes().items()}
    assert sizes == {"buyers": 0, "told": 0, "others": 2}
    segments = load_segments(shop.folder)
    assert preview(shop.warehouse, segments, "buyers").member_count == 0
    found = explain(shop.warehouse, segments, "buyers", "anna")
    assert not found.is_member
    assert [(line.words, line.holds, line.value) for line in found.lines] == [
        (f"before {today}", False, str(today)),
        ("order_count at_least 1", True, "1"),
    ]


def test_the_days_of_a_segment_are_those_of_the_shop(shop: Shop) -> None:
    customers(shop, anna=1)
    shop.settings = shop.settings.model_copy(
        update={"platform": Platform.model_validate({"shop": {"timezone": "Australia/Sydney"}})}
    )
    # In Sydney the 31st has begun.
    morning, last_day = dt.datetime(2026, 12, 30, 22), dt.date(2026, 12, 31)
    shop.clock(morning, last_day)
    shop.segment("over", BUYERS, expires_on="2026-12-31")
    shop.segment("daily", BUYERS, refresh="daily")
    shop.segment("old", BUYERS, review_on="2026-12-31")
    sizes = shop.sizes()
    assert (sizes["over"]["status"], sizes["over"]["member_count"]) == ("expired", 0)
    assert sizes["old"]["warning"] == "was to be reviewed on 2026-12-31"
    customers(shop, anna=1, bert=1)
    shop.clock(morning + dt.timedelta(hours=3), last_day)
    assert shop.sizes()["daily"]["member_count"] == 1, "in UTC another day, but not there"
    shop.clock(morning + dt.timedelta(hours=16), last_day + DAY)
    assert shop.sizes()["daily"]["member_count"] == 2
