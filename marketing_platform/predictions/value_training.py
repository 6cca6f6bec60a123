"""Trains and tests the model of value: how much each buyer will spend in the days to come."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import sklearn
from scipy.stats import spearmanr

from marketing_platform.predictions import store
from marketing_platform.predictions.champion import is_surely_worse, refused
from marketing_platform.predictions.learned_from import learned_from
from marketing_platform.predictions.matrix import PLAIN_COLUMNS, Vector
from marketing_platform.predictions.metrics import Metrics
from marketing_platform.predictions.parts import value_from_parts, value_to_parts
from marketing_platform.predictions.promotion import Decision
from marketing_platform.predictions.succession import (
    Judged,
    Newcomer,
    Row,
    hold_against,
    own_test,
)
from marketing_platform.predictions.tasks import LEARNED_DAYS, TEST_DAYS
from marketing_platform.predictions.value import ValueModel, train
from marketing_platform.settings import Predictions, Settings
from marketing_platform.warehouse import Warehouse

# Horizons of `predictions.lifetime_value`; the model is tested on the shorter one.
HORIZONS: Final = (TEST_DAYS, 365)
METRICS: Final = ("mae", "spearman", "bias")
_DIGITS = 6
# Rows that training keeps at most; buyers are left out whole.
_MOST_ROWS = 200_000
_RATE_PRIOR_DAYS = 30

_BUYERS = """
    select * from predictions.features where as_of_date = $day order by customer_id
"""
_KNOWN = """
    select features.*, outcomes.order_count, outcomes.gross_amount as amount
    from predictions.outcomes
    inner join predictions.features using (customer_id, as_of_date)
    where
        outcomes.task = 'value'
        and as_of_date <= $newest
        and hash(customer_id) % 1000 < $kept
    order by as_of_date, customer_id
"""
_TRUTH = """
    select
        features.customer_id,
        coalesce(sum(orders.spent_amount), 0)::double as amount
    from predictions.features
    left join profiles.orders
        on
            features.customer_id = orders.customer_id
            and orders.order_date > features.as_of_date
            and orders.order_date <= $last
    where features.as_of_date = $day
    group by features.customer_id
    order by features.customer_id
"""


@dataclass(frozen=True)
class ValueTest:
    """What a test found: how many, and the metrics of `platform`, `bg_nbd` and `spend_rate`."""

    as_of: dt.date
    horizon_days: int
    customers: int
    positives: int
    models: dict[str, Metrics]

    def to_dict(self) -> dict[str, Any]:
        """Task, day, horizon, counts and metrics as plain values; missing metrics are None."""
        return {
            "task": "value",
            "as_of": self.as_of.isoformat(),
            "horizon_days": self.horizon_days,
            "customers": self.customers,
            "positives": self.positives,
            "models": self.models,
        }

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)


def buyers_of(warehouse: Warehouse, day: dt.date) -> pl.DataFrame:
    """The feature rows of all buyers of an as-of day, by customer."""
    return warehouse.query(_BUYERS, {"day": day})


def train_as_of(warehouse: Warehouse, day: dt.date, settings: Predictions) -> ValueModel | None:
    """The model that is learned from what was known on `day`; None where nobody has bought."""
    buyers = buyers_of(warehouse, day)
    if buyers.is_empty():
        return None
    return train(buyers, _enough(_known(warehouse, day), settings))


def _known(warehouse: Warehouse, day: dt.date) -> pl.DataFrame:
    """Past rows whose outcomes were known on `day`."""
    newest = day - dt.timedelta(days=LEARNED_DAYS)
    count = warehouse.query(
        "select count(*) from predictions.outcomes where task = 'value' and as_of_date <= $newest",
        {"newest": newest},
    ).item()
    kept = min(1000, max(1, _MOST_ROWS * 1000 // max(count, 1)))
    return warehouse.query(_KNOWN, {"newest": newest, "kept": kept})


def _enough(known: pl.DataFrame, settings: Predictions) -> pl.DataFrame | None:
    if known.is_empty() or known["customer_id"].n_unique() < settings.minimum_customers:
        return None
    positives = int((known["order_count"] > 0).sum())
    return known if positives >= settings.minimum_positives else None


def test_as_of(
    warehouse: Warehouse, day: dt.date, horizon_days: int, settings: Predictions
) -> ValueTest | None:
    """Compare what was expected on `day` with what came; None where nobody had bought."""
    model = train_as_of(warehouse, day, settings)
    return _test(warehouse, model, day, horizon_days)[0] if model else None


def _test(
    warehouse: Warehouse, model: ValueModel, day: dt.date, horizon_days: int
) -> tuple[ValueTest, Vector]:
    """What a model expected on a day beside what came, and by how much it is off of each buyer."""
    buyers = buyers_of(warehouse, day)
    truth = warehouse.query(_TRUTH, {"day": day, "last": day + dt.timedelta(days=horizon_days)})[
        "amount"
    ].to_numpy()
    watched = buyers["tenure_days"].to_numpy() + _RATE_PRIOR_DAYS
    compared = {
        "platform": model.forecast(buyers, horizon_days)["amount"].to_numpy(),
        "bg_nbd": model.classic(buyers, horizon_days)[1],
        "spend_rate": buyers["gross_amount_sum"].to_numpy() / watched * horizon_days,
    }
    test = ValueTest(
        day,
        horizon_days,
        len(truth),
        int((truth > 0).sum()),
        {name: measure(truth, found) for name, found in compared.items()},
    )
    return test, np.abs(compared["platform"] - truth)


def measure(truth: Vector, expected: Vector) -> Metrics:
    """Mean absolute error, rank correlation, and by how much the sum is off as a share of it.

    The last two are None where all true values are alike, or nothing was spent.
    """
    found: Metrics = dict.fromkeys(METRICS)
    if not len(truth):
        return found
    found["mae"] = float(np.abs(expected - truth).mean())
    if truth.min() < truth.max() and expected.min() < expected.max():
        found["spearman"] = float(spearmanr(expected, truth).statistic)
    if truth.sum() > 0:
        found["bias"] = float(expected.sum() / truth.sum() - 1)
    return {name: None if v is None else round(v, _DIGITS) for name, v in found.items()}


def train_value(
    warehouse: Warehouse, day: dt.date, settings: Settings, _before: list[Row], reigning: Row | None
) -> Newcomer | None:
    """Train a model, and keep it as a file; None where nobody has bought."""
    rules = settings.platform.predictions
    buyers = buyers_of(warehouse, day)
    if buyers.is_empty():
        return None
    known = _known(warehouse, day)
    model = train(buyers, _enough(known, rules))
    tests = warehouse.query(
        "select as_of_date from predictions.as_of_dates where task = 'value' and role = 'test'"
    )["as_of_date"].to_list()
    tested = train_as_of(warehouse, tests[0], rules) if tests else None
    test, misses = _test(warehouse, tested, tests[0], TEST_DAYS) if tested else (None, None)
    # What a model says of everybody tells it apart: the bytes of a file hold the time of day.
    said = model.forecast(buyers, TEST_DAYS).to_numpy()
    digest = hashlib.sha256(repr(sklearn.__version__).encode() + said.tobytes()).hexdigest()
    version = f"value-{day.isoformat()}-{digest[:12]}"
    store.save(settings.models_dir, version, value_to_parts(model))
    decided = decision(model, test)
    row = {
        "model_version": version,
        "task": "value",
        "trained_as_of_date": day,
        "horizon_days": TEST_DAYS,
        "method": "rule" if model.learned is None else "model",
        "is_promoted": decided.is_promoted,
        "reason": decided.reason,
        "metrics": test.to_json() if test else "{}",
        "learned_from": learned_from(
            known["as_of_date"], int((known["order_count"] > 0).sum()), PLAIN_COLUMNS
        ),
    }

    def compare(other: Row) -> tuple[Judged, Decision | None]:
        kept = value_from_parts(store.load(settings.models_dir, other["model_version"]))
        if misses is None:
            return own_test(other), None
        theirs, their_misses = _test(warehouse, kept, tests[0], TEST_DAYS)
        told = f"mean error {misses.mean():.2f} against {their_misses.mean():.2f} on the same days"
        worse = refused(told) if is_surely_worse(misses - their_misses) else None
        return Judged(decision(kept, theirs), theirs.to_json()), worse

    return Newcomer(row, hold_against(decided, reigning, day, compare))


def decision(model: ValueModel, test: ValueTest | None) -> Decision:
    """Promoted if it was tested, and orders buyers better than what they spent so far does."""
    if test is None:
        return Decision(False, "no past day has 90 days of purchases after it to test on")
    ours, naive = (test.models[name] for name in ("platform", "spend_rate"))
    rank, naive_rank = ours["spearman"], naive["spearman"]
    if rank is None or naive_rank is None or ours["mae"] is None or naive["mae"] is None:
        return Decision(False, f"nothing was spent in the {test.horizon_days} days after the test")
    facts = (
        f"on the {test.horizon_days} days after {test.as_of}: rank correlation {rank:.4f} against"
        f" {naive_rank:.4f} of the rate of spending so far, mean error {ours['mae']:.2f} against"
        f" {naive['mae']:.2f}"
    )
    if rank <= naive_rank or ours["mae"] >= naive["mae"]:
        return Decision(False, f"no better than the rate of spending so far {facts}")
    if model.learned is None:
        return Decision(True, f"the classic models, for there is too little to learn from; {facts}")
    return Decision(True, f"better than the rate of spending so far {facts}")
