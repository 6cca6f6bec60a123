"""The lists of products that can be told of a person, each in an order that says something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from marketing_platform.settings import MOST_PRODUCTS

_PRODUCTS = "core.products"
_OFFERED = """
    coalesce(p.is_active, true) and coalesce(p.inventory_quantity, 1) > 0 and p.title is not null
"""


@dataclass(frozen=True)
class ProductList:
    """A list of products of each customer.

    `lines` gives `customer_id`, `place` and `product_id`, and of `title`, `sku`, `quantity`,
    `price`, `currency` and `due_date` what it knows. Where it is an offer, what cannot be bought
    now is left out.
    """

    lines: str
    reads: tuple[str, ...]
    is_offer: bool
    prediction: str | None = None


PRODUCT_LISTS: Mapping[str, ProductList] = {
    # What lies in the open cart, the first put there first.
    "cart_products": ProductList(
        """
            select
                customer_id, place, product_id, product_title as title, sku, quantity,
                unit_price_amount as price, currency
            from profiles.cart_items
        """,
        ("profiles.cart_items", _PRODUCTS),
        is_offer=False,
    ),
    # What they looked at in 30 days and have not bought since, the last first.
    "viewed_products": ProductList(
        "select customer_id, place, product_id from profiles.viewed_products",
        ("profiles.viewed_products", _PRODUCTS),
        is_offer=True,
    ),
    # What they bought last, the dearest first.
    "bought_products": ProductList(
        """
            select
                o.customer_id,
                row_number() over (
                    partition by o.customer_id order by i.line_amount desc, i.order_item_id
                ) as place,
                i.product_id, i.sku, i.quantity, i.unit_price_amount as price, i.currency
            from (
                select customer_id, max_by(order_id, concat(ordered_at, order_id)) as order_id
                from profiles.orders
                group by customer_id
            ) as o
            inner join core.order_items as i on o.order_id = i.order_id
        """,
        ("profiles.orders", "core.order_items", _PRODUCTS),
        is_offer=False,
    ),
    # What they should need again within 7 days, the likeliest first.
    "replenishment_products": ProductList(
        """
            select a.customer_id, a.place, a.product_id, a.due_date
            from predictions.product_affinity as a
            cross join core.clock as k
            where a.kind = 'again' and a.due_date <= k.as_of_date + 7
        """,
        ("predictions.product_affinity", "core.clock", _PRODUCTS),
        is_offer=True,
        prediction="product_affinity",
    ),
    # What they have not bought yet and are most likely to buy, the likeliest first.
    "recommended_products": ProductList(
        """
            select customer_id, place, product_id
            from predictions.product_affinity
            where kind = 'new'
        """,
        ("predictions.product_affinity", _PRODUCTS),
        is_offer=True,
        prediction="product_affinity",
    ),
    # What most customers bought within 30 days, the same for everybody: for who has bought nothing.
    "bestseller_products": ProductList(
        f"""
            select m.customer_id, b.place, b.product_id
            from (
                select distinct customer_id from segments.memberships where segment = $segment
            ) as m
            cross join (
                select
                    i.product_id,
                    row_number() over (
                        order by count(distinct o.customer_id) desc, i.product_id
                    ) as place
                from profiles.orders as o
                inner join core.order_items as i on o.order_id = i.order_id
                inner join {_PRODUCTS} as p on i.product_id = p.product_id
                cross join core.clock as k
                where o.order_date > k.as_of_date - 30 and {_OFFERED}
                group by i.product_id
                qualify place <= {MOST_PRODUCTS:d}
            ) as b
        """,  # noqa: S608 - the parts are those above
        ("profiles.orders", "core.order_items", "core.clock", _PRODUCTS),
        is_offer=True,
    ),
}

# What a list does not know is null.
_NO_LINES = """
    select
        '' as customer_id, 0 as place, '' as product_id, '' as title, '' as sku, 0 as quantity,
        0::decimal(18, 4) as price, '' as currency, current_date as due_date
    where false
"""


def _opened(url: str) -> str:
    """SQL: a URL as a mail program can open it; a path within the shop is none."""
    return (
        f"case when {url} like '//%' then concat('https:', {url})"
        f" when regexp_matches(lower({url}), '^https?://') then {url} end"
    )


def products_of(name: str, count: int) -> str:
    """A select of `customer_id` and `products`, a list as JSON, of the members of `$segment`."""
    known = PRODUCT_LISTS[name]
    return f"""
        select
            l.customer_id,
            to_json(list(struct_pack(
                product_id := coalesce(
                    p.source_product_id, regexp_replace(l.product_id, '^[^:]*:', '')
                ),
                sku := coalesce(l.sku, p.sku),
                title := coalesce(l.title, p.title),
                url := {_opened("p.url")},
                image_url := {_opened("p.image_url")},
                price := coalesce(l.price, p.price_amount)::decimal(18, 2)::varchar,
                currency := case when l.price is null then p.currency else l.currency end,
                quantity := l.quantity,
                due_date := l.due_date::varchar
            ) order by l.place)[:{count:d}]) as products
        from ({_NO_LINES} union all by name {known.lines}) as l
        semi join (
            select customer_id from segments.memberships where segment = $segment
        ) as m on l.customer_id = m.customer_id
        left join {_PRODUCTS} as p on l.product_id = p.product_id
        where {_OFFERED if known.is_offer else "coalesce(l.title, p.title) is not null"}
        group by l.customer_id
    """  # noqa: S608 - the parts are those above
