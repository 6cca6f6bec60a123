"""Small shops to predict: orders made up by a fixed seed, in a scratch warehouse."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions.matrix import COLUMNS, Matrix
from marketing_platform.predictions.tables import TABLES
from marketing_platform.settings import Platform, Predictions, Settings
from marketing_platform.warehouse import Warehouse, sql_tables
from marketing_platform.warehouse.tables import in_build_order

FIRST = dt.date(2024, 1, 1)
# What predictions read besides; of no interest here.
_EMPTY = (
    *("core.order_items", "core.orders", "core.products", "core.engagements", "core.deals"),
    *("identity.customers", "profiles.daily_visits"),
)
Order = tuple[str, dt.date, float]
Activity = tuple[str, dt.date, str, int]


def settings_in(folder: Path, **predictions: int) -> Settings:
    return Settings(
        config_dir=folder,
        data_dir=folder,
        state_url=SecretStr("sqlite://"),
        platform=Platform(predictions=Predictions(**{"training_origins": 4, **predictions})),
    )


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def some_features(rows: int) -> Matrix:
    """Features of nobody in particular, as a model sees them; who bought is known that long."""
    features = np.random.default_rng(rows).gamma(2, size=(rows, len(COLUMNS)))
    tenure, recency = COLUMNS.index("tenure_days"), COLUMNS.index("recency_days")
    features[:, tenure] += features[:, recency]
    features[:, COLUMNS.index("order_days_count")] += np.log(2)
    return features


def order_frame(orders: Iterable[Order]) -> pl.DataFrame:
    rows = [
        {
            "order_id": f"shop:{number}",
            "customer_id": customer,
            "ordered_at": dt.datetime.combine(date, dt.time(12)),
            "order_date": date,
            "gross_amount": f"{amount:.2f}",
            "spent_amount": f"{amount:.2f}",
            "refund_amount": "0",
            "net_amount": f"{amount:.2f}",
            "discount_share": 0.0,
            "is_discounted": False,
            "quantity": 1,
        }
        for number, (customer, date, amount) in enumerate(orders)
    ]
    empty = CONTRACTS["profiles.orders"].empty()
    if not rows:
        return empty
    return pl.DataFrame(rows).select(
        pl.col(name).cast(dtype) for name, dtype in empty.schema.items()
    )


def activity_frame(activity: Iterable[Activity]) -> pl.DataFrame:
    rows = [
        {
            "identifier": identifier,
            "activity_date": date,
            "event": event,
            "event_count": count,
            "first_at": dt.datetime.combine(date, dt.time(9)),
            "last_at": dt.datetime.combine(date, dt.time(10)),
        }
        for identifier, date, event, count in activity
    ]
    return pl.DataFrame(rows, schema=CONTRACTS["profiles.daily_activity"].empty().schema)


def warehouse_with(
    orders: Iterable[Order],
    *,
    clock: dt.date,
    activity: Iterable[Activity] = (),
    contacts: Iterable[tuple[str, str]] = (),
    devices: Iterable[tuple[str, str, dt.date, dt.date | None]] = (),
) -> Warehouse:
    """A scratch warehouse with all tables that predictions read.

    `devices` are devices, whose they were first, and the days of first being known and shared.
    """
    warehouse = Warehouse(":memory:")
    for name in _EMPTY:
        warehouse.ensure(name)
    warehouse.replace("profiles.orders", order_frame(orders))
    warehouse.replace("profiles.daily_activity", activity_frame(activity))
    schema = CONTRACTS["identity.contact_customers"].empty().schema
    warehouse.replace(
        "identity.contact_customers", pl.DataFrame(list(contacts), schema=schema, orient="row")
    )
    known = CONTRACTS["profiles.visitors"].empty().schema
    noon = dt.time(12)
    rows: list[tuple[object, ...]] = [
        (a, b, dt.datetime.combine(day, noon), day, end) for a, b, day, end in devices
    ]
    rows += [(contact, customer, None, None, None) for contact, customer in contacts]
    warehouse.replace("profiles.visitors", pl.DataFrame(rows, schema=known, orient="row"))
    warehouse.build("profiles.active_days", sql_tables()["profiles.active_days"].sql)
    moment = dt.datetime.combine(clock, dt.time.max)
    warehouse.replace(
        "core.clock",
        pl.DataFrame(
            {"as_of": [moment], "as_of_date": [clock]},
            schema={"as_of": pl.Datetime("us"), "as_of_date": pl.Date},
        ),
    )
    return warehouse


def build_predictions(
    warehouse: Warehouse, settings: Settings, *, until: str | None = None
) -> None:
    """Build every table of the layer, in order, or those up to one of them."""
    ours = {name: table for name, table in sql_tables().items() if name.startswith("predictions.")}
    every = in_build_order({**ours, **{str(table.name): table for table in TABLES}})
    if until:
        every = in_build_order({name: every[name] for name in _needed(every, until)})
    for name, table in every.items():
        if name in ours:
            warehouse.build(name, ours[name].sql)
        else:
            table.build(warehouse, settings)  # type: ignore[union-attr]
        if name == until:
            return


def _needed(tables: Mapping[str, Any], name: str) -> list[str]:
    reads = [read for read in tables[name].reads if read in tables]
    return [*(one for read in reads for one in _needed(tables, read)), name]


def lively_shop(customers: int = 400, days: int = 300, seed: int = 7) -> list[Order]:
    """Buyers with rates and lifetimes of their own, so that history tells who buys next."""
    draw = np.random.default_rng(seed)
    orders: list[Order] = []
    for number in range(customers):
        rate = draw.gamma(0.6, 1 / 20)
        now, leaves = float(draw.integers(0, days // 3)), draw.exponential(250)
        start = now
        while now < days and now - start <= leaves:
            orders.append((f"c{number:04}", day(int(now)), float(draw.gamma(2, 20)) + 1))
            now += 1 + draw.exponential(1 / max(rate, 1e-4))
    return orders
