"""`predictions.product_affinity`: ten products that each customer buys again, and ten new ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.errors import InputError
from marketing_platform.predictions import affinity, store
from marketing_platform.predictions.affinity import (
    Affinity,
    Fitted,
    Priors,
    Purchases,
    Ranked,
    Scores,
)
from marketing_platform.predictions.champion import is_surely_worse, refused
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.promotion import Decision
from marketing_platform.predictions.succession import (
    Judged,
    Newcomer,
    Row,
    hold_against,
    own_test,
)
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
    found = warehouse.query(
        "select model_version, is_promoted from predictions.models"
        " where task = 'affinity' and standing = 'champion'"
    )
    bought = _bought(warehouse, day)
    if found.is_empty() or bought.days.is_empty():
        return warehouse.replace(NAME, CONTRACTS[NAME].empty())
    version, promoted = found.row(0)
    kept = _read(settings, version, bought)
    data = affinity.purchases(bought.days, day, rules.affinity_products, kept.products)
    facts = {"as_of_date": [day], "model_version": [version], "is_promoted": [promoted]}
    return warehouse.replace(
        NAME,
        _lists(data, kept.ranking(data), kept.priors),
        select=_NAMED,
        beside={
            "bought": bought.days,
            "customers": bought.customers.to_frame().with_row_index("number"),
            "products": bought.products.to_frame().with_row_index("number"),
            "facts": pl.DataFrame(facts),
        },
    )


@dataclass(frozen=True)
class _Kept:
    """A model that was trained before: its weights, of the numbers of `products`."""

    products: pl.Series
    weights: Scores
    priors: Priors

    def ranking(self, data: Purchases) -> Affinity:
        """What ranks with it, as products sell by the day of `data`."""
        return affinity.ranking(data, affinity.placed(self.weights, self.products, data.products))


def _save(folder: Path, version: str, names: pl.Series, weights: Scores, priors: Priors) -> None:
    # Half the digits rank as well, and take half the room.
    parts = {
        "products": names.to_list(),
        "weights": weights.astype(np.float16),
        "priors": asdict(priors),
    }
    store.save(folder, version, parts)


def _read(settings: Settings, version: str, bought: _Bought) -> _Kept:
    """The model of a version, by the numbers of today. Raises `InputError` if it is missing."""
    parts = store.load(settings.models_dir, version)
    numbers = bought.products.alias("product_id").to_frame().with_row_index("number")
    names = pl.DataFrame({"product_id": parts["products"]}, schema={"product_id": pl.String})
    there = names.with_row_index("place").join(numbers, on="product_id").sort("place")
    places = there["place"].to_numpy()
    weights = parts["weights"][np.ix_(places, places)].astype(np.float32)
    return _Kept(there["number"].cast(pl.Int32), weights, Priors(**parts["priors"]))


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


def _month_ago(bought: pl.DataFrame, day: dt.date, settings: Predictions) -> Fitted:
    return affinity.fit(bought, day - dt.timedelta(days=HORIZON_DAYS), settings.affinity_products)


def judge_lists(ranked: Ranked | None, fitted: Fitted, settings: Predictions) -> Decision:
    """Whether the lists of a month ago held more of what was bought since than the bestsellers.

    `fitted` is the model of a month ago, and `ranked` how well it did.
    """
    if not len(fitted.data.customers):
        return Decision(False, "history is too short: nothing was bought a month ago")
    if ranked is None or ranked.mean("platform") is None:
        return Decision(False, f"nobody bought a known product after {fitted.day}")
    return _decision(ranked, "platform", fitted.day, settings)


def _decision(ranked: Ranked, model: str, test_day: dt.date, settings: Predictions) -> Decision:
    ours, best, buyers = ranked.mean(model), ranked.mean("popularity"), ranked.told["buyers"]
    facts = f"on the {HORIZON_DAYS} days after {test_day}: NDCG {ours:.4f} against {best:.4f}"
    if buyers < settings.minimum_positives:
        return Decision(False, f"only {buyers} buyers to test on, {facts}")
    if ours is None or best is None or ours <= best:
        return Decision(False, f"no better than the bestsellers {facts}")
    return Decision(True, f"better than the bestsellers {facts}")


def train_lists(
    warehouse: Warehouse, day: dt.date, settings: Settings, _before: list[Row], reigning: Row | None
) -> Newcomer:
    """Train a model of which products go together, and keep it as a file."""
    bought = _bought(warehouse, day)
    days, rules = bought.days, settings.platform.predictions
    fitted = _month_ago(days, day, rules)
    theirs: dict[str, tuple[Affinity, Priors]] = {}
    if reigning is not None:
        try:
            kept = _read(settings, reigning["model_version"], bought)
            theirs["reigning"] = (kept.ranking(fitted.data), kept.priors)
        except InputError:
            reigning = None
    ranked = affinity.evaluate(days, fitted, HORIZON_DAYS, rules.affinity_products, theirs)
    decided = judge_lists(ranked, fitted, rules)
    priors = affinity.find_priors(days, fitted, HORIZON_DAYS)
    data = affinity.purchases(days, day, rules.affinity_products)
    weights, names = affinity.solve(data), bought.products.gather(data.products)
    digest = hashlib.sha256(repr((names.to_list(), priors)).encode() + weights.tobytes())
    version = f"affinity-{day.isoformat()}-{digest.hexdigest()[:12]}"
    _save(settings.models_dir, version, names, weights, priors)
    row = {
        "model_version": version,
        "task": "affinity",
        "trained_as_of_date": day,
        "horizon_days": HORIZON_DAYS,
        "method": "model",
        "is_promoted": decided.is_promoted,
        "reason": decided.reason,
        "metrics": _metrics(ranked, "platform", priors),
        "learned_from": learned_from(days["order_date"], None, tuple(days.columns)),
    }

    def compare(other: Row) -> tuple[Judged, Decision | None]:
        if ranked is None or ranked.mean("reigning") is None:
            return own_test(other), None
        both = [ranked.ndcg[name, "new"] for name in ("platform", "reigning")]
        told = "NDCG {:.4f} against {:.4f} on the same days".format(*(one.mean() for one in both))
        tested = Judged(
            _decision(ranked, "reigning", fitted.day, rules),
            _metrics(ranked, "reigning", theirs["reigning"][1]),
        )
        return tested, refused(told) if is_surely_worse(both[1] - both[0]) else None

    return Newcomer(row, hold_against(decided, reigning, day, compare))


def _metrics(ranked: Ranked | None, model: str, priors: Priors) -> str:
    """What is told of a model, as that of the platform, beside the baselines."""
    told = dict(ranked.told) if ranked else {}
    if models := dict(told.get("models", {})):
        others = {name: of for name, of in models.items() if name not in ("platform", "reigning")}
        told["models"] = {"platform": models[model], **others} if model in models else others
    return json.dumps({**told, "priors": asdict(priors)}, sort_keys=True)
