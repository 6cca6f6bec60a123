"""What a rule can tell of a person: fields of the profile, predictions, and lists of products.

A prediction's column is called after both, as in `churn_30d_score`; `churn_30d_reasons` are its
reasons in words. A list has products in an order that says something, as objects with `product_id`
(the source's), `sku`, `title`, `url`, `image_url`, `price`, `currency`, `quantity` and `due_date`;
what is not known of one is null there. Who has none has an empty list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from marketing_platform.activation.product_lists import PRODUCT_LISTS, products_of
from marketing_platform.contracts import CONTRACTS
from marketing_platform.segments.vocabulary import PREDICTIONS

_PROFILES = "profiles.customers"
_REASONS = ("reason_1", "reason_2", "reason_3")
# Its lists of products are told as lists.
_LISTS = "product_affinity"


@dataclass(frozen=True)
class Attribute:
    """A value to tell of a person.

    `value` is its SQL, as it stands in a payload: moments as ISO 8601, money as text. `table` is
    what is joined by `customer_id` under the name `alias`. `prediction` is the one that it comes
    of, `reads` are the tables that it is made of.
    """

    name: str
    value: str
    alias: str
    table: str
    reads: tuple[str, ...]
    prediction: str | None = None

    @property
    def is_missing(self) -> str:
        """SQL: whether it is not known of a person, or a list of nothing."""
        if self.name in PRODUCT_LISTS:
            return f"json_array_length({self.value}) = 0"
        return f"nullif(trim(({self.value})::varchar), '') is null"


@cache
def known_attributes(product_count: int = 1) -> dict[str, Attribute]:
    """All attributes by name; lists of products have at most so many."""
    found = [_field(name) for name in CONTRACTS[_PROFILES].columns]
    for prediction in PREDICTIONS:
        if prediction != _LISTS:
            found += _predicted(prediction)
    for name, known in PRODUCT_LISTS.items():
        found.append(
            Attribute(
                name,
                f"coalesce({name}.products, '[]'::json)",
                name,
                f"({products_of(name, product_count)})",
                known.reads,
                known.prediction,
            )
        )
    return {attribute.name: attribute for attribute in found}


def tables_told(names: Iterable[str]) -> set[str]:
    """The tables that these attributes are made of; an unknown name has none."""
    known = known_attributes()
    return {table for name in names if name in known for table in known[name].reads}


def _field(name: str) -> Attribute:
    return Attribute(name, _as_json(_PROFILES, "c", name), "c", _PROFILES, (_PROFILES,))


def _predicted(prediction: str) -> list[Attribute]:
    table = f"predictions.{prediction}"
    values = {}
    for name in PREDICTIONS[prediction].fields:
        value = _as_json(table, prediction, name)
        # Digits that mean nothing would have everybody updated every day.
        is_rounded = CONTRACTS[table].columns[name].duckdb_type == "DOUBLE"
        values[name] = f"round({value}, 3)" if is_rounded else value
    if set(_REASONS) <= set(CONTRACTS[table].columns):
        reasons = ", ".join(f"{prediction}.{reason}" for reason in _REASONS)
        values["reasons"] = f"nullif(concat_ws('; ', {reasons}), '')"
    return [
        Attribute(f"{prediction}_{name}", value, prediction, table, (table,), prediction)
        for name, value in values.items()
    ]


def _as_json(table: str, alias: str, name: str) -> str:
    kind = CONTRACTS[table].columns[name].duckdb_type
    if kind == "TIMESTAMP":
        return f"strftime({alias}.{name}, '%Y-%m-%dT%H:%M:%SZ')"
    if kind == "DATE" or kind.startswith("DECIMAL"):
        return f"{alias}.{name}::varchar"
    return f"{alias}.{name}"
