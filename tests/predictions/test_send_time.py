"""When a customer takes messages: the hour and the weekday of what they did, and of the shop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl
from predictions_shop import day, warehouse_with

from marketing_platform.contracts import CONTRACTS
from marketing_platform.warehouse import sql_tables

NAME = "predictions.send_time"
# Whose, on which day, at which hour.
# A day has one visit of each.
Visit = tuple[str, int, int]


def times_of(visits: Iterable[Visit]) -> dict[str, dict[str, object]]:
    visits = list(visits)
    people = sorted({who for who, *_ in visits})
    warehouse = warehouse_with([], clock=day(99), contacts=[(who, who) for who in people])
    came = [f"{end}_{by}" for end in ("first", "last") for by in ("source", "medium", "campaign")]
    rows = [
        {
            **dict.fromkeys(came, ""),
            "identifier": who,
            "activity_date": day(number),
            "visit_count": 1,
            "dwell_seconds": 0,
            "first_at": dt.datetime.combine(day(number), dt.time(hour)),
            "last_at": dt.datetime.combine(day(number), dt.time(hour, 30)),
        }
        for who, number, hour in visits
    ]
    schema = CONTRACTS["profiles.daily_visits"].empty().schema
    warehouse.replace("profiles.daily_visits", pl.DataFrame(rows, schema=schema))
    warehouse.build(NAME, sql_tables()[NAME].sql)
    return {row["customer_id"]: row for row in warehouse.read(NAME).to_dicts()}


def test_between_two_hours_of_ones_own_that_of_the_shop_is_taken_however_late_it_is() -> None:
    shop = [(f"c{number}", 90, 20 if number < 51 else 9) for number in range(100)]
    ann = [("ann", 80 + number, hour) for number, hour in enumerate([9, 20] * 3)]
    assert times_of([*shop, *ann])["ann"]["hour_utc"] == 20


def test_between_two_weekdays_of_ones_own_that_of_the_shop_is_taken_however_late_it_is() -> None:
    monday, sunday = 91, 90
    assert day(sunday).weekday() == 6
    shop = [(f"c{number:04}", monday if number < 501 else sunday, 9) for number in range(1001)]
    ann = [("ann", monday, 9), ("ann", sunday, 9)]
    assert times_of([*shop, *ann])["ann"]["weekday"] == "monday"


def test_of_two_hours_that_are_alike_in_all_the_earlier_one_is_taken() -> None:
    ann = [("ann", 80 + number, hour) for number, hour in enumerate([20, 9] * 3)]
    assert times_of(ann)["ann"]["hour_utc"] == 9
