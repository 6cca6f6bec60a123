"""When a buyer orders next: how gaps compare with what was typical of the buyer before.

A buyer's typical gap is the mean of their own gaps and, as one more, the shop's mean gap. Every gap
that a buyer ended is compared with what was typical of them before it; these ratios, of the whole
shop, say how punctual its buyers are. Of a buyer who has been waited for since a part of their
typical gap, the ratios beyond that part say when they will come: their median is the expected day,
their quartiles the range. Beyond nearly all ratios nothing is expected.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.predictions.matrix import Vector
from marketing_platform.predictions.reasons import counted
from marketing_platform.predictions.rule import mean_gap

# Gaps with those before them; the last gap of who never came back is not known, and left out.
GAPS = """
    with days as (
        select distinct customer_id, order_date
        from profiles.orders
        where spent_amount > 0
    ),
    gaps as (
        select
            customer_id,
            order_date,
            date_diff(
                'day', lag(order_date) over (partition by customer_id order by order_date),
                order_date
            ) as gap_days
        from days
    )
    select
        gap_days,
        coalesce(
            sum(gap_days) over (
                partition by customer_id order by order_date
                rows between unbounded preceding and 1 preceding
            ), 0
        )::double as before_days,
        count(gap_days) over (
            partition by customer_id order by order_date
            rows between unbounded preceding and 1 preceding
        ) as before_count
    from gaps
    qualify gap_days is not null
"""
# Fewer ratios than this beyond a buyer's wait say nothing of when.
_FEWEST = 20


def expected_dates(buyers: pl.DataFrame, gaps: pl.DataFrame) -> pl.DataFrame:
    """One row per buyer: customer_id, as_of_date, typical_gap_days, three dates and reasons.

    expected_date, earliest_date and latest_date are null for who has been away longer than nearly
    all who came back. `buyers` are feature rows of one day, `gaps` what `GAPS` gives.
    """
    shop = mean_gap(buyers)
    typical = buyers["typical_gap_days"].to_numpy()
    before = gaps["before_count"].cast(pl.Float64).to_numpy()
    earlier = (gaps["before_days"].to_numpy() + shop) / (before + 1)
    ratios = np.sort(gaps["gap_days"].cast(pl.Float64).to_numpy() / np.maximum(earlier, 1))
    waited = buyers["recency_days"].cast(pl.Float64).to_numpy() / np.maximum(typical, 1)
    first = np.searchsorted(ratios, waited, side="right")
    beyond = len(ratios) - first
    found = buyers.select(
        "customer_id",
        "as_of_date",
        pl.Series("typical_gap_days", typical, dtype=pl.Float64),
        (pl.col("as_of_date") - pl.duration(days="recency_days")).alias("last"),
        *_facts(waited),
    )
    dates: list[pl.Expr] = []
    for name, quantile in (("expected_date", 0.5), ("earliest_date", 0.25), ("latest_date", 0.75)):
        place = np.minimum(first + (quantile * beyond).astype(np.int64), max(len(ratios) - 1, 0))
        ratio = ratios[place] if len(ratios) else np.zeros(len(first))
        days = np.maximum(np.ceil(ratio * typical), buyers["recency_days"].to_numpy() + 1)
        due = pl.Series(np.where(beyond >= _FEWEST, days, -1).astype(np.int64))
        ahead = pl.when(pl.lit(due) >= 0).then(pl.duration(days=pl.lit(due)))
        dates.append((pl.col("last") + ahead).cast(pl.Date).alias(name))
    return found.with_columns(dates).drop("last")


def _facts(waited: Vector) -> list[pl.Expr]:
    """reason_1 to reason_3: the rhythm, the last order, and how late the buyer is by now.

    `waited` are typical gaps since the last order.
    """
    gap = pl.col("typical_gap_days").round(0).cast(pl.Int64)
    is_known = pl.col("order_days_count") > 1
    usually = pl.format(
        "usually every {}, by {}",
        counted(gap, "day"),
        counted(pl.col("order_days_count"), "day") + pl.lit(" with a purchase"),
    )
    first = pl.format("one purchase so far; such buyers come again after {}", counted(gap, "day"))
    late = pl.Series(np.where(waited > 1, np.round(waited, 1), np.nan), nan_to_null=True)
    return [
        pl.when(is_known).then(usually).otherwise(first).alias("reason_1"),
        pl.format("last purchase {} ago", counted(pl.col("recency_days"), "day")).alias("reason_2"),
        pl.format("late: {} times that long", pl.lit(late)).alias("reason_3"),
    ]
