"""Which segments are held: those that lean on a prediction that may not be used."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from marketing_platform.segments.conditions import PredictionTest, Segment, leaves, references
from marketing_platform.segments.load import in_order
from marketing_platform.segments.vocabulary import PREDICTIONS
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
        if (reason := held_reason(warehouse, prediction))
    }
    told = {
        name: "; ".join(reasons[p] for p in predictions if p in reasons)
        for name, predictions in used.items()
    }
    return {name: reason for name, reason in told.items() if reason}


def held_reason(warehouse: Warehouse, prediction: str) -> str | None:
    """Why a prediction may not be used, or nothing if it may."""
    known = PREDICTIONS[prediction]
    columns = ["count(*) as scored", "0 as refused", "null as model_version"]
    if known.is_judged:
        columns[1] = "count(case when not is_promoted then 1 end) as refused"
        columns[2] = "max(case when not is_promoted then model_version end) as model_version"
    scores = exp.select(*columns).from_(f"predictions.{prediction}")
    scored, refused, model_version = warehouse.query(scores.sql("duckdb")).row(0)
    if refused:
        return f"{prediction} is not promoted{_told_by_model(warehouse, known.task, model_version)}"
    if not scored and _has(warehouse, known.people):
        return f"{prediction} has no scores{_told_by_model(warehouse, known.task, None)}"
    return None


def _told_by_model(warehouse: Warehouse, task: str, model_version: str | None) -> str:
    """What `predictions.models` says of the model that made the scores, else of the latest."""
    rows = warehouse.query(
        "select reason from predictions.models"
        " where task = $task and not is_promoted"
        " and model_version = coalesce($model_version, model_version)"
        " order by trained_as_of_date desc, model_version desc limit 1",
        {"task": task, "model_version": model_version},
    )
    return f": {rows.item()}" if rows.height else _told_by_watch(warehouse, task)


def _told_by_watch(warehouse: Warehouse, task: str) -> str:
    """What the watch over a promoted model found wrong with it."""
    rows = warehouse.query(
        "select finding from predictions.watch where task = $task and not is_sound"
        " order by as_of_date desc limit 1",
        {"task": task},
    )
    return f": {rows.item()}" if rows.height else ""


def _has(warehouse: Warehouse, people: str) -> bool:
    """Whether there is anybody of whom the prediction should speak."""
    if not people:
        return False
    found = warehouse.query(
        "select count(*) from profiles.customers where is_buyer = $are_buyers",
        {"are_buyers": people == "buyers"},
    )
    return bool(found.item())
