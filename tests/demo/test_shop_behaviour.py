"""How the people of the demo shop behave: like those of a shop, and as the truth says."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from marketing_platform.demo.buying import (
    buys_within,
    draw_buyers,
    draw_spells,
    purchase_probability,
)
from marketing_platform.demo.phones import draw_phones
from marketing_platform.demo.window import Window

if TYPE_CHECKING:
    from tests.demo.conftest import Export

END = dt.date(2025, 11, 20)


def _ranking(score: pl.Series, happened: pl.Series) -> float:
    """Chance that one it happened to has a higher score than one it did not (ROC AUC)."""
    ranks = score.rank()
    positives = int(happened.sum())
    surplus = ranks.filter(happened).sum() - positives * (positives + 1) / 2
    return float(surplus / (positives * (len(score) - positives)))


def test_about_half_of_the_customers_buy_once_and_the_rest_return(shop: Export) -> None:
    customers = shop.truth.filter("is_customer")
    once = (customers["order_count"] == 1).mean()
    assert customers.height == 3000
    assert customers["order_count"].min() == 1
    assert isinstance(once, float)
    assert 0.25 < once < 0.6
    best = customers["order_count"].sort(descending=True).head(300).sum()
    assert 0.3 < best / customers["order_count"].sum() < 0.7
    assert set(shop.truth["archetype"]) == {
        "frequent", "occasional", "one_time", "lapsed", "lead"
    }  # fmt: skip


def test_leads_have_not_bought(shop: Export) -> None:
    leads = shop.truth.filter(~pl.col("is_customer"))
    ids = set(leads["contact_ids"].explode())
    assert leads.height == 360
    assert leads["order_count"].sum() == 0
    assert all(leads["contact_ids"].list.len() > 0)
    assert not ids & {line["Customer ID"] for line in shop.orders}
    assert not set(leads["email"]) & {line["Email"].lower() for line in shop.orders}


def test_nobody_buys_after_dropping_out(shop: Export) -> None:
    dropout = dict(shop.truth.select("email", "dropout_date").drop_nulls().iter_rows())
    assert len(dropout) > 1000
    checked = 0
    for line in shop.sold:
        left = dropout.get(line["Email"].lower())
        if left and line["Line ID"] not in shop.files.dirt.unreadable_dates:
            checked += 1
            assert line["Order Date"][:10] < left.isoformat()
    assert checked > 1000
    gone = shop.truth.filter(~pl.col("is_alive"))
    assert gone["purchase_probability_30d"].sum() == 0
    assert not gone["bought_in_next_30d"].any()


def test_the_true_probability_ranks_who_buys_next(shop: Export) -> None:
    alive = shop.truth.filter(pl.col("is_alive") & pl.col("is_customer"))
    for days in (14, 30):
        happened = alive[f"bought_in_next_{days}d"]
        assert 0.1 < happened.sum() / alive.height < 0.6
        assert _ranking(alive[f"purchase_probability_{days}d"], happened) > 0.8
    assert (alive["purchase_probability_30d"] >= alive["purchase_probability_14d"]).all()
    everybody = shop.truth.filter("is_customer")
    assert _ranking(everybody["purchase_probability_14d"], everybody["bought_in_next_14d"]) > 0.9


@pytest.mark.parametrize("horizon_days", [14, 30])
def test_the_true_probability_is_how_often_it_happens(horizon_days: int) -> None:
    window = Window(END, 540)
    rng = np.random.default_rng(11)
    buyers = draw_buyers(rng, window, 60_000, 6_000)
    spells = draw_spells(rng, window, buyers)
    chance = purchase_probability(window, buyers, spells, horizon_days)
    happens = buys_within(window, buyers, spells, horizon_days)
    for low, high in ((0.001, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        group = (chance > low) & (chance <= high)
        error = np.sqrt((chance[group] * (1 - chance[group])).sum())
        assert abs(happens[group].sum() - chance[group].sum()) < 4 * error
    assert not happens[chance == 0].any()


def test_browsing_announces_purchases(shop: Export) -> None:
    recent = Counter(
        event["userId"]
        for event in shop.events
        if "userId" in event and event["timestamp"] >= "2025-11-14"
    )
    known = shop.truth.filter(pl.col("is_alive") & pl.col("account_id").is_not_null())
    seen = pl.Series([recent[account] for account in known["account_id"]])
    will_buy = known["bought_in_next_14d"]
    buyers, others = seen.filter(will_buy).to_numpy(), seen.filter(~will_buy).to_numpy()
    assert buyers.mean() > 2 * others.mean()
    assert (buyers > 0).mean() < 0.9


def test_there_are_enough_people_of_every_kind_on_the_last_day(shop: Export) -> None:
    people = shop.counts["people"]
    assert 150 < people["new_in_last_30_days"] < 500
    assert 50 < people["with_open_cart_of_last_3_days"] < 400
    assert 800 < people["dropped_out"] < 2200
    assert people["strangers"] > 3000
    assert (shop.truth["order_count"] >= 15).sum() > 60


def test_sign_ups_grow(shop: Export) -> None:
    first = shop.truth["first_purchase_date"].drop_nulls()
    early = (first < END - dt.timedelta(days=365)).sum() / 175
    late = (first > END - dt.timedelta(days=175)).sum() / 175
    assert late > 1.3 * early


def test_a_visit_has_several_events_and_people_come_a_few_times_a_month(shop: Export) -> None:
    events = pl.DataFrame(
        {
            "visitor": [event["anonymousId"] for event in shop.events],
            "at": [event["timestamp"] for event in shop.events],
        }
    ).with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ"))
    gap = pl.col("at").diff().over("visitor") > dt.timedelta(minutes=30)
    events = events.sort("visitor", "at").with_columns(gap.fill_null(value=True).alias("is_new"))
    visits = int(events["is_new"].sum())
    assert 2 < events.height / visits < 8
    assert visits / events["visitor"].n_unique() / 6 < 5


def test_ad_platforms_claim_orders_that_were_made(shop: Export) -> None:
    orders = Counter(
        day
        for order, day in {(line["Order ID"], line["Order Date"][:10]) for line in shop.sold}
        if not order.startswith("P-")
    )
    claimed: Counter[str] = Counter()
    for row in shop.ads:
        claimed[row["Date"]] += int(row["Conversions"])
        assert int(row["Impressions"]) >= int(row["Clicks"]) >= int(row["Conversions"]) >= 0
        assert (float(row["Conversion Value"]) > 0) == (int(row["Conversions"]) > 0)
    days = sorted(claimed)
    together = np.corrcoef([claimed[day] for day in days], [orders[day] for day in days])
    assert together[0, 1] > 0.7
    assert 0.3 < sum(claimed.values()) / sum(orders[day] for day in days) < 1
    assert {row["Platform"] for row in shop.ads} == {"Google Ads", "Meta Ads", "TikTok Ads"}


def test_prices_are_spread_widely_and_some_products_sell_far_better(shop: Export) -> None:
    prices = np.array([float(product["Price"]) for product in shop.products])
    assert prices.min() > 0
    assert np.log(prices).std() > 0.5
    sales = Counter(line["SKU"] for line in shop.sold)
    assert len(sales) == 120
    best = sum(count for _, count in sales.most_common(12))
    assert best / sales.total() > 0.2


def test_people_never_share_a_phone_even_where_the_ranges_run_out() -> None:
    country = np.repeat(["DE", "GB", "NL"], [6_000, 100, 100])
    phones = draw_phones(np.random.default_rng(1), country, np.ones(len(country), dtype=bool))
    assert phones.drop_nulls().n_unique() == phones.drop_nulls().len() == 5_100
    assert phones[-100:].null_count() == 100
