"""Small plots in the metadata of an asset: images in Markdown, drawn from what was just built."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from marketing_platform.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORED = ("churn", "purchase")
_INK, _ACCENT, _MUTED, _BAD = "#24292f", "#2f6fde", "#b6bec9", "#c4382e"


def plots_of(warehouse: Warehouse, table_name: str) -> dict[str, Any]:
    """The plot of a table as metadata, for the few tables that have one."""
    draw = _PLOTS.get(table_name)
    if draw is None:
        return {}
    figure = draw(warehouse)
    return {"plot": dg.MetadataValue.md(_as_markdown(figure))} if figure else {}


def score_distribution(scores: pl.DataFrame, title: str) -> Figure | None:
    """How many customers have which score; the line is the mean."""
    if scores.height < _FEW:
        return None
    figure, axes = _canvas(title)
    axes.hist(scores["score"].to_numpy(), bins=25, range=(0, 1), color=_ACCENT)
    axes.axvline(float(scores["score"].to_numpy().mean()), color=_INK, linewidth=1)
    axes.set_xlabel("score (line: mean)")
    axes.set_ylabel("customers")
    return figure


def segment_sizes(sizes: pl.DataFrame) -> Figure | None:
    """Members of each segment; held segments are grey."""
    if _is_small(sizes):
        return None
    ordered = sizes.sort("member_count")
    figure, axes = _canvas("Segment sizes")
    # A line a name: a shop has dozens of them.
    figure.set_figheight(max(2.6, 0.8 + 0.17 * ordered.height))
    colours = [_MUTED if status == "held" else _ACCENT for status in ordered["status"]]
    bars = axes.barh(ordered["segment"].to_list(), ordered["member_count"].to_list(), color=colours)
    axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8, color=_INK)
    axes.margins(x=0.12, y=0.01)
    axes.set_xlabel("customers (grey: held)")
    return figure


def segment_history(daily: pl.DataFrame) -> Figure | None:
    """Members of the largest segments, day by day."""
    if daily["day"].n_unique() < 2 or _is_small(daily):
        return None
    last = daily.filter(pl.col("day") == daily["day"].max())
    largest = last.sort("member_count", "segment", descending=[True, False]).head(_LINES)
    figure, axes = _canvas("Segment sizes, by day")
    for place, segment in enumerate(largest["segment"].to_list()):
        own = daily.filter(pl.col("segment") == segment).sort("day")
        share = place / max(1, largest.height - 1)
        axes.step(
            own["day"].to_list(), own["member_count"].to_list(), where="post", linewidth=1.2,
            color=_ACCENT, alpha=1 - 0.75 * share, label=segment,
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("customers")
    _date(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize=7)
    return figure


def ledger_history(sums: Mapping[str, Mapping[dt.date, int]]) -> Figure | None:
    """Rows of the ledger that were settled on each day, by what became of them."""
    days = sorted({day for counts in sums.values() for day in counts})
    if sum(sum(counts.values()) for counts in sums.values()) < _FEW:
        return None
    figure, axes = _canvas("Settled rows of the ledger, by day")
    below = [0] * len(days)
    for state, colour in (("sent", _ACCENT), ("suppressed", _MUTED), ("failed", _BAD)):
        counts = [sums.get(state, {}).get(day, 0) for day in days]
        axes.bar(days, counts, bottom=below, color=colour, label=state)
        below = [one + more for one, more in zip(below, counts, strict=True)]
    axes.set_ylabel("rows")
    if len(days) == 1:
        axes.margins(x=2)
    _date(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def plot_of_ledger(sums: Mapping[str, Mapping[dt.date, int]]) -> dict[str, Any]:
    """`ledger_history` as metadata."""
    figure = ledger_history(sums)
    return {"plot": dg.MetadataValue.md(_as_markdown(figure))} if figure else {}


def model_curves(models: pl.DataFrame) -> Figure | None:
    """Lift, calibration and ROC curve of the reigning models, on days they had not seen."""
    reigning = models.filter((pl.col("standing") == "champion") & pl.col("task").is_in(_SCORED))
    told = {row["task"]: json.loads(row["metrics"]) for row in reigning.sort("task").to_dicts()}
    told = {task: metrics for task, metrics in told.items() if metrics.get("curves")}
    if not told:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 2.9), dpi=110)
    panels = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.06, right=0.99, wspace=0.22, top=0.9, bottom=0.17)
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


def lift_intervals(lift: pl.DataFrame) -> Figure | None:
    """How many more bought of those told than of those held out, with bounds, a rule a line."""
    told = lift.filter(pl.col("buyer_share_difference_low").is_not_null()).head(_RULES)
    if told.is_empty():
        return None
    figure, axes = _canvas("More buyers for being told")
    figure.set_figwidth(9.6)
    figure.set_figheight(1.1 + 0.4 * told.height)
    axes.axvline(0, color=_MUTED, linewidth=1)
    for place, row in enumerate(told.reverse().to_dicts()):
        colour = _COLOURS.get(row["finding"], _INK)
        low, high = row["buyer_share_difference_low"], row["buyer_share_difference_high"]
        axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=1.5)
        axes.plot(100 * row["buyer_share_difference"], place, "o", color=colour, markersize=5)
    # Long names would leave no room for what is to be seen.
    names = [f"{row['audience']}\n-> {row['destination']}" for row in told.reverse().to_dicts()]
    axes.set_yticks(range(told.height), names, fontsize=8)
    axes.set_ylim(-0.6, told.height - 0.4)
    axes.set_xlabel("percentage points, told less held out", fontsize=8)
    return figure


def odd_series(judged: pl.DataFrame, odd: pl.DataFrame) -> Figure | None:
    """The series with the latest odd days, else the main ones: value, expected band, odd days."""
    return _judged_panels(judged, odd, "series_date", _PLOTTED_DAYS)


def odd_hours(judged: pl.DataFrame) -> Figure | None:
    """As `odd_series`, of hours."""
    odd = judged.filter(pl.col("kind").is_not_null())
    return _judged_panels(judged, odd, "hour_at", _PLOTTED_HOURS)


def _judged_panels(judged: pl.DataFrame, odd: pl.DataFrame, time: str, last: int) -> Figure | None:
    """A panel a series, over its last values; `time` is the column of their day or hour."""
    names = ["metric", "slice_kind", "slice"]
    latest = odd.sort(time, descending=True).select(names).unique(maintain_order=True)
    main = judged.filter(pl.col("slice_kind") == "all").select(names).unique(maintain_order=True)
    chosen = pl.concat([latest, main]).unique(maintain_order=True).head(_PANELS)
    if chosen.is_empty() or judged["expected"].is_null().all():
        return None
    from matplotlib.figure import Figure

    rows = (chosen.height + 1) // 2
    figure = Figure(figsize=(9.6, 1.9 * rows), dpi=110)
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    # In inches: to measure the labels would take longer than to draw them.
    figure.subplots_adjust(
        left=0.07, right=0.98, wspace=0.16, hspace=0.55,
        top=1 - 0.3 / (1.9 * rows), bottom=0.48 / (1.9 * rows),
    )  # fmt: skip
    for axes in panels[chosen.height :]:
        axes.set_axis_off()
    for axes, (metric, kind, part) in zip(panels, chosen.rows(), strict=False):
        own = judged.filter(metric=metric, slice_kind=kind, slice=part).sort(time).tail(last)
        moments = own[time].to_list()
        _dress(axes, metric if kind == "all" else f"{metric}, {part}")
        low, high = (own[name].cast(pl.Float64).fill_null(float("nan")) for name in ("low", "high"))
        axes.fill_between(
            moments, low.to_list(), high.to_list(), color=_INK, alpha=0.12, linewidth=0
        )
        axes.plot(moments, own["value"].to_list(), color=_INK, linewidth=1)
        flagged = own.filter(pl.col("kind").is_not_null())
        axes.plot(
            flagged[time].to_list(), flagged["value"].to_list(), "o", color=_ACCENT, markersize=4
        )
        # The band of a day that is odd can be far off; the figures are what is looked at.
        top = own["value"].drop_nans().max()
        if isinstance(top, float) and top > 0:
            axes.set_ylim(0, 1.6 * top)
        _date(axes)
    zone = "; UTC" if time.endswith("_at") else ""
    told = f"grey: expected; dots: odd{zone}"
    figure.text(0.98, 0.995, told, ha="right", va="top", fontsize=8, color=_INK)
    return figure


def _is_small(sizes: pl.DataFrame) -> bool:
    """Whether no segment has more than a few members."""
    return sizes.filter(pl.col("member_count") >= _FEW).is_empty()


def _draw_scores(table_name: str, title: str) -> Callable[[Warehouse], Figure | None]:
    return lambda warehouse: score_distribution(warehouse.read(table_name), title)


# A picture of fewer says less than their number, and costs more than to build the table.
_FEW = 30
_PANELS = 6
_RULES = 20
_COLOURS = {"buys_more": _ACCENT, "buys_less": _BAD}
_LINES = 8
# Whoever comes or goes changes the size of that day: sums over days cost less than counts of each.
DAILY_SIZES = """
    with moves as (
        select segment, cast(entered_at as date) as day, 1 as moved from segments.stays
        union all
        select segment, cast(left_at as date), -1 from segments.stays where left_at is not null
    ),
    days as (
        select distinct d.day, s.segment
        from moves as d cross join (select distinct segment from moves) as s
        where d.day > (select max(day) from moves) - interval 90 day
    ),
    sizes as (
        select segment, day, sum(moved) as moved from moves group by segment, day
    )
    select
        days.segment,
        days.day,
        cast(sum(sizes.moved) as bigint) as member_count
    from days
    inner join sizes on sizes.segment = days.segment and sizes.day <= days.day
    group by days.segment, days.day
    order by days.segment, days.day
"""
_PLOTTED_DAYS = 90
_PLOTTED_HOURS = 7 * 24
_PLOTS: dict[str, Callable[[Warehouse], Figure | None]] = {
    "activation.lift": lambda warehouse: lift_intervals(warehouse.read("activation.lift")),
    "predictions.purchase_14d": _draw_scores("predictions.purchase_14d", "Purchase scores"),
    "predictions.churn_30d": _draw_scores("predictions.churn_30d", "Churn scores"),
    "predictions.models": lambda warehouse: model_curves(warehouse.read("predictions.models")),
    "quality.anomalies": lambda warehouse: odd_series(
        warehouse.read("quality.judged_series"), warehouse.read("quality.anomalies")
    ),
    "quality.judged_hours": lambda warehouse: odd_hours(warehouse.read("quality.judged_hours")),
    "segments.stays": lambda warehouse: segment_history(warehouse.query(DAILY_SIZES)),
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


def _date(axes: Any) -> None:
    """Few and short days below an axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _as_markdown(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"![plot](data:image/png;base64,{image})"
