"""Duplicates in real benchmark files, beside a plain set-up of Splink in the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from marketing_platform.errors import InputError
from marketing_platform.identity.dedupe import (
    People,
    best_threshold,
    dedupe,
    quality,
    read_people,
)

SharedData = Callable[[str], Path]
FILES = [
    ("fake_1000", "cluster", ()),
    ("febrl1", "entity_id", ("soc_sec_id",)),
    ("febrl1", "entity_id", ()),
    ("febrl2", "entity_id", ("soc_sec_id",)),
    ("febrl2", "entity_id", ()),
]


def plain_splink(people: People) -> pl.Series:
    """As Splink's own first tutorial sets it up: a comparison per column, clusters from 0.95 on."""
    import splink.comparison_library as cl  # type: ignore[import-untyped]
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    columns = {role: people.records[column] for role, column in people.roles.items()}
    frame = pl.DataFrame({**columns, **{name: people.records[name] for name in people.identifiers}})
    rows = frame.with_row_index("unique_id")
    comparisons = [
        cl.NameComparison(name) if name.endswith("_name") else cl.ExactMatch(name)
        for name in frame.columns
    ]
    there = set(frame.columns)
    blocks = [
        rule
        for rule in (("first_name",), ("last_name",), ("birth_date",), ("email",))
        if set(rule) <= there
    ]
    with duckdb.connect() as connection:
        linker = Linker(
            DuckDBAPI(connection=connection).register(rows.to_arrow()),
            SettingsCreator(
                link_type="dedupe_only",
                comparisons=comparisons,
                blocking_rules_to_generate_predictions=[block_on(*rule) for rule in blocks],
            ),
            log_level=50,
        )
        train = linker.training
        train.estimate_probability_two_random_records_match(
            [block_on("first_name", "last_name")], recall=0.7
        )
        train.estimate_u_using_random_sampling(max_pairs=1e6, seed=7)
        for rule in (("first_name", "last_name"), ("birth_date",)):
            train.estimate_parameters_using_expectation_maximisation(block_on(*rule))
        found = linker.inference.predict(threshold_match_probability=0.95)
        pairs = pl.DataFrame(connection.sql(f"from {found.physical_name}").to_arrow_table())
    left, right = pairs["unique_id_l"].to_numpy(), pairs["unique_id_r"].to_numpy()
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(rows.height, rows.height))
    return pl.Series(connected_components(graph, directed=False)[1])


@pytest.mark.parametrize(("name", "truth", "ignored"), FILES)
def test_more_duplicates_are_found_than_by_a_plain_set_up(
    name: str,
    truth: str,
    ignored: tuple[str, ...],
    shared_data: SharedData,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = read_people(shared_data(f"people/{name}.csv"), None, [truth, *ignored])
    true = people.records[truth]
    assert truth not in people.identifiers
    ours, plain = quality(dedupe(people).clusters, true), quality(plain_splink(people), true)
    with capsys.disabled():
        without = f" without {ignored[0]}" if ignored else ""
        print(
            f"\n{name}{without}: pairwise F1 {ours['pairwise']['f1']},"
            f" plain Splink {plain['pairwise']['f1']}"
        )
    assert ours["pairwise"]["f1"] >= plain["pairwise"]["f1"]
    assert ours["pairwise"]["f1"] >= (0.99 if name.startswith("febrl") else 0.85)


def test_the_threshold_is_half_of_the_f1_to_be_expected() -> None:
    assert best_threshold(pl.Series([1.0, 1.0, 0.0])) == pytest.approx(0.5)
    assert best_threshold(pl.Series([0.2, 0.2])) < 0.2
    assert best_threshold(pl.Series([], dtype=pl.Float64)) == 0.5


def test_columns_are_recognised_by_their_names_and_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "row_id,Given Name,SURNAME,DoB,member_id,notes\n1,a,b,2000-01-01,7,x\n2,a,b,,7,y\n"
    )
    people = read_people(file, {"city": "notes"})
    assert people.roles == {
        "first_name": "Given Name", "last_name": "SURNAME", "birth_date": "DoB", "city": "notes",
    }  # fmt: skip
    assert people.identifiers == ("member_id",), "a column that numbers the rows ties nobody"


@pytest.mark.parametrize(
    ("content", "told", "found"),
    [
        ("a,b\n1,2\n", {}, "no column about people is recognised"),
        ("first_name\nx\n", {"last_name": "none"}, "no column 'none'"),
        ("first_name\nx\n", {"lastname": "first_name"}, "no role 'lastname'"),
    ],
)
def test_a_mistake_costs_a_line(
    tmp_path: Path, content: str, told: dict[str, str], found: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=found):
        read_people(file, told)


@pytest.mark.parametrize(
    ("columns", "size"),
    [
        (["first_name", "last_name"], 3),
        (["last_name"], 2),
        (["country"], 40),
        (["email", "phone"], 40),
        (["birth_date", "city", "street", "region"], 40),
    ],
)
def test_whatever_columns_a_small_file_has_it_is_read(
    tmp_path: Path, columns: list[str], size: int
) -> None:
    file = tmp_path / "people.csv"
    rows = [
        ",".join(f"{column[:3]}{n % 7}" if n % 5 else "" for column in columns) for n in range(size)
    ]
    file.write_text(
        "\n".join([",".join(["row", *columns]), *(f"{n},{r}" for n, r in enumerate(rows))])
    )
    found = dedupe(read_people(file))
    assert found.clusters.len() == size


def test_a_file_without_two_people_has_nobody_twice(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("first_name,last_name\nann,agate\n")
    assert dedupe(read_people(file)).clusters.to_list() == [1]
