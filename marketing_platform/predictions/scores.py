"""The score tables: a probability for each buyer, its percentile and its band."""

from __future__ import annotations

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.predictions import BANDS
from marketing_platform.errors import InputError
from marketing_platform.predictions import store
from marketing_platform.predictions.matrix import Vector
from marketing_platform.predictions.parts import from_parts
from marketing_platform.predictions.reasons import NAMES, reasons
from marketing_platform.predictions.rows import buyers_to_score
from marketing_platform.predictions.tasks import SCORE_TABLES, Task
from marketing_platform.predictions.training import probabilities
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Built, Warehouse

# Buyers whose reasons are put into words at once.
_CHUNK = 50_000


def build_scores(task: Task, warehouse: Warehouse, settings: Settings) -> Built:
    """Build the score table of `task`; without a promoted model too, marked `is_promoted` false.

    Raises `InputError` where the model's row or file is missing.
    """
    found = warehouse.query(
        "select model_version, is_promoted from predictions.models where task = $task"
        " and standing = 'champion'",
        {"task": task},
    )
    if found.is_empty():
        raise InputError(
            f"has no row for {task}", where="predictions.models", mend="Build that table first"
        )
    version, is_promoted = found.row(0)
    drifted = warehouse.query(
        "select count(*) from predictions.watch as w"
        " inner join core.clock as k on w.as_of_date = k.as_of_date"
        " where w.task = $task and not w.is_sound",
        {"task": task},
    ).item()
    is_promoted = is_promoted and not drifted
    buyers = buyers_to_score(warehouse, task)
    scorer = from_parts(store.load(settings.models_dir, version))
    frame = scored(buyers, probabilities(scorer, buyers)).with_columns(
        pl.lit(version).alias("model_version"), pl.lit(is_promoted).alias("is_promoted")
    )
    why = [reasons(scorer, chunk) for chunk in buyers.iter_slices(_CHUNK)]
    told = pl.concat(why) if why else pl.DataFrame(schema=dict.fromkeys(NAMES, pl.String))
    frame = pl.concat([frame, told], how="horizontal")
    name = SCORE_TABLES[task]
    return warehouse.replace(name, frame.select(list(CONTRACTS[name].columns)))


def scored(buyers: pl.DataFrame, scores: Vector) -> pl.DataFrame:
    """customer_id, as_of_date, score, percentile and band of each buyer.

    A band is a fifth of the buyers. Equal scores share the band of their middle, so that a score
    that tells nobody apart puts everybody in the middle and nobody on top.
    """
    score, count = pl.col("score"), max(buyers.height, 1)
    middle = (score.rank("average") - 0.5) / count * len(BANDS)
    return (
        buyers.select("customer_id", "as_of_date")
        .with_columns(pl.Series("score", scores, dtype=pl.Float64))
        .with_columns(
            (score.rank("max") / count).alias("percentile"),
            middle.floor().cast(pl.Int64).alias("band"),
        )
        .with_columns(
            pl.col("band").replace_strict(
                list(range(len(BANDS))), list(BANDS), return_dtype=pl.String
            )
        )
    )
