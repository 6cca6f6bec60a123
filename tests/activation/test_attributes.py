"""What is told of a person besides their profile: predictions, and lists of products."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, webhook

from marketing_platform.activation import make_plan, plan_all
from marketing_platform.activation.attributes import known_attributes, tables_told
from marketing_platform.contracts import CONTRACTS
from marketing_platform.destinations.base import Row
from marketing_platform.destinations.people import NotTold, as_text, render
from marketing_platform.destinations.vendors.smtp import SmtpDestination
from marketing_platform.errors import ConfigError
from marketing_platform.quality.holds import find_holds
from marketing_platform.quality.results import record_build
from marketing_platform.settings import ActivationRule
from marketing_platform.settings.activation import Content
from marketing_platform.state import messages, open_state, reading

PREDICTIONS = ("models", "watch", "purchase_14d", "lifetime_value", "send_time", "product_affinity")
LISTED = (
    "profiles.cart_items", "profiles.viewed_products", "profiles.orders", "core.order_items",
    "core.products",
)  # fmt: skip
NOTHING: dict[type[pl.DataType], Any] = {
    pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.Decimal: Decimal(0),
    pl.Date: dt.date(2025, 6, 1), pl.Datetime: dt.datetime(2025, 6, 1),
}  # fmt: skip
LISTS = (
    "cart_products", "viewed_products", "bought_products", "replenishment_products",
    "recommended_products", "bestseller_products",
)  # fmt: skip


class Teller(SmallShop):
    """A shop whose tables a test fills, and what a plan would tell of its members."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        for table in (*LISTED, *(f"predictions.{name}" for name in PREDICTIONS)):
            self.warehouse.ensure(table)
        self.engine = open_state(f"sqlite:///{folder / 'state.db'}")

    def fill_table(self, table: str, *rows: dict[str, Any]) -> None:
        """Replace the rows; a column that is not given is null, or nothing much."""
        columns = {}
        for name, column in CONTRACTS[table].columns.items():
            nothing = "low" if name == "band" else NOTHING[type(column.dtype)]
            nothing = None if column.nullable else nothing
            values = [row.get(name, nothing) for row in rows]
            columns[name] = pl.Series(name, values, dtype=column.dtype, strict=False)
        self.warehouse.replace(table, pl.DataFrame(columns))

    def products(self, *numbers: int, **more: Any) -> None:
        self.fill_table(
            "core.products",
            *(
                {
                    "product_id": f"shop:{n}", "source": "shop", "source_product_id": str(n),
                    "sku": f"SKU-{n}", "title": f"Mug {n}", "url": f"https://shop.example/{n}",
                    "price_amount": 10 + n, "currency": "EUR",
                    **{name: values.get(n) for name, values in more.items()},
                }
                for n in numbers
            ),
        )  # fmt: skip

    def told(self, *attributes: str, **rule: Any) -> dict[str, dict[str, Any]]:
        """The payloads of a plan by customer, which must not be held."""
        plan = self.plan(*attributes, **rule)
        assert plan.held_reasons == ()
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(messages.c.customer_id, messages.c.payload))
            return {who: json.loads(payload) for who, payload in rows}

    def plan(self, *attributes: str, **more: Any) -> Any:
        rule = ActivationRule(segment=SEGMENT, destination="crm", attributes=attributes, **more)
        settings = small_settings(
            self.folder, {"crm": webhook("http://127.0.0.1:9/")}, rules=[rule]
        )
        return make_plan(self.warehouse, self.engine, settings, rule)


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    return Teller(tmp_path)


def test_scores_values_and_their_reasons_are_told(teller: Teller) -> None:
    teller.know("ada")
    teller.know("new")
    teller.members(["ada", "new"])
    teller.fill_table(
        "predictions.purchase_14d",
        {
            "customer_id": "ada", "score": 0.2504901, "band": "high",
            "reason_1": "no visit for 41 days", "reason_2": "usually every 9",
        },
    )  # fmt: skip
    teller.fill_table(
        "predictions.lifetime_value", {"customer_id": "ada", "expected_365d_amount": 120.5}
    )
    names = ("purchase_14d_score", "purchase_14d_band", "purchase_14d_reasons")
    told = teller.told("email", *names, "lifetime_value_expected_365d_amount", "send_time_weekday")
    assert told["ada"] == {
        "customer_id": "ada",
        "email": "ada@example.com",
        "purchase_14d_score": 0.25,  # three digits
        "purchase_14d_band": "high",
        "purchase_14d_reasons": "no visit for 41 days; usually every 9",
        "lifetime_value_expected_365d_amount": "120.50",
        "send_time_weekday": None,
    }
    assert told["new"]["purchase_14d_score"] is None
    assert told["new"]["purchase_14d_reasons"] is None


def test_a_score_that_did_not_beat_the_baselines_is_told_to_nobody(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    teller.fill_table("predictions.purchase_14d", {"customer_id": "ada", "is_promoted": False})
    plan = teller.plan("email", "purchase_14d_band", "purchase_14d_score")
    assert plan.held_reasons == (
        "the attribute purchase_14d_band may not be told: purchase_14d is not promoted",
    )
    assert plan.eligible_count == 0
    teller.fill_table(
        "predictions.product_affinity",
        {"customer_id": "ada", "kind": "new", "product_id": "shop:1", "is_promoted": False},
    )
    assert "product_affinity is not promoted" in teller.plan("recommended_products").held_reasons[0]
    assert teller.plan("email").held_reasons == ()


def test_the_open_cart_is_told_with_its_products(teller: Teller) -> None:
    teller.know("ada")
    teller.know("bob")
    teller.members(["ada", "bob"])
    teller.products(1, is_active={1: False})
    teller.fill_table(
        "profiles.cart_items",
        {
            "customer_id": "ada", "place": 2, "product_id": "shop:1", "quantity": 2,
            "product_title": 'Mug "one"', "unit_price_amount": 9.5, "currency": "USD",
        },
        {"customer_id": "ada", "place": 1, "product_title": "Wrapping", "quantity": 1},
        {"customer_id": "gone", "place": 1, "product_title": "Of no member", "quantity": 1},
    )  # fmt: skip
    told = teller.told("cart_products")
    wrapping, mug = told["ada"]["cart_products"]
    assert mug == {
        "product_id": "1", "sku": "SKU-1", "title": 'Mug "one"', "url": "https://shop.example/1",
        "image_url": None, "price": "9.50", "currency": "USD", "quantity": 2, "due_date": None,
    }  # fmt: skip
    assert (wrapping["title"], wrapping["product_id"]) == ("Wrapping", None)
    assert (wrapping["price"], wrapping["currency"]) == (None, None)
    assert told["bob"]["cart_products"] == []


def test_a_path_within_the_shop_is_no_link_and_no_picture_of_a_mail(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    rows = {1: ("/mug.html", "/m/u/mug.jpg"), 2: ("https://a.example/2", "//cdn.example/2.jpg")}
    teller.fill_table(
        "core.products",
        *(
            {"product_id": f"shop:{n}", "title": f"Mug {n}", "url": url, "image_url": picture}
            for n, (url, picture) in rows.items()
        ),
    )
    viewed = [{"customer_id": "ada", "place": n, "product_id": f"shop:{n}"} for n in rows]
    teller.fill_table("profiles.viewed_products", *viewed)
    told = teller.told("viewed_products")["ada"]["viewed_products"]
    assert [(one["url"], one["image_url"]) for one in told] == [
        (None, None),
        ("https://a.example/2", "https://cdn.example/2.jpg"),
    ]


def test_who_lacks_what_a_rule_needs_is_told_when_it_is_known(teller: Teller) -> None:
    for who in ("ada", "bob", "cy"):
        teller.know(who, first_name=None if who == "bob" else who.title())
    teller.members(["ada", "bob", "cy"])
    in_cart = {"place": 1, "product_title": "Mug", "quantity": 1}
    teller.fill_table(
        "profiles.cart_items",
        {"customer_id": "ada", **in_cart},
        {"customer_id": "bob", **in_cart},
    )
    told, needs = ("first_name", "cart_products"), ("first_name", "cart_products")

    def states() -> dict[str, tuple[str, str | None]]:
        assert teller.plan(*told, needs=needs).held_reasons == ()
        latest = sa.select(messages).order_by(messages.c.sequence)
        with reading(teller.engine) as connection:
            return {row.customer_id: (row.state, row.reason) for row in connection.execute(latest)}

    assert states() == {
        "ada": ("planned", None),
        "bob": ("suppressed", "no_first_name"),
        "cy": ("suppressed", "no_cart_products"),
    }
    teller.know("bob", first_name="Bob")
    assert states()["bob"] == ("planned", None)
    with pytest.raises(ValueError, match="needs order_count, which is not among its attributes"):
        teller.plan("email", needs=("order_count",))


def test_what_cannot_be_bought_now_is_not_offered(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    stock, active = {2: 0, 3: 4}, {4: False}
    teller.products(1, 2, 3, 4, inventory_quantity=stock, is_active=active)
    of_ada = [
        {"customer_id": "ada", "place": n, "product_id": f"shop:{n}", "kind": kind}
        for n in range(1, 6)
        for kind in ("new", "again")
    ]
    teller.fill_table("predictions.product_affinity", *of_ada)
    teller.fill_table("profiles.viewed_products", *(row for row in of_ada if row["kind"] == "new"))
    told = teller.told("recommended_products", "viewed_products")["ada"]
    for name in ("recommended_products", "viewed_products"):
        assert [one["title"] for one in told[name]] == ["Mug 1", "Mug 3"], name


def test_a_list_has_as_many_products_as_the_rule_asks_for(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    teller.products(*range(1, 11))
    teller.fill_table(
        "predictions.product_affinity",
        *(
            {"customer_id": "ada", "place": n, "product_id": f"shop:{n}", "kind": "new"}
            for n in range(10, 0, -1)
        ),
    )
    told = teller.told("recommended_products", product_count=3)["ada"]
    assert [one["product_id"] for one in told["recommended_products"]] == ["1", "2", "3"]


def test_who_has_bought_nothing_can_be_told_what_most_others_buy(teller: Teller) -> None:
    teller.know("new")
    teller.members(["new"])
    teller.products(1, 2, 3, 4, is_active={4: False})
    day = dt.date(2025, 5, 20)
    bought = {
        "o1": ("ada", 2, day), "o2": ("bob", 2, day), "o3": ("bob", 1, day), "o4": ("bob", 1, day),
        "o5": ("ada", 3, day - dt.timedelta(60)), "o6": ("eve", 4, day), "o7": ("eve", 4, day),
    }  # fmt: skip
    teller.fill_table(
        "profiles.orders",
        *(
            {"order_id": key, "customer_id": who, "order_date": at}
            for key, (who, _, at) in bought.items()
        ),
    )
    teller.fill_table(
        "core.order_items",
        *(
            {"order_item_id": key, "order_id": key, "product_id": f"shop:{number}"}
            for key, (_, number, _) in bought.items()
        ),
    )
    told = teller.told("bestseller_products")["new"]["bestseller_products"]
    # By how many bought it, not by how often; nothing of two months ago, nothing off sale.
    assert [one["title"] for one in told] == ["Mug 2", "Mug 1"]


def test_what_is_due_within_a_week_or_was_before_is_told_with_its_day(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    teller.products(1, 2, 3, 4)
    days = {1: None, 2: dt.date(2025, 6, 9), 3: dt.date(2025, 6, 8), 4: dt.date(2025, 5, 1)}
    teller.fill_table(
        "predictions.product_affinity",
        *(
            {
                "customer_id": "ada", "kind": "again", "place": n, "product_id": f"shop:{n}",
                "due_date": day,
            }
            for n, day in days.items()
        ),
    )  # fmt: skip
    told = teller.told("replenishment_products")["ada"]["replenishment_products"]
    assert [(one["title"], one["due_date"]) for one in told] == [
        ("Mug 3", "2025-06-08"), ("Mug 4", "2025-05-01"),
    ]  # fmt: skip


def test_what_was_bought_last_is_told_the_dearest_first(teller: Teller) -> None:
    teller.know("ada")
    teller.members(["ada"])
    teller.products(1, 2, 3, inventory_quantity={2: 0})
    for number, day in (("old", 1), ("last", 9)):
        row = {"order_id": number, "customer_id": "ada", "ordered_at": dt.datetime(2025, 5, day)}
        before = teller.warehouse.read("profiles.orders").to_dicts()
        teller.fill_table("profiles.orders", *before, row)
    lines = [("old", 3, 90), ("last", 1, 5), ("last", 2, 50)]
    teller.fill_table(
        "core.order_items",
        *(
            {
                "order_item_id": str(n), "order_id": order, "product_id": f"shop:{product}",
                "line_amount": amount, "quantity": n + 1, "sku": f"SKU-{product}-blue",
            }
            for n, (order, product, amount) in enumerate(lines)
        ),
    )  # fmt: skip
    told = teller.told("bought_products")["ada"]["bought_products"]
    assert [(one["title"], one["sku"], one["quantity"]) for one in told] == [
        ("Mug 2", "SKU-2-blue", 3), ("Mug 1", "SKU-1-blue", 2),
    ]  # fmt: skip


def test_a_message_can_list_products(teller: Teller) -> None:
    template = "{% for p in cart_products %}{{ p.title }} ({{ p.price }}) {% endfor %}"
    products = [{"title": "<Mug>", "price": "5.00"}, {"title": "Cup", "price": "3.00"}]
    row = Row("k", "add", "ada", {"cart_products": products})
    assert render(template, row) == "<Mug> (5.00) Cup (3.00) "
    assert render(template, row, form="html").startswith("&lt;Mug&gt;")
    with pytest.raises(NotTold):
        render("{{ cart_products[0].prize }}", row)
    rule = ActivationRule(
        segment=SEGMENT,
        destination="crm",
        attributes=("email",),
        message=Content(subject="Yours", text=template),
    )
    mails = {
        "crm": SmtpDestination(
            type="smtp", host="127.0.0.1", from_email="a@b.example", unsubscribe_url="https://b/"
        )
    }
    with pytest.raises(ConfigError, match="asks for 'cart_products'"):
        plan_all(
            teller.warehouse,
            teller.engine,
            small_settings(teller.folder, mails, rules=[rule]),
        )


def test_a_vendor_that_takes_texts_alone_gets_the_names_of_products() -> None:
    assert as_text([{"title": "Mug"}, {"title": None, "product_id": "7"}]) == "Mug, 7"
    assert as_text([]) == ""


def test_an_attribute_that_nobody_knows_is_told_with_the_nearest(teller: Teller) -> None:
    teller.know("ada")
    with pytest.raises(ConfigError, match=r"'churn_30d_scor'.*churn_30d_score"):
        teller.plan("churn_30d_scor")


def test_a_table_that_an_attribute_needs_must_be_built(tmp_path: Path) -> None:
    teller = Teller(tmp_path)
    with teller.warehouse.connect() as connection:
        connection.execute("drop table profiles.cart_items")
    with pytest.raises(ConfigError, match=r"profiles\.cart_items is not built"):
        teller.plan("cart_products")


def test_every_attribute_has_a_name_of_its_own_and_tables_that_are_built() -> None:
    known = known_attributes()
    assert {*LISTS, "churn_30d_score", "next_order_expected_date", "order_count"} <= set(known)
    assert tables_told(known) <= set(CONTRACTS)
    fields = CONTRACTS["profiles.customers"].columns
    assert not {name for name in known if known[name].prediction} & set(fields)


def test_a_list_of_yesterday_holds_where_a_rule_tells_it_and_nowhere_else(teller: Teller) -> None:
    def holds(*attributes: str) -> list[str]:
        rule = ActivationRule(segment=SEGMENT, destination="crm", attributes=attributes)
        crm = {"crm": webhook("http://127.0.0.1:9/")}
        return find_holds(teller.engine, small_settings(teller.folder, crm, rules=[rule]))

    for table in ("profiles.viewed_products", "core.events"):
        record_build(teller.engine, table, 1)
    assert holds("email", "viewed_products") == [
        "profiles.viewed_products: not built again since core.events changed"
    ]
    assert holds("email", "bought_products") == []
