"""Profiles: what they say, and that they say only what was known at the clock."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from profile_shop import CLOCK, MakeSettings, Shop, profile

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.profiles import FIELD_GROUPS
from marketing_platform.pipeline import build_table
from marketing_platform.profiles.fields import fields_text
from marketing_platform.warehouse import Part

ROOT = Path(__file__).parent.parent.parent


def test_every_field_is_defined_once_and_the_document_is_current() -> None:
    assert (ROOT / "docs" / "profile-fields.md").read_text(encoding="utf-8") == fields_text()
    for column in CONTRACTS["profiles.customers"].columns.values():
        assert len(column.description) > 4
    assert sum(len(columns) for columns in FIELD_GROUPS.values()) > 100


def test_lifecycle_stages_follow_the_purchases(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="lead", updated_at="2026-01-01")
    shop.orders("once", "2026-03-20")
    shop.orders("twice", "2026-02-01", "2026-03-10")
    shop.orders("loyal", "2026-01-01", "2026-01-30", "2026-02-28", "2026-03-25")
    shop.orders("vip", "2026-01-01", "2026-01-30", "2026-02-28", "2026-03-25", amount=900)
    shop.orders("fan", "2026-01-01", "2026-01-30", "2026-02-28", "2026-03-25")
    shop.event("fan", "Product Reviewed", "2026-03-01 10:00")
    shop.event("fan", "product_reviewed", "2026-03-01 10:01")
    shop.orders("cooling", "2026-01-10")
    shop.orders("gone", "2025-01-10")
    warehouse = shop.build()
    names = ("lead", "once", "twice", "loyal", "vip", "fan", "cooling", "gone")
    assert {name: profile(warehouse, name)["lifecycle_stage"] for name in names} == {
        "lead": "subscriber", "once": "first_time_buyer", "twice": "repeat_buyer",
        "loyal": "loyal", "vip": "vip", "fan": "advocate", "cooling": "at_risk", "gone": "lapsed",
    }  # fmt: skip


def test_who_has_a_new_address_is_not_held_to_have_bounced_for_the_old_one(shop: Shop) -> None:
    for who, told in (("moved", "old@x.org"), ("stayed", "Stayed@x.org "), ("unsaid", None)):
        address = {"moved": "new@x.org", "stayed": "stayed@x.org", "unsaid": "unsaid@x.org"}[who]
        shop.add(
            "contacts", source_contact_id=who, email=address, has_email_consent=True,
            updated_at="2026-03-30",
        )  # fmt: skip
        shop.add(
            "engagements", source_engagement_id=who, channel="email", engagement="bounced",
            bounce_type="hard", occurred_at="2026-03-01 10:00", source_contact_id=who, email=told,
        )  # fmt: skip
    warehouse = shop.build()
    found = {
        who: (row["has_email_bounced_hard"], row["has_email_consent"])
        for who in ("moved", "stayed", "unsaid")
        for row in [profile(warehouse, who)]
    }
    assert found == {"moved": (False, True), "stayed": (True, False), "unsaid": (True, False)}


def test_who_orders_by_a_new_address_is_not_barred_for_the_one_of_an_old_account(
    shop: Shop,
) -> None:
    for who, day in (("old", "2025-03-01"), ("new", "2026-03-01")):
        shop.add(
            "contacts", source_contact_id=who, email=f"{who}@x.org", phone="+4930901820",
            has_email_consent=True, updated_at=day,
        )  # fmt: skip
    shop.add(
        "engagements", source_engagement_id="1", channel="email", engagement="bounced",
        bounce_type="hard", occurred_at="2025-12-01 10:00", email="old@x.org",
    )  # fmt: skip
    row = profile(shop.build(), "new")
    assert (row["email"], row["has_email_consent"]) == ("new@x.org", True)
    assert not row["has_email_bounced_hard"]


def test_an_address_is_no_newer_because_a_tool_writes_to_it(shop: Shop) -> None:
    shop.orders("old", "2025-03-01", email="old@x.org", phone="+4930901820")
    shop.add(
        "contacts", source_contact_id="ann", email="new@x.org", phone="+4930901820",
        updated_at="2026-02-01",
    )  # fmt: skip
    shop.add(
        "engagements", source_engagement_id="1", channel="email", engagement="delivered",
        occurred_at="2026-03-20 10:00", email="old@x.org",
    )  # fmt: skip
    row = profile(shop.build(), "ann")
    assert (row["email"], row["order_count"]) == ("new@x.org", 1)


def test_an_address_alone_is_no_key_of_a_source(shop: Shop) -> None:
    for who, moment in (("ann", "2026-02-01"), (None, "2026-03-01")):
        shop.add(
            "orders", source_order_id=who or "1", source_contact_id=who, email="a@x.org",
            phone="+4930901820", ordered_at=f"{moment} 10:00", order_status="placed",
            gross_amount=1, currency="EUR", updated_at=moment,
        )  # fmt: skip
    shop.add(
        "orders", source_order_id="2", email="b@x.org", phone="+4930901821",
        ordered_at="2026-03-01 10:00", order_status="placed", gross_amount=1, currency="EUR",
        updated_at="2026-03-01",
    )  # fmt: skip
    for number in (0, 1):
        shop.add(
            "engagements", source_engagement_id=str(number), channel="sms", engagement="delivered",
            occurred_at="2026-03-20 10:00", phone=f"+493090182{number}",
        )  # fmt: skip
    warehouse = shop.build()
    assert profile(warehouse, "ann")["source_contact_id"] == "ann"
    assert profile(warehouse, "email:b@x.org")["source_contact_id"] is None


def test_who_has_a_new_phone_is_not_held_to_have_bounced_for_the_old_one(shop: Shop) -> None:
    phones = {"moved": "+4930901829", "stayed": "+49 30 901820", "unsaid": None}
    now = {"moved": "+4930901821", "stayed": "+4930901820", "unsaid": "+4930901822"}
    for who, told in phones.items():
        shop.add(
            "contacts", source_contact_id=who, phone=now[who], has_sms_consent=True,
            updated_at="2026-03-30",
        )  # fmt: skip
        shop.add(
            "engagements", source_engagement_id=who, channel="sms", engagement="bounced",
            bounce_type="hard", occurred_at="2026-03-01 10:00", source_contact_id=who, phone=told,
        )  # fmt: skip
    warehouse = shop.build()
    found = {who: profile(warehouse, who)["has_sms_consent"] for who in phones}
    assert found == {"moved": True, "stayed": False, "unsaid": False}


def test_nobody_opened_what_a_machine_did(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", email="a@x.org", updated_at="2026-01-01")
    for number, engagement in enumerate(("delivered", "machine_opened", "machine_clicked")):
        shop.add(
            "engagements", source_engagement_id=str(number), channel="email",
            engagement=engagement, occurred_at="2026-03-30 10:00", source_contact_id="a",
            source_message_id="1",
        )  # fmt: skip
    row = profile(shop.build(), "a")
    assert (row["email_opened_30d_count"], row["email_clicked_30d_count"]) == (0, 0)
    assert (row["email_open_share"], row["last_email_engaged_at"]) == (0.0, None)


def test_a_soft_bounce_that_two_sources_tell_of_is_one(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", email="a@x.org", updated_at="2026-01-01")
    for day in ("2026-03-10", "2026-03-20"):
        for told_by, message in (("list", None), ("webhook", f"m{day}")):
            shop.add(
                "engagements", source_engagement_id=f"{told_by}-{day}", channel="email",
                engagement="bounced", bounce_type="soft", occurred_at=f"{day} 10:00",
                source_contact_id="a", source_message_id=message,
            )  # fmt: skip
    assert profile(shop.build(), "a")["email_soft_bounced_90d_count"] == 2


def test_engagement_counts_each_message_once_and_the_last_ten(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", email="a@x.org", updated_at="2026-01-01")

    def told(engagement: str, message: int, moment: str, **more: Any) -> None:
        key = f"{message}-{engagement}-{moment}"
        shop.add(
            "engagements", source_engagement_id=key, channel="email", engagement=engagement,
            occurred_at=moment, source_contact_id="a", source_message_id=str(message), **more,
        )  # fmt: skip

    for number in range(1, 13):
        told("delivered", number, f"2026-03-{number:02} 09:00")
    for number in (1, 2, 11, 12):
        told("opened", number, f"2026-03-{number:02} 10:00")
    told("opened", 12, "2026-03-12 11:00")
    told("clicked", 12, "2026-03-12 11:01")
    told("bounced", 13, "2026-03-20 09:00", bounce_type="hard")
    found = profile(shop.build(), "a")
    assert found["email_opened_of_last_10_count"] == 2
    assert found["email_open_share"] == pytest.approx(0.2)
    assert found["email_click_share"] == pytest.approx(0.1)
    assert found["email_opened_30d_count"] == 4
    assert found["has_email_bounced_hard"] is True
    assert found["has_email_consent"] is False, "what bounced for good is not written to"
    assert found["last_email_engaged_at"] == dt.datetime(2026, 3, 12, 11, 1)


def test_value_price_and_affinity(shop: Shop) -> None:
    for number, (category, price) in enumerate([("tea", 5), ("tea", 50), ("cups", 8)]):
        shop.add(
            "products", source_product_id=f"p{number}", title=f"p{number}", category=category,
            brand="acme", price_amount=price, currency="EUR", updated_at="2025-01-01",
        )  # fmt: skip

    def bought(who: str, day: str, product: int, amount: float, discount: float = 0) -> None:
        number = f"{who}{day}"
        shop.add(
            "orders", source_order_id=number, source_contact_id=who, ordered_at=f"{day} 12:00",
            order_status="placed", gross_amount=amount, discount_amount=discount, currency="EUR",
            updated_at=day,
        )  # fmt: skip
        shop.add(
            "order_items", source_order_item_id=number, source_order_id=number,
            source_product_id=f"p{product}", quantity=1, unit_price_amount=amount,
            line_amount=amount, currency="EUR",
        )  # fmt: skip

    for month in ("2025-08", "2025-10", "2026-01", "2026-03"):
        bought("steady", f"{month}-05", 1, 50)
        bought("hunter", f"{month}-06", 0, 5, discount=1)
    bought("hunter", "2026-03-10", 2, 8)
    warehouse = shop.build()
    steady, hunter = profile(warehouse, "steady"), profile(warehouse, "hunter")
    assert steady["is_value_plateau"] is False, "one purchase before, two in the last 90 days"
    assert (steady["top_category"], steady["top_category_share"]) == ("tea", 1)
    assert steady["top_brand"] == "acme"
    assert (steady["price_tier"], hunter["price_tier"]) == (1.0, 0.0)
    assert hunter["discounted_order_share"] == pytest.approx(0.8)
    assert hunter["price_sensitivity"] > 0.8 > 0.2 > steady["price_sensitivity"]
    assert steady["net_90d_amount"] == 100
    assert steady["value_slope"] == pytest.approx((100 - 50) / 90)


def bought(shop: Shop, who: str, **amounts: float) -> None:
    """One order of so much of each product."""
    day = {"ordered_at": "2026-03-05 12:00", "updated_at": "2026-03-05"}
    shop.add("orders", source_order_id=who, source_contact_id=who, order_status="placed",
             gross_amount=sum(amounts.values()), currency="EUR", **day)  # fmt: skip
    for product, amount in amounts.items():
        shop.add("order_items", source_order_item_id=who + product, source_order_id=who, quantity=1,
                 source_product_id=product, unit_price_amount=amount, line_amount=amount,
                 currency="EUR")  # fmt: skip


def test_who_buys_what_most_of_a_category_costs_does_not_buy_the_cheapest(shop: Shop) -> None:
    prices = {
        "sale": ("shirts", 10), "shirt1": ("shirts", 25), "shirt2": ("shirts", 25),
        "shirt3": ("shirts", 25), "mid": ("hats", 20), "low": ("hats", 15), "high": ("hats", 40),
        "only": ("cards", 50), "card2": ("cards", 50),
    }  # fmt: skip
    for name, (category, price) in prices.items():
        shop.add("products", source_product_id=name, title=name, category=category,
                 price_amount=price, currency="EUR", updated_at="2025-01-01")  # fmt: skip
    asked = ("sale", "shirt2", "mid", "only")
    for name in asked:
        bought(shop, f"of {name}", **{name: 20})
    warehouse = shop.build()
    tiers = {name: profile(warehouse, f"of {name}")["price_tier"] for name in asked}
    assert tiers == {"sale": 0, "shirt2": 1, "mid": 0.5, "only": None}
    assert profile(warehouse, "of only")["price_sensitivity"] == 0.25, "neither cheap nor dear"


def test_a_share_of_what_was_spent_is_of_all_that_was_spent(shop: Shop) -> None:
    for name, category, brand in (
        ("shoe", "shoes", "acme"), ("hat", "hats", None), ("odd", None, None),
    ):  # fmt: skip
        shop.add("products", source_product_id=name, title=name, category=category, brand=brand,
                 price_amount=9, currency="EUR", updated_at="2025-01-01")  # fmt: skip
    bought(shop, "a", shoe=20, hat=10, odd=70)
    bought(shop, "b", odd=5)
    warehouse = shop.build()
    found = profile(warehouse, "a")
    assert (found["top_category"], found["top_brand"]) == ("shoes", "acme")
    assert found["top_category_share"] == pytest.approx(0.2)
    assert found["top_brand_share"] == pytest.approx(0.2)
    other = profile(warehouse, "b")
    assert (other["top_category"], other["top_category_share"]) == (None, None)


def test_a_discount_was_not_spent_and_what_was_free_is_no_purchase(shop: Shop) -> None:
    def bought(who: str, number: str, gross: float, discount: float, **more: Any) -> None:
        shop.add(
            "orders", source_order_id=number, source_contact_id=who, ordered_at="2026-03-01 12:00",
            order_status="placed", gross_amount=gross, discount_amount=discount, currency="EUR",
            updated_at="2026-03-01", **more,
        )  # fmt: skip

    bought("half", "1", 100, 50, shipping_amount=5, total_amount=55)
    bought("back", "2", 100, 50, shipping_amount=5, total_amount=55)
    shop.add(
        "refunds", source_refund_id="r", source_order_id="2", refunded_at="2026-03-05 12:00",
        quantity=1, refund_amount=50, currency="EUR",
    )  # fmt: skip
    # All of it, with shipping and tax on top.
    bought("all", "7", 100, 0, shipping_amount=5, tax_amount=8, total_amount=113)
    shop.add(
        "refunds", source_refund_id="q", source_order_id="7", refunded_at="2026-03-05 12:00",
        quantity=1, refund_amount=113, currency="EUR",
    )  # fmt: skip
    # One of two pieces, with its tax.
    bought("part", "9", 100, 0, tax_amount=8, total_amount=108)
    shop.add(
        "refunds", source_refund_id="p", source_order_id="9", refunded_at="2026-03-05 12:00",
        quantity=1, refund_amount=54, tax_amount=4, currency="EUR",
    )  # fmt: skip
    # Shipping alone, and shipping with one of two pieces.
    for who, number, refund, shipping in (("late", "11", 5, 5), ("both", "12", 55, 5)):
        bought(who, number, 100, 0, shipping_amount=5, total_amount=105)
        shop.add(
            "refunds", source_refund_id=f"s{number}", source_order_id=number, quantity=0,
            refunded_at="2026-03-05 12:00", refund_amount=refund, shipping_amount=shipping,
            currency="EUR",
        )  # fmt: skip
    # One of two pieces taken out before it was paid, the other one given back later.
    bought("edited", "10", 200, 0, tax_amount=8, total_amount=108)
    for number in ("e1", "e2"):
        shop.add(
            "refunds", source_refund_id=number, source_order_id="10", quantity=1,
            refunded_at="2026-03-05 12:00", refund_amount=108, tax_amount=8, currency="EUR",
        )  # fmt: skip
    # Tax on top; and prices from which the discount is taken off already.
    bought("taxed", "3", 100, 10, shipping_amount=5, tax_amount=18, total_amount=113)
    bought("told", "4", 90, 10, shipping_amount=5, tax_amount=15, total_amount=95)
    # With a tip of 20, which is in no line.
    bought("tipped", "8", 100, 10, shipping_amount=5, total_amount=115)
    bought("gift", "5", 100, 100, total_amount=0)
    bought("gift", "6", 20, 0, total_amount=20)
    warehouse = shop.build()
    expected = {
        "half": 50, "back": 0, "all": 0, "part": 50, "edited": 0, "taxed": 90, "told": 90,
        "tipped": 90, "gift": 20, "late": 100, "both": 50,
    }  # fmt: skip
    spent = {who: profile(warehouse, who) for who in expected}
    assert {who: float(row["lifetime_value_amount"]) for who, row in spent.items()} == expected
    assert spent["half"]["average_order_value_amount"] == 50
    assert spent["back"]["refund_share"] == spent["all"]["refund_share"] == 1
    assert spent["gift"]["order_count"] == 1


def test_what_is_given_back_of_a_cancelled_order_is_taken_from_no_other_one(shop: Shop) -> None:
    for number, day, status in (("1", "2026-02-01", "placed"), ("2", "2026-03-01", "cancelled")):
        shop.add(
            "orders", source_order_id=number, source_contact_id="again", order_status=status,
            ordered_at=f"{day} 12:00", gross_amount=50, total_amount=50, currency="EUR",
        )  # fmt: skip
        shop.add(
            "order_items", source_order_item_id=f"line{number}", source_order_id=number,
            source_product_id="beans", quantity=1, unit_price_amount=50, line_amount=50,
            currency="EUR",
        )  # fmt: skip
    shop.add(
        "refunds", source_refund_id="r", source_order_id="2", source_order_item_id="line2",
        source_contact_id="again", source_product_id="beans", quantity=1, unit_price_amount=50,
        refund_amount=50, refunded_at="2026-03-02 12:00", currency="EUR",
    )  # fmt: skip
    warehouse = shop.build()
    assert warehouse.read("core.refunds")["order_id"].to_list() == [None]
    assert profile(warehouse, "again")["lifetime_value_amount"] == 50


@pytest.mark.parametrize(
    ("told", "gross", "spent"),
    [
        ({}, 20, 20),
        ({"shipping_amount": 5}, 15, 15),
        ({"discount_amount": 5}, 25, 20),
        ({"discount_amount": 5, "shipping_amount": 2, "tax_amount": 3}, 23, 18),
        ({"shipping_amount": 30}, 0, 0),
    ],
)
def test_an_order_of_which_only_the_total_is_told_is_a_purchase(
    shop: Shop, told: dict[str, int], gross: int, spent: int
) -> None:
    day = "2026-03-01 12:00"
    shop.add("orders", source_order_id="1", source_contact_id="a", ordered_at=day, updated_at=day,
             order_status="placed", total_amount=20, currency="EUR", **told)  # fmt: skip
    warehouse = shop.build()
    order = warehouse.read("core.orders").select("gross_amount", "spent_amount").row(0)
    assert order == (gross, spent)
    bought = profile(warehouse, "a")
    assert (bought["is_buyer"], bought["lifetime_value_amount"]) == (spent > 0, spent)


def test_an_open_cart_is_one_that_no_order_followed(shop: Shop) -> None:
    for who in ("left", "bought", "finished"):
        shop.add("contacts", source_contact_id=who, updated_at="2026-01-01")
        shop.add(
            "carts", source_cart_id=who, source_contact_id=who, created_at="2026-03-30 12:00",
            updated_at="2026-03-30 12:00", cart_amount=30, currency="EUR", item_count=2,
            completed_at="2026-03-30 13:00" if who == "finished" else None,
        )  # fmt: skip
    shop.orders("bought", "2026-03-31")
    warehouse = shop.build()
    assert profile(warehouse, "left")["open_cart_amount"] == 30
    assert profile(warehouse, "left")["open_cart_age_hours"] == pytest.approx(36, abs=0.1)
    assert profile(warehouse, "bought")["open_cart_at"] is None
    assert profile(warehouse, "finished")["open_cart_at"] is None


@pytest.mark.parametrize(
    ("born", "days"),
    [("1990-03-31", 0), ("1990-04-07", 7), ("1990-03-30", 364), ("1992-02-29", 335)],
)
def test_birthdays_come_round(shop: Shop, born: str, days: int) -> None:
    shop.add("contacts", source_contact_id="a", birth_date=born, updated_at="2026-01-01")
    assert profile(shop.build(), "a")["birthday_in_days"] == days


@pytest.mark.parametrize("placeholder", ["1900-01-01", "1970-01-01", "2000-04-01"])
def test_a_birthday_that_a_form_fills_in_is_nobodys(shop: Shop, placeholder: str) -> None:
    for number in range(400):
        born = dt.date(1960, 5, 1) + dt.timedelta(days=37 * number)
        shop.add("contacts", source_contact_id=f"c{number}", updated_at="2026-01-01",
                 birth_date=placeholder if number < 25 else born)  # fmt: skip
    warehouse = shop.build()
    nobody, somebody = profile(warehouse, "c3"), profile(warehouse, "c30")
    assert (nobody["birth_date"], nobody["birthday_in_days"]) == (None, None)
    assert somebody["birth_date"] == dt.date(1960, 5, 1) + dt.timedelta(days=37 * 30)


@pytest.mark.parametrize(
    ("timezone", "ordered_at"),
    [("Australia/Sydney", "2025-03-30 20:00Z"), ("America/New_York", "2025-04-01 02:00Z")],
)
def test_the_anniversary_is_of_the_day_on_which_they_bought_where_the_shop_is(
    shop: Shop, timezone: str, ordered_at: str
) -> None:
    shop.timezone = timezone
    shop.add("orders", source_order_id="1", source_contact_id="a", ordered_at=ordered_at,
             order_status="placed", total_amount=20, gross_amount=20, currency="EUR",
             updated_at=ordered_at)  # fmt: skip
    bought = profile(shop.build(), "a")
    assert (bought["tenure_days"], bought["anniversary_in_days"]) == (365, 0)


def test_reviews_are_counted_and_only_a_good_one_of_a_year_makes_an_advocate(shop: Shop) -> None:
    for who, rating, day in (
        ("happy", 5, "2026-03-01"), ("cross", 1, "2026-03-01"), ("once", 5, "2025-03-01"),
        ("starless", None, "2026-03-01"),
    ):  # fmt: skip
        shop.orders(who, "2026-01-01", "2026-01-30", "2026-02-28", "2026-03-25")
        shop.add("reviews", source_review_id=who, source_contact_id=who, reviewed_at=day,
                 rating=rating, source_product_id="p")  # fmt: skip
    shop.add("reviews", source_review_id="two", source_contact_id="cross", reviewed_at="2026-03-02",
             rating=2)  # fmt: skip
    shop.add("reviews", source_review_id="later", source_contact_id="cross", rating=5,
             reviewed_at="2026-04-02")  # fmt: skip
    warehouse = shop.build()
    advocates = {
        who
        for who in ("happy", "cross", "once", "starless")
        if profile(warehouse, who)["lifecycle_stage"] == "advocate"
    }
    assert advocates == {"happy"}
    cross = profile(warehouse, "cross")
    assert (cross["review_count"], cross["average_rating"], cross["last_rating"]) == (2, 1.5, 2)
    assert cross["last_reviewed_at"] == dt.datetime(2026, 3, 2)
    starless = profile(warehouse, "starless")
    assert (starless["review_count"], starless["average_rating"]) == (1, None)


@pytest.mark.parametrize("changed", ["2026-03-02", None])
def test_the_stage_is_that_of_the_deal_that_changed_last(shop: Shop, changed: str | None) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    for number, stage, made in (("10", "won", "2026-03-01"), ("9", "lost", "2026-01-01")):
        shop.add("deals", source_deal_id=number, source_contact_id="a", stage=stage,
                 created_at=made, updated_at=changed if stage == "won" else None)  # fmt: skip
    assert profile(shop.build(), "a")["crm_stage"] == "won"


@pytest.mark.parametrize(
    ("is_closed", "closed_at", "is_open"),
    [
        (None, None, True),
        (False, None, True),
        (True, None, False),
        (None, "2026-03-20", False),
        (True, "2026-03-20", False),
        (True, "2026-04-02", True),
        (False, "2026-03-20", True),
    ],
)
def test_a_ticket_is_open_until_it_is_closed_however_that_is_told(
    shop: Shop, is_closed: bool | None, closed_at: str | None, is_open: bool
) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.add("tickets", source_ticket_id="1", source_contact_id="a", created_at="2026-03-01",
             updated_at="2026-03-20", is_closed=is_closed, closed_at=closed_at)  # fmt: skip
    told = profile(shop.build(), "a")
    assert (told["open_ticket_count"], told["ticket_90d_count"]) == (int(is_open), 1)


@pytest.mark.parametrize(
    ("is_closed", "is_won", "is_open"),
    [(None, None, True), (False, False, True), (None, True, False), (True, None, False)],
)
def test_a_deal_that_was_won_is_not_open_however_that_is_told(
    shop: Shop, is_closed: bool | None, is_won: bool | None, is_open: bool
) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.add("deals", source_deal_id="1", source_contact_id="a", deal_amount=50, currency="EUR",
             created_at="2026-03-01", is_closed=is_closed, is_won=is_won)  # fmt: skip
    found = profile(shop.build(), "a")
    assert (found["open_deal_count"], found["open_deal_amount"]) == ((1, 50) if is_open else (0, 0))


@pytest.mark.parametrize(
    ("timezone", "ticket", "review"),
    [
        ("America/Los_Angeles", "2026-01-01 10:00Z", "2025-04-01 10:00Z"),
        ("Australia/Sydney", "2025-12-31 14:00Z", "2025-03-31 14:00Z"),
    ],
)
def test_tickets_and_reviews_of_the_last_days_are_counted_where_the_shop_is(
    shop: Shop, timezone: str, ticket: str, review: str
) -> None:
    """They are of the first of January and of April there, a moment within 90 and 365 days."""
    shop.timezone = timezone
    for who, earlier in (("in", 0), ("out", 4)):
        moments = [
            str(dt.datetime.fromisoformat(moment) - dt.timedelta(hours=earlier))
            for moment in (ticket, review)
        ]
        shop.add("contacts", source_contact_id=who, updated_at="2026-01-01")
        shop.add("tickets", source_ticket_id=who, source_contact_id=who, created_at=moments[0])
        shop.add("reviews", source_review_id=who, source_contact_id=who, rating=5,
                 reviewed_at=moments[1])  # fmt: skip
    warehouse = shop.build()
    found = {
        who: (row["ticket_90d_count"], row["recommended_365d_count"])
        for who in ("in", "out")
        for row in [profile(warehouse, who)]
    }
    assert found == {"in": (1, 1), "out": (0, 0)}


def fill(past: Shop, whole: Shop) -> None:
    """Give one shop all that happened, the other what happened up to the clock."""
    end = dt.datetime.combine(CLOCK, dt.time.max)
    for number in range(40):
        moment = dt.datetime(2026, 1, 1, 9) + dt.timedelta(days=4 * number, minutes=number)
        who = f"c{number % 5}"
        day = moment.date().isoformat()
        for shop in (past, whole) if moment <= end else (whole,):
            shop.orders(who, day, amount=10 + number)
            shop.event(who, "product_viewed", str(moment), anonymous_id=f"d{number % 7}",
                       utm_source="google", utm_campaign=f"k{number % 3}")  # fmt: skip
            shop.event(None, "product_added", str(moment), anonymous_id=f"d{number % 7}")
            shop.add(
                "engagements", source_engagement_id=str(number), channel="email",
                engagement=("delivered", "opened", "clicked")[number % 3], occurred_at=str(moment),
                source_contact_id=who, source_message_id=str(number // 3),
            )  # fmt: skip
            shop.add(
                "carts", source_cart_id=str(number), source_contact_id=who, created_at=str(moment),
                updated_at=str(moment), cart_amount=5, currency="EUR",
            )  # fmt: skip
            shop.add(
                "tickets", source_ticket_id=str(number), source_contact_id=who,
                created_at=str(moment), updated_at=str(moment),
            )  # fmt: skip
            shop.add(
                "reviews", source_review_id=str(number), source_contact_id=who,
                rating=number % 5 + 1, reviewed_at=str(moment), updated_at=str(moment),
            )  # fmt: skip


def test_deleting_the_future_changes_no_profile_of_the_past(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Whatever happens after the clock, the profiles at the clock are the same."""
    past, whole = (Shop(make_settings, tmp_path / name) for name in ("past", "whole"))
    fill(past, whole)
    found = []
    for shop in (past, whole):
        profiles = shop.build().read("profiles.customers").sort("customer_id")
        found.append(profiles.drop("source_contact_id"))
    assert found[0].height == 5
    changed = [name for name in found[0].columns if not found[0][name].equals(found[1][name])]
    assert changed == [], json.dumps(changed)
    assert isinstance(found[0], pl.DataFrame)


def test_the_history_of_a_day_is_the_profile_as_it_was_built_that_day(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    past, whole = (Shop(make_settings, tmp_path / name) for name in ("past", "whole"))
    fill(past, whole)
    warehouse = whole.build(dt.date(2026, 6, 30))
    today = warehouse.read("profiles.customers").sort("customer_id")
    days = Part(CLOCK - dt.timedelta(days=1), CLOCK)
    for _ in range(2):
        built = build_table(warehouse, make_settings(), "profiles.history", days)
        assert (built.written_count, built.row_count) == (10, 10)
    history = warehouse.read("profiles.history").sort("as_of_date", "customer_id")
    assert history["as_of_date"].unique().sort().to_list() == [days.first, days.last]
    then = history.filter(pl.col("as_of_date") == CLOCK).drop("as_of_date")
    expected = past.build().read("profiles.customers").sort("customer_id")
    # The key of the contact that changed last is of today: it stands for who, not for what was.
    drop = "source_contact_id"
    assert then.drop(drop).rows() == expected.select(then.columns).drop(drop).rows()
    assert warehouse.read("profiles.customers").sort("customer_id").equals(today), "left alone"
