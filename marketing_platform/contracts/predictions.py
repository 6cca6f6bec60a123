"""Contracts of `predictions`: what customers will do, and how well that is known."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    number,
    share,
    text,
)

TASKS = ("purchase", "churn")
BANDS = ("very_low", "low", "medium", "high", "very_high")


def _score_columns(probability: str) -> dict[str, Column]:
    return {
        "customer_id": key("Key: the person."),
        "as_of_date": date("The day at whose end this was known."),
        "score": share(probability),
        "percentile": share("Share of the scored customers whose score is lower or equal."),
        "band": text("Fifth of the scored customers that the score lies in.", one_of=BANDS),
        "model_version": key("Which model said so."),
        "is_promoted": flag("Whether that model passed its backtest; if not, segments hold."),
    }


PREDICTIONS: tuple[Contract, ...] = (
    contract(
        "predictions.as_of_dates",
        {
            "task": text("What is predicted.", one_of=TASKS),
            "as_of_date": date("The day at whose end features are taken."),
            "horizon_days": integer("Days looked ahead.", ge=1),
            "active_days": integer("Days after a purchase that a buyer counts as active.", ge=1),
            "role": text("What the day is for.", one_of=("train", "test", "score")),
        },
        key=["task", "as_of_date"],
    ),
    contract(
        "predictions.features",
        {
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end this was known."),
            "recency_days": integer("Days since the last day of purchase.", ge=0),
            "tenure_days": integer("Days since the first day of purchase.", ge=0),
            "order_days_count": integer("Days with a purchase.", ge=1),
            "order_days_30d_count": integer("Of them in the last 30 days.", ge=0),
            "order_days_90d_count": integer("Of them in the last 90 days.", ge=0),
            "order_days_180d_count": integer("Of them in the last 180 days.", ge=0),
            "order_days_fading_15d": number("Sum over them of exp(-age in days / 15).", ge=0),
            "order_days_fading_60d": number("Sum over them of exp(-age in days / 60).", ge=0),
            "gap_mean_days": number("Mean gap between days of purchase.", nullable=True, ge=0),
            "gap_std_days": number("Its standard deviation.", nullable=True, ge=0),
            "gap_last_days": integer("Gap before the last of them.", nullable=True, ge=1),
            "gross_amount_sum": number("Spent.", ge=0),
            "gross_amount_mean": number("Spent per day of purchase.", ge=0),
            "gross_amount_last": number("Spent on the last day of purchase.", ge=0),
            "gross_amount_90d_sum": number("Spent in the last 90 days.", ge=0),
            "last_seen_days": integer("Days since the last event.", nullable=True, ge=0),
            "active_7d_days": integer("Days with an event in the last 7 days.", ge=0),
            "active_30d_days": integer("Days with an event in the last 30 days.", ge=0),
            "product_viewed_7d_count": integer("Views in the last 7 days.", ge=0),
            "product_viewed_30d_count": integer("Views in the last 30 days.", ge=0),
            "product_added_7d_count": integer("Products added in the last 7 days.", ge=0),
            "product_added_30d_count": integer("Products added in the last 30 days.", ge=0),
        },
        key=["customer_id", "as_of_date"],
    ),
    contract(
        "predictions.outcomes",
        {
            "task": text("What is predicted.", one_of=TASKS),
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end features are taken."),
            "is_positive": flag("Whether it came true within the horizon."),
        },
        key=["task", "customer_id", "as_of_date"],
    ),
    contract(
        "predictions.models",
        {
            "model_version": key("Key: task, day and fingerprint of the training data."),
            "task": text("What is predicted.", one_of=TASKS),
            "trained_as_of_date": date("Last day that training has seen."),
            "horizon_days": integer("Days looked ahead.", ge=1),
            "method": text("How scores are made.", one_of=("model", "rule")),
            "is_promoted": flag("Whether its scores may be used."),
            "reason": text("Why it was promoted or not."),
            "metrics": text("The backtest as JSON: customers, positives and the metrics of each."),
        },
        key=["model_version"],
    ),
    contract(
        "predictions.purchase_14d",
        _score_columns("Probability of at least one purchase within the horizon."),
        key=["customer_id"],
    ),
    contract(
        "predictions.churn_30d",
        _score_columns("Probability that an active buyer buys nothing within the horizon."),
        key=["customer_id"],
    ),
)
