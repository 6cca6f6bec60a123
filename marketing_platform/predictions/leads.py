"""`predictions.lead_score`: who has not bought yet, and is likeliest to within a month.

A regularised regression on what leads did before, learned on days a month apart and tested on the
newest of them. A shop that has too few gets a rule: the base rate, fading with the days since a
lead was last seen.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from marketing_platform.contracts import CONTRACTS
from marketing_platform.predictions import store
from marketing_platform.predictions.baselines import base_rate
from marketing_platform.predictions.champion import contest, refused
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.matrix import Matrix, Vector, labels
from marketing_platform.predictions.metrics import NO_METRICS, base_rate_log_loss, measure
from marketing_platform.predictions.promotion import Decision
from marketing_platform.predictions.reasons import NAMES, counted, effects_by_kind, strongest
from marketing_platform.predictions.scores import scored
from marketing_platform.predictions.succession import (
    Judged,
    Newcomer,
    Row,
    hold_against,
    own_test,
)
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Built, Warehouse

NAME: Final = "predictions.lead_score"
HORIZON_DAYS: Final = 30
_COLUMNS: Final = (
    *("known_days", "active_30d_days", "viewed_7d_count", "viewed_30d_count", "added_30d_count"),
    *("checkout_30d_count", "opened_90d_count", "clicked_90d_count", "deal_count"),
)
_FADING_DAYS = (7.0, 30.0)
_KINDS: Final = {
    "known": ("known_days",),
    "browsing": (
        *("active_30d_days", "viewed_7d_count", "viewed_30d_count"),
        *("last_seen_fading_7d", "last_seen_fading_30d"),
    ),
    "cart": ("added_30d_count", "checkout_30d_count"),
    "messages": ("opened_90d_count", "clicked_90d_count"),
    "crm": ("deal_count",),
}
_RULE_DAYS = 30.0
_MOST_ROWS = 400_000


@dataclass(frozen=True)
class LeadModel:
    """A regression, or, without one, the rule with its level."""

    linear: Pipeline | None
    level: float

    def probabilities(self, leads: pl.DataFrame) -> Vector:
        """Probability of a first purchase within the horizon, of shape (rows,)."""
        if self.linear is None:
            found: Vector = np.clip(self.level * _seen(leads, _RULE_DAYS), 1e-4, 1 - 1e-4)
            return found
        told: Vector = self.linear.predict_proba(_matrix(leads))[:, 1]
        return told


@dataclass(frozen=True)
class Leads:
    """The model of today, whether it may be used, how it did, and on which leads of which day.

    `said` is what the model of the test said of the leads in `test`, `rate` the share of buyers in
    its training; without a test both are empty.
    """

    model: LeadModel
    decision: Decision
    metrics: dict[str, Any]
    test: pl.DataFrame
    said: Vector
    rate: float = 0.0


def train(known: pl.DataFrame, settings: Predictions) -> LeadModel:
    """Learn from leads of days whose outcomes are known."""
    positives = int(known["is_positive"].sum()) if known.height else 0
    fewer = min(positives, known.height - positives)
    if known.is_empty() or fewer < settings.minimum_positives:
        rate = base_rate(labels(known)) if known.height else 0.01
        level = float(np.mean(_seen(known, _RULE_DAYS))) if known.height else 1.0
        return LeadModel(None, rate / max(level, 1e-3))
    step = -(-known.height // _MOST_ROWS)
    sample = known[::step]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return LeadModel(linear.fit(_matrix(sample), labels(sample)), 0.0)


def learn(rows: pl.DataFrame, settings: Predictions) -> Leads:
    """Test on the newest day that is known, trained on those before; then learn from all."""
    rows = rows.sort("as_of_date", "customer_id")
    known = rows.filter(pl.col("is_positive").is_not_null())
    model = train(known, settings)
    newest = known["as_of_date"].max()
    early = known.filter(pl.col("as_of_date") < newest) if known.height else known
    if early.is_empty():
        reason = "history is too short: no two months of leads without an order"
        return Leads(model, Decision(False, reason), {}, early, np.empty(0))
    assert isinstance(newest, dt.date)  # noqa: S101 - tells the type checker
    test = known.filter(pl.col("as_of_date") == newest)
    tested = train(early, settings)
    said, rate = tested.probabilities(test), base_rate(labels(early))
    metrics = _metrics(test, said, rate)
    return Leads(model, _decision(tested, metrics), metrics, test, said, rate)


def _metrics(test: pl.DataFrame, said: Vector, rate: float) -> dict[str, Any]:
    """How well the leads of a day were told apart, beside when they were last seen."""
    truth = labels(test)
    recency = {**NO_METRICS, "roc_auc": measure(truth, _seen(test, _RULE_DAYS))["roc_auc"]}
    return {
        "task": "lead", "as_of": test["as_of_date"][0].isoformat(), "horizon_days": HORIZON_DAYS,
        "customers": len(truth), "positives": int(truth.sum()),
        "base_log_loss": base_rate_log_loss(truth, rate),
        "models": {"platform": measure(truth, said), "recency": recency},
    }  # fmt: skip


def build_lead_score(warehouse: Warehouse, settings: Settings) -> Built:
    """Write the score of every customer without a purchase."""
    leads = warehouse.query(
        "select f.* from predictions.lead_features as f"
        " inner join core.clock as k on f.as_of_date = k.as_of_date order by customer_id"
    )
    found = warehouse.query(
        "select model_version, is_promoted from predictions.models"
        " where task = 'lead' and standing = 'champion'"
    )
    empty = CONTRACTS[NAME].empty()
    if leads.is_empty() or found.is_empty():
        return warehouse.replace(NAME, empty)
    version, is_promoted = found.row(0)
    model = _kept(settings, version)
    frame = scored(leads, model.probabilities(leads)).with_columns(
        pl.lit(version).alias("model_version"),
        pl.lit(is_promoted).alias("is_promoted"),
    )
    frame = pl.concat([frame, _reasons(model, leads)], how="horizontal")
    return warehouse.replace(NAME, frame.select(empty.columns))


def train_leads(
    warehouse: Warehouse, day: dt.date, settings: Settings, _before: list[Row], reigning: Row | None
) -> Newcomer:
    """Train a model, and keep it as a file."""
    rows = warehouse.read("predictions.lead_features")
    learned = learn(rows, settings.platform.predictions)
    known = rows.filter(pl.col("as_of_date") <= day).sort("as_of_date", "customer_id")
    taught = known.filter(pl.col("is_positive").is_not_null())
    digest = hashlib.sha256(learned.model.probabilities(known).tobytes()).hexdigest()
    version = f"lead-{day.isoformat()}-{digest[:12]}"
    parts = {field.name: getattr(learned.model, field.name) for field in fields(learned.model)}
    store.save(settings.models_dir, version, parts)
    row = {
        "model_version": version,
        "task": "lead",
        "trained_as_of_date": day,
        "horizon_days": HORIZON_DAYS,
        "method": "rule" if learned.model.linear is None else "model",
        "is_promoted": learned.decision.is_promoted,
        "reason": learned.decision.reason,
        "metrics": json.dumps(learned.metrics, sort_keys=True),
        "learned_from": learned_from(taught["as_of_date"], int(labels(taught).sum()), _COLUMNS),
    }
    verdict = hold_against(
        learned.decision, reigning, day, lambda other: _compare(learned, other, settings)
    )
    return Newcomer(row, verdict)


def _kept(settings: Settings, version: str) -> LeadModel:
    return LeadModel(**store.load(settings.models_dir, version))


def _compare(learned: Leads, reigning: Row, settings: Settings) -> tuple[Judged, Decision | None]:
    """How the reigning model does on the leads of the test, and why the new one is worse, if so."""
    model = _kept(settings, reigning["model_version"])
    truth = labels(learned.test)
    if len(set(truth)) < 2:
        return own_test(reigning), None
    theirs = model.probabilities(learned.test)
    metrics = _metrics(learned.test, theirs, learned.rate)
    against = contest(truth, learned.said, theirs)
    tested = Judged(_decision(model, metrics), json.dumps(metrics, sort_keys=True))
    return tested, refused(against.told) if against.is_worse else None


def _decision(model: LeadModel, metrics: dict[str, Any]) -> Decision:
    ours, recency = (metrics["models"][name] for name in ("platform", "recency"))
    if model.linear is None:
        return Decision(False, "too few leads became buyers to learn from: a rule takes its place")
    if ours["roc_auc"] is None or recency["roc_auc"] is None:
        return Decision(False, "the test has one class only, so nothing can be ordered")
    facts = (
        f"on the {HORIZON_DAYS} days after {metrics['as_of']}: ROC AUC {ours['roc_auc']:.4f}"
        f" against {recency['roc_auc']:.4f} of when they were last seen, log loss"
        f" {ours['log_loss']:.4f} against {metrics['base_log_loss']:.4f} of the base rate"
    )
    if ours["roc_auc"] <= recency["roc_auc"] or ours["log_loss"] >= metrics["base_log_loss"]:
        return Decision(False, f"no better than when they were last seen {facts}")
    return Decision(True, f"better than when they were last seen {facts}")


def _matrix(leads: pl.DataFrame) -> Matrix:
    plain = leads.select(pl.col(name).cast(pl.Float64).log1p() for name in _COLUMNS).to_numpy()
    return np.column_stack([plain, *(_seen(leads, days) for days in _FADING_DAYS)])


def _seen(leads: pl.DataFrame, days: float) -> Vector:
    """exp(-days since last seen / days); 0 for who never was."""
    faded = (-leads["last_seen_days"].cast(pl.Float64) / days).exp().fill_null(0.0)
    return faded.to_numpy()


def _reasons(model: LeadModel, leads: pl.DataFrame) -> pl.DataFrame:
    """One row per lead: reason_1 to reason_3."""
    texts = leads.select(**_texts())
    if model.linear is None:
        # The rule looks at nothing else.
        none = [pl.lit(None, pl.String).alias(name) for name in NAMES[1:]]
        return texts.select(pl.col("browsing").alias(NAMES[0]), *none)
    columns = (*_COLUMNS, *(f"last_seen_fading_{days:.0f}d" for days in _FADING_DAYS))
    return strongest(effects_by_kind(model.linear, _matrix(leads), columns, _KINDS), texts)


def _texts() -> dict[str, pl.Expr]:
    """Of each kind, what is so."""
    seen = pl.format(
        "on the site {} ago, on {} of the last 30",
        counted(pl.col("last_seen_days"), "day"), counted(pl.col("active_30d_days"), "day"),
    )  # fmt: skip
    return {
        "known": pl.format("known for {}", counted(pl.col("known_days"), "day")),
        "browsing": pl.when(pl.col("last_seen_days").is_not_null())
        .then(seen)
        .otherwise(pl.lit("not seen on the site")),
        "cart": pl.format(
            "put {} into the cart and began {} in 30 days",
            counted(pl.col("added_30d_count"), "product"),
            counted(pl.col("checkout_30d_count"), "checkout"),
        ),
        "messages": pl.format(
            "opened {} and clicked {} in 90 days",
            counted(pl.col("opened_90d_count"), "message"), pl.col("clicked_90d_count"),
        ),
        "crm": pl.format("{} in the CRM", counted(pl.col("deal_count"), "deal")),
    }  # fmt: skip
