"""Contacts that share an identifier are one customer."""

from __future__ import annotations

import random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from marketing_platform.identity.links import assign_customers

SCHEMA = {"contact_id": pl.String, "kind": pl.String, "value": pl.String}


def customers(rows: list[tuple[str, str, str]]) -> dict[str, str]:
    return dict(assign_customers(pl.DataFrame(rows, schema=SCHEMA, orient="row")).iter_rows())


def test_contacts_are_tied_through_any_number_of_hops() -> None:
    found = customers(
        [
            ("a", "email", "x@example.com"),
            ("b", "email", "x@example.com"),
            ("b", "phone", "+15550100"),
            ("c", "phone", "+15550100"),
            ("d", "email", "y@example.com"),
        ]
    )
    assert found == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_the_same_text_of_another_kind_ties_nobody() -> None:
    assert customers([("a", "email", "1"), ("b", "phone", "1")]) == {"a": "a", "b": "b"}


def test_no_contacts_give_no_customers() -> None:
    assert customers([]) == {}


links = st.lists(
    st.tuples(
        st.integers(0, 12).map(lambda n: f"c{n:02}"),
        st.sampled_from(["email", "phone"]),
        st.integers(0, 8).map(str),
    ),
    max_size=30,
)


@given(links, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    rows: list[tuple[str, str, str]], rng: random.Random
) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert customers(shuffled) == customers(rows)


@given(links)
def test_each_shared_identifier_has_one_customer(rows: list[tuple[str, str, str]]) -> None:
    found = customers(rows)
    owners: dict[tuple[str, str], set[str]] = {}
    for contact, kind, value in rows:
        owners.setdefault((kind, value), set()).add(found[contact])
    assert all(len(owner) == 1 for owner in owners.values())


@given(links)
def test_a_contact_that_comes_and_goes_leaves_no_trace(rows: list[tuple[str, str, str]]) -> None:
    bridge = [("zz", kind, value) for _, kind, value in rows]
    before = customers(rows)
    customers([*rows, *bridge])
    assert customers(rows) == before
