"""Why a score is what it is: its three strongest reasons, in words.

The regression adds up what each column says of a buyer against the mean of training; columns of one
kind are summed. The trees are not asked: they agree with the regression on what matters, and their
reasons would not be sums. A rule has two reasons, and they are always the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from marketing_platform.predictions.matrix import COLUMNS, Matrix, matrix
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.rule import Rule

if TYPE_CHECKING:
    from marketing_platform.predictions.value import Learned

NAMES: Final = ("reason_1", "reason_2", "reason_3")
_KINDS: Final = {
    "recency": ("recency_days", "recency_against_gap", "orders_missed"),
    "frequency": (
        *("order_days_count", "order_rate", "has_one_order_day"),
        *("order_days_180d_count", "order_days_fading_60d"),
    ),
    "lately": (
        *("order_days_30d_count", "order_days_90d_count", "order_days_fading_15d"),
        "gross_amount_90d_sum",
    ),
    "spending": ("gross_amount_sum", "gross_amount_mean", "gross_amount_last"),
    "rhythm": ("gap_mean_days", "gap_std_days", "gap_last_days"),
    "tenure": ("tenure_days",),
    "browsing": (
        *("last_seen_days", "active_7d_days", "active_30d_days", "seen_fading_7d"),
        *("product_viewed_7d_count", "product_viewed_30d_count"),
    ),
    "cart": ("product_added_7d_count", "product_added_30d_count"),
    "messages": (
        *("opened_30d_count", "opened_90d_count", "clicked_90d_count", "engaged_fading_30d"),
    ),
}
# A reason that moves the log-odds by less than this is none.
_LEAST = 0.02


def reasons(scorer: Model | Rule, features: pl.DataFrame) -> pl.DataFrame:
    """One row per row of `features`: reason_1 to reason_3, the strongest first; null: no more."""
    texts = features.select(**_texts())
    if isinstance(scorer, Rule):
        none = pl.lit(None, pl.String).alias(NAMES[2])
        return texts.select(
            pl.col("recency").alias(NAMES[0]), pl.col("frequency").alias(NAMES[1]), none
        )
    effects = effects_by_kind(scorer.linear, matrix(features), COLUMNS, _KINDS)
    return strongest(effects, texts.select(list(_KINDS)))


def value_reasons(learned: Learned | None, features: pl.DataFrame) -> pl.DataFrame:
    """Why a buyer is worth what they are: reason_1 to reason_3 of each row, as `reasons` has them.

    The logarithm of the value is a sum of what both regressions say. Where nothing was learned, the
    classic models know orders, spending and recency alone.
    """
    texts = features.select(**_texts())
    if learned is None:
        return texts.select(
            pl.col(kind).alias(name)
            for kind, name in zip(("frequency", "spending", "recency"), NAMES, strict=True)
        )
    seen = matrix(features)
    effects = sum(
        effects_by_kind(linear, seen, COLUMNS, _KINDS)
        for linear in (learned.orders_linear, learned.amount_linear)
    )
    return strongest(cast(Matrix, effects), texts.select(list(_KINDS)))


def strongest(effects: Matrix, texts: pl.DataFrame) -> pl.DataFrame:
    """The texts of the strongest effects: reason_1 to reason_3; null: no more.

    `effects` (rows, kinds) are shares of the log-odds, `texts` has a column per kind.
    """
    order = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, : len(NAMES)]
    listed = texts.select(pl.concat_list(texts.columns).alias("texts"))
    columns = []
    for place, name in enumerate(NAMES):
        kind = order[:, place]
        effect = np.take_along_axis(effects, kind[:, None], axis=1)[:, 0]
        way = pl.when(pl.Series(effect) > 0).then(pl.lit(" (raises it)"))
        text = pl.col("texts").list.get(pl.lit(pl.Series(kind)))
        told = pl.concat_str(text, way.otherwise(pl.lit(" (lowers it)")))
        columns.append(pl.when(pl.lit(pl.Series(np.abs(effect) >= _LEAST))).then(told).alias(name))
    return listed.select(columns)


def effects_by_kind(
    linear: Pipeline, features: Matrix, columns: Sequence[str], kinds: Mapping[str, Sequence[str]]
) -> Matrix:
    """What each kind of column adds to the log-odds of each row: (rows, kinds).

    `linear` is a scaler and a regression on `columns`; those that share a name but for `_bend` are
    of one kind.
    """
    scaler, regression = linear[0], linear[-1]
    weights = np.ravel(regression.coef_) / scaler.scale_
    shares = np.zeros((len(columns), len(kinds)))
    for place, names in enumerate(kinds.values()):
        for column, name in enumerate(columns):
            if name.removesuffix("_bend") in names:
                shares[column, place] = weights[column]
    found: Matrix = (features - scaler.mean_) @ shares
    return found


def _texts() -> dict[str, pl.Expr]:
    """Of each kind, what is so."""
    gap = pl.col("gap_mean_days").round(0).cast(pl.Int64)
    is_known = pl.col("gap_mean_days").is_not_null()
    bought = pl.concat_str(pl.lit("last purchase "), _days("recency_days"), pl.lit(" ago"))
    every = pl.concat_str(bought, pl.lit("; usually every "), gap.cast(pl.String))
    return {
        "recency": pl.when(is_known).then(every).otherwise(
            pl.concat_str(bought, pl.lit(", the only one"))
        ),
        "frequency": pl.concat_str(
            _days("order_days_count"), pl.lit(" with a purchase in "), _days("tenure_days")
        ),
        "lately": pl.format(
            "{} with a purchase in the last 30, {} in the last 90",
            _days("order_days_30d_count"), pl.col("order_days_90d_count"),
        ),
        "spending": pl.format(
            "spends {} on a purchase, {} in all",
            _amount("gross_amount_mean"), _amount("gross_amount_sum"),
        ),
        "rhythm": pl.when(is_known)
        .then(pl.format("last gap {}, usually {}", _days("gap_last_days"), gap))
        .otherwise(pl.lit("no rhythm yet")),
        "tenure": pl.format("customer for {}", _days("tenure_days")),
        "browsing": pl.when(pl.col("last_seen_days").is_not_null())
        .then(
            pl.format(
                "on the site {} ago, on {} of the last 30",
                _days("last_seen_days"), _days("active_30d_days"),
            )
        )
        .otherwise(pl.lit("not seen on the site")),
        "cart": pl.format(
            "put {} into the cart in 7 days, {} in 30",
            _pieces("product_added_7d_count"), pl.col("product_added_30d_count"),
        ),
        "messages": pl.format(
            "opened {} in 90 days, clicked {}",
            counted(pl.col("opened_90d_count"), "message"), pl.col("clicked_90d_count"),
        ),
    }  # fmt: skip


def _days(name: str) -> pl.Expr:
    return counted(pl.col(name), "day")


def _pieces(name: str) -> pl.Expr:
    return counted(pl.col(name), "product")


def counted(number: pl.Expr, thing: str) -> pl.Expr:
    """`1 day`, `2 days`."""
    plural = pl.when(number == 1).then(pl.lit(f" {thing}")).otherwise(pl.lit(f" {thing}s"))
    return pl.concat_str(number.cast(pl.String), plural)


def _amount(name: str) -> pl.Expr:
    return pl.col(name).round(0).cast(pl.Int64).cast(pl.String)
