"""`predictions.product_affinity`: ten products that each customer buys again, and ten new ones."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

import numpy as np
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.predictions import affinity
from marketing_platform.predictions.affinity import Affinity, Priors, Purchases
from marketing_platform.predictions.promotion import Decision
from marketing_platform.predictions.reasons import counted
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
# When each customer is due to buy a product again: a gap that is typical of them, and, as one more,
# of the product, after the last time. Products that hardly anybody bought twice have no due date.
_DUE = """
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
    products as (
        select product_id, avg(gap_days) as gap_days
        from days
        group by product_id
        having count(gap_days) >= 5
    )
    select
        d.customer_id,
        d.product_id,
        max(d.order_date) + cast(
            round((coalesce(sum(d.gap_days), 0) + max(p.gap_days)) / (count(d.gap_days) + 1)) as int
        ) as due_date
    from days as d
    inner join products as p on d.product_id = p.product_id
    group by d.customer_id, d.product_id
"""


def build_product_affinity(warehouse: Warehouse, settings: Settings) -> Built:
    """Write both lists of every customer who has bought."""
    day = as_of_date(warehouse)
    rules = settings.platform.predictions
    bought = warehouse.query(BOUGHT, {"day": day})
    known = warehouse.query(
        "select model_version, is_promoted from predictions.models"
        " where task = 'affinity' and standing = 'champion'"
    ).rows()
    version, promoted = known[0] if known else (f"affinity-{day}", False)
    data = affinity.purchases(bought, day, rules.affinity_products)
    empty = CONTRACTS[NAME].empty()
    if not len(data.products):
        return warehouse.replace(NAME, empty)
    priors = affinity.find_priors(bought, day, HORIZON_DAYS, rules.affinity_products)
    lists = _lists(data, affinity.train(data), priors)
    with warehouse.connect() as connection:
        connection.register("bought", bought.to_arrow())
        due = pl.DataFrame(connection.sql(_DUE).to_arrow_table())
    titles = warehouse.query("select product_id as companion, title from core.products")
    times = bought.group_by("customer_id", "product_id").agg(
        pl.len().cast(pl.Int64).alias("times"),
        (pl.lit(day) - pl.col("order_date").max()).dt.total_days().alias("age_days"),
    )
    frame = (
        lists.join(due, on=["customer_id", "product_id"], how="left")
        .join(times, on=["customer_id", "product_id"], how="left")
        .join(titles, on="companion", how="left")
        .with_columns(
            pl.when(pl.col("kind") == "again").then("due_date").alias("due_date"),
            pl.lit(day).alias("as_of_date"),
            pl.lit(version).alias("model_version"),
            pl.lit(promoted).alias("is_promoted"),
            _reason().alias("reason"),
        )
    )
    return warehouse.replace(NAME, frame.select(empty.columns))


def _lists(data: Purchases, model: Affinity, priors: Priors) -> pl.DataFrame:
    """customer_id, kind, place, product_id, score, and the companion that speaks for it, if any."""
    parts = []
    for start, stop in affinity.chunks(len(data.customers)):
        new, every = model.scores(data, slice(start, stop), priors)
        again = np.where(data.bought[start:stop].toarray() > 0, every, -np.inf)
        for kind, scores in (("again", again), ("new", new)):
            columns, found = affinity.best(np.asarray(scores, dtype=np.float32))
            rows, places = np.nonzero(np.isfinite(found))
            with_it = affinity.companions(data, model, start, stop, columns)[rows, places]
            parts.append(
                pl.DataFrame(
                    {
                        "customer_id": data.customers.gather(rows + start),
                        "kind": pl.repeat(kind, len(rows), dtype=pl.String, eager=True),
                        "place": (places + 1).astype(np.int64),
                        "product_id": data.products.gather(columns[rows, places]),
                        "score": np.round(found[rows, places].astype(np.float64), _ROUND),
                        "companion": data.products.gather(np.maximum(with_it, 0)),
                        "has_companion": with_it >= 0,
                    }
                ).with_columns(pl.when("has_companion").then("companion").alias("companion"))
            )
    return pl.concat(parts)


def _reason() -> pl.Expr:
    """What was bought before: how often and when. What is new: what it goes with."""
    name = pl.coalesce("title", "companion")
    again = pl.format(
        "bought on {}, last {} ago",
        counted(pl.col("times"), "day"),
        counted(pl.col("age_days"), "day"),
    )
    new = pl.when(name.is_not_null()).then(pl.format("goes with {}, which they bought", name))
    return (
        pl.when(pl.col("kind") == "again")
        .then(again)
        .otherwise(new.otherwise(pl.lit("sells well in these weeks")))
    )


def judge_lists(
    bought: pl.DataFrame, day: dt.date, settings: Predictions
) -> tuple[Decision, dict[str, Any] | None]:
    """Whether the lists of a month ago held more of what was bought since than the bestsellers."""
    test_day = day - dt.timedelta(days=HORIZON_DAYS)
    early = bought.filter(pl.col("order_date") <= test_day)
    if early.is_empty():
        return Decision(False, "history is too short: nothing was bought a month ago"), None
    found = affinity.evaluate(bought, test_day, HORIZON_DAYS, settings.affinity_products)
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
    bought = warehouse.query(BOUGHT, {"day": day})
    decided, found = judge_lists(bought, day, settings.platform.predictions)
    return {
        "model_version": f"affinity-{day.isoformat()}",
        "task": "affinity",
        "trained_as_of_date": day,
        "horizon_days": HORIZON_DAYS,
        "method": "model",
        "is_promoted": decided.is_promoted,
        "reason": decided.reason,
        "metrics": json.dumps(found or {}, sort_keys=True),
    }
