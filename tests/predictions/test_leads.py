"""The lead score: who has not bought yet and is likeliest to."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from predictions_shop import (
    Activity,
    Order,
    build_predictions,
    day,
    lively_shop,
    settings_in,
    warehouse_with,
)

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import end_of_day
from marketing_platform.predictions import leads
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse

CLOCK = 299


def shop_with_leads(until: int = CLOCK) -> Warehouse:
    """Buyers, and leads of whom those who browse more are likelier to buy, up to a day."""
    draw = np.random.default_rng(9)
    orders: list[Order] = lively_shop(100)
    activity: list[Activity] = []
    contacts, people = [], []
    for number in range(1500):
        who, joined = f"lead{number:04}", int(draw.integers(0, 250))
        interest = draw.gamma(0.7, 1.0)
        contacts.append((f"s:{who}", who))
        people.append((who, dt.datetime.combine(day(joined), dt.time(8))))
        now = joined
        while now <= CLOCK:
            activity.append((f"s:{who}", day(now), "product_viewed", int(draw.integers(1, 4))))
            if draw.random() < 0.08 * interest:
                activity.append((f"s:{who}", day(now), "product_added", 1))
                if draw.random() < 0.5:
                    orders.append((who, day(now), 30.0))
                    break
            now += 1 + int(draw.exponential(30 / (0.2 + interest)))
    orders = [order for order in orders if order[1] <= day(until)]
    activity = [done for done in activity if done[1] <= day(until)]
    warehouse = warehouse_with(orders, clock=day(until), activity=activity, contacts=contacts)
    frame = pl.DataFrame(people, schema=["customer_id", "created_at"], orient="row")
    frame = frame.with_columns(contact_count=pl.lit(1), source_count=pl.lit(1))
    empty = CONTRACTS["identity.customers"].empty()
    cast = {name: empty.schema[name] for name in frame.columns}
    warehouse.replace("identity.customers", pl.concat([empty, frame.cast(cast)], how="diagonal"))
    return warehouse


def test_leads_who_browse_more_score_higher_and_buyers_have_no_lead_score(
    settings: Settings,
) -> None:
    warehouse = shop_with_leads()
    build_predictions(warehouse, settings)
    (row,) = warehouse.query("select * from predictions.models where task = 'lead'").to_dicts()
    assert (row["method"], row["is_promoted"]) == ("model", True), row["reason"]
    scores = warehouse.read("predictions.lead_score")
    assert scores["model_version"].unique().to_list() == [row["model_version"]]
    buyers = set(warehouse.read("profiles.orders")["customer_id"])
    assert not buyers & set(scores["customer_id"])
    features = warehouse.query(
        "select * from predictions.lead_features where as_of_date = $day", {"day": day(CLOCK)}
    )
    both = scores.join(features, on="customer_id")
    assert both.height == scores.height > 300
    busy = both.filter(pl.col("active_30d_days") >= 3)["score"].mean()
    idle = both.filter(pl.col("active_30d_days") == 0)["score"].mean()
    assert busy > 2 * idle  # type: ignore[operator]
    assert scores["reason_1"].str.contains("cart|site|known|message").all()
    best = scores.sort("score").tail(20)
    assert best["reason_1"].str.ends_with("(raises it)").mean() > 0.9  # type: ignore[operator]


@pytest.fixture(scope="module")
def months() -> tuple[Warehouse, Warehouse]:
    """The shop with leads on a day, and a month later; look, but do not touch."""
    return shop_with_leads(CLOCK - 30), shop_with_leads(CLOCK)


def a_month_later(
    months: tuple[Warehouse, Warehouse], settings: Settings, later: Settings
) -> tuple[str, dict[str, dict[str, object]], str]:
    """The first model of leads; the rows of all after a month; which one scores then."""
    warehouse = Warehouse(settings.data_dir / "warehouse.duckdb")
    first = ""
    for made, told in zip(months, (settings, later), strict=True):
        for name, count in made.row_counts().items():
            if count or not (name.startswith("predictions.") or first):
                warehouse.replace(name, made.read(name))
        build_predictions(warehouse, told)
        rows = warehouse.query("select * from predictions.models where task = 'lead'").to_dicts()
        first = first or rows[0]["model_version"]
    scored = warehouse.read("predictions.lead_score")["model_version"].unique().item()
    return first, {row["model_version"]: row for row in rows}, scored


def test_a_model_of_leads_is_rolled_back_by_pinning_it(
    months: tuple[Warehouse, Warehouse], settings: Settings, tmp_path: Path
) -> None:
    first, rows, scored = a_month_later(months, settings, settings)
    [second] = set(rows) - {first}
    assert (rows[first]["standing"], rows[second]["standing"]) == ("former", "champion")
    assert scored == second
    pinned = settings_in(tmp_path / "pinned")
    pinned.platform.predictions.pinned["lead"] = first
    again, rows, scored = a_month_later(months, settings_in(tmp_path / "pinned"), pinned)
    assert (again, scored) == (first, first)
    assert rows[first]["standing"] == "champion"


def test_a_worse_model_of_leads_is_kept_and_not_used(
    months: tuple[Warehouse, Warehouse], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = leads.train
    days: list[int] = []

    def careless(known: pl.DataFrame, rules: Predictions) -> leads.LeadModel:
        days.append(known["as_of_date"].n_unique())
        trained = real(known, rules)
        if len(days) > 2 and trained.linear is not None:
            trained.linear[-1].intercept_ += 1.5
        return trained

    monkeypatch.setattr(leads, "train", careless)
    first, rows, scored = a_month_later(months, settings, settings)
    [second] = set(rows) - {first}
    assert scored == first
    assert rows[second]["standing"] == "challenger"
    assert "reigning model beyond noise: ROC AUC" in str(rows[second]["reason"])


def test_a_shop_with_few_leads_gets_a_rule_and_is_told(settings: Settings) -> None:
    warehouse = warehouse_with(
        [("ann", day(1), 5)], clock=day(99), contacts=[("s:zoe", "zoe")],
        activity=[("s:zoe", day(98), "product_viewed", 1)],
    )  # fmt: skip
    frame = pl.DataFrame({"customer_id": ["zoe"], "contact_count": [1], "source_count": [1]})
    empty = CONTRACTS["identity.customers"].empty()
    warehouse.replace("identity.customers", pl.concat([empty, frame], how="diagonal"))
    build_predictions(warehouse, settings)
    (row,) = warehouse.query("select * from predictions.models where task = 'lead'").to_dicts()
    assert (row["method"], row["is_promoted"]) == ("rule", False)
    (score,) = warehouse.read("predictions.lead_score").to_dicts()
    assert score["customer_id"] == "zoe"
    assert score["reason_1"] == "on the site 1 day ago, on 1 day of the last 30"


def test_what_leads_do_later_changes_no_earlier_row(settings: Settings) -> None:
    early, late = shop_with_leads(239), shop_with_leads(299)
    rows = []
    for warehouse, clock in ((early, 239), (late, 299)):
        build_predictions(warehouse, settings_in(settings.data_dir / str(clock)))
        rows.append(
            warehouse.query(
                "select * exclude (is_positive) from predictions.lead_features"
                " where as_of_date = $day order by customer_id",
                {"day": day(209)},
            )
        )
    assert rows[0].height > 100
    assert rows[0].equals(rows[1])


@pytest.mark.parametrize("timezone", ["Australia/Sydney", "Europe/Berlin", "America/New_York"])
def test_who_became_known_by_an_order_was_never_a_lead(tmp_path: Path, timezone: str) -> None:
    """Nor who signed up on the way to the till; those of the day before were, for a day."""
    zone = ZoneInfo(timezone)
    last = day(CLOCK)
    orders, people = [], []
    for hour in range(24):
        ordered = dt.datetime.combine(last - dt.timedelta(days=29), dt.time(hour, 30), tzinfo=zone)
        orders.append((f"buyer{hour}", ordered.date(), 20.0))
        for name, before in (("buyer", 0), ("signed", 60), ("lead", 86_400)):
            if name != "buyer":
                orders.append((f"{name}{hour}", ordered.date(), 20.0))
            known = (ordered - dt.timedelta(seconds=before)).astimezone(dt.UTC)
            people.append((f"{name}{hour}", known.replace(tzinfo=None)))
    warehouse = warehouse_with([("first", day(0), 5.0), *orders], clock=last)
    empty = CONTRACTS["identity.customers"].empty()
    frame = pl.DataFrame(people, schema=["customer_id", "created_at"], orient="row")
    frame = frame.with_columns(contact_count=pl.lit(1), source_count=pl.lit(1))
    cast = {name: empty.schema[name] for name in frame.columns}
    warehouse.replace("identity.customers", pl.concat([empty, frame.cast(cast)], how="diagonal"))
    settings = settings_in(tmp_path)
    shop = settings.platform.shop.model_copy(update={"timezone": timezone})
    platform = settings.platform.model_copy(update={"shop": shop})
    told = settings.model_copy(update={"platform": platform})
    clock = pl.DataFrame({"as_of": [end_of_day(last, timezone)], "as_of_date": [last]})
    warehouse.replace("core.clock", clock)
    build_predictions(warehouse, told, until="predictions.lead_features")
    found = warehouse.query(
        "select distinct customer_id, known_days from predictions.lead_features"
    )
    assert sorted(found.rows()) == sorted((f"lead{hour}", 0) for hour in range(24))


def test_who_is_known_since_nobody_knows_when_is_no_lead_of_today(settings: Settings) -> None:
    """An address of an old list without dates would pass for one that signed up this morning."""
    warehouse = shop_with_leads()
    listed = pl.DataFrame(
        {"customer_id": ["silent", "reader"], "contact_count": [1, 1], "source_count": [1, 1]}
    )
    people = warehouse.read("identity.customers")
    warehouse.replace("identity.customers", pl.concat([people, listed], how="diagonal_relaxed"))
    contacts = warehouse.read("identity.contact_customers")
    more = pl.DataFrame({"contact_id": ["s:reader"], "customer_id": ["reader"]})
    warehouse.replace("identity.contact_customers", pl.concat([contacts, more]))
    message = {
        "engagement_id": "s:1", "source": "s", "contact_id": "s:reader", "channel": "email",
        "engagement": "sent", "occurred_at": dt.datetime.combine(day(199), dt.time(9)),
        "engagement_date": day(199),
    }  # fmt: skip
    schema = CONTRACTS["core.engagements"].empty().schema
    warehouse.replace("core.engagements", pl.DataFrame([message], schema=schema))
    build_predictions(warehouse, settings, until="predictions.lead_score")
    scores = warehouse.read("predictions.lead_score")["customer_id"].to_list()
    assert "silent" not in scores
    assert "reader" in scores
    found = warehouse.query(
        "select known_days from predictions.lead_features"
        " where customer_id = 'reader' order by as_of_date"
    )
    assert found["known_days"].to_list() == [10, 40, 70, 100]
