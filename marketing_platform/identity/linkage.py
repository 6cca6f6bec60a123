"""Records of people that share no identifier, compared by name, address and birth date.

Splink compares them and learns from the records alone how much each agreement is worth, by the
model of Fellegi and Sunter (1969); see Linacre et al. 2022, https://doi.org/10.23889/ijpds.v7i1.1794.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from marketing_platform.identity.households import judge_households
from marketing_platform.identity.pair_count import MOST_PAIRS, pair_count

ROLES = (
    *("first_name", "middle_name", "last_name", "name_suffix", "birth_date", "gender", "email"),
    *("phone", "street", "city", "postcode", "region", "country"),
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
# An e-mail, a phone or a key that more have, most of them with other names, identifies nobody.
_SHARED_BY = 20
# `test test` is found by its names as they are, and by very many.
_SWAPPED = (
    "l.first_name = r.last_name and l.last_name = r.first_name and l.first_name <> l.last_name"
)
_CERTAIN: tuple[tuple[str, ...], ...] = (
    ("first_name", "last_name", "birth_date"),
    ("email", "last_name"),
    ("email",),
)
_TRAINING = (("first_name", "last_name"), ("birth_date",), ("email",))
_SUFFIXES = {"senior": "sr", "i": "sr", "junior": "jr", "ii": "jr", "2nd": "jr", "3rd": "iii"}
# Each lesson takes so many steps: with more of them a small file, or one in which names repeat,
# ends where what hardly any pair has counts as impossible.
_STEPS = 5
# The neighbours and families of a postcode teach that people are alike who are not; it is only
# asked where there is no birth date.
_LAST_RESORT = ("postcode",)


@dataclass(frozen=True)
class Linked:
    """Pairs of records: left, right (row numbers), probability (0 to 1), the likeliest first.

    `is_two` marks two people of one household.
    """

    pairs: pl.DataFrame


@dataclass(frozen=True)
class _Agreement:
    """On what two rows agree, as SQL over `l` and `r`, and how many pairs do."""

    sql: str
    pair_count: int


def link(frame: pl.DataFrame, identifiers: Sequence[str] = (), *, seed: int = _SEED) -> Linked:
    """The pairs of rows that may be one person.

    `frame` has some of the `ROLES` as text columns, and the `identifiers`; empty is null.
    """
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator
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
    rows = _prepared(frame.select(*known, *ids))
    rows = _without_placeholders(rows, [c for c in ("email", "phone", *ids) if c in there])
    has_both_names = {"first_name", "last_name"} <= there
    single = [role for role in known if not (has_both_names and role in _NAMES)]
    comparisons: list[Any] = [_comparison(cl, role) for role in single]
    if has_both_names:
        # Given and family name may have changed places.
        comparisons.append(cl.ForenameSurnameComparison("first_name", "last_name"))
    comparisons += [cl.DamerauLevenshteinAtThresholds(column, [1, 2]) for column in ids]
    blocks = [rule for rule in _BLOCKS if set(rule) <= there] + [(column,) for column in ids]
    blocks += [
        rule for rule in _WIDE if set(rule) <= there and pair_count(rows, rule) <= MOST_PAIRS
    ]
    if not blocks:
        # Nothing tells people apart: a country, or a first name that very many have.
        return Linked(_no_pairs())
    certain: list[tuple[str, ...]] = [r for r in _CERTAIN if set(r) <= there][:1]
    certain = certain or [tuple(known[:3])]
    certain += [(column,) for column in ids]
    teaching = _TRAINING if "birth_date" in there else (*_TRAINING, _LAST_RESORT)
    taught = [rule for rule in teaching if set(rule) <= there and there - set(rule)]
    rows, agree = _with_few(rows, dict.fromkeys([*blocks, *certain, *taught]))
    rows = rows.with_row_index("unique_id")
    rules: list[Any] = [agree[rule].sql for rule in blocks] + ([_SWAPPED] if has_both_names else [])
    with duckdb.connect() as connection:
        connection.execute("set python_enable_replacements = false")
        api = DuckDBAPI(connection=connection)
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=comparisons,
            blocking_rules_to_generate_predictions=rules,
            max_iterations=_STEPS,
            retain_intermediate_calculation_columns=False,
            retain_matching_columns=False,
        )
        linker = Linker(api.register(rows.to_arrow()), settings, log_level=logging.CRITICAL)
        train = linker.training
        # What no pair agrees in teaches nothing; Splink's own defaults stay.
        if any(agree[rule].pair_count for rule in certain):
            # Refused where nearly every pair agrees: a file of one person, written twice.
            with suppress(ValueError):
                train.estimate_probability_two_random_records_match(
                    [agree[rule].sql for rule in certain], recall=0.7
                )
        train.estimate_u_using_random_sampling(max_pairs=_PAIRS_FOR_U, seed=seed)
        for rule in taught:
            if agree[rule].pair_count:
                # In a small file a share may shrink until no float holds it; that lesson is left.
                with suppress(EMTrainingException, ValueError):
                    train.estimate_parameters_using_expectation_maximisation(agree[rule].sql)
        found = linker.inference.predict(threshold_match_probability=_LEAST_PROBABILITY)
        pairs = pl.DataFrame(connection.sql(f"from {found.physical_name}").to_arrow_table()).select(
            pl.col("unique_id_l").cast(pl.Int64).alias("left"),
            pl.col("unique_id_r").cast(pl.Int64).alias("right"),
            pl.col("match_probability").alias("probability"),
        )
        pairs = judge_households(connection, pairs, rows, ids)
    return Linked(pairs.sort("probability", "left", "right", descending=[True, False, False]))


def _without_placeholders(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The rows without values that very many people of different names have: `none@none.com`."""
    name = next((role for role in reversed(_NAMES) if role in rows.columns), None)
    for column in columns:
        held = rows.filter(pl.col(column).is_not_null())
        shared = held.group_by(column).agg(
            pl.len().alias("times"),
            (
                pl.col(name).drop_nulls().value_counts(sort=True).struct.field("count").first()
                if name
                else pl.lit(0)
            ).alias("of_one_name"),
        )
        is_shared = (pl.col("times") > _SHARED_BY) & (
            pl.col("of_one_name").fill_null(0) * 2 < pl.col("times")
        )
        found = shared.filter(is_shared)[column]
        if found.len():
            of_many = pl.col(column).is_in(found.implode())
            rows = rows.with_columns(pl.when(~of_many).then(column).alias(column))
    return rows


def _with_few(
    rows: pl.DataFrame, rules: Collection[tuple[str, ...]]
) -> tuple[pl.DataFrame, dict[tuple[str, ...], _Agreement]]:
    """Each rule as the condition on which two rows are compared, and the rows with what it needs.

    Where a rule makes too many pairs, the values that most rows share are left out of it, from the
    most frequent on: what all have tells nobody apart, and its pairs grow with its square.
    """
    conditions = {}
    for number, rule in enumerate(rules):
        condition = " and ".join(f'l."{column}" = r."{column}"' for column in rule)
        count = pair_count(rows, rule)
        if count > MOST_PAIRS:
            flag = f"is_few_{number}"
            rows = rows.with_columns(_is_few(rows, rule).alias(flag))
            count = pair_count(rows.filter(flag), rule)
            condition += f" and l.{flag}"
        conditions[rule] = _Agreement(condition, count)
    return rows, conditions


def _is_few(rows: pl.DataFrame, rule: Sequence[str]) -> pl.Series:
    """For each row whether its values are among the rarest, which make `MOST_PAIRS` at most."""
    sizes = rows.drop_nulls(list(rule)).group_by(*rule).agg(pl.len().cast(pl.Int64).alias("size"))
    pairs = pl.col("size") * (pl.col("size") - 1) // 2
    by_size = sizes.group_by("size").agg(pairs.sum().alias("pairs")).sort("size")
    kept = by_size.filter(pl.col("pairs").cum_sum() <= MOST_PAIRS)["size"].max()
    few = sizes.with_columns(is_few=pl.col("size") <= (kept or 1)).drop("size")
    joined = rows.select(rule).join(few, on=list(rule), how="left", maintain_order="left")
    return joined["is_few"].fill_null(value=False)


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            "left": pl.Int64,
            "right": pl.Int64,
            "probability": pl.Float64,
            "is_two": pl.Boolean,
        }
    )


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
        "middle_name": lambda: _middle_names(library),
        "street": lambda: library.JaroWinklerAtThresholds("street", [0.95, 0.85]),
        "city": lambda: library.JaroWinklerAtThresholds("city", [0.95, 0.85]).configure(
            term_frequency_adjustments=True
        ),
    }
    return makers.get(role, lambda: library.ExactMatch(role))()


def _middle_names(library: Any) -> Any:
    """Middle names, of which one may be an initial."""
    import splink.comparison_level_library as levels

    initial = (
        "least(length(middle_name_l), length(middle_name_r)) <= 2"
        " and middle_name_l[1] = middle_name_r[1]"
    )
    return library.CustomComparison(
        output_column_name="middle_name",
        comparison_levels=[
            levels.NullLevel("middle_name"),
            levels.ExactMatchLevel("middle_name"),
            levels.CustomLevel(initial, label_for_charts="the same initial"),
            levels.JaroWinklerLevel("middle_name", 0.88),
            levels.ElseLevel(),
        ],
    )


def _prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts in lower case without blanks around them; empty is null."""
    clean = [
        pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase().replace("", None)
        for column in frame.columns
    ]
    # One tool writes `female` and another `f`, or `Jr.` and another `II`.
    same = {
        "gender": pl.col("gender").str.slice(0, 1),
        "name_suffix": pl.col("name_suffix").str.replace_all(r"\W", "").replace(_SUFFIXES),
    }
    return frame.select(clean).with_columns(same[c] for c in frame.columns if c in same)
