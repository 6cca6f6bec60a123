"""`predictions.product_affinity`: ten products that each customer buys again, and ten new ones."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.predictions import affinity
from marketing_platform.predictions.affinity import Affinity, Fitted, Priors, Purchases
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.promotion import Decision
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

NAME: Final = "predictions.product_affinity"
HORIZON_DAYS: Final = 30
_ROUND = 6

BOUGHT: Final = """
    select m.customer_id, i.product_id, i.order_date
    from core.order_items as i
    inner join core.orders as o on i.order_id = o.order_id
    inner join identity.contact_customers as m on o.contact_id = m.contact_id
    where i.product_id is not null and i.quantity > 0 and i.order_date <= $day
    group by 1, 2, 3
"""
# The same with numbers for names, in the order of the names: a million customers' purchases fit.
_NUMBERED = """
    select
        cast(dense_rank() over (order by customer_id) - 1 as integer) as customer_id,
        cast(dense_rank() over (order by product_id) - 1 as integer) as product_id,
        order_date
    from bought
"""
# The lists with names for numbers, and what is said of each product. When it is due to be bought
# again: a gap that is typical of the customer, and, as one more, of the product, after the last
# time. Products that hardly anybody bought twice have no due date.
_NAMED = """
    with
    days as (
        select
            customer_id,
            product_id,
            order_date,
            date_diff(
                'day',
                lag(order_date) over (partition by customer_id, product_id order by order_date),
                order_date
            ) as gap_days
        from bought
    ),
    typical as (
        select product_id, avg(gap_days) as gap_days
        from days
        group by product_id
        having count(gap_days) >= 5
    ),
    known as (
        select
            d.customer_id,
            d.product_id,
            count(*) as times,
            max(d.order_date) as last_date,
            max(d.order_date) + cast(
                round(
                    (coalesce(sum(d.gap_days), 0) + max(t.gap_days)) / (count(d.gap_days) + 1)
                ) as int
            ) as due_date
        from days as d
        left join typical as t on d.product_id = t.product_id
        group by d.customer_id, d.product_id
    ),
    titled as (
        select p.number, coalesce(t.title, p.product_id) as title
        from products as p
        left join core.products as t on p.product_id = t.product_id
    )
    select
        c.customer_id,
        f.as_of_date,
        case when i.is_new then 'new' else 'again' end as kind,
        cast(i.place as bigint) as place,
        p.product_id,
        i.score,
        case when not i.is_new then k.due_date end as due_date,
        f.model_version,
        f.is_promoted,
        case
            when not i.is_new then
                'bought on ' || k.times || case when k.times = 1 then ' day' else ' days' end
                || ', last ' || (f.as_of_date - k.last_date)
                || case when f.as_of_date - k.last_date = 1 then ' day' else ' days' end || ' ago'
            when w.title is not null then 'goes with ' || w.title || ', which they bought'
            else 'sells well in these weeks'
        end as reason
    from incoming as i
    cross join facts as f
    inner join customers as c on i.customer = c.number
    inner join products as p on i.product = p.number
    left join titled as w on i.companion = w.number
    left join known as k on not i.is_new and i.customer = k.customer_id and i.product = k.product_id
"""


@dataclass(frozen=True)
class _Bought:
    """Days of purchase up to a day: customer_id, product_id (both numbers), order_date.

    A number is a place in `customers` or `products`, the names in their order.
    """

    days: pl.DataFrame
    customers: pl.Series
    products: pl.Series


def build_product_affinity(warehouse: Warehouse, settings: Settings) -> Built:
    """Write both lists of every customer who has bought."""
    day = as_of_date(warehouse)
    rules = settings.platform.predictions
    bought = _bought(warehouse, day)
    known = warehouse.query(
        "select model_version, is_promoted, metrics from predictions.models"
        " where task = 'affinity' and standing = 'champion'"
    ).rows()
    version, promoted, metrics = known[0] if known else (f"affinity-{day}", False, "{}")
    data = affinity.purchases(bought.days, day, rules.affinity_products)
    if not len(data.products):
        return warehouse.replace(NAME, CONTRACTS[NAME].empty())
    told = json.loads(metrics).get("priors")
    priors = Priors(**told) if told else _priors(bought.days, day, rules)
    facts = {"as_of_date": [day], "model_version": [version], "is_promoted": [promoted]}
    return warehouse.replace(
        NAME,
        _lists(data, affinity.train(data), priors),
        select=_NAMED,
        beside={
            "bought": bought.days,
            "customers": bought.customers.to_frame().with_row_index("number"),
            "products": bought.products.to_frame().with_row_index("number"),
            "facts": pl.DataFrame(facts),
        },
    )


def _bought(warehouse: Warehouse, day: dt.date) -> _Bought:
    with warehouse.connect() as connection:
        connection.execute(f"create temp table bought as {BOUGHT}", {"day": day})
        names = (
            connection.sql("select distinct customer_id from bought order by 1").pl(),
            connection.sql("select distinct product_id from bought order by 1").pl(),
        )
        found = _Bought(connection.sql(_NUMBERED).pl(), *(frame.to_series() for frame in names))
        connection.execute("drop table bought")
    return found


def _lists(data: Purchases, model: Affinity, priors: Priors) -> pl.DataFrame:
    """customer, is_new, place, product, score, and the companion that speaks for it, or null."""
    parts = []
    for start, stop in affinity.chunks(len(data.customers)):
        new, every = model.scores(data, slice(start, stop), priors)
        again = np.where(data.bought[start:stop].toarray() > 0, every, -np.inf)
        for is_new, scores in ((False, again), (True, new)):
            columns, found = affinity.best(np.asarray(scores, dtype=np.float32))
            rows, places = np.nonzero(np.isfinite(found))
            with_it = np.full(columns.shape, -1)
            if is_new:
                with_it = affinity.companions(data, model, start, stop, columns)
            companion = with_it[rows, places]
            parts.append(
                pl.DataFrame(
                    {
                        "customer": data.customers.gather(rows + start),
                        "is_new": pl.repeat(is_new, len(rows), dtype=pl.Boolean, eager=True),
                        "place": (places + 1).astype(np.int8),
                        "product": data.products.gather(columns[rows, places]),
                        "score": np.round(found[rows, places].astype(np.float64), _ROUND),
                        "companion": data.products.gather(np.maximum(companion, 0)),
                    }
                ).with_columns(
                    pl.when(pl.Series(companion >= 0)).then("companion").alias("companion")
                )
            )
    return pl.concat(parts)


def _priors(bought: pl.DataFrame, day: dt.date, settings: Predictions) -> Priors:
    return affinity.find_priors(bought, _month_ago(bought, day, settings), HORIZON_DAYS)


def _month_ago(bought: pl.DataFrame, day: dt.date, settings: Predictions) -> Fitted:
    return affinity.fit(bought, day - dt.timedelta(days=HORIZON_DAYS), settings.affinity_products)


def judge_lists(
    bought: pl.DataFrame, fitted: Fitted, settings: Predictions
) -> tuple[Decision, dict[str, Any] | None]:
    """Whether the lists of a month ago held more of what was bought since than the bestsellers.

    `fitted` is the model of a month ago.
    """
    test_day = fitted.day
    if not len(fitted.data.customers):
        return Decision(False, "history is too short: nothing was bought a month ago"), None
    found = affinity.evaluate(bought, fitted, HORIZON_DAYS, settings.affinity_products)
    if found is None or "new" not in found["models"].get("platform", {}):
        return Decision(False, f"nobody bought a known product after {test_day}"), found
    ours, best = (found["models"][name]["new"]["ndcg_at_10"] for name in ("platform", "popularity"))
    facts = f"on the {HORIZON_DAYS} days after {test_day}: NDCG {ours:.4f} against {best:.4f}"
    if found["buyers"] < settings.minimum_positives:
        return Decision(False, f"only {found['buyers']} buyers to test on, {facts}"), found
    if ours <= best:
        return Decision(False, f"no better than the bestsellers {facts}"), found
    return Decision(True, f"better than the bestsellers {facts}"), found


def model_row(warehouse: Warehouse, day: dt.date, settings: Settings) -> dict[str, Any]:
    """The row of `predictions.models` for product affinity."""
    days = _bought(warehouse, day).days
    rules = settings.platform.predictions
    fitted = _month_ago(days, day, rules)
    decided, found = judge_lists(days, fitted, rules)
    # The lists of the coming days are made with them, too.
    priors = affinity.find_priors(days, fitted, HORIZON_DAYS)
    return {
        "model_version": f"affinity-{day.isoformat()}",
        "task": "affinity",
        "trained_as_of_date": day,
        "horizon_days": HORIZON_DAYS,
        "method": "model",
        "is_promoted": decided.is_promoted,
        "reason": decided.reason,
        "metrics": json.dumps({**(found or {}), "priors": asdict(priors)}, sort_keys=True),
        "learned_from": learned_from(days["order_date"], None, tuple(days.columns)),
    }
