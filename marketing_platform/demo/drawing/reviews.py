"""What buyers say of what they bought."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.drawing.shared import keep_until
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS

_SHARE = 0.03
_STARS = (0.05, 0.06, 0.11, 0.26, 0.52)
_FIRST_REVIEW = 60_001


def draw_reviews(
    rng: np.random.Generator, world: World, trade: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Reviews of delivered lines, days after they came: as written, and as let through."""
    orders = trade["orders"].filter(
        pl.col("fulfilled_at").is_not_null(), pl.col("email").is_not_null()
    )
    bought = orders.unique("order_id", keep="first", maintain_order=True).join(
        trade["order_lines"].select("order_id", "line_id", "product_id"), on="order_id"
    )
    chosen = bought.sort("line_id").filter(pl.Series(rng.random(bought.height) < _SHARE))
    size = chosen.height
    after, waiting = (
        pl.lit(pl.Series(rng.integers(first, last, size)))
        for first, last in ((3 * DAY_SECONDS, 25 * DAY_SECONDS), (3_600, 3 * DAY_SECONDS))
    )
    reviewed_at = pl.col("fulfilled_at") + pl.duration(seconds=after)
    first = chosen.select(
        pl.Series("review_id", np.arange(size) + _FIRST_REVIEW),
        "order_id",
        "product_id",
        "person",
        "email",
        pl.format("{} {}.", "first_name", pl.col("last_name").str.head(1)).alias("author"),
        pl.Series("rating", rng.choice(np.arange(1, 6), size, p=_STARS)),
        pl.lit(True).alias("is_verified"),
        pl.lit("pending").alias("status"),
        reviewed_at.alias("reviewed_at"),
        reviewed_at.alias("updated_at"),
    )
    published = first.with_columns(
        pl.col("updated_at") + pl.duration(seconds=waiting), status=pl.lit("published")
    )
    return keep_until(world.window, pl.concat([first, published]))
