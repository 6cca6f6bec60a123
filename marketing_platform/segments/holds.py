"""Which segments are held: those that lean on a prediction that may not be used."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from marketing_platform.segments.conditions import PredictionTest, Segment, leaves, references
from marketing_platform.segments.load import in_order
from marketing_platform.segments.vocabulary import TASKS
from marketing_platform.warehouse import Warehouse


def predictions_used(segments: Mapping[str, Segment]) -> dict[str, tuple[str, ...]]:
    """The predictions that each segment uses, itself or through the segments that it asks for."""
    used: dict[str, set[str]] = {}
    for name, segment in in_order(segments).items():
        own = {x.prediction for x in leaves(segment.members) if isinstance(x, PredictionTest)}
        used[name] = own.union(*(used[reference.segment] for reference in references(segment)))
    return {name: tuple(sorted(used[name])) for name in segments}


def held_reasons(warehouse: Warehouse, segments: Mapping[str, Segment]) -> dict[str, str]:
    """Why each held segment is held; a segment that is ready is left out."""
    used = predictions_used(segments)
    reasons = {
        prediction: reason
        for prediction in sorted({p for predictions in used.values() for p in predictions})
        if (reason := _reason(warehouse, prediction))
    }
    told = {
        name: "; ".join(reasons[p] for p in predictions if p in reasons)
        for name, predictions in used.items()
    }
    return {name: reason for name, reason in told.items() if reason}


def _reason(warehouse: Warehouse, prediction: str) -> str | None:
    """Why a prediction may not be used, or nothing if it may."""
    scores = exp.select(
        "count(*) as scored",
        "count(case when not is_promoted then 1 end) as refused",
        "max(case when not is_promoted then model_version end) as model_version",
    ).from_(f"predictions.{prediction}")
    scored, refused, model_version = warehouse.query(scores.sql("duckdb")).row(0)
    if refused:
        return f"{prediction} is not promoted{_told_by_model(warehouse, prediction, model_version)}"
    if not scored and _has_buyers(warehouse):
        return f"{prediction} has no scores{_told_by_model(warehouse, prediction, None)}"
    return None


def _told_by_model(warehouse: Warehouse, prediction: str, model_version: str | None) -> str:
    """What `predictions.models` says of the model that made the scores, else of the latest."""
    rows = warehouse.query(
        "select reason from predictions.models"
        " where task = $task and not is_promoted"
        " and model_version = coalesce($model_version, model_version)"
        " order by trained_as_of_date desc, model_version desc limit 1",
        {"task": TASKS[prediction], "model_version": model_version},
    )
    return f": {rows.item()}" if rows.height else _told_by_watch(warehouse, prediction)


def _told_by_watch(warehouse: Warehouse, prediction: str) -> str:
    """What the watch over a promoted model found wrong with it."""
    rows = warehouse.query(
        "select finding from predictions.watch where task = $task and not is_sound"
        " order by as_of_date desc limit 1",
        {"task": TASKS[prediction]},
    )
    return f": {rows.item()}" if rows.height else ""


def _has_buyers(warehouse: Warehouse) -> bool:
    return bool(warehouse.query("select count(*) from profiles.customers where is_buyer").item())
