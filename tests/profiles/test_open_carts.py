"""What lies in a customer's cart, as the shop and the site tell it, and what they looked at."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from profile_shop import CLOCK, Shop, profile

from marketing_platform.warehouse import Warehouse


def product(shop: Shop, number: int, price: float | None = 10) -> None:
    shop.add(
        "products", source_product_id=str(number), sku=f"SKU-{number}", title=f"Mug {number}",
        price_amount=price, currency="EUR",
    )  # fmt: skip


def cart(shop: Shop, who: str, moment: str) -> None:
    shop.add("contacts", source_contact_id=who, updated_at="2026-01-01")
    shop.add(
        "carts", source_cart_id=who, source_contact_id=who, created_at=moment, updated_at=moment,
        cart_amount=30, currency="EUR", item_count=2, recovery_url=f"https://shop.example/{who}",
    )  # fmt: skip
    for number in (2, 1):
        shop.add(
            "cart_items", source_cart_item_id=f"{who}{number}", source_cart_id=who,
            source_product_id=str(number), product_title=f"Mug {number}", quantity=number,
            unit_price_amount=9.5, currency="EUR",
        )  # fmt: skip


def items(warehouse: Warehouse, who: str) -> list[tuple[Any, ...]]:
    """Name and pieces of what lies in the cart, in its order."""
    return warehouse.query(
        "select i.product_title, i.quantity from profiles.cart_items as i"
        " inner join identity.contact_customers as m on i.customer_id = m.customer_id"
        " where m.contact_id = $contact order by i.place",
        {"contact": f"database:{who}"},
    ).rows()


def viewed(warehouse: Warehouse, who: str) -> list[str]:
    found = warehouse.query(
        "select v.product_id from profiles.viewed_products as v"
        " inner join identity.contact_customers as m on v.customer_id = m.customer_id"
        " where m.contact_id = $contact order by v.place",
        {"contact": f"database:{who}"},
    )
    return found["product_id"].to_list()


def test_the_cart_that_the_shop_knows_has_its_lines(shop: Shop) -> None:
    product(shop, 1)
    cart(shop, "left", "2026-03-30 12:00")
    cart(shop, "bought", "2026-03-30 12:00")
    shop.orders("bought", "2026-03-31")
    warehouse = shop.build()
    assert items(warehouse, "left") == [("Mug 1", 1), ("Mug 2", 2)]
    assert profile(warehouse, "left")["open_cart_id"] == "database:left"
    prices = warehouse.read("profiles.cart_items").select("unit_price_amount", "currency")
    assert prices.unique().rows() == [(Decimal("9.5"), "EUR")], "those of the cart, not of the shop"
    assert items(warehouse, "bought") == []


def test_what_was_put_into_the_cart_on_the_site_is_an_open_cart(shop: Shop) -> None:
    product(shop, 1, price=12.5)
    product(shop, 2, price=7)
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.event("a", "product_added", "2026-03-29 10:00", source_product_id="SKU-1")
    shop.event("a", "product_added", "2026-03-30 10:00", source_product_id="1")
    shop.event("a", "product_added", "2026-03-30 10:01", source_product_id="2")
    shop.event("a", "product_added", "2026-03-30 10:02", source_product_id="2")
    shop.event("a", "product_removed", "2026-03-30 10:03", source_product_id="2")
    shop.event("a", "product_added", "2026-03-30 10:04", source_product_id="3")
    shop.event("a", "product_removed", "2026-03-30 10:05", source_product_id="3")
    warehouse = shop.build()
    found = profile(warehouse, "a")
    assert items(warehouse, "a") == [("Mug 1", 2), ("Mug 2", 1)]
    assert found["open_cart_amount"] == Decimal("32.00")
    assert found["open_cart_item_count"] == 2
    assert found["open_cart_at"] == dt.datetime(2026, 3, 29, 10)
    assert (found["open_cart_id"], found["open_cart_url"]) == (None, None)


@pytest.mark.parametrize("told", ["the shop", "the site"])
def test_an_order_closes_the_cart_on_the_site_whoever_tells_it(shop: Shop, told: str) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.event("a", "product_added", "2026-03-29 10:00", source_product_id="1")
    if told == "the shop":
        shop.orders("a", "2026-03-29")
    else:
        shop.event("a", "order_completed", "2026-03-29 12:00")
    shop.event("a", "product_added", "2026-03-29 13:00", source_product_id="2")
    shop.event("a", "product_added", "2026-02-20 13:00", source_product_id="old")
    warehouse = shop.build()
    assert items(warehouse, "a") == [(None, 1)]
    assert profile(warehouse, "a")["open_cart_at"] == dt.datetime(2026, 3, 29, 13)
    assert profile(warehouse, "a")["open_cart_amount"] is None, "its price is not known"


def test_a_cart_on_a_device_is_of_the_customer_whose_device_it_is(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.event("a", "product_viewed", "2026-03-01 10:00", anonymous_id="phone")
    shop.event(None, "product_added", "2026-03-30 10:00", anonymous_id="phone", source_product_id=1)
    shop.event(None, "product_added", "2026-03-30 10:00", anonymous_id="else", source_product_id=2)
    assert items(shop.build(), "a") == [(None, 1)]


@pytest.mark.parametrize(
    ("put_there", "expected"),
    [("2026-03-30 11:50", "database:a"), ("2026-03-30 18:00", None)],
)
def test_of_two_open_carts_the_shop_s_counts_unless_the_other_was_begun_after_it(
    shop: Shop, put_there: str, expected: str | None
) -> None:
    product(shop, 9)
    cart(shop, "a", "2026-03-30 12:00")
    shop.event("a", "product_added", put_there, source_product_id="9")
    warehouse = shop.build()
    assert profile(warehouse, "a")["open_cart_id"] == expected
    lines = [("Mug 1", 1), ("Mug 2", 2)] if expected else [("Mug 9", 1)]
    assert items(warehouse, "a") == lines


def test_the_ten_products_that_were_looked_at_last_and_not_bought_since_are_known(
    shop: Shop,
) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    for number in range(1, 15):
        shop.event("a", "product_viewed", f"2026-03-{number:02} 10:00", source_product_id=number)
    shop.event("a", "product_viewed", "2026-03-20 10:00", source_product_id=5)
    shop.event("a", "product_viewed", "2026-02-01 10:00", source_product_id="long ago")
    shop.event("a", "product_viewed", "2026-04-01 10:00", source_product_id="to come")
    shop.orders("a", "2026-03-18")
    number = shop.rows["orders"][0]["source_order_id"]
    for item, bought in enumerate((14, 5)):
        shop.add(
            "order_items", source_order_item_id=str(item), source_order_id=number, quantity=1,
            source_product_id=bought, unit_price_amount=10, line_amount=10, currency="EUR",
        )  # fmt: skip
    found = viewed(shop.build(CLOCK), "a")
    assert found == [f"database:{n}" for n in (5, 13, 12, 11, 10, 9, 8, 7, 6, 4)]


def test_the_open_cart_is_the_latest_of_those_that_no_order_followed(shop: Shop) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    shop.orders("a", "2026-03-10")
    # The shop touched the first one again, as when it wrote of it, though an order followed it.
    for number, begun, changed in (
        ("1", "2026-03-01", "2026-03-28"), ("2", "2026-03-20", "2026-03-20"),
    ):  # fmt: skip
        shop.add("carts", source_cart_id=number, source_contact_id="a", created_at=begun,
                 updated_at=changed, cart_amount=30, currency="EUR")  # fmt: skip
    assert profile(shop.build(), "a")["open_cart_id"] == "database:2"


@pytest.mark.parametrize("changed", ["2026-03-10", None])
def test_a_cart_of_which_no_change_is_told_is_as_new_as_it_was_begun(
    shop: Shop, changed: str | None
) -> None:
    shop.add("contacts", source_contact_id="a", updated_at="2026-01-01")
    for number, begun, touched in (("9", "2026-03-01", changed), ("10", "2026-03-20", None)):
        shop.add("carts", source_cart_id=number, source_contact_id="a", created_at=begun,
                 updated_at=touched, cart_amount=30, currency="EUR")  # fmt: skip
    assert profile(shop.build(), "a")["open_cart_id"] == "database:10"
