"""The words a rule may use: fields, predictions and the operators of each kind of value.

Fields and predictions come from the contracts, so that a new column can be asked for at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
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


FIELDS: dict[str, Field] = {
    name: _field(column) for name, column in CONTRACTS["profiles.customers"].columns.items()
}
TASKS: dict[str, str] = {"purchase_14d": "purchase", "churn_30d": "churn"}
"""The predictions, and the task in `predictions.models` that trains each."""

_SCORES = CONTRACTS["predictions.purchase_14d"].columns
PREDICTION_TESTS: dict[str, tuple[str, Operator, Field]] = {
    "score_at_least": ("score", Operator.AT_LEAST, _field(_SCORES["score"])),
    "score_at_most": ("score", Operator.AT_MOST, _field(_SCORES["score"])),
    "percentile_at_least": ("percentile", Operator.AT_LEAST, _field(_SCORES["percentile"])),
    "percentile_at_most": ("percentile", Operator.AT_MOST, _field(_SCORES["percentile"])),
    "band": ("band", Operator.ONE_OF, _field(_SCORES["band"])),
}
"""The tests of a prediction: which column they look at, and how."""

PERFORMED_KEYS = ("at_least", "at_most", "within", "not_followed_by")
ORDER_COMPLETED = "order_completed"


def nearest(word: object, known: Iterable[str]) -> str:
    """How to mend a name that is not known: the one that was probably meant, or all there are."""
    names = list(known)
    close = difflib.get_close_matches(str(word), names, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Choose one of: {', '.join(names)}" if names else "There is none yet"
