"""The words a rule may use: fields, predictions and the operators of each kind of value.

Fields and predictions come from the contracts, so that a new column can be asked for at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.contract import Column
from marketing_platform.segments.conditions import Operator


class Kind(StrEnum):
    """What sort of value a field has, in the words of an error message."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    MOMENT = "a moment"


@dataclass(frozen=True)
class Field:
    """A value that a rule may ask for, limited to `choices`, or from `low` to `high`, where set."""

    kind: Kind
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


_EQUALITY = (Operator.EQUALS, Operator.NOT_EQUALS, Operator.ONE_OF)
OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    Kind.TEXT: (*_EQUALITY, Operator.IS_SET),
    Kind.NUMBER: (
        *_EQUALITY,
        Operator.AT_LEAST,
        Operator.MORE_THAN,
        Operator.AT_MOST,
        Operator.LESS_THAN,
        Operator.IS_SET,
    ),
    Kind.FLAG: (Operator.EQUALS, Operator.NOT_EQUALS, Operator.IS_SET),
    Kind.MOMENT: (
        Operator.WITHIN,
        Operator.NOT_WITHIN,
        Operator.IN_NEXT,
        Operator.SINCE,
        Operator.BEFORE,
        Operator.IS_SET,
    ),
}

_KINDS: dict[type[pl.DataType], Kind] = {
    pl.String: Kind.TEXT,
    pl.Int64: Kind.NUMBER,
    pl.Float64: Kind.NUMBER,
    pl.Decimal: Kind.NUMBER,
    pl.Boolean: Kind.FLAG,
    pl.Datetime: Kind.MOMENT,
    pl.Date: Kind.MOMENT,
}


def _field(column: Column) -> Field:
    statistics = (check.pandera.statistics or {} for check in column.checks)
    told = {name: value for known in statistics for name, value in known.items()}
    return Field(
        _KINDS[type(column.dtype)],
        tuple(told.get("allowed_values", ())),
        told.get("min_value") if column.dtype.is_numeric() else None,
        told.get("max_value") if column.dtype.is_numeric() else None,
    )


PRODUCT_FIELDS = ("category", "brand")
FIELDS: dict[str, Field] = {
    name: _field(column) for name, column in CONTRACTS["profiles.customers"].columns.items()
}
EVENT_FIELDS: dict[str, Field] = {
    **{
        name: _field(CONTRACTS["core.events"].columns[name])
        for name in ("product_id", "page_url", "utm_source", "utm_medium", "utm_campaign")
    },
    **{name: _field(CONTRACTS["core.products"].columns[name]) for name in PRODUCT_FIELDS},
}
"""What `where` may ask of an event; some of it is known of the event's product."""


@dataclass(frozen=True)
class Prediction:
    """A table of predictions: the task in `predictions.models` that trains it, and its columns.

    `people` says for whom it has a row. Where it is judged by a backtest it says `is_promoted`.
    """

    task: str
    people: str
    fields: Mapping[str, Field]
    is_judged: bool = True


def _prediction(
    table: str, task: str, people: str, names: str, *, is_judged: bool = True
) -> Prediction:
    columns = CONTRACTS[f"predictions.{table}"].columns
    fields = {name: _field(columns[name]) for name in names.split()}
    return Prediction(task, people, fields, is_judged)


_SCORED = "score percentile band"
_LISTS = CONTRACTS["predictions.product_affinity"].columns
PREDICTIONS: dict[str, Prediction] = {
    "purchase_14d": _prediction("purchase_14d", "purchase", "buyers", _SCORED),
    "churn_30d": _prediction("churn_30d", "churn", "buyers", _SCORED),
    "lead_score": _prediction("lead_score", "lead", "leads", _SCORED),
    "lifetime_value": _prediction(
        "lifetime_value",
        "value",
        "buyers",
        "historic_amount expected_90d_amount expected_365d_amount expected_orders_90d"
        " expected_orders_365d percentile band",
    ),
    "next_order": _prediction(
        "next_order",
        "value",
        "buyers",
        "typical_gap_days expected_date earliest_date latest_date",
        is_judged=False,
    ),
    "send_time": _prediction("send_time", "", "", "hour_utc weekday hour_share", is_judged=False),
    "product_affinity": Prediction(
        "affinity",
        "buyers",
        {
            "next_due_date": _field(_LISTS["due_date"]),
            "again_product_id": _field(_LISTS["product_id"]),
            "new_product_id": _field(_LISTS["product_id"]),
        },
    ),
}
"""The predictions that a rule may ask for. Lists of products are asked for by their first ones."""

_SCORES = CONTRACTS["predictions.purchase_14d"].columns
SCORED = tuple(name for name, found in PREDICTIONS.items() if "score" in found.fields)
"""Those that the tests of scores go with."""
PREDICTION_TESTS: dict[str, tuple[str, Operator, Field]] = {
    "score_at_least": ("score", Operator.AT_LEAST, _field(_SCORES["score"])),
    "score_at_most": ("score", Operator.AT_MOST, _field(_SCORES["score"])),
    "percentile_at_least": ("percentile", Operator.AT_LEAST, _field(_SCORES["percentile"])),
    "percentile_at_most": ("percentile", Operator.AT_MOST, _field(_SCORES["percentile"])),
    "band": ("band", Operator.ONE_OF, _field(_SCORES["band"])),
}
"""The tests of a prediction: which column they look at, and how."""

PERFORMED_KEYS = ("at_least", "at_most", "within", "where", "not_followed_by", "followed_by")
ORDER_COMPLETED = "order_completed"


def nearest(word: object, known: Iterable[str]) -> str:
    """How to mend a name that is not known: the one that was probably meant, or all there are."""
    names = list(known)
    close = difflib.get_close_matches(str(word), names, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Choose one of: {', '.join(names)}" if names else "There is none yet"
