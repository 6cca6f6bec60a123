"""Models taken apart into plain values and scikit-learn objects, to be kept as files, and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from marketing_platform.errors import InputError
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.classic import Classic
from marketing_platform.predictions.gamma_gamma import GammaGamma
from marketing_platform.predictions.matrix import COLUMNS
from marketing_platform.predictions.model import Model
from marketing_platform.predictions.rule import FadingRule, Rule
from marketing_platform.predictions.value import Learned, ValueModel


def to_parts(scorer: Model | Rule) -> dict[str, Any]:
    """What a scorer is made of, as plain values and scikit-learn objects."""
    parts = {field.name: getattr(scorer, field.name) for field in fields(scorer)}
    if isinstance(scorer, Rule):
        return {"method": "rule", **parts}
    parts["classic"] = asdict(scorer.classic) if scorer.classic else None
    return {"method": "model", **parts}


def from_parts(parts: dict[str, Any]) -> Model | Rule:
    """The scorer that `to_parts` took apart, in this version or an earlier one.

    Raises `InputError` for a model of other features, which an earlier version made.
    """
    made_of = {name: value for name, value in parts.items() if name not in ("method", "columns")}
    if parts["method"] != "model":
        if "factor" in made_of:
            return FadingRule(made_of["task"], made_of["gap_days"], made_of["factor"])
        return Rule(**made_of)
    if tuple(parts.get("columns", ())) != COLUMNS:
        raise InputError("a model of other features", mend="Build predictions.models again")
    if "slope" in made_of:
        made_of = _of_two_voices(**made_of)
    classic = made_of.pop("classic")
    return Model(**made_of, classic=_classic(**classic) if classic else None)


def _classic(repeat: dict[str, float], **asked: Any) -> Classic:
    return Classic(BgNbd(**repeat), **asked)


def _of_two_voices(slope: float, centre: float, **fitted: Any) -> dict[str, Any]:
    """A model of the recipe before: both halves alike, spread around the level of its training."""
    half = slope / 2
    return {**fitted, "classic": None, "weights": (half, half, 0.0), "level": centre * (1 - slope)}


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
