"""Which contact a customer's attribute is taken from, held to a plain reading of the rules."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from marketing_platform.contracts import CONTRACTS
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Platform, Settings
from marketing_platform.warehouse import Warehouse

ATTRIBUTES = ("email", "first_name", "birth_date", "postcode")
SOURCES = ("shop", "crm", "mail")
VALUES: dict[str, list[Any]] = {
    "email": [None, "ada@example.com", "ada@example.org"],
    "first_name": [None, "Ada", "Augusta"],
    "birth_date": [None, dt.date(1815, 12, 10), dt.date(1815, 10, 12)],
    "postcode": [None, "10117", "QX1 2ZZ"],
}
RULES = ("most_recent", "most_trusted", "most_frequent")

contact = st.fixed_dictionaries(
    {
        "source": st.sampled_from(SOURCES),
        "customer_id": st.sampled_from(["c1", "c2"]),
        "updated_at": st.sampled_from(
            [None, dt.datetime(2026, 1, 5), dt.datetime(2026, 1, 5, 0, 0, 0, 1)]
        ),
        **{name: st.sampled_from(values) for name, values in VALUES.items()},
    }
)


def built(warehouse: Warehouse, rows: list[Any], **identity: Any) -> dict[str, dict[str, Any]]:
    """The customers that these contacts make, by key."""
    database = {"type": "database", "url": "sqlite:///nowhere.db", "queries": {}}
    settings = Settings(
        config_dir=Path("nowhere"),
        data_dir=Path("nowhere"),
        state_url=SecretStr(""),
        platform=Platform.model_validate(
            {"sources": dict.fromkeys(SOURCES, database), "identity": identity}
        ),
    )
    build_table(warehouse, settings, "identity.attribute_rules")
    frame = pl.DataFrame(
        rows, schema={"customer_id": pl.String, **CONTRACTS["core.contacts"].empty().schema}
    )
    warehouse.replace("core.contacts", frame.drop("customer_id"))
    warehouse.replace("identity.contact_customers", frame.select("contact_id", "customer_id"))
    build_table(warehouse, settings, "identity.customers")
    return {row["customer_id"]: row for row in warehouse.read("identity.customers").to_dicts()}


def chosen(rows: list[Any], name: str, rule: str, trusted: tuple[str, ...]) -> tuple[Any, Any]:
    """The value and its source, by the words of the rule."""
    known = [row for row in rows if row[name] is not None]
    if not known:
        return None, None
    times = Counter(row[name] for row in known)

    def place(row: Any) -> tuple[Any, ...]:
        standing = (row["updated_at"] or dt.datetime(1900, 1, 1), row["contact_id"])
        rank = trusted.index(row["source"]) if row["source"] in trusted else len(trusted)
        first = {"most_recent": 0, "most_trusted": -rank, "most_frequent": times[row[name]]}
        return first[rule], standing

    best = max(known, key=place)
    return best[name], best["source"]


@given(
    contacts=st.lists(contact, min_size=1, max_size=8),
    rules=st.dictionaries(st.sampled_from(ATTRIBUTES), st.sampled_from(RULES)),
    trusted=st.permutations(SOURCES).flatmap(
        lambda names: st.integers(0, 3).map(lambda n: tuple(names[:n]))
    ),
)
def test_each_attribute_is_that_of_the_contact_which_its_rule_names(
    contacts: list[dict[str, Any]],
    rules: dict[str, str],
    trusted: tuple[str, ...],
) -> None:
    rows = [
        {
            "contact_id": f"{row['source']}:{number}",
            "source_contact_id": str(number),
            "created_at": dt.datetime(2026, 1, 1),
            **row,
        }
        for number, row in enumerate(contacts)
    ]
    warehouse = Warehouse(":memory:")
    customers = built(warehouse, rows, rules=rules, trusted_sources=list(trusted))
    assert set(customers) == {row["customer_id"] for row in rows}
    for customer_id, customer in customers.items():
        of_them = [row for row in rows if row["customer_id"] == customer_id]
        assert customer["contact_count"] == len(of_them)
        for name in ATTRIBUTES:
            expected = chosen(of_them, name, rules.get(name, "most_recent"), trusted)
            assert (customer[name], customer[f"{name}_source"]) == expected, name
