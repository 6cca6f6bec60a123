"""Small plots in the metadata of an asset: images in Markdown, drawn from what was just built."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from marketing_platform.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORED = ("churn", "purchase")
_INK, _ACCENT, _MUTED = "#24292f", "#2f6fde", "#b6bec9"


def plots_of(warehouse: Warehouse, table_name: str) -> dict[str, Any]:
    """The plot of a table as metadata, for the few tables that have one."""
    draw = _PLOTS.get(table_name)
    if draw is None:
        return {}
    figure = draw(warehouse)
    return {"plot": dg.MetadataValue.md(_as_markdown(figure))} if figure else {}


def score_distribution(scores: pl.DataFrame, title: str) -> Figure | None:
    """How many customers have which score; the line is the mean."""
    if scores.is_empty():
        return None
    figure, axes = _canvas(title)
    axes.hist(scores["score"].to_numpy(), bins=25, range=(0, 1), color=_ACCENT)
    axes.axvline(float(scores["score"].to_numpy().mean()), color=_INK, linewidth=1)
    axes.set_xlabel("score")
    axes.set_ylabel("customers")
    return figure


def segment_sizes(sizes: pl.DataFrame) -> Figure | None:
    """Members of each segment; held segments are grey."""
    if sizes.is_empty():
        return None
    ordered = sizes.sort("member_count")
    figure, axes = _canvas("Segment sizes")
    colours = [_MUTED if status == "held" else _ACCENT for status in ordered["status"]]
    bars = axes.barh(ordered["segment"].to_list(), ordered["member_count"].to_list(), color=colours)
    axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8, color=_INK)
    axes.margins(x=0.12)
    axes.set_xlabel("customers (grey: held)")
    return figure


def model_curves(models: pl.DataFrame) -> Figure | None:
    """Lift, calibration and ROC curve of the reigning models, on days they had not seen."""
    reigning = models.filter((pl.col("standing") == "champion") & pl.col("task").is_in(_SCORED))
    told = {row["task"]: json.loads(row["metrics"]) for row in reigning.sort("task").to_dicts()}
    told = {task: metrics for task, metrics in told.items() if metrics.get("curves")}
    if not told:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 2.9), dpi=110, layout="constrained")
    panels = figure.subplots(1, 3)
    titles = ("Positives among the best", "Expected and seen", "ROC curve")
    for axes, title in zip(panels, titles, strict=True):
        _dress(axes, title)
        axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=1)
    for (task, metrics), colour in zip(told.items(), (_INK, _ACCENT), strict=False):
        curves, tenths = metrics["curves"], metrics["calibration"]
        panels[0].plot(curves["reached"], curves["positives"], color=colour, label=task)
        panels[1].plot(
            [tenth["predicted"] for tenth in tenths], [tenth["observed"] for tenth in tenths],
            color=colour, marker="o", markersize=3,
        )  # fmt: skip
        panels[2].plot(curves["others"], curves["positives"], color=colour)
    panels[0].legend(frameon=False, fontsize=8)
    labels = (("share of customers", "share of positives"), ("expected", "seen"))
    for axes, (x, y) in zip(panels, (*labels, ("others", "positives")), strict=True):
        axes.set_xlabel(x, fontsize=8)
        axes.set_ylabel(y, fontsize=8)
    return figure


def _draw_scores(table_name: str, title: str) -> Callable[[Warehouse], Figure | None]:
    return lambda warehouse: score_distribution(warehouse.read(table_name), title)


_PLOTS: dict[str, Callable[[Warehouse], Figure | None]] = {
    "predictions.purchase_14d": _draw_scores("predictions.purchase_14d", "Purchase scores"),
    "predictions.churn_30d": _draw_scores("predictions.churn_30d", "Churn scores"),
    "predictions.models": lambda warehouse: model_curves(warehouse.read("predictions.models")),
    "segments.sizes": lambda warehouse: segment_sizes(warehouse.read("segments.sizes")),
}


def _canvas(title: str) -> tuple[Figure, Any]:
    # Imported here: it takes a second, and only builds draw.
    from matplotlib.figure import Figure

    # A Figure of its own, not pyplot's: a daemon must not collect figures in a global list.
    figure = Figure(figsize=(5.2, 2.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    _dress(axes, title)
    return figure, axes


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _as_markdown(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"![plot](data:image/png;base64,{image})"
