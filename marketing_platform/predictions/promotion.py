"""Whether a model's scores may be used, and why, in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from marketing_platform.predictions.evaluation import MEASURED, Evaluation
from marketing_platform.predictions.rows import Rows
from marketing_platform.settings import Predictions


@dataclass(frozen=True)
class Decision:
    """Promoted or not, and the reason."""

    is_promoted: bool
    reason: str


def too_little(rows: Rows, settings: Predictions) -> str | None:
    """Why there is too little to train a model on; None where there is enough."""
    if rows.score.is_empty() and rows.train.is_empty():
        return "nobody to score: there are no purchases (or no active buyers) yet"
    if rows.test_date is None or rows.train.is_empty():
        return (
            "history is too short: training and a test need "
            f"{settings.minimum_history_days + 2 * rows.horizon_days} days of purchases"
        )
    customers = rows.train["customer_id"].n_unique()
    if customers < settings.minimum_customers:
        return f"{customers} customers to learn from, fewer than {settings.minimum_customers}"
    positives = int(rows.train["is_positive"].sum())
    fewer = min(positives, rows.train.height - positives)
    if fewer < settings.minimum_positives:
        kind = "positives" if fewer == positives else "negatives"
        return f"{fewer} {kind} to learn from, fewer than {settings.minimum_positives}"
    return None


def promotion(evaluation: Evaluation) -> Decision:
    """Promoted if the model orders better than recency and its log loss beats the base rate's."""
    if evaluation.status != MEASURED:
        return Decision(False, evaluation.status)
    platform, recency = evaluation.models["platform"], evaluation.models["recency"]
    auc, recency_auc = platform["roc_auc"], recency["roc_auc"]
    loss, base = platform["log_loss"], evaluation.base_log_loss
    if auc is None or recency_auc is None or loss is None or base is None:
        return Decision(False, "the test gave no figures")
    facts = (
        f"on the {evaluation.horizon_days} days after {evaluation.as_of}: ROC AUC {auc:.4f}"
        f" against {recency_auc:.4f} of recency, log loss {loss:.4f} against {base:.4f} of the"
        " base rate"
    )
    if auc <= recency_auc:
        return Decision(False, f"does not order better than recency {facts}")
    if loss >= base:
        return Decision(False, f"its probabilities are no better than the base rate {facts}")
    return Decision(True, f"better than recency and the base rate {facts}")
