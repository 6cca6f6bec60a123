"""What is true of the demo shop and no export says: who is who, and who will buy."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from marketing_platform.demo.buying import Buyers, Spells, buys_within, purchase_probability
from marketing_platform.demo.contacts import BY_PHONE, Records
from marketing_platform.demo.events import ADDED, COMPLETED
from marketing_platform.demo.orders import Orders
from marketing_platform.demo.people import People
from marketing_platform.demo.sessions import Sessions
from marketing_platform.demo.window import DAY_SECONDS, Window

_FREQUENT_DAYS = 30
_NEW_DAYS = 30
_CART_DAYS = 3


def truth_rows(
    window: Window,
    buyers: Buyers,
    spells: Spells,
    people: People,
    records: Records,
    orders: Orders,
) -> pl.DataFrame:
    """One row is a person. Probabilities are of a purchase in the days after `end`."""
    size = len(buyers)
    frame = pl.DataFrame(
        {
            "person_id": pl.Series(np.arange(1, size + 1)).cast(pl.String).str.zfill(6),
            "account_id": records.account_id,
            "crm_id": records.crm_id,
            "email": people.rows["email"],
            "alternative_email": people.rows["alternative_email"],
            "phone": people.rows["phone"].str.replace_all(" ", ""),
            "is_customer": ~buyers.is_lead,
            "purchase_rate_per_day": buyers.rate,
            "dropout_rate_per_day": buyers.dropout_rate,
            "first_purchase_date": window.dates(buyers.first_day),
            "dropout_date": window.dates(np.minimum(buyers.dropout_day, window.days)),
            "is_alive": buyers.dropout_day > window.last,
            "order_count": np.bincount(orders.person, minlength=size),
            "purchase_probability_14d": purchase_probability(window, buyers, spells, 14),
            "purchase_probability_30d": purchase_probability(window, buyers, spells, 30),
            "bought_in_next_14d": buys_within(window, buyers, spells, 14),
            "bought_in_next_30d": buys_within(window, buyers, spells, 30),
        }
    )
    ids = pl.concat_list("account_id", "crm_id").list.drop_nulls()
    return frame.with_columns(
        ("person-" + pl.col("person_id")).alias("person_id"),
        pl.when("is_customer").then("first_purchase_date").alias("first_purchase_date"),
        pl.when(~pl.col("is_alive")).then("dropout_date").alias("dropout_date"),
        ids.alias("contact_ids"),
        _archetype().alias("archetype"),
    )


def _archetype() -> pl.Expr:
    """A word for how somebody buys, by what is true of them rather than by what was seen."""
    return (
        pl.when(~pl.col("is_customer"))
        .then(pl.lit("lead"))
        .when(~pl.col("is_alive") & (pl.col("order_count") == 1))
        .then(pl.lit("one_time"))
        .when(~pl.col("is_alive"))
        .then(pl.lit("lapsed"))
        .when(pl.col("purchase_rate_per_day") >= 1 / _FREQUENT_DAYS)
        .then(pl.lit("frequent"))
        .otherwise(pl.lit("occasional"))
    )


def people_counts(
    window: Window, truth: pl.DataFrame, records: Records, events: pl.DataFrame, sessions: Sessions
) -> dict[str, Any]:
    """How many people there are of each kind at the end of `end`."""
    new_from = window.end - dt.timedelta(days=_NEW_DAYS - 1)
    strangers = np.unique(sessions.device[sessions.person < 0])
    return {
        "customers": int(truth["is_customer"].sum()),
        "leads": int((~truth["is_customer"]).sum()),
        "strangers": len(strangers),
        "with_shop_account": int(records.account_id.is_not_null().sum()),
        "with_crm_record": int(records.crm_id.is_not_null().sum()),
        "with_both_records": int(records.has_both.sum()),
        "joined_by_phone_only": int((records.has_both & (records.link == BY_PHONE)).sum()),
        "new_in_last_30_days": int((truth["first_purchase_date"] >= new_from).sum()),
        "bought_once": int((truth["order_count"] == 1).sum()),
        "dropped_out": int((truth["is_customer"] & ~truth["is_alive"]).sum()),
        "with_open_cart_of_last_3_days": _open_carts(window, events, sessions),
        "archetypes": dict(truth["archetype"].value_counts().sort("archetype").iter_rows()),
    }


def _open_carts(window: Window, events: pl.DataFrame, sessions: Sessions) -> int:
    """Known people who put something into a cart in the last days and have not ordered since."""
    since = (window.days - _CART_DAYS) * DAY_SECONDS
    person = pl.Series("person", sessions.person[events["session"].to_numpy()])
    last = (
        events.with_columns(person)
        .filter(pl.col("person") >= 0)
        .group_by("person")
        .agg(
            pl.col("at").filter(pl.col("event") == ADDED).max().alias("added"),
            pl.col("at").filter(pl.col("event") == COMPLETED).max().fill_null(-1).alias("ordered"),
        )
    )
    return last.filter((pl.col("added") >= since) & (pl.col("added") > pl.col("ordered"))).height
