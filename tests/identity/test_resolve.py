"""Contacts that share an identifier are one customer, who keeps its id, and can be undone."""

from __future__ import annotations

import datetime as dt
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.identity.edges import Edge
from marketing_platform.identity.mapping import Resolved, resolve
from marketing_platform.identity.resolve import MAPPING, changes
from marketing_platform.settings import Identity

SCHEMA = {"contact_id": pl.String, "kind": pl.String, "value": pl.String}
Row = tuple[str, str, str]


def edge(number: int, kind: str, *contacts: str) -> Edge:
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return Edge(number, kind, tuple(sorted(contacts)), "told", moment)  # type: ignore[arg-type]


def resolved(
    rows: list[Row],
    before: pl.DataFrame | None = None,
    said: tuple[Edge, ...] = (),
    rules: Identity | None = None,
    more: tuple[str, ...] = (),
) -> Resolved:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").unique(maintain_order=True)
    contacts = pl.DataFrame({"contact_id": [*frame["contact_id"], *more]}, schema_overrides=SCHEMA)
    known = pl.DataFrame(schema=MAPPING) if before is None else before
    return resolve(contacts, frame, known, said, rules or Identity())


def customers(*args: object, **more: object) -> dict[str, str]:
    mapping = resolved(*args, **more).mapping  # type: ignore[arg-type]
    return dict(mapping.iter_rows())


def together(found: dict[str, str]) -> set[frozenset[str]]:
    """The contacts of each customer."""
    groups: dict[str, set[str]] = {}
    for contact, customer in found.items():
        groups.setdefault(customer, set()).add(contact)
    return {frozenset(group) for group in groups.values()}


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
    assert together(found) == {frozenset("abc"), frozenset("d")}


def test_the_same_text_of_another_kind_ties_nobody() -> None:
    assert len(set(customers([("a", "email", "1"), ("b", "phone", "1")]).values())) == 2


def test_no_contacts_give_no_customers_and_a_contact_alone_is_one() -> None:
    assert customers([]) == {}
    assert len(customers([], more=("a",))) == 1


TIE: list[Row] = [("a", "email", "x"), ("b", "email", "x"), ("c", "email", "y")]


def test_a_customer_that_grows_keeps_its_id() -> None:
    first = resolved(TIE)
    grown = customers([*TIE, ("0", "email", "x")], first.mapping)
    before = dict(first.mapping.iter_rows())
    assert grown["0"] == grown["a"] == before["a"]
    assert grown["c"] == before["c"]


def test_two_customers_that_become_one_have_the_id_of_the_larger() -> None:
    first = resolved(TIE)
    before = dict(first.mapping.iter_rows())
    bridge = [("z", "email", "x"), ("z", "email", "y")]
    merged = resolved([*TIE, *bridge], first.mapping)
    assert set(dict(merged.mapping.iter_rows()).values()) == {before["a"]}
    assert merged.difference.merged_count == 1
    assert changes(first.mapping, merged.mapping).select("kind", "customer_id").rows() == [
        ("merged", before["c"])
    ]
    again = resolved(TIE, merged.mapping)
    assert dict(again.mapping.iter_rows()) == before
    assert again.difference.split_count == 1


def test_a_word_ties_what_shares_nothing_and_can_be_taken_back() -> None:
    first = resolved(TIE)
    told = resolved(TIE, first.mapping, (edge(1, "together", "a", "c"),))
    assert together(dict(told.mapping.iter_rows())) == {frozenset("abc")}
    assert resolved(TIE, told.mapping).mapping.equals(first.mapping)


def test_a_contact_set_apart_is_tied_to_nobody_else_and_newcomers_join_the_others() -> None:
    first = resolved(TIE)
    before = dict(first.mapping.iter_rows())
    apart = (edge(1, "apart", "b"),)
    told = resolved(TIE, first.mapping, apart)
    found = dict(told.mapping.iter_rows())
    assert together(found) == {frozenset("a"), frozenset("b"), frozenset("c")}
    assert before["a"] in (found["a"], found["b"])
    later = customers([*TIE, ("n", "email", "x")], told.mapping, apart)
    assert later["n"] == later["a"] != later["b"]
    assert resolved(TIE, told.mapping).mapping.equals(first.mapping)


def test_who_is_set_apart_from_the_larger_part_does_not_take_the_id_along() -> None:
    rows: list[Row] = [(contact, "email", "x") for contact in "abc"]
    first = resolved(rows)
    before = dict(first.mapping.iter_rows())
    # The customer is called after this contact.
    found = customers(rows, first.mapping, (edge(1, "apart", "a"),))
    assert together(found) == {frozenset("a"), frozenset("bc")}
    assert found["b"] == before["b"]


def test_of_two_words_about_the_same_contacts_the_last_one_counts() -> None:
    together_first = (edge(1, "together", "a", "c"), edge(2, "apart", "c"))
    apart_first = (edge(1, "apart", "c"), edge(2, "together", "a", "c"))
    assert together(customers(TIE, None, together_first)) == {frozenset("ab"), frozenset("c")}
    assert together(customers(TIE, None, apart_first)) == {frozenset("abc")}


def test_a_later_word_takes_back_only_what_it_says_otherwise() -> None:
    more = ("d", "z")
    said = (edge(1, "together", "a", "c"), edge(2, "together", "a", "d"), edge(3, "apart", "z"))
    assert together(customers(TIE, None, said, more=more)) == {frozenset("abcd"), frozenset("z")}
    both_apart = (*said, edge(4, "apart", "a", "c"))
    found = together(customers(TIE, None, both_apart, more=more))
    assert found == {frozenset("ac"), frozenset("b"), frozenset("d"), frozenset("z")}


def test_a_customer_that_grows_beyond_the_limit_is_held_back_as_it_was() -> None:
    rules = Identity(largest_customer=3)
    # Others are there, and one of them is as large as may be.
    others: list[Row] = [(contact, "email", "z") for contact in "xyz"]
    tie = [*TIE, *others]
    first = resolved(tie, rules=rules)
    rows = [(contact, "phone", "+1") for contact in "abcde"]
    bomb = resolved([*tie, *rows], first.mapping, rules=rules)
    found = dict(bomb.mapping.iter_rows())
    assert {k: found[k] for k in "abcxyz"} == dict(first.mapping.iter_rows())
    assert together(found) == {frozenset(group) for group in ("ab", "c", "d", "e", "xyz")}
    assert bomb.held["contact_count"].to_list() == [5]
    assert bomb.difference.merged_count == 0


names = st.integers(0, 12).map(lambda n: f"c{n:02}")
links = st.lists(
    st.tuples(names, st.sampled_from(["email", "phone"]), st.integers(0, 8).map(str)), max_size=30
)


@settings(max_examples=40)
@given(links, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(rows: list[Row], rng: random.Random) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert customers(shuffled) == customers(rows)


@settings(max_examples=40)
@given(links)
def test_each_shared_identifier_has_one_customer(rows: list[Row]) -> None:
    found = customers(rows)
    owners: dict[tuple[str, str], set[str]] = {}
    for contact, kind, value in rows:
        owners.setdefault((kind, value), set()).add(found[contact])
    assert all(len(owner) == 1 for owner in owners.values())


@settings(max_examples=40)
@given(links)
def test_ids_are_stable_when_nothing_changed(rows: list[Row]) -> None:
    first = resolved(rows)
    again = resolved(rows, first.mapping)
    assert again.mapping.equals(first.mapping)
    assert (again.difference.merged_count, again.difference.split_count) == (0, 0)


@settings(max_examples=40)
@given(links, links)
def test_a_contact_that_comes_and_goes_leaves_no_trace(rows: list[Row], later: list[Row]) -> None:
    first = resolved(rows)
    there = {contact for contact, _, _ in rows}
    new = [(f"n{c}", kind, value) for c, kind, value in later]
    between = resolved([*rows, *new], first.mapping)
    last = resolved(rows, between.mapping)
    assert set(dict(last.mapping.iter_rows())) == there
    assert together(dict(last.mapping.iter_rows())) == together(dict(first.mapping.iter_rows()))


@settings(max_examples=40)
@given(links, st.sets(names, min_size=1, max_size=3))
def test_setting_apart_cuts_exactly_the_ties_to_the_others(
    rows: list[Row], apart: set[str]
) -> None:
    there = {contact for contact, _, _ in rows}
    found = customers(rows, None, (edge(1, "apart", *apart),))
    inside = [row for row in rows if row[0] in apart]
    outside = [row for row in rows if row[0] not in apart]
    expected = together(customers(inside)) | together(customers(outside))
    assert together(found) == expected
    assert set(found) == there


@settings(max_examples=40)
@given(links, st.sets(names, min_size=2, max_size=3))
def test_taking_a_word_back_is_as_if_it_had_never_been_said(
    rows: list[Row], told: set[str]
) -> None:
    first = resolved(rows)
    for kind in ("together", "apart"):
        between = resolved(rows, first.mapping, (edge(1, kind, *told),))
        last = resolved(rows, between.mapping)
        assert together(dict(last.mapping.iter_rows())) == together(
            dict(first.mapping.iter_rows())
        ), kind


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_phone_that_a_crowd_shares_is_too_large_a_customer_and_nobody_is_merged(
    size: int,
) -> None:
    rows = pl.DataFrame({"contact_id": pl.Series(range(size)).cast(pl.String)})
    crowd = rows.with_columns(kind=pl.lit("phone"), value=pl.lit("+1"))
    found = resolve(rows, crowd, pl.DataFrame(schema=MAPPING), (), Identity())
    assert found.mapping["customer_id"].n_unique() == size
    assert found.held["contact_count"].to_list() == [size]
