"""Models taken apart into plain values and scikit-learn objects, to be kept as files, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from marketing_platform.errors import InputError
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.gamma_gamma import GammaGamma
from marketing_platform.predictions.matrix import COLUMNS
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.rule import Rule
from marketing_platform.predictions.value import Learned, ValueModel


def to_parts(scorer: Model | Rule) -> dict[str, Any]:
    """What a scorer is made of, as plain values and scikit-learn objects."""
    parts = {field.name: getattr(scorer, field.name) for field in fields(scorer)}
    return {"method": "model" if isinstance(scorer, Model) else "rule", **parts}


def from_parts(parts: dict[str, Any]) -> Model | Rule:
    """The scorer that `to_parts` took apart.

    Raises `InputError` for a model of other features, which an earlier version made.
    """
    made_of = {name: value for name, value in parts.items() if name not in ("method", "columns")}
    if parts["method"] != "model":
        return Rule(**made_of)
    if tuple(parts.get("columns", ())) != COLUMNS:
        raise InputError("a model of other features", mend="Build predictions.models again")
    return Model(**made_of)


def value_to_parts(model: ValueModel) -> dict[str, Any]:
    """What a model of value is made of, as plain values and scikit-learn objects."""
    learned = model.learned
    return {
        "orders": asdict(model.orders),
        "spending": asdict(model.spending),
        "learned": {f.name: getattr(learned, f.name) for f in fields(learned)} if learned else None,
    }


def value_from_parts(parts: dict[str, Any]) -> ValueModel:
    """The model that `value_to_parts` took apart."""
    learned = parts["learned"]
    return ValueModel(
        BgNbd(**parts["orders"]),
        GammaGamma(**parts["spending"]),
        Learned(**learned) if learned else None,
    )
