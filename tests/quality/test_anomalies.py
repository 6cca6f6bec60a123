"""Odd days are found by the days before them, told apart, and explained; quiet ones are not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.quality.anomalies import build_anomalies, build_judged
from marketing_platform.quality.checks import nothing_is_odd
from marketing_platform.quality.judge import KINDS, Judged, judge
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

Floats = NDArray[np.float64]
START = dt.date(2026, 1, 5)
DAYS = 150
WEEK = np.array([1.0, 1.1, 1.0, 0.9, 1.3, 1.6, 0.6])


def quiet(seed: int = 1, level: float = 200.0, days: int = DAYS) -> Floats:
    """Counts with a week's season, a slow trend, and nothing but chance besides."""
    rng = np.random.default_rng(seed)
    mean = level * WEEK[np.arange(days) % 7] * np.exp(np.arange(days) * 0.002)
    return rng.poisson(mean).astype(float)


def judged(series: Floats, volumes: Floats | None = None, **more: object) -> Judged:
    """One series, judged."""
    of = np.full((1, len(series)), np.nan) if volumes is None else volumes[None, :]
    return judge(START, series[None, :], of, **more)  # type: ignore[arg-type]


def kinds(found: Judged) -> dict[int, str]:
    """The odd days by their place."""
    return {int(day): KINDS[found.kind[0, day]] for day in np.flatnonzero(found.kind[0])}


def test_quiet_series_are_left_in_peace() -> None:
    series = np.stack([quiet(seed) for seed in range(40)])
    found = judge(START, series, np.full(series.shape, np.nan))
    months = series.shape[0] * (DAYS - 28) / 30
    assert (found.kind > 0).sum() <= months / 30, "one false alarm in 30 months of a series"


@pytest.mark.parametrize(("factor", "kind"), [(0.4, "dip"), (0.0, "dip"), (2.0, "spike")])
def test_an_odd_day_is_found_and_teaches_nothing(factor: float, kind: str) -> None:
    series = quiet()
    series[100] *= factor
    found = judged(series)
    assert kinds(found) == {100: kind}
    clean = judged(quiet())
    after = slice(101, 115)
    np.testing.assert_allclose(found.expected[0, after], clean.expected[0, after], rtol=0.03)


def test_a_new_level_is_told_as_one_and_believed_after_two_weeks() -> None:
    series = quiet()
    series[100:] *= 0.5
    found = kinds(judged(series))
    assert found[100] == "dip"
    assert found[102] == "level_shift"
    assert set(range(100, 112)) <= set(found)
    assert not any(day in found for day in range(125, DAYS))


def test_a_figure_that_does_not_move_is_told() -> None:
    series = quiet()
    series[100:110] = series[99]
    found = kinds(judged(series))
    assert found[106] == "flat"
    assert "flat" in {found[day] for day in range(106, 110)}


def test_of_what_nothing_was_expected_yet_nothing_is_said() -> None:
    late = quiet()
    late[:97] = np.nan
    late[140:] = late[139]
    assert kinds(judged(late)) == {}


def test_a_holiday_is_neither_judged_nor_learned_from() -> None:
    series = quiet()
    series[100] = 0
    off = START + dt.timedelta(days=100)
    found = judged(series, holidays=[off])
    assert kinds(found) == {}
    clean = judged(quiet())
    np.testing.assert_allclose(found.expected[0, 101], clean.expected[0, 101], rtol=0.03)


def test_of_few_and_of_rare_things_nothing_is_said() -> None:
    few = quiet(level=10)
    few[100] = 0
    assert kinds(judged(few, minimum=30)) == {}
    rare = np.where(np.arange(DAYS) % 7 == 3, 500.0, 0.0)
    rare[100] = 5_000
    assert kinds(judged(rare)) == {}


def test_a_ratio_is_judged_by_what_it_is_of() -> None:
    rng = np.random.default_rng(4)
    volumes = rng.poisson(2_000, DAYS).astype(float)
    amounts = rng.binomial(volumes.astype(int), 0.3).astype(float)
    amounts[100] *= 0.5
    # A day on which nearly nothing was sent says nothing of the rate.
    volumes[120], amounts[120] = 4, 0
    assert kinds(judged(amounts, volumes)) == {100: "dip"}


def test_a_series_that_begins_late_is_judged_by_how_much_it_varies() -> None:
    rng = np.random.default_rng(3)
    late = quiet(days=DAYS + 100) * np.exp(rng.normal(0, 0.25, DAYS + 100))
    late[:100] = np.nan
    found = judge(START, late[None, :], np.full((1, len(late)), np.nan))
    assert (found.kind > 0).sum() <= 1


@pytest.mark.parametrize("began", [0, 60])
def test_a_rate_of_six_days_a_week_is_judged_whenever_it_began(began: int) -> None:
    rng = np.random.default_rng(6)
    volumes = rng.poisson(2_000, began + DAYS).astype(float)
    volumes[np.arange(began + DAYS) % 7 == 6] = 0
    volumes[:began] = 0
    amounts = rng.binomial(volumes.astype(int), 0.2).astype(float)
    odd = began + 115
    amounts[odd] *= 0.3
    amounts[:began] = np.nan
    assert kinds(judged(amounts, volumes)) == {odd: "dip"}


def test_a_holiday_in_the_first_weeks_of_a_series_does_not_silence_it() -> None:
    late = quiet(days=DAYS + 100)
    late[:100] = np.nan
    late[162] *= 0.4
    opening = START + dt.timedelta(days=110)
    assert kinds(judged(late, holidays=[opening])) == {162: "dip"}


def test_a_model_that_is_wrong_is_not_wrong_for_ever() -> None:
    rng = np.random.default_rng(3)
    series = quiet()
    # From now on every day is worth half or twice as much, as it happens.
    series[60:] *= np.exp(rng.normal(0, 0.5, DAYS - 60))
    found = kinds(judged(series))
    assert len([day for day in found if day < 90]) > 3
    assert [day for day in found if day >= 100] == []


def test_a_sum_of_money_of_a_few_orders_is_not_judged() -> None:
    orders = np.random.default_rng(5).poisson(3, DAYS).astype(float)
    revenue, nothing = orders * 200, np.full((1, DAYS), np.nan)
    told = judge(START, revenue[None, :], nothing, orders[None, :])
    assert (told.kind > 0).sum() == 0
    assert (judge(START, revenue[None, :], nothing).kind > 0).sum() > 0, "as 600 pieces it is odd"


def test_a_rate_that_falls_to_nothing_is_told_though_nothing_is_left_of_it() -> None:
    rng = np.random.default_rng(4)
    cost, conversions = rng.normal(500, 20, DAYS), rng.poisson(60, DAYS).astype(float)
    conversions[100] = 0
    # A day on which next to nothing was spent says nothing of what it brings.
    cost[120], conversions[120] = 5, 0
    value = conversions * 30
    found = judge(START, value[None, :], cost[None, :], conversions[None, :])
    assert kinds(found) == {100: "dip"}


@settings(max_examples=10)
@given(st.integers(40, 99), st.integers(0, 5))
def test_what_comes_later_changes_no_verdict(day: int, seed: int) -> None:
    series = quiet(seed, days=100)
    series[60:] *= 0.7
    whole, cut = judged(series), judged(series[: day + 1])
    for name in ("expected", "score", "kind"):
        now, then = getattr(whole, name)[0, : day + 1], getattr(cut, name)[0]
        np.testing.assert_array_equal(now, then)


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Warehouse, Settings]:
    """Orders of two countries; on the last day one of them orders next to nothing."""
    warehouse = Warehouse(":memory:")
    germany, norway = quiet(1), quiet(2)
    norway[-1] = 5
    slices = {"DE": germany, "NO": norway}
    frames = [
        pl.DataFrame({"slice": [name] * DAYS, "amount": one, "day": np.arange(DAYS)})
        for name, one in (*slices.items(), ("all", germany + norway))
    ]
    series = pl.concat(frames).select(
        pl.lit("orders").alias("metric"),
        pl.when(pl.col("slice") == "all").then(pl.lit("all")).otherwise(pl.lit("country"))
        .alias("slice_kind"),
        "slice",
        (pl.lit(START) + pl.duration(days="day")).cast(pl.Date).alias("series_date"),
        "amount",
        pl.lit(None, dtype=pl.Float64).alias("volume"),
        pl.col("amount").alias("sample_size"),
    )  # fmt: skip
    warehouse.replace("quality.series", series)
    told = Settings(
        config_dir=tmp_path, data_dir=tmp_path, state_url=SecretStr("x"), platform=Platform()
    )
    return warehouse, told


def test_a_finding_says_what_moved_and_which_slice_explains_it(
    shop: tuple[Warehouse, Settings],
) -> None:
    warehouse, told = shop
    build_judged(warehouse, told)
    build_anomalies(warehouse, told)
    rows = {row["slice"]: row for row in warehouse.read("quality.anomalies").to_dicts()}
    assert set(rows) == {"all", "NO"}
    assert rows["all"]["is_open"]
    last = START + dt.timedelta(days=DAYS - 1)
    assert rows["all"]["finding"].startswith("orders fell: ")
    assert f"on {last}" in rows["all"]["finding"]
    assert "; most of it in country NO (" in rows["all"]["finding"]
    result = nothing_is_odd(warehouse)
    assert not result.passed
    assert result.detail.startswith(rows["all"]["finding"])


def test_without_a_series_nothing_is_odd(shop: tuple[Warehouse, Settings]) -> None:
    warehouse, told = shop
    warehouse.replace("quality.series", CONTRACTS["quality.series"].empty())
    build_judged(warehouse, told)
    build_anomalies(warehouse, told)
    assert nothing_is_odd(warehouse).passed


def test_a_slice_that_falls_silent_is_one_of_zeros(shop: tuple[Warehouse, Settings]) -> None:
    warehouse, told = shop
    series = warehouse.read("quality.series")
    gone = START + dt.timedelta(days=DAYS - 2)
    warehouse.replace(
        "quality.series",
        series.filter((pl.col("slice") != "DE") | (pl.col("series_date") < gone)),
    )
    build_judged(warehouse, told)
    build_anomalies(warehouse, told)
    found = warehouse.read("quality.anomalies").filter(pl.col("slice") == "DE")
    assert found["value"].to_list() == [0.0, 0.0]
