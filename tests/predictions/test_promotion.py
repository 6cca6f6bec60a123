"""When a model may be used: the rule of promotion on made-up test figures."""

from __future__ import annotations

import dataclasses

import pytest
from predictions_shop import day

from marketing_platform.predictions.evaluation import Evaluation
from marketing_platform.predictions.metrics import NO_METRICS
from marketing_platform.predictions.promotion import promotion


def evaluation(auc: float | None, recency_auc: float | None, log_loss: float | None) -> Evaluation:
    return Evaluation(
        task="purchase",
        as_of=day(100),
        horizon_days=14,
        customers=1_000,
        positives=100,
        status="measured",
        base_log_loss=0.30,
        models={
            "platform": {**NO_METRICS, "roc_auc": auc, "log_loss": log_loss},
            "recency": {**NO_METRICS, "roc_auc": recency_auc},
        },
    )


@pytest.mark.parametrize(
    ("found", "promoted", "reason"),
    [
        (evaluation(0.80, 0.75, 0.25), True, "better than recency and the base rate"),
        (evaluation(0.75, 0.75, 0.25), False, "does not order better than recency"),
        (evaluation(0.70, 0.75, 0.25), False, "0.7000 against 0.7500 of recency"),
        (evaluation(0.80, 0.75, 0.30), False, "no better than the base rate"),
        (evaluation(None, 0.75, 0.25), False, "no figures"),
        (evaluation(0.80, None, 0.25), False, "no figures"),
        (evaluation(0.80, 0.75, None), False, "no figures"),
    ],
)
def test_a_model_is_promoted_only_if_it_beats_recency_and_the_base_rate(
    found: Evaluation, promoted: bool, reason: str
) -> None:
    decision = promotion(found)
    assert decision.is_promoted is promoted
    assert reason in decision.reason


def test_a_test_without_figures_promotes_nothing_and_says_why() -> None:
    found = dataclasses.replace(evaluation(0.9, 0.5, 0.1), status="nobody to test on")
    assert promotion(found).is_promoted is False
    assert promotion(found).reason == "nobody to test on"
