"""Trains on past days, tests on the latest past day, and decides whether the model may be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketing_platform.predictions import model as models
from marketing_platform.predictions.baselines import base_rate
from marketing_platform.predictions.classic import Classic, fit
from marketing_platform.predictions.evaluation import Evaluation, evaluate
from marketing_platform.predictions.matrix import Labels, Matrix, labels, matrix
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.promotion import Decision, promotion, too_little
from marketing_platform.predictions.rows import Rows
from marketing_platform.predictions.rule import Rule, make_rule
from marketing_platform.settings import Predictions

_CHUNK = 200_000


@dataclass(frozen=True)
class Trained:
    """What scores a task: a model or a rule, how it did on the test day, and the decision."""

    scorer: Model | Rule
    evaluation: Evaluation
    decision: Decision

    @property
    def method(self) -> str:
        """`model` or `rule`."""
        return "model" if isinstance(self.scorer, Model) else "rule"


def train_and_test(rows: Rows, settings: Predictions) -> Trained:
    """Train on the training days, test on the test day.

    What tests is trained on the training days only: its figures are those of a model that has not
    seen the test. Too little to learn from gives a rule, with the reason.
    """
    reason = too_little(rows, settings)
    scorer: Model | Rule
    if reason is None:
        scorer = models.train(*_examples(rows.train), classic_of(rows))
    else:
        scorer = rule_from(rows, rows.train, rows.test)
    evaluation = evaluate(rows, probabilities(scorer, rows.test))
    decision = Decision(False, reason) if reason else promotion(evaluation)
    return Trained(scorer, evaluation, decision)


def with_all_days(trained: Trained, rows: Rows) -> Trained:
    """The same scorer, learned again from training and test days, to score the present with."""
    known = pl.concat([rows.train, rows.test])
    if isinstance(trained.scorer, Rule):
        scorer: Model | Rule = rule_from(rows, known, rows.score)
    else:
        scorer = models.retrain(*_examples(known), classic_of(rows), trained.scorer.weights)
    return Trained(scorer, trained.evaluation, trained.decision)


def classic_of(rows: Rows) -> Callable[[int], Classic]:
    """The BG/NBD of a day that is trained or tested on, by its number."""
    by_day = {
        day_numbers(buyers)[0]: buyers for buyers in rows.histories.partition_by("as_of_date")
    }
    return lambda day: fit(by_day[day], rows.task, rows.horizon_days)


def _examples(known: pl.DataFrame) -> tuple[Matrix, Labels, Labels]:
    return matrix(known), labels(known), day_numbers(known)


def rule_from(rows: Rows, known: pl.DataFrame, buyers: pl.DataFrame) -> Rule:
    """The rule for `buyers`, its level from the days in `known`."""
    rate = base_rate(labels(known)) if known.height else None
    return make_rule(rows.task, buyers, rate, rows.horizon_days)


def probabilities(scorer: Model | Rule, features: pl.DataFrame) -> NDArray[np.float64]:
    """Probability of each row of `features`, of shape (rows,), in chunks of bounded memory."""
    found = [
        scorer.probabilities(chunk)
        if isinstance(scorer, Rule)
        else scorer.probabilities(matrix(chunk))
        for chunk in features.iter_slices(_CHUNK)
    ]
    return np.concatenate(found) if features.height else np.empty(0)


def day_numbers(frame: pl.DataFrame) -> Labels:
    """`as_of_date` as days since 1970."""
    return frame["as_of_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()
