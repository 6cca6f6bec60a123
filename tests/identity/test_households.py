"""Couples, families and neighbours: who lives together is not one person."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_people import households

from marketing_platform.identity.clusters import cluster
from marketing_platform.identity.dedupe import People, dedupe, quality
from marketing_platform.identity.linkage import link

ROLES = {
    "birth_date": "date_of_birth",
    **{role: role for role in ("first_name", "last_name", "street", "postcode", "phone", "email")},
}


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("splink").setLevel(logging.ERROR)


def pairs_of(*said: tuple[int, int, float, bool]) -> pl.DataFrame:
    return pl.DataFrame(
        said, schema=["left", "right", "probability", "is_two"], orient="row"
    ).with_columns(pl.col("left", "right").cast(pl.Int64))


@pytest.mark.parametrize("seed", [1, 2])
def test_families_of_one_address_and_phone_are_told_apart(seed: int) -> None:
    people = households(150, seed=seed)
    found = quality(dedupe(People(people, ROLES, ())).clusters, people["truth"])
    assert found["pairwise"]["precision"] > 0.97, found
    assert found["pairwise"]["recall"] > 0.95, found


def test_people_who_live_alone_are_found_as_before() -> None:
    people = households(200, seed=3, members=(1,))
    found = quality(dedupe(People(people, ROLES, ())).clusters, people["truth"])
    assert found["pairwise"]["f1"] > 0.99, found


def test_a_couple_is_not_merged_however_much_of_their_home_agrees() -> None:
    people = households(120, seed=4, members=(2,)).rename({"date_of_birth": "birth_date"})
    sure = link(people.drop("truth")).pairs.filter(pl.col("probability") > 0.95)
    who = people["truth"]
    is_right = who.gather(sure["left"]) == who.gather(sure["right"])
    assert sure.height > 120
    assert is_right.mean() > 0.99


def test_father_and_son_of_one_name_are_told_apart_by_middle_name_and_suffix() -> None:
    people = households(200, seed=6, members=(1,)).drop("email", "date_of_birth")
    names = ("James", "Henry", "Alan", "Paul", "Mark", "John", "Carl")
    number = pl.col("truth").rank("dense").cast(pl.Int64)
    people = people.with_columns(
        number=number,
        name_suffix=pl.when(number <= 30).then(pl.lit("SR")),
        middle_name=(number % len(names)).replace_strict(dict(enumerate(names))),
    )
    sons = people.filter(pl.col("number") <= 30).with_columns(
        truth=pl.format("{} junior", "truth"),
        name_suffix=pl.lit("Jr."),
        middle_name=((number + 1) % len(names)).replace_strict(dict(enumerate(names))),
    )
    whole = pl.concat([people, sons])
    roles = {role: column for role, column in ROLES.items() if column in whole.columns}
    own = {"middle_name": "middle_name", "name_suffix": "name_suffix"}
    told = quality(dedupe(People(whole, {**roles, **own}, ())).clusters, whole["truth"])
    assert told["pairwise"]["precision"] > 0.97, told
    assert told["pairwise"]["recall"] > 0.9, told
    untold = quality(dedupe(People(whole, roles, ())).clusters, whole["truth"])
    assert untold["pairwise"]["precision"] < 0.85, "nothing else tells them apart"


@pytest.mark.parametrize(("count", "seed"), [(40, 5), (80, 2)])
def test_a_small_file_in_which_names_repeat_is_read(count: int, seed: int) -> None:
    people = households(count, seed=seed, surnames=20)
    found = quality(dedupe(People(people, ROLES, ())).clusters, people["truth"])
    assert found["pairwise"]["f1"] > 0.9, found


def test_who_may_be_either_of_a_couple_does_not_make_them_one() -> None:
    pairs = pairs_of((0, 1, 0.9, False), (1, 2, 0.8, False), (0, 2, 0.01, True))
    found = cluster(pairs, 3, 0.5)
    assert found[0] == found[1]
    assert found[2] != found[0]


def test_one_unlikely_pair_does_not_part_who_many_pairs_tie() -> None:
    ties = [(a, b, 0.99, False) for a in range(4) for b in range(a + 1, 4) if (a, b) != (0, 3)]
    assert len(set(cluster(pairs_of(*ties, (0, 3, 0.001, False)), 4, 0.5))) == 1


def test_a_chain_of_lucky_pairs_does_not_make_a_crowd_one_person() -> None:
    # Ten people, each written three times; one record of each is like one of the next.
    same = [
        (p * 3 + a, p * 3 + b, 0.99, False) for p in range(10) for a, b in ((0, 1), (1, 2), (0, 2))
    ]
    lucky = [(p * 3, p * 3 + 3, 0.6, False) for p in range(9)]
    found = cluster(pairs_of(*same, *lucky), 30, 0.5)
    assert found.tolist() == [found[p * 3] for p in range(10) for _ in range(3)]
    assert len(set(found)) == 10


@given(st.data())
def test_persons_are_made_of_ties_alone_whatever_the_order_of_pairs(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 8))
    every = [(a, b) for a in range(size) for b in range(a + 1, size)]
    chosen = data.draw(st.lists(st.sampled_from(every), unique=True))
    # All different, so that the order of the likeliest is given.
    said = [(a, b, (n + 1) / (len(chosen) + 1), False) for n, (a, b) in enumerate(chosen)]
    found = cluster(pairs_of(*said), size, 0.5)
    ties = [(a, b) for a, b, probability, _ in said if probability >= 0.5]
    knots = np.arange(size)
    for _ in range(size):
        for a, b in ties:
            knots[[a, b]] = min(knots[a], knots[b])
    for a, b in every:
        if found[a] == found[b]:
            assert knots[a] == knots[b], "nothing ties them"
    again = cluster(pairs_of(*data.draw(st.permutations(said))), size, 0.5)
    assert [again[a] == again[b] for a, b in every] == [found[a] == found[b] for a, b in every]


def test_a_header_with_quotes_is_a_column_like_any_other() -> None:
    odd = 'mem"ber_id'
    people = pl.DataFrame(
        {"first_name": ["ann", "ann", "bob", "bob"], "last_name": ["lee", "lee", "ray", "ray"]}
    ).with_columns(pl.Series(odd, ["1", "1", "2", "3"]))
    roles = {"first_name": "first_name", "last_name": "last_name"}
    found = dedupe(People(people, roles, (odd,))).clusters
    assert found[0] == found[1] != found[2]
