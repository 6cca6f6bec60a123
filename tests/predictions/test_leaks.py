"""Features that know the future are caught."""

from __future__ import annotations

import pytest
from predictions_shop import build_predictions, day, lively_shop, warehouse_with

from marketing_platform.predictions.leaks import leaking_columns
from marketing_platform.quality.checks import features_know_no_future
from marketing_platform.settings import Settings
from marketing_platform.warehouse import sql_tables

FEATURES = "predictions.features"


def test_the_features_know_nothing_of_what_comes(settings: Settings) -> None:
    warehouse = warehouse_with(
        lively_shop(100), clock=day(299), contacts=[("s:c0001", "c0001")],
        activity=[("s:c0001", day(n), "product_viewed", 1) for n in range(0, 299, 3)],
    )  # fmt: skip
    build_predictions(warehouse, settings, until=FEATURES)
    assert leaking_columns(warehouse) == (day(285), [])
    assert features_know_no_future(warehouse).passed


@pytest.mark.parametrize(
    ("honest", "planted", "column"),
    [
        ("inner join gaps on gaps.order_date <= dates.as_of_date", "inner join gaps on true",
         "order_days_count"),
        ("active_days.known_date <= dates.as_of_date", "true", "product_viewed_30d_count"),
    ],
    ids=["orders of tomorrow", "visits of tomorrow"],
)  # fmt: skip
def test_a_planted_feature_that_knows_the_future_is_caught(
    honest: str, planted: str, column: str, settings: Settings
) -> None:
    sql = sql_tables()[FEATURES].sql
    assert honest in sql
    leaky = sql.replace(honest, planted)
    # Ages below zero would break the contract first; the leak must be seen by itself.
    leaky = leaky.replace("as_of_date) as age_days", "as_of_date).abs() as age_days")
    warehouse = warehouse_with(
        lively_shop(100), clock=day(299), contacts=[("s:c0001", "c0001")],
        activity=[("s:c0001", day(n), "product_viewed", 1) for n in range(0, 299, 3)],
    )  # fmt: skip
    build_predictions(warehouse, settings, until=FEATURES)
    warehouse.build(FEATURES, leaky)
    _, columns = leaking_columns(warehouse, leaky)
    assert column in columns


def test_a_shop_without_a_past_day_passes(settings: Settings) -> None:
    warehouse = warehouse_with([("ann", day(98), 5)], clock=day(99))
    build_predictions(warehouse, settings, until=FEATURES)
    assert features_know_no_future(warehouse).passed
