"""What each customer is most likely to buy: products that are new to them, and those bought before.

New products are ranked by EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"):
a linear model of which products go together, in closed form, times how much more a product sells
lately than it used to. Bought products are ranked by how often and how recently the customer
bought them, to which the same model adds. The weights were chosen on earlier days than figures are
reported for.

To both lists come the products that all buy, as if each customer had bought so many of them. How
many is found out from what was bought after an earlier day: where tastes differ little it is most
of the truth, and where they differ much it is noise.

EASE inverts a matrix of products by products, so both lists know the products that sell most only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from marketing_platform.predictions.matrix import Vector

TOP: Final = 10
_PENALTY = 300.0
_TREND_DAYS = 30
_TREND_PRIOR = 2.0
_TREND_PRIOR_BOUGHT = 5.0
_FADING_DAYS = 1000.0
_MODEL_WEIGHT = 2.0
_CHUNK = 4096
# How many purchases of the bestsellers are added to each customer's own, and on whom it is tried.
_PRIORS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
_TRIED_ON = 5_000
# Whom the lists are judged by, at most: of a hit in forty they tell the share to 1.4 % of it.
_JUDGED_BY = 200_000
_SURE = 2.0
# Of two products that the model knows nothing of, the one that sells more goes first.
_EPSILON = 1e-6

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Purchases:
    """Who bought what by a day: `bought` (customers, products) holds 1, `fading` more for lately.

    `customers` and `products` name the rows and columns. `sold` counts the days on which somebody
    bought a product, `sold_lately` those of the last month.
    """

    customers: pl.Series
    products: pl.Series
    bought: sparse.csr_array
    fading: sparse.csr_array
    sold: Vector
    sold_lately: Vector


def purchases(
    bought: pl.DataFrame, day: dt.date, most_products: int, also: pl.Series | None = None
) -> Purchases:
    """From days of purchase (customer_id, product_id, order_date), each once, up to `day`.

    Of the products that sell most, and of those in `also` that were bought.
    """
    known = bought.filter(pl.col("order_date") <= day)
    counted = known.group_by("product_id").agg(
        pl.len().alias("sold"),
        (pl.col("order_date") > day - dt.timedelta(days=_TREND_DAYS)).sum().alias("lately"),
    )
    top = counted.sort("sold", "product_id", descending=[True, False]).head(most_products)
    if also is not None:
        top = pl.concat([top, counted.filter(pl.col("product_id").is_in(also.implode()))]).unique()
    top = top.sort("product_id").with_row_index("column")
    people = known.select("customer_id").unique().sort("customer_id").with_row_index("row")
    age = (pl.lit(day) - pl.col("order_date")).dt.total_days()
    cells = (
        known.join(top.select("product_id", "column"), on="product_id")
        .join(people, on="customer_id")
        .group_by("row", "column")
        .agg((-age / _FADING_DAYS).exp().sum().alias("weight"))
        .sort("row", "column")
    )
    shape = (people.height, top.height)
    place = (cells["row"].to_numpy(), cells["column"].to_numpy())
    return Purchases(
        people["customer_id"],
        top["product_id"],
        sparse.csr_array((np.ones(cells.height, np.float32), place), shape=shape),
        sparse.csr_array((cells["weight"].to_numpy().astype(np.float32), place), shape=shape),
        top["sold"].cast(pl.Float64).to_numpy(),
        top["lately"].cast(pl.Float64).to_numpy(),
    )


@dataclass(frozen=True)
class Priors:
    """How many purchases of the bestsellers count beside a customer's own, by list."""

    of_new: float = 0.0
    of_all: float = 0.0


@dataclass(frozen=True)
class Affinity:
    """What ranks: the trained `weights` (products, products), and how each product sells."""

    weights: Scores
    trend: Vector
    trend_bought: Vector
    popularity: Vector
    share: Vector

    def scores(
        self, data: Purchases, rows: slice | NDArray[np.int64], priors: Priors
    ) -> tuple[Scores, Scores]:
        """Of these customers: scores for new products, and for all.

        Each of shape (customers, products); a product that was bought has -inf among the new ones.
        """
        linear = np.asarray(data.bought[rows] @ self.weights, dtype=np.float32)
        fading = data.fading[rows].toarray()
        share = self.share.astype(np.float32)
        every = (fading + _MODEL_WEIGHT * linear + priors.of_all * share) * np.sqrt(
            self.trend_bought, dtype=np.float32
        )
        new = (linear + priors.of_new * share) * self.trend.astype(np.float32)
        new += self.popularity.astype(np.float32)
        new[fading > 0] = -np.inf
        return new, every


def companions(
    data: Purchases, model: Affinity, start: int, stop: int, columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of each listed product, the bought one that speaks for it most: columns, or -1 for none.

    `columns` (customers, places) are the products of a list, of the customers from `start` on.
    """
    rows = data.bought[start:stop]
    counts = np.diff(rows.indptr)
    found = np.full(columns.shape, -1, dtype=np.int64)
    bought = np.flatnonzero(counts)
    if not len(bought):
        return found
    begins = rows.indptr[:-1][bought]
    owners = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(rows.indices))
    for place in range(columns.shape[1]):
        weights = model.weights[rows.indices, columns[owners, place]]
        most = np.maximum.reduceat(weights, begins)
        is_most = weights == np.repeat(most, counts[bought])
        first = np.minimum.reduceat(np.where(is_most, places, len(places)), begins)
        found[bought, place] = np.where(most > 0, rows.indices[first], -1)
    return found


def train(data: Purchases) -> Affinity:
    """What ranks these purchases, learned from them."""
    return ranking(data, solve(data))


def solve(data: Purchases) -> Scores:
    """The weights of EASE for these purchases, of shape (products, products)."""
    gram = np.asarray((data.bought.T @ data.bought).toarray(), dtype=np.float64)
    gram[np.diag_indices_from(gram)] += _PENALTY
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights.astype(np.float32)


def ranking(data: Purchases, weights: Scores) -> Affinity:
    """What ranks with these weights, and as the products of `data` sell."""
    popularity = data.sold_lately / max(data.sold_lately.max(initial=0), 1)
    return Affinity(
        weights,
        _trend(data, _TREND_PRIOR),
        _trend(data, _TREND_PRIOR_BOUGHT),
        _EPSILON * popularity,
        data.sold / max(data.sold.sum(), 1),
    )


def placed(weights: Scores, names: pl.Series, products: pl.Series) -> Scores:
    """Weights of the products `names` as those of `products`: 0 for one that has none."""
    places = (
        names.alias("product_id").to_frame().with_row_index("before")
        .join(products.alias("product_id").to_frame().with_row_index("now"), on="product_id")
    )  # fmt: skip
    before, now = places["before"].to_numpy(), places["now"].to_numpy()
    found = np.zeros((len(products), len(products)), np.float32)
    found[np.ix_(now, now)] = weights[np.ix_(before, before)]
    return found


@dataclass(frozen=True)
class Fitted:
    """A model with the purchases up to `day` that it was trained on."""

    day: dt.date
    data: Purchases
    model: Affinity


def fit(bought: pl.DataFrame, day: dt.date, most_products: int) -> Fitted:
    """Train on what was bought up to `day`."""
    data = purchases(bought, day, most_products)
    return Fitted(day, data, train(data))


def find_priors(bought: pl.DataFrame, fitted: Fitted, horizon_days: int) -> Priors:
    """The priors that rank best what was bought in the horizon after the model's day.

    None is used that is not better than none beyond noise.
    """
    data, model = fitted.data, fitted.model
    truth = _bought_after(bought, data, fitted.day, horizon_days)
    buyers = np.flatnonzero(np.diff(truth.indptr))
    if not len(buyers):
        return Priors()
    rows = buyers[:: -(-len(buyers) // _TRIED_ON)]
    fresh = _fresh(truth, data)[rows]
    found: list[tuple[Vector, Vector]] = []
    for prior in _PRIORS:
        lists = model.scores(data, rows, Priors(prior, prior))
        parts = [
            ndcg_and_hits(best(scores)[0], wanted)[0]
            for scores, wanted in zip(lists, (fresh, truth[rows]), strict=True)
        ]
        found.append((parts[0], parts[1]))
    return Priors(*(_surely_best([pair[kind] for pair in found]) for kind in (0, 1)))


def _surely_best(figures: list[Vector]) -> float:
    """The prior with the highest mean, where it is higher than that of none beyond noise."""
    if not len(figures[0]):
        return 0.0
    place = int(np.argmax([values.mean() for values in figures]))
    gain = figures[place] - figures[0]
    noise = gain.std() / np.sqrt(len(gain))
    return _PRIORS[place] if gain.mean() > _SURE * noise else 0.0


def _trend(data: Purchases, prior: float) -> Vector:
    """How much more a product sells lately than it used to, drawn towards 1 where little sells."""
    share = data.sold_lately.sum() / max(data.sold.sum(), 1)
    found: Vector = (data.sold_lately + prior) / (data.sold * share + prior)
    return found


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """Starts and ends of chunks of `count` customers."""
    for start in range(0, count, _CHUNK):
        yield start, min(start + _CHUNK, count)


def best(scores: Scores, count: int = TOP) -> tuple[NDArray[np.int64], Scores]:
    """The columns of the `count` highest scores of each row, best first, and those scores."""
    count = min(count, scores.shape[1])
    if not count:
        return np.empty((len(scores), 0), dtype=np.int64), np.empty((len(scores), 0), np.float32)
    columns = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(scores, columns, axis=1)
    # The column settles a tie, so that the same data gives the same list.
    order = np.lexsort((columns, -found), axis=1)
    ranked = np.take_along_axis(columns, order, axis=1)
    return ranked.astype(np.int64), np.take_along_axis(found, order, axis=1)


def ndcg_and_hits(ranked: NDArray[np.int64], truth: sparse.csr_array) -> tuple[Vector, Vector]:
    """NDCG at 10 of each row that bought something, and whether one of the ten was bought.

    `ranked` (rows, 10) are columns of `truth` (rows, products), best first. Jarvelin and Kekalainen
    (2002), with a gain of 1 for what was bought.
    """
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    wanted = np.diff(truth.indptr)
    rows = np.flatnonzero(wanted)
    dense = truth[rows].toarray() > 0
    gains = np.take_along_axis(dense, ranked[rows], axis=1)
    ideal = np.cumsum(discounts)[np.minimum(wanted[rows], TOP) - 1]
    ndcg: Vector = (gains @ discounts[: gains.shape[1]]) / ideal
    hits: Vector = gains.max(axis=1, initial=False).astype(np.float64)
    return ndcg, hits


@dataclass(frozen=True)
class Ranked:
    """How well some models rank: counts and mean metrics as plain values, and NDCG by buyer.

    `ndcg` has the figures of each (model, kind), buyer by buyer in the same order.
    """

    told: dict[str, Any]
    ndcg: dict[tuple[str, str], Vector]

    def mean(self, model: str) -> float | None:
        """NDCG at 10 of a model's new products; None where nobody bought any."""
        figure: float | None = self.told["models"].get(model, {}).get("new", {}).get("ndcg_at_10")
        return figure


def evaluate(
    bought: pl.DataFrame,
    fitted: Fitted,
    horizon_days: int,
    most_products: int,
    others: Mapping[str, tuple[Affinity, Priors]] = MappingProxyType({}),
) -> Ranked | None:
    """How the model and the baselines rank what was bought in the horizon after the model's day.

    Of customers who had bought by that day, and among the products known then: `new` asks for
    products that the customer had not bought, `all` for any. `others` are ranked beside it. None
    where nobody bought in the horizon; of very many who did, every n-th is asked.
    """
    data, model = fitted.data, fitted.model
    truth = _bought_after(bought, data, fitted.day, horizon_days)
    if not truth.nnz:
        return None
    fresh = _fresh(truth, data)
    known = bought.filter(pl.col("order_date") <= fitted.day)
    before = fit(known, fitted.day - dt.timedelta(days=horizon_days), most_products)
    priors = find_priors(known, before, horizon_days)
    similar = _cosine(data)
    found: dict[tuple[str, str], dict[str, list[Vector]]] = {}
    buyers = np.flatnonzero(np.diff(truth.indptr))
    asked = buyers[:: -(-len(buyers) // _JUDGED_BY)]
    for start, stop in chunks(len(asked)):
        places = asked[start:stop]
        rows = data.bought[places]
        seen = rows.toarray() > 0
        plain = np.broadcast_to(data.sold.astype(np.float32), seen.shape)
        ranks: dict[tuple[str, str], Any] = {}
        for name, (one, added) in {"platform": (model, priors), **others}.items():
            ranks[name, "new"], ranks[name, "all"] = one.scores(data, places, added)
        ranks |= {
            ("popularity", "new"): np.where(seen, -np.inf, plain),
            ("popularity", "all"): plain,
            ("item_knn", "new"): np.where(seen, -np.inf, rows @ similar),
            ("personal_frequency", "all"): data.fading[places].toarray(),
        }
        for (name, kind), scores in ranks.items():
            wanted = (fresh if kind == "new" else truth)[places]
            columns, _ = best(np.asarray(scores, dtype=np.float32))
            ndcg, hits = ndcg_and_hits(columns, wanted)
            kept = found.setdefault((name, kind), {"ndcg_at_10": [], "hit_rate_at_10": []})
            kept["ndcg_at_10"].append(ndcg)
            kept["hit_rate_at_10"].append(hits)
    models: dict[str, dict[str, dict[str, float]]] = {}
    by_buyer: dict[tuple[str, str], Vector] = {}
    for (name, kind), metrics in found.items():
        told = {metric: np.concatenate(parts) for metric, parts in metrics.items()}
        by_buyer[name, kind] = told["ndcg_at_10"]
        if len(told["ndcg_at_10"]):
            models.setdefault(name, {})[kind] = {
                metric: round(float(values.mean()), 6) for metric, values in told.items()
            }
    counts = {
        "customers": len(data.customers),
        "buyers": len(buyers),
        "products": len(data.products),
    }
    return Ranked({**counts, "models": models}, by_buyer)


def _bought_after(
    bought: pl.DataFrame, data: Purchases, day: dt.date, horizon_days: int
) -> sparse.csr_array:
    """What the customers bought in the horizon after a day: 1, of shape (customers, products)."""
    last = day + dt.timedelta(days=horizon_days)
    after = bought.filter(pl.col("order_date").is_between(day, last, closed="right"))
    people = data.customers.alias("customer_id").to_frame().with_row_index("row")
    products = data.products.alias("product_id").to_frame().with_row_index("column")
    cells = after.join(people, on="customer_id").join(products, on="product_id")
    cells = cells.select("row", "column").unique()
    place = (cells["row"].to_numpy(), cells["column"].to_numpy())
    return sparse.csr_array((np.ones(cells.height), place), shape=data.bought.shape)


def _fresh(truth: sparse.csr_array, data: Purchases) -> sparse.csr_array:
    """What of it the customer had not bought before."""
    fresh = sparse.csr_array(truth - truth.multiply(data.bought))
    fresh.eliminate_zeros()
    return fresh


def _cosine(data: Purchases) -> Scores:
    """Cosine similarity of products by who bought them, 0 of a product with itself."""
    gram = np.asarray((data.bought.T @ data.bought).toarray(), dtype=np.float32)
    norms = np.sqrt(np.maximum(np.diag(gram), 1))
    gram /= norms[:, None] * norms[None, :]
    np.fill_diagonal(gram, 0)
    return gram
