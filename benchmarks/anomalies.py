"""Anomalies found and false alarms, beside two simple rules, on the same days in one run.

- on the simulated shop, whose daily series get incidents whose days are known: dips and spikes of a
  day, a level shift of a week, a day of nothing
- on its hourly series: six hours of nothing, of four tenths, of two and a half times as much
- on the daily series of Online Retail, where nobody knows the truth: what is flagged, and why

    python benchmarks/anomalies.py [--customers 60000]
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.quality.hours import judged_hours
from marketing_platform.quality.judge import KINDS, judge
from marketing_platform.settings import Anomalies

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
END, DAYS = dt.date(2026, 1, 31), 400
RETAIL = Path(__file__).parents[2] / "shared" / "data" / "orders"
# By what an incident multiplies the days that it lasts.
INCIDENTS = {"dip": (0.5, 1), "spike": (2.0, 1), "nothing": (0.0, 1), "level shift": (0.6, 7)}
FIRST, APART = 100, 35
HOURLY_DAYS = 200
HOURLY = {"nothing": 0.0, "four tenths": 0.4, "two and a half times": 2.5}


def daily(
    frame: pl.DataFrame, date: str, by: str | None, value: pl.Expr, name: str
) -> list[tuple[str, Floats]]:
    """Daily series of a table, one for each slice."""
    start = END - dt.timedelta(days=DAYS - 1)
    found = []
    slices = [None] if by is None else frame[by].drop_nulls().unique().sort().to_list()
    for one in slices:
        own = frame if one is None else frame.filter(pl.col(by or "") == one)
        days = own.group_by(pl.col(date).cast(pl.Date).alias("day")).agg(value.alias("v"))
        days = days.filter(pl.col("day").is_between(start, END))
        series = np.zeros(DAYS)
        series[(days["day"] - start).dt.total_days().to_numpy()] = days["v"].cast(pl.Float64)
        found.append((name if one is None else f"{name} {one}", series))
    return found


def shop_series(customers: int) -> tuple[list[str], Floats]:
    """The dense daily counts and amounts of the simulated shop."""
    facts = make_facts(customers=customers, seed=23, end=END, days=DAYS + 60)
    orders = facts.orders.unique("order_id", keep="first")
    events, messages = facts.events, facts.messages
    ads = facts.ad_days.unique(["performance_date", "ad_id"], keep="last")
    series = [
        *daily(orders, "ordered_at", None, pl.len(), "orders"),
        *daily(orders, "ordered_at", "country", pl.len(), "orders"),
        *daily(orders, "ordered_at", None, pl.col("total_amount").sum(), "revenue"),
        *daily(events, "occurred_at", "event", pl.len(), "events"),
        *daily(messages, "sent_at", "channel", pl.len(), "messages"),
        *daily(ads, "performance_date", "platform", pl.col("cost").sum(), "spend"),
        *daily(ads, "performance_date", "platform", pl.col("clicks").sum(), "clicks"),
    ]
    dense = [(name, one) for name, one in series if np.median(one) >= 40]
    return [name for name, _ in dense], np.stack([one for _, one in dense])


def with_incidents(series: Floats, seed: int) -> tuple[Floats, list[tuple[int, int, int, str]]]:
    """The series with incidents, and these: series, first day, length, kind."""
    rng = np.random.default_rng(seed)
    found, changed = [], series.copy()
    for place in range(len(series)):
        for start in range(FIRST, DAYS - APART, APART):
            day = start + int(rng.integers(0, 10))
            kind = str(rng.choice(list(INCIDENTS)))
            factor, length = INCIDENTS[kind]
            changed[place, day : day + length] *= factor
            found.append((place, day, length, kind))
    return changed, found


def ours(series: Floats) -> Flags:
    """The platform's model with its default settings."""
    known = Anomalies()
    judged = judge(
        END - dt.timedelta(days=series.shape[1] - 1),
        series,
        np.full(series.shape, np.nan),
        threshold=known.threshold,
        minimum=known.minimum_volume,
    )
    return judged.kind > 0


def three_sigma(series: Floats) -> Flags:
    """Further than three standard deviations from the mean of the last 56 days."""
    return _rule(series, np.mean, np.std, 3.0)


def rolling_median(series: Floats) -> Flags:
    """Further than three robust deviations from the median of the last 28 days."""

    def deviation(past: Floats, axis: int) -> Floats:
        middle = np.median(past, axis=axis, keepdims=True)
        return np.asarray(1.4826 * np.median(np.abs(past - middle), axis=axis))

    return _rule(series, np.median, deviation, 3.0, window=28)


def _rule(
    series: Floats,
    middle: Callable[..., Floats],
    spread: Callable[..., Floats],
    limit: float,
    window: int = 56,
) -> Flags:
    flags = np.zeros(series.shape, bool)
    for day in range(window, series.shape[1]):
        past = series[:, day - window : day]
        away = np.abs(series[:, day] - middle(past, axis=1))
        flags[:, day] = away > limit * np.maximum(spread(past, axis=1), 1e-9)
    return flags


def measured(flags: Flags, incidents: list[tuple[int, int, int, str]]) -> dict[str, float]:
    """Shares found within a day, by kind and in all; false alarms per 30 months of a series."""
    near = np.zeros(flags.shape, bool)
    hits: dict[str, list[bool]] = {}
    for place, day, length, kind in incidents:
        near[place, day - 1 : day + length + 14] = True
        hits.setdefault(kind, []).append(bool(flags[place, day : day + 2].any()))
    false = flags[:, FIRST:] & ~near[:, FIRST:]
    # Odd days in a row are one alarm.
    alarms = (false & ~np.pad(false, ((0, 0), (1, 0)))[:, :-1]).sum()
    months = (~near[:, FIRST:]).sum() / 30
    all_hits = [hit for found in hits.values() for hit in found]
    return {
        **{kind: float(np.mean(found)) for kind, found in sorted(hits.items())},
        "found": float(np.mean(all_hits)),
        "false alarms / 30 series-months": float(alarms / months * 30),
    }


def bench_shop(customers: int) -> None:
    """Found and falsely flagged, for each rule."""
    names, series = shop_series(customers)
    changed, incidents = with_incidents(series, seed=5)
    print(f"{len(names)} series of {DAYS} days, {len(incidents)} incidents")
    rules = {"this platform": ours, "3-sigma": three_sigma, "rolling median": rolling_median}
    rows = {name: measured(rule(changed), incidents) for name, rule in rules.items()}
    print(f"{'':<34}" + "".join(f"{name:>16}" for name in rows))
    for what in next(iter(rows.values())):
        print(f"{what:<34}" + "".join(f"{found[what]:>16.2f}" for found in rows.values()))


def hourly_series(facts: Facts) -> pl.DataFrame:
    """Orders by country and events by name, by hour, as `quality.hourly_series` has them."""
    first = dt.datetime.combine(END - dt.timedelta(days=HOURLY_DAYS - 1), dt.time())
    end = dt.datetime.combine(END + dt.timedelta(days=1), dt.time())
    parts = []
    for metric, frame, moment, by in (
        ("orders", facts.orders.unique("order_id", keep="first"), "ordered_at", "country"),
        ("events", facts.events, "occurred_at", "event"),
    ):
        hours = frame.select(
            pl.lit(metric).alias("metric"),
            pl.col(by).alias("slice"),
            pl.col(moment).dt.replace_time_zone(None).dt.cast_time_unit("us").dt.truncate("1h")
            .alias("hour_at"),
        ).filter(pl.col("hour_at").is_between(first, end, closed="left"))  # fmt: skip
        for kind, cut in (("all", hours.with_columns(slice=pl.lit("all"))), ("source", hours)):
            counted = cut.group_by("metric", "slice", "hour_at").agg(
                pl.len().cast(pl.Float64).alias("amount")
            )
            parts.append(counted.with_columns(pl.lit(kind).alias("slice_kind")))
    return pl.concat(parts).with_columns(
        pl.lit(None, dtype=pl.Float64).alias("volume"),
        pl.lit(end).cast(pl.Datetime("us")).alias("told_until_at"),
    )


def bench_hours(customers: int) -> None:
    """What is found of six odd hours while they last, and false alarms of quiet ones."""
    facts = make_facts(customers=customers, seed=23, end=END, days=HOURLY_DAYS + 60)
    series, known, key = hourly_series(facts), Anomalies(), ["metric", "slice_kind", "slice"]
    quiet = judged_hours(series, known, "UTC")
    odd = pl.col("kind").is_not_null()
    is_new = pl.col("hour_at").diff().over(key) != pl.duration(hours=1)
    alarms = quiet.filter(odd).select(is_new.fill_null(value=True).sum()).item()
    months = quiet["score"].count() / 24 / 30
    rng = np.random.default_rng(7)
    incidents = [
        (
            *name,
            END - dt.timedelta(days=day),
            int(rng.integers(8, 19)),
            str(rng.choice(list(HOURLY))),
        )
        for name in series.select(key).unique(maintain_order=True).rows()
        for day in range(10, HOURLY_DAYS - FIRST, 10)
    ]
    told = pl.DataFrame(incidents, orient="row", schema=[*key, "day", "hour", "what"]).with_columns(
        (pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours="hour")).alias("began_at"),
        pl.col("what").replace_strict(HOURLY, return_dtype=pl.Float64).alias("factor"),
    )
    hit = told.select(*key, "began_at", "what", "factor").with_columns(
        pl.lit(list(range(6))).alias("after")
    )
    hit = hit.explode("after").with_columns(
        (pl.col("began_at") + pl.duration(hours="after")).alias("hour_at")
    )
    changed = series.join(hit, [*key, "hour_at"], "left").with_columns(
        (pl.col("amount") * pl.col("factor").fill_null(1)).alias("amount")
    )
    found = judged_hours(changed.select(series.columns), known, "UTC").filter(odd)
    first = hit.join(found.select(*key, "hour_at"), [*key, "hour_at"]).group_by(
        *key, "began_at", "what"
    ).agg((pl.col("after").min() + 1).alias("hours"))  # fmt: skip
    by_kind = told.group_by("what").len().join(first.group_by("what").agg(
        pl.len().alias("found"), pl.col("hours").mean()), "what").sort("what")  # fmt: skip
    print(f"\nhours: {quiet.select(key).n_unique()} series of {HOURLY_DAYS} days")
    for what, count, seen, hours in by_kind.rows():
        print(f"{what:<34}{seen / count:>16.2f}  after {hours:.1f} hours")
    print(f"{'found':<34}{first.height / told.height:>16.2f}")
    print(f"{'false alarms / 30 series-months':<34}{alarms / months * 30:>16.2f}")


def bench_retail() -> None:
    """What is flagged on Online Retail."""
    file = RETAIL / "online_retail.parquet"
    if not file.exists():
        print("Online Retail is not on this machine")
        return
    lines = pl.read_parquet(file).with_columns(pl.col("InvoiceDate").cast(pl.Date).alias("day"))
    sold = lines.filter(~pl.col("InvoiceNo").cast(pl.String).str.starts_with("C"))
    first: dt.date = sold["day"].min()  # type: ignore[assignment]
    days = (sold["day"].max() - first).days + 1  # type: ignore[operator]
    figures = {
        "orders": sold.group_by("day").agg(pl.col("InvoiceNo").n_unique().alias("v")),
        "revenue": sold.group_by("day").agg(
            (pl.col("Quantity") * pl.col("UnitPrice")).sum().alias("v")
        ),
    }
    series = np.zeros((len(figures), days))
    for place, figure in enumerate(figures.values()):
        series[place, (figure["day"] - first).dt.total_days().to_numpy()] = figure["v"].to_numpy()
    known = Anomalies()
    judged = judge(
        first, series, np.full(series.shape, np.nan), threshold=known.threshold,
        minimum=known.minimum_volume,
    )  # fmt: skip
    print(f"\nOnline Retail, {first} and {days} days: what is flagged")
    print(f"{'day':<12}{'':<5}{'series':<10}{'kind':<13}{'value':>10}{'expected':>10}{'score':>8}")
    for place, day in np.argwhere(judged.kind > 0):
        when = first + dt.timedelta(days=int(day))
        print(
            f"{when!s:<12}{when:%a  }{list(figures)[place]:<10}{KINDS[judged.kind[place, day]]:<13}"
            f"{series[place, day]:>10,.0f}{judged.expected[place, day]:>10,.0f}"
            f"{judged.score[place, day]:>8.1f}"
        )
    for name, rule in (("3-sigma", three_sigma), ("rolling median", rolling_median)):
        print(f"{name}: {int(rule(series).sum())} days")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=60_000)
    options = parser.parse_args()
    bench_shop(options.customers)
    bench_hours(options.customers)
    bench_retail()


if __name__ == "__main__":
    main()
