"""Records of people that share no identifier, compared by name, address and birth date.

Splink compares them and learns from the records alone how much each agreement is worth, by the
model of Fellegi and Sunter (1969); see Linacre et al. 2022, https://doi.org/10.23889/ijpds.v7i1.1794.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

ROLES = (
    *("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode"),
    *("region", "country"),
)
"""What a column of people may be about; a column `..._id` is an identifier besides."""

_NAMES = ("first_name", "last_name")
_LEAST_PROBABILITY = 1e-4
_PAIRS_FOR_U = 2e6
_SEED = 7
# Two records are compared where all of these agree.
_BLOCKS = (
    ("first_name", "last_name"),
    ("birth_date", "first_name"),
    ("birth_date", "last_name"),
    ("birth_date", "postcode"),
    ("email",),
    ("phone",),
    ("last_name", "postcode"),
    ("first_name", "postcode"),
    ("street", "postcode"),
    ("last_name", "city"),
    ("birth_date", "city"),
    ("street", "last_name"),
    ("street", "first_name"),
)
# Where it does not make too many pairs, one thing that agrees is enough.
_WIDE = (*(("birth_date",), ("first_name",), ("last_name",), ("postcode",), ("street",)), ("city",))
_MOST_PAIRS = 2_000_000
_SWAPPED = "l.first_name = r.last_name and l.last_name = r.first_name"
_CERTAIN: tuple[tuple[str, ...], ...] = (
    ("first_name", "last_name", "birth_date"),
    ("email", "last_name"),
    ("email",),
)
_TRAINING = (("first_name", "last_name"), ("birth_date",), ("postcode",), ("email",))


@dataclass(frozen=True)
class Linked:
    """Pairs of records: left, right (row numbers), probability (0 to 1), the likeliest first."""

    pairs: pl.DataFrame


def link(frame: pl.DataFrame, identifiers: Sequence[str] = (), *, seed: int = _SEED) -> Linked:
    """The pairs of rows that may be one person.

    `frame` has some of the `ROLES` as text columns, and the `identifiers`; empty is null.
    """
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink.internals.exceptions import EMTrainingException

    there = {
        column
        for column in (*ROLES, *identifiers)
        if column in frame.columns and frame[column].null_count() < frame.height
    }
    known = [role for role in ROLES if role in there]
    ids = [column for column in identifiers if column in there]
    if frame.height < 2 or not known:
        return Linked(_no_pairs())
    rows = _prepared(frame.select(*known, *ids)).with_row_index("unique_id")
    has_both_names = {"first_name", "last_name"} <= there
    single = [role for role in known if not (has_both_names and role in _NAMES)]
    comparisons: list[Any] = [_comparison(cl, role) for role in single]
    if has_both_names:
        # Given and family name may have changed places.
        comparisons.append(cl.ForenameSurnameComparison("first_name", "last_name"))
    comparisons += [cl.DamerauLevenshteinAtThresholds(column, [1, 2]) for column in ids]
    blocks = [rule for rule in _BLOCKS if set(rule) <= there] + [(column,) for column in ids]
    blocks += [
        rule for rule in _WIDE if set(rule) <= there and _pair_count(rows, rule) <= _MOST_PAIRS
    ]
    if not blocks:
        # Nothing tells people apart: a country, or a first name that very many have.
        return Linked(_no_pairs())
    rules: list[Any] = [block_on(*rule) for rule in blocks]
    rules += [_SWAPPED] if has_both_names else []
    with duckdb.connect() as connection:
        connection.execute("set python_enable_replacements = false")
        api = DuckDBAPI(connection=connection)
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=comparisons,
            blocking_rules_to_generate_predictions=rules,
            retain_intermediate_calculation_columns=False,
            retain_matching_columns=False,
        )
        linker = Linker(api.register(rows.to_arrow()), settings, log_level=logging.CRITICAL)
        certain: list[tuple[str, ...]] = [r for r in _CERTAIN if set(r) <= there][:1]
        certain = certain or [tuple(known[:3])]
        certain += [(column,) for column in ids]
        train = linker.training
        # What no pair agrees in teaches nothing; Splink's own defaults stay.
        if any(_pair_count(rows, rule) for rule in certain):
            train.estimate_probability_two_random_records_match(
                [block_on(*rule) for rule in certain], recall=0.7
            )
        train.estimate_u_using_random_sampling(max_pairs=_PAIRS_FOR_U, seed=seed)
        for rule in _TRAINING:
            if set(rule) <= there and there - set(rule) and _pair_count(rows, rule):
                with suppress(EMTrainingException):
                    train.estimate_parameters_using_expectation_maximisation(block_on(*rule))
        found = linker.inference.predict(threshold_match_probability=_LEAST_PROBABILITY)
        pairs = pl.DataFrame(connection.sql(f"from {found.physical_name}").to_arrow_table())
    return Linked(
        pairs.select(
            pl.col("unique_id_l").cast(pl.Int64).alias("left"),
            pl.col("unique_id_r").cast(pl.Int64).alias("right"),
            pl.col("match_probability").alias("probability"),
        ).sort("probability", "left", "right", descending=[True, False, False])
    )


def _pair_count(rows: pl.DataFrame, rule: Sequence[str]) -> int:
    """How many pairs of rows agree in all of these."""
    sizes = rows.drop_nulls(list(rule)).group_by(*rule).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64, "probability": pl.Float64})


def _comparison(library: Any, role: str) -> Any:
    """How two values of a role are compared: Splink's own comparison for such values."""
    makers: Mapping[str, Callable[[], Any]] = {
        "first_name": lambda: library.NameComparison("first_name"),
        "last_name": lambda: library.NameComparison("last_name"),
        "birth_date": lambda: library.DateOfBirthComparison(
            "birth_date", input_is_string=True, invalid_dates_as_null=True
        ),
        "email": lambda: library.EmailComparison("email"),
        "postcode": lambda: library.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
        "phone": lambda: library.DamerauLevenshteinAtThresholds("phone", [1, 2]),
        "street": lambda: library.JaroWinklerAtThresholds("street", [0.95, 0.85]),
        "city": lambda: library.JaroWinklerAtThresholds("city", [0.95, 0.85]).configure(
            term_frequency_adjustments=True
        ),
    }
    return makers.get(role, lambda: library.ExactMatch(role))()


def _prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts in lower case without blanks around them; empty is null."""
    clean = [
        pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase().replace("", None)
        for column in frame.columns
    ]
    return frame.select(clean)
