"""Product affinity: what goes together, what is bought again, and when it is due."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from predictions_shop import build_predictions, day, warehouse_with
from scipy import sparse

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import InputError
from marketing_platform.pipeline import build_table
from marketing_platform.predictions import affinity, store
from marketing_platform.predictions.backtest import backtest, summary_table
from marketing_platform.predictions.product_affinity import judge_lists
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse, sql_tables

Bought = tuple[str, str, int]
SCHEMA = {"customer_id": pl.String, "product_id": pl.String, "order_date": pl.Date}


def frame(bought: list[Bought]) -> pl.DataFrame:
    rows = [(customer, product, day(number)) for customer, product, number in bought]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").unique()


def two_tastes(customers: int = 200, days: int = 200) -> list[Bought]:
    """Half of the customers like tea and its things, the other half bicycles; a few days each."""
    draw = np.random.default_rng(4)
    found: list[Bought] = []
    for number in range(customers):
        taste = "tea" if number % 2 else "bike"
        for _ in range(6):
            product = f"{taste}{draw.integers(0, 12)}"
            found.append((f"c{number:03}", product, int(draw.integers(0, days))))
    return found


def one_taste(customers: int = 400, days: int = 200) -> list[Bought]:
    """All customers like the same few of a hundred products."""
    draw = np.random.default_rng(4)
    return [
        (f"c{number:03}", f"p{min(draw.zipf(1.5), 100):03}", int(draw.integers(0, days)))
        for number in range(customers)
        for _ in range(12)
    ]


def test_where_all_have_one_taste_the_list_is_as_good_as_the_bestsellers() -> None:
    bought = frame(one_taste())
    found = affinity.evaluate(bought, affinity.fit(bought, day(170), 100), 30, 100)
    assert found is not None
    ours, best = (found.told["models"][name]["all"] for name in ("platform", "popularity"))
    assert ours["ndcg_at_10"] > 0.98 * best["ndcg_at_10"]


def test_the_lists_of_a_week_are_made_with_what_was_found_when_the_model_was_trained(
    settings: Settings,
) -> None:
    bought = one_taste(100)
    warehouse = warehouse_of(bought, day(199))
    build_predictions(warehouse, settings)
    known = "select model_version, metrics from predictions.models where task = 'affinity'"
    [(version, told)] = warehouse.query(known).rows()
    metrics = json.loads(told)
    found = affinity.find_priors(frame(bought), affinity.fit(frame(bought), day(169), 3000), 30)
    assert metrics["priors"] == {"of_new": found.of_new, "of_all": found.of_all}

    def orders_of_lists() -> list[tuple[str, str]]:
        build_table(warehouse, settings, "predictions.product_affinity")
        lists = warehouse.read("predictions.product_affinity").filter(kind="again")
        return lists.sort("customer_id", "place").select("customer_id", "product_id").rows()

    before = orders_of_lists()
    model = store.load(settings.models_dir, version)
    model["priors"]["of_all"] = 1e6
    store.save(settings.models_dir, version, model)
    assert orders_of_lists() != before


def test_where_tastes_differ_no_bestsellers_are_added() -> None:
    two, one = (
        affinity.find_priors(bought, affinity.fit(bought, day(169), 100), 30)
        for bought in (frame(two_tastes()), frame(one_taste()))
    )
    assert two.of_new == 0
    assert one.of_all > 0


def warehouse_of(bought: list[Bought], clock: dt.date) -> Warehouse:
    """A warehouse in which each purchase of a customer on a day is an order."""
    orders = sorted({(customer, number) for customer, _, number in bought})
    warehouse = warehouse_with(
        [(customer, day(number), 10.0) for customer, number in orders],
        clock=clock,
        contacts=sorted({(f"s:{customer}", customer) for customer, _, _ in bought}),
    )
    rows = pl.DataFrame(
        [
            {
                "order_item_id": f"{n}", "order_id": f"{customer}/{number}",
                "order_date": day(number), "product_id": product, "quantity": 1,
                "unit_price_amount": 10, "line_amount": 10,
                "line_reporting_amount": 10, "currency": "EUR", "sku": None,
            }
            for n, (customer, product, number) in enumerate(bought)
        ]
    )  # fmt: skip
    empty = CONTRACTS["core.order_items"].empty()
    warehouse.replace(
        "core.order_items", rows.select(pl.col(n).cast(t) for n, t in empty.schema.items())
    )
    told = pl.DataFrame(
        [
            {"order_id": f"{customer}/{number}", "source": "s", "contact_id": f"s:{customer}",
             "source_order_id": f"{number}", "order_date": day(number), "item_count": 1,
             "quantity": 1, "gross_amount": 10,
             "ordered_at": dt.datetime.combine(day(number), dt.time(12)),
             "currency": "EUR"}
            for customer, number in orders
        ]
    )  # fmt: skip
    empty = CONTRACTS["core.orders"].empty()
    told = pl.concat([empty, told.cast({n: empty.schema[n] for n in told.columns})], how="diagonal")
    warehouse.replace("core.orders", told)
    return warehouse


def test_new_products_follow_the_customers_taste_and_were_not_bought(settings: Settings) -> None:
    bought = two_tastes()
    warehouse = warehouse_of(bought, day(199))
    build_predictions(warehouse, settings)
    lists = warehouse.read("predictions.product_affinity")
    had = frame(bought).select("customer_id", "product_id").unique()
    new = lists.filter(pl.col("kind") == "new")
    assert new.join(had, on=["customer_id", "product_id"]).is_empty()
    again = lists.filter(pl.col("kind") == "again")
    assert again.join(had, on=["customer_id", "product_id"]).height == again.height
    taste = had.with_columns(pl.col("product_id").str.slice(0, 3)).unique(["customer_id"])
    first = new.filter(pl.col("place") <= 3).join(
        taste.select("customer_id", taste="product_id"), on="customer_id"
    )
    assert (first["product_id"].str.slice(0, 3) == first["taste"]).mean() > 0.95
    assert lists["is_promoted"].all()
    told = first.select(
        "customer_id", product_id=pl.col("reason").str.extract("^goes with (.*), which they bought")
    )
    assert told.join(had, on=["customer_id", "product_id"]).height > 0.95 * told.height
    [version] = lists["model_version"].unique()
    assert version.startswith("affinity-2024-07-18-")


def a_month_later(warehouse: Warehouse, bought: list[Bought], clock: int) -> None:
    """The same warehouse, once these were bought too."""
    later = warehouse_of(bought, day(clock))
    for name in (
        *("core.clock", "profiles.orders", "core.orders", "core.order_items"),
        "identity.contact_customers",
    ):
        warehouse.replace(name, later.read(name))


def lists_of(warehouse: Warehouse) -> list[tuple[object, ...]]:
    columns = ("customer_id", "kind", "place", "product_id")
    return warehouse.read("predictions.product_affinity").select(columns).sort(columns).rows()


def affinity_models(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.read("predictions.models").filter(task="affinity").to_dicts()
    return {row["model_version"]: row for row in rows}


def test_lists_are_rolled_back_by_pinning_their_model(settings: Settings) -> None:
    bought = two_tastes(days=230)
    warehouse = warehouse_of([one for one in bought if one[2] < 200], day(199))
    build_predictions(warehouse, settings)
    [first] = affinity_models(warehouse)
    a_month_later(warehouse, bought, 229)
    build_predictions(warehouse, settings)
    models = affinity_models(warehouse)
    [second] = set(models) - {first}
    assert (models[first]["standing"], models[second]["standing"]) == ("former", "champion")
    assert warehouse.read("predictions.product_affinity")["model_version"].unique()[0] == second
    pinned = settings.model_copy(deep=True)
    pinned.platform.predictions.pinned["affinity"] = first
    of_second = lists_of(warehouse)
    build_predictions(warehouse, pinned)
    assert affinity_models(warehouse)[first]["standing"] == "champion"
    lists = warehouse.read("predictions.product_affinity")
    assert lists["model_version"].unique().to_list() == [first]
    assert lists_of(warehouse) != of_second


def test_lists_that_rank_worse_than_those_of_the_reigning_model_are_not_used(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought = two_tastes(days=230)
    warehouse = warehouse_of([one for one in bought if one[2] < 200], day(199))
    build_predictions(warehouse, settings)
    [first] = affinity_models(warehouse)
    a_month_later(warehouse, bought, 229)
    real = affinity.solve
    monkeypatch.setattr(affinity, "solve", lambda data: real(data)[::-1])
    build_predictions(warehouse, settings)
    models = affinity_models(warehouse)
    [second] = set(models) - {first}
    assert models[first]["standing"] == "champion"
    assert models[second]["standing"] == "challenger"
    assert "worse than the reigning model beyond noise: NDCG 0." in models[second]["reason"]
    assert warehouse.read("predictions.product_affinity")["model_version"].unique()[0] == first
    told = json.loads(models[first]["metrics"])
    assert set(told["models"]) == {"platform", "popularity", "item_knn", "personal_frequency"}
    assert "on the 30 days after 2024-07-18" in models[first]["reason"], "judged on the new days"


def test_what_was_bought_since_the_model_was_trained_is_offered_again(settings: Settings) -> None:
    bought = two_tastes()
    warehouse = warehouse_of(bought, day(199))
    build_predictions(warehouse, settings)
    [version] = affinity_models(warehouse)
    a_month_later(warehouse, [*bought, ("c001", "novelty", 200)], 201)
    build_predictions(warehouse, settings)
    assert list(affinity_models(warehouse)) == [version]
    lists = warehouse.read("predictions.product_affinity")
    again = lists.filter(customer_id="c001", kind="again")
    assert "novelty" in again["product_id"]
    assert "novelty" not in lists.filter(customer_id="c001", kind="new")["product_id"]


def test_without_its_file_a_model_of_lists_gives_way(settings: Settings) -> None:
    bought = two_tastes(days=230)
    warehouse = warehouse_of([one for one in bought if one[2] < 200], day(199))
    build_predictions(warehouse, settings)
    [first] = affinity_models(warehouse)
    store.path_of(settings.models_dir, first).write_bytes(b"damaged")
    a_month_later(warehouse, bought, 229)
    build_predictions(warehouse, settings)
    models = affinity_models(warehouse)
    [second] = set(models) - {first}
    assert (models[first]["standing"], models[second]["standing"]) == ("former", "champion")


def test_a_product_bought_every_month_is_due_a_month_after_the_last_time(
    settings: Settings,
) -> None:
    monthly = [(f"c{n}", "coffee", n + 30 * gap) for n in range(10) for gap in range(4)]
    once = [(f"c{n}", "mug", n) for n in range(10)]
    warehouse = warehouse_of([*monthly, *once], day(110))
    build_predictions(warehouse, settings)
    rows = warehouse.query(
        "select product_id, due_date, reason from predictions.product_affinity"
        " where customer_id = 'c3' and kind = 'again'"
    )
    assert sorted(rows.rows()) == [
        ("coffee", day(3 + 120), "bought on 4 days, last 17 days ago"),
        ("mug", None, "bought on 1 day, last 107 days ago"),
    ]


def test_a_product_that_nothing_bought_speaks_for_is_told_to_sell_well(settings: Settings) -> None:
    alone = [(f"c{n}", f"p{n % 4}", n) for n in range(40)]
    warehouse = warehouse_of(alone, day(60))
    build_predictions(warehouse, settings)
    lists = warehouse.read("predictions.product_affinity").filter(pl.col("kind") == "new")
    assert lists["reason"].unique().to_list() == ["sells well in these weeks"]


def test_of_what_was_bought_the_product_that_goes_with_it_most_is_named(
    settings: Settings,
) -> None:
    pairs = [(f"c{n}", name, n) for n in range(60) for name in ("pot", "tea")]
    both = [("zoe", "pot", 1), ("zoe", "hat", 2), *((f"h{n}", "hat", n) for n in range(20))]
    warehouse = warehouse_of([*pairs, *both], day(70))
    products = CONTRACTS["core.products"].empty()
    named = pl.DataFrame([{"product_id": "pot", "title": "Tea pot, 1 l"}])
    with warehouse.connect() as connection:
        connection.register("named", pl.concat([products, named], how="diagonal").to_arrow())
        connection.execute("create or replace table core.products as select * from named")
    build_predictions(warehouse, settings)
    reason = warehouse.query(
        "select reason from predictions.product_affinity"
        " where customer_id = 'zoe' and product_id = 'tea'"
    ).item()
    assert reason == "goes with Tea pot, 1 l, which they bought"


def test_ndcg_is_that_of_a_small_example_by_hand() -> None:
    truth = sparse.csr_array(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    ranked = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
    ndcg, hits = affinity.ndcg_and_hits(ranked, truth)
    ideal = 1 + 1 / np.log2(3)
    assert ndcg.tolist() == pytest.approx([(1 + 1 / 2) / ideal, 1 / np.log2(5)])
    assert hits.tolist() == [1.0, 1.0]


def test_the_best_are_ordered_and_ties_are_always_broken_alike() -> None:
    scores = np.array([[1, 5, 5, 2], [0, 0, 0, 0]], dtype=np.float32)
    columns, found = affinity.best(scores, 3)
    assert columns[0].tolist() == [1, 2, 3]
    assert found[0].tolist() == [5, 5, 2]
    assert affinity.best(np.empty((2, 0), dtype=np.float32))[0].shape == (2, 0)


def test_what_is_bought_after_the_day_reaches_no_list() -> None:
    bought = frame(two_tastes())
    changed = bought.with_columns(
        pl.when(pl.col("order_date") > day(150))
        .then(pl.lit("tea1"))
        .otherwise("product_id")
        .alias("product_id")
    ).unique()
    one, other = (affinity.purchases(data, day(150), 100) for data in (bought, changed))
    assert (one.bought != other.bought).nnz == 0
    assert np.array_equal(affinity.train(one).weights, affinity.train(other).weights)


def test_too_little_to_test_on_is_told_and_promotes_nothing() -> None:
    for bought in ([], [("ann", "tea", 1)], [("ann", "tea", 1), ("ann", "mug", 90)]):
        fitted = affinity.fit(frame(bought), day(69), 100)
        ranked = affinity.evaluate(frame(bought), fitted, 30, 100)
        decided = judge_lists(ranked, fitted, Predictions())
        assert not decided.is_promoted
        assert decided.reason


def test_the_backtest_of_affinity_beats_the_bestsellers(settings: Settings) -> None:
    warehouse = warehouse_of(two_tastes(400), day(199))
    found = backtest(warehouse, task="affinity", horizon_days=30, settings=settings)
    models = {name: told["affinity"] for name, told in found["models"].items()}
    assert models["platform"]["new"]["ndcg_at_10"] > 1.3 * models["popularity"]["new"]["ndcg_at_10"]
    assert "new" not in models["personal_frequency"]
    assert "platform" in summary_table(found)
    assert max(len(line) for line in summary_table(found).splitlines()) <= 80


def test_an_export_without_products_is_refused(settings: Settings) -> None:
    warehouse = warehouse_with([("ann", day(n), 5) for n in range(0, 200, 9)], clock=day(199))
    with pytest.raises(InputError, match="which products"):
        backtest(warehouse, task="affinity", horizon_days=30, settings=settings)


def test_bought_together_counts_orders_and_leaves_out_stocktaking() -> None:
    pairs = [(f"c{n}", product, n) for n in range(5) for product in ("tea", "pot")]
    alone = [(f"d{n}", "tea", n) for n in range(5)]
    everything = [("stock", f"p{n}", 3) for n in range(60)] + [("stock", "tea", 3)]
    warehouse = warehouse_of([*pairs, *alone, *everything], day(99))
    warehouse.build("predictions.bought_together", sql_tables()["predictions.bought_together"].sql)
    rows = warehouse.read("predictions.bought_together").sort("product_id").to_dicts()
    assert [(r["product_id"], r["other_product_id"], r["order_count"]) for r in rows] == [
        ("pot", "tea", 5),
        ("tea", "pot", 5),
    ]
    assert rows[0]["together_share"] == 1.0
    # Five of the ten orders of tea have nothing else in them.
    assert rows[1]["together_share"] == 0.5
    assert rows[0]["lift"] == rows[1]["lift"] == 1.0
