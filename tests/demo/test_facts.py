"""The facts of the simulated shop: the same every time, and in agreement with each other."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields

import polars as pl
import pytest

from marketing_platform.demo.sandbox.facts import KEYS, Facts, make_facts

END = dt.date(2025, 11, 20)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=300, end=END)


def _sum(frame: pl.DataFrame, key: str, value: pl.Expr) -> dict[int, int]:
    """Cents by key."""
    cents = (value.cast(pl.Float64).sum() * 100).round().cast(pl.Int64)
    return dict(frame.group_by(key).agg(cents.alias("cents")).iter_rows())


def test_the_same_seed_gives_the_same_facts(facts: Facts) -> None:
    again = make_facts(customers=300, end=END)
    other = make_facts(customers=300, end=END, seed=8)
    for field in fields(Facts):
        assert str(getattr(facts, field.name)) == str(getattr(again, field.name)), field.name
        if isinstance(getattr(facts, field.name), pl.DataFrame):
            assert getattr(facts, field.name).equals(getattr(again, field.name)), field.name
    assert not facts.orders.equals(other.orders)


@pytest.mark.parametrize("table", sorted(KEYS))
def test_every_table_has_rows_and_one_newest_version_per_key(facts: Facts, table: str) -> None:
    frame = getattr(facts, table)
    assert frame.height
    keys = list(KEYS[table])
    assert facts.latest(table).height == frame.select(keys).n_unique()
    if "updated_at" in frame.columns and table != "ad_days":
        assert frame["updated_at"].max() < facts.end
        assert frame.select([*keys, "updated_at"]).n_unique() == frame.height


def test_an_order_costs_its_lines_less_the_discount_plus_shipping(facts: Facts) -> None:
    orders = facts.latest("orders")
    gross = _sum(facts.order_lines, "order_id", pl.col("line_amount"))
    assert gross == _sum(orders, "order_id", pl.col("gross_amount"))
    parts = pl.col("gross_amount") - pl.col("discount_amount") + pl.col("shipping_amount")
    assert orders.filter(parts != pl.col("total_amount")).is_empty()


def test_refunds_sum_to_what_the_newest_version_of_an_order_says(facts: Facts) -> None:
    refunded = facts.latest("orders").filter(pl.col("refunded_amount") > 0)
    assert _sum(facts.refunds, "order_id", pl.col("amount")) == _sum(
        refunded, "order_id", pl.col("refunded_amount")
    )
    assert refunded.filter(pl.col("refunded_amount") > pl.col("total_amount")).is_empty()


def test_every_order_is_paid_once(facts: Facts) -> None:
    paid = facts.latest("charges").filter(pl.col("status") == "succeeded")
    orders = facts.latest("orders")
    assert _sum(paid, "order_id", pl.col("amount")) == _sum(
        orders, "order_id", pl.col("total_amount")
    )
    assert _sum(facts.charge_refunds, "charge_id", pl.col("amount")) == _sum(
        paid.filter(pl.col("refunded_amount") > 0), "charge_id", pl.col("refunded_amount")
    )


def test_figures_of_ads_are_restated_and_never_shrink(facts: Facts) -> None:
    versions = facts.ad_days.sort("updated_at").group_by("performance_date", "ad_id")
    change = versions.agg(
        pl.len(), (pl.last("conversions") - pl.first("conversions")).alias("more")
    )
    assert change["len"].unique().to_list() == [2]
    assert change["more"].min() >= 0
    assert change["more"].max() > 0


def test_only_those_who_agreed_get_messages(facts: Facts) -> None:
    last = facts.accounts.unique("account_id", keep="last", maintain_order=True)
    sent = facts.messages.join(last, on="account_id", how="left")
    mail, text = pl.col("channel") == "email", pl.col("channel") == "sms"
    assert sent.filter(mail)["has_email_consent"].all()
    assert sent.filter(text)["has_sms_consent"].all()
    assert facts.messages.filter(
        pl.col("clicked_at").is_not_null() & pl.col("bounced_at").is_not_null()
    ).is_empty()


def test_addresses_differ_between_the_shop_and_the_crm(facts: Facts) -> None:
    both = facts.latest("crm_contacts").join(facts.latest("accounts"), on="person", suffix="_shop")
    same = both.filter(pl.col("email") == pl.col("email_shop")).height
    assert 0 < same < both.height
    assert facts.latest("orders")["account_id"].null_count() > 0


def test_messages_are_taken_as_each_person_takes_them(facts: Facts) -> None:
    sent = facts.messages.filter(pl.col("delivered_at").is_not_null(), pl.col("channel") == "email")
    seen = sent.join(facts.responses, on="person")
    often = pl.col("email_open_probability") > 0.6
    seldom = pl.col("email_open_probability") < 0.2
    shares = [
        seen.filter(who).select(pl.col("opened_at").is_not_null().mean()).item()
        for who in (often, seldom)
    ]
    assert shares[0] > 0.6
    assert shares[1] < 0.2
    evening = seen.filter(pl.col("preferred_hour").is_between(19, 21))["opened_at"].drop_nulls()
    assert evening.dt.hour().is_between(18, 21).mean() > 0.4
    moved = facts.responses.select(pl.col("email_uplift_14d").gt(0).mean()).item()
    assert 0.8 < moved < 1, "most are moved to buy, some are put off"
