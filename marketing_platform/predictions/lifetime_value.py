"""`predictions.lifetime_value` and `predictions.next_order`: what each buyer spends, and when."""

from __future__ import annotations

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.core.clock import as_of_date
from marketing_platform.predictions import next_order, store
from marketing_platform.predictions.parts import value_from_parts
from marketing_platform.predictions.reasons import value_reasons
from marketing_platform.predictions.scores import scored
from marketing_platform.predictions.value_training import HORIZONS, buyers_of
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, Warehouse

LIFETIME_VALUE = "predictions.lifetime_value"
NEXT_ORDER = "predictions.next_order"
_CHUNK = 200_000


def build_lifetime_value(warehouse: Warehouse, settings: Settings) -> Built:
    """Write what each buyer is expected to order and spend in 90 and in 365 days."""
    day = as_of_date(warehouse)
    buyers = buyers_of(warehouse, day)
    empty = CONTRACTS[LIFETIME_VALUE].empty()
    found = warehouse.query(
        "select model_version, is_promoted from predictions.models"
        " where task = 'value' and standing = 'champion'"
    )
    if buyers.is_empty() or found.is_empty():
        return warehouse.replace(LIFETIME_VALUE, empty)
    version, is_promoted = found.row(0)
    model = value_from_parts(store.load(settings.models_dir, version))
    parts = []
    for chunk in buyers.iter_slices(_CHUNK):
        columns = [chunk.select("customer_id", "as_of_date", *_historic())]
        for days in HORIZONS:
            forecast = model.forecast(chunk, days)
            columns.append(
                forecast.select(
                    pl.col("orders").alias(f"expected_orders_{days}d"),
                    *(_money(name, days) for name in ("amount", "low_amount", "high_amount")),
                )
            )
        columns.append(value_reasons(model.learned, chunk))
        parts.append(pl.concat(columns, how="horizontal"))
    frame = pl.concat(parts)
    ranks = scored(frame, frame[f"expected_{HORIZONS[-1]}d_amount"].cast(pl.Float64).to_numpy())
    frame = frame.with_columns(
        ranks["percentile"],
        ranks["band"],
        pl.lit(version).alias("model_version"),
        pl.lit(is_promoted).alias("is_promoted"),
    )
    return warehouse.replace(LIFETIME_VALUE, frame.select(empty.columns))


def build_next_order(warehouse: Warehouse, settings: Settings) -> Built:
    """Write when each buyer is expected to order next, by their own rhythm and the shop's."""
    day = as_of_date(warehouse)
    buyers = buyers_of(warehouse, day)
    gaps = warehouse.query(next_order.GAPS)
    frame = next_order.expected_dates(buyers, gaps)
    return warehouse.replace(NEXT_ORDER, frame.select(CONTRACTS[NEXT_ORDER].empty().columns))


def _historic() -> list[pl.Expr]:
    return [
        pl.col("order_days_count").alias("historic_order_days_count"),
        pl.col("gross_amount_sum").round(2).cast(pl.Decimal(18, 2)).alias("historic_amount"),
    ]


def _money(name: str, days: int) -> pl.Expr:
    prefix = {"amount": "expected", "low_amount": "low", "high_amount": "high"}[name]
    finite = pl.when(pl.col(name).is_finite()).then(pl.col(name)).otherwise(0.0)
    return finite.round(2).cast(pl.Decimal(18, 2)).alias(f"{prefix}_{days}d_amount")
