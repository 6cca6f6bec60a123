"""What profiles say of the site: visits, devices, and where people came from."""

from __future__ import annotations

from profile_shop import Shop, profile


def test_windows_visits_and_velocity(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2025-12-01", created_at="2025-12-01")
    for day in range(1, 29):
        shop.event("a", "product_viewed", f"2026-01-{day:02} 10:00")
        shop.event("a", "product_viewed", f"2026-01-{day:02} 10:10")
        shop.event("a", "product_viewed", f"2026-01-{day:02} 20:00")
    shop.event("a", "product_viewed", "2026-03-31 09:50")
    shop.event("a", "product_added", "2026-03-31 10:05")
    shop.event("a", "products_searched", "2026-03-26 10:05")
    found = profile(shop.build(), "a")
    assert found["product_viewed_1d_count"] == 1
    assert found["product_viewed_90d_count"] == 28 * 3 + 1
    assert (found["product_added_1d_count"], found["product_added_7d_count"]) == (1, 1)
    assert (found["searched_1d_count"], found["searched_7d_count"]) == (0, 1)
    assert found["visit_1d_count"] == 1, "a visit goes on over the hour"
    assert found["visit_90d_count"] == 28 * 2 + 2
    assert found["is_velocity_decay"] is True
    assert 0 < found["visit_velocity"] < 0.4


def test_the_kind_of_device_is_the_one_on_which_they_were_last_seen(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2025-12-01", created_at="2025-12-01")
    shop.event("a", "product_viewed", "2026-01-05 10:00", device_type="Desktop")
    shop.event("a", "product_viewed", "2026-01-06 09:00", device_type="tablet")
    shop.event("a", "product_viewed", "2026-01-06 12:00", device_type="mobile")
    shop.event("a", "product_viewed", "2026-01-07 12:00", device_type="fridge")
    shop.event("b", "product_viewed", "2026-01-05 10:00", device_type="Desktop")
    warehouse = shop.build()
    assert profile(warehouse, "a")["device_type"] == "mobile"
    assert profile(warehouse, "b")["device_type"] == "desktop"


def test_first_and_last_touch_are_what_the_visits_told_on_arrival(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="anna", email="anna@mail.example")
    page = (
        "https://shop.example/?utm_source=Spring+News&utm_medium=email&utm_campaign=May%20Sale#top"
    )
    shop.event("anna", "page_viewed", "2026-03-01 10:00", page_url=page)
    shop.event("anna", "product_viewed", "2026-03-01 10:05", page_url="https://shop.example/p/1")
    shop.event("anna", "page_viewed", "2026-03-20 10:00", utm_source="google", utm_medium="cpc")
    shop.event("anna", "product_added", "2026-03-20 10:09", page_url="https://shop.example/p/2")
    row = profile(shop.build(), "anna")
    first, last = (
        [row[f"{which}_touch_{part}"] for part in ("source", "medium", "campaign")]
        for which in ("first", "last")
    )
    assert first == ["Spring News", "email", "May Sale"]
    assert last == ["google", "cpc", None]


def test_who_is_not_seen_on_the_site_came_from_where_the_shop_says_of_the_order(shop: Shop) -> None:
    told = {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "Shopping"}
    shop.orders("a", "2026-03-01", **told)
    shop.orders("a", "2026-03-09", utm_source="newsletter")
    shop.orders("a", "2026-03-12")
    shop.orders("b", "2026-03-12")
    shop.orders("c", "2026-03-12", **told)
    shop.event("c", "page_viewed", "2026-03-10 10:00", utm_source="meta")
    warehouse = shop.build()
    found = {
        who: tuple(row[f"{which}_touch_source"] for which in ("first", "last"))
        for who in ("a", "b", "c")
        for row in [profile(warehouse, who)]
    }
    assert found == {"a": ("google", "newsletter"), "b": (None, None), "c": ("meta", "google")}


def test_a_campaign_is_known_by_its_key_and_by_each_of_its_names(shop: Shop) -> None:
    for day, name, cost in (("2026-03-01", "Spring", 30), ("2026-03-02", "Spring sale", 60)):
        shop.add(
            "ad_performance", platform="Google Ads", source_campaign_id="123", campaign_name=name,
            performance_date=day, cost_amount=cost, currency="EUR", key=day,
        )  # fmt: skip
    for who, campaign in (("a", "123"), ("b", "Spring"), ("c", "Spring sale"), ("d", "other")):
        shop.event(who, "page_viewed", "2026-03-02 10:00", utm_source="g", utm_campaign=campaign)
    warehouse = shop.build()
    found = {
        who: (
            row["first_touch_campaign"],
            row["last_touch_campaign"],
            row["acquisition_cost_amount"],
        )
        for who in ("a", "b", "c", "d")
        for row in [profile(warehouse, who)]
    }
    assert found == {**dict.fromkeys("abc", ("Spring sale", "Spring sale", 30)),
                     "d": ("other", "other", None)}  # fmt: skip


def test_what_was_done_on_a_persons_device_before_signing_in_is_theirs_alone(shop: Shop) -> None:
    for who in ("a", "b"):
        shop.add("contacts", source_contact_id=who, updated_at="2026-01-01")
    shop.event(None, "product_viewed", "2026-03-30 09:00", anonymous_id="phone")
    shop.event("a", "product_viewed", "2026-03-30 10:00", anonymous_id="phone")
    shop.event(None, "product_viewed", "2026-03-30 09:00", anonymous_id="kiosk")
    shop.event("a", "product_viewed", "2026-03-30 11:00", anonymous_id="kiosk")
    shop.event("b", "product_viewed", "2026-03-30 12:00", anonymous_id="kiosk")
    warehouse = shop.build()
    assert profile(warehouse, "a")["product_viewed_7d_count"] == 3
    assert profile(warehouse, "b")["product_viewed_7d_count"] == 1


def test_a_device_on_which_a_guest_ordered_is_theirs(shop: Shop) -> None:
    def order(number: str, who: str, moment: str) -> None:
        shop.add(
            "orders", source_order_id=number, email=f"{who}@x.org", ordered_at=moment,
            order_status="placed", gross_amount=20, currency="EUR", updated_at=moment,
        )  # fmt: skip

    order("1001", "guest", "2026-03-28 10:00")
    order("1002", "first", "2026-03-28 10:00")
    order("1003", "second", "2026-03-28 11:00")
    order("1004", "other", "2026-01-05 10:00")
    for device, *numbers in (("laptop", "1001"), ("shop", "1002", "1003"), ("old", "1004")):
        shop.event(None, "product_viewed", "2026-03-27 09:00", anonymous_id=device)
        for number in numbers:
            shop.event(
                None, "order_completed", "2026-03-28 10:01", anonymous_id=device,
                source_order_id=number,
            )  # fmt: skip
    warehouse = shop.build()
    seen = {
        who: profile(warehouse, f"email:{who}@x.org")["product_viewed_7d_count"]
        for who in ("guest", "first", "second", "other")
    }
    assert seen == {"guest": 1, "first": 0, "second": 0, "other": 0}, (
        "not of a device of two people, nor by a number that an older order happens to have"
    )


def test_who_signs_in_on_the_way_has_visited_once(shop: Shop) -> None:
    arrival = {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "weekly"}
    shop.event(None, "page_viewed", "2026-03-31 10:00", anonymous_id="d", **arrival)
    shop.event(None, "product_viewed", "2026-03-31 10:10", anonymous_id="d")
    shop.event("a", "product_added", "2026-03-31 10:15", anonymous_id="d")
    shop.event(None, "product_viewed", "2026-03-31 10:20", anonymous_id="d")
    # Another visit, before which somebody else may have been there.
    shop.event(None, "product_viewed", "2026-03-31 08:00", anonymous_id="d")
    found = profile(shop.build(), "a")
    assert (found["visit_1d_count"], found["dwell_seconds"]) == (2, 600)
    assert (found["last_touch_source"], found["last_touch_campaign"]) == ("newsletter", "weekly")
    assert found["product_viewed_1d_count"] == 3


def test_a_visit_in_which_two_sign_in_is_of_neither_before_they_did(shop: Shop) -> None:
    shop.event(None, "page_viewed", "2026-03-31 10:00", anonymous_id="d")
    for who, minute in (("a", 10), ("b", 20)):
        shop.event(who, "product_viewed", f"2026-03-31 10:{minute}", anonymous_id="d")
    warehouse = shop.build()
    found = {who: profile(warehouse, who) for who in ("a", "b")}
    assert {who: row["last_seen_at"].minute for who, row in found.items()} == {"a": 10, "b": 20}
    assert [row["dwell_seconds"] for row in found.values()] == [0, 0]
