"""The rule of small shops: its level is that of past days, its order that of buying."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from marketing_platform.predictions.parts import from_parts, to_parts
from marketing_platform.predictions.rule import Rule, make_rule
from marketing_platform.predictions.tasks import Task


def buyers(*rows: tuple[int, float | None, int, int]) -> pl.DataFrame:
    """Rows of days with orders, mean gap, days since the last order, days since the first."""
    names = {"order_days_count": pl.Int64, "gap_mean_days": pl.Float64, "recency_days": pl.Int64}
    return pl.DataFrame(rows, schema={**names, "tenure_days": pl.Int64}, orient="row")


BUYER = st.builds(
    lambda count, gap, recency: (
        count, gap if count > 1 else None, recency, int((count - 1) * gap) + recency,
    ),
    st.integers(1, 30), st.floats(1, 200), st.integers(0, 700),
)  # fmt: skip


@pytest.mark.parametrize("task", ["purchase", "churn"])
@given(found=st.lists(BUYER, min_size=1, max_size=40), rate=st.floats(0, 1))
def test_its_mean_is_the_share_of_past_days(
    task: Task, found: list[tuple[int, float | None, int, int]], rate: float
) -> None:
    features = buyers(*found)
    scores = make_rule(task, features, rate, 14).probabilities(features)
    assert scores.mean() == pytest.approx(np.clip(rate, 1e-3, 1 - 1e-3), abs=2e-3)
    assert scores.min() >= 1e-3
    assert scores.max() <= 1 - 1e-3


def test_a_shop_in_which_all_come_again_expects_all_of_them() -> None:
    features = buyers(*((20, 10.0, recency, 200 + recency) for recency in range(40)))
    assert make_rule("purchase", features, 1.0, 30).probabilities(features).min() > 0.98
    assert make_rule("churn", features, 0.0, 30).probabilities(features).max() < 0.02


def test_who_buys_often_is_likelier_to_and_silence_beyond_the_own_gap_counts_against_it() -> None:
    often, seldom = (12, 10.0, 5, 115), (3, 50.0, 5, 105)
    silent, longer = (12, 10.0, 60, 170), (12, 10.0, 120, 230)
    scores = make_rule("purchase", buyers(often, seldom, silent, longer), 0.3, 14).probabilities(
        buyers(often, seldom, silent, longer)
    )
    assert list(np.argsort(-scores)) == [0, 1, 2, 3]


def test_it_orders_buyers_better_than_the_days_since_their_last_order() -> None:
    """Buyers with a rhythm of their own, some of whom leave."""
    draw = random.Random(11)  # noqa: S311 - a made-up shop
    found, comes = [], []
    for _ in range(1_000):
        rhythm, day, days = draw.uniform(7, 90), draw.uniform(0, 200), []
        while day < 330:
            days.append(int(day))
            if draw.random() < 0.1:
                break
            day += max(1, draw.gauss(rhythm, rhythm / 4))
        days = sorted(set(days))
        past = [one for one in days if one < 300]
        if past:
            gaps = np.diff(past)
            gap = float(gaps.mean()) if len(gaps) else None
            found.append((len(past), gap, 300 - past[-1], 300 - past[0]))
            comes.append(any(one >= 300 for one in days))
    features = buyers(*found)
    scores = make_rule("purchase", features, float(np.mean(comes)), 30).probabilities(features)
    by_recency = roc_auc_score(comes, -features["recency_days"].to_numpy())
    assert roc_auc_score(comes, scores) > by_recency + 0.05


def test_of_no_buyers_there_is_a_rule_too() -> None:
    rule = make_rule("purchase", buyers(), None, 14)
    assert rule.probabilities(buyers((1, None, 3, 3)))[0] == pytest.approx(1 - np.exp(-14 / 30))


def test_a_rule_of_an_earlier_version_says_what_it_said() -> None:
    kept = {"method": "rule", "task": "purchase", "gap_days": 20.0, "factor": 0.5}
    features = buyers((3, 20.0, 10, 50), (1, None, 0, 0))
    expected = [0.5 * np.exp(-10 / 20), 0.5]
    assert from_parts(kept).probabilities(features) == pytest.approx(expected)  # type: ignore[arg-type]
    rule = Rule("churn", 20.0, 9.0)
    assert from_parts(to_parts(rule)) == rule
