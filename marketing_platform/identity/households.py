"""People of one household: they share an address, a phone and a family name, and are not one.

The model of Fellegi and Sunter takes what agrees for independent. Of an address it is not: street,
postcode, phone and family name agree together, and outvote the given name and the birth date that
do not. So pairs of one place are judged once more, by what is a person's own: a mixture of records
of one person and of two, learned from these pairs alone (expectation maximisation, Dempster et al.
1977). Two people agree as often as any two records do; how often records of one person agree, and
how many of the pairs are one person, is learned.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketing_platform.identity.pair_count import MOST_PAIRS, pair_count

Vector = NDArray[np.float64]

# Two records of one place agree in all of these.
_PLACES: Final = (("street", "postcode"), ("street", "city"), ("last_name", "postcode"), ("phone",))
# A street may be written with a mistake.
_SAME_STREET: Final = "jaro_winkler_similarity(l.street, r.street) >= 0.9"
# Whether what is a person's own agrees. An initial says nothing of a name, and given and family
# name may have changed places.
_INITIAL: Final = "least(length(l.{name}), length(r.{name})) <= 2 and l.{name}[1] = r.{name}[1]"
_OWN: Final = {
    "first_name": f"""
        case
            when {_INITIAL.format(name="first_name")} then null
            else jaro_winkler_similarity(l.first_name, r.first_name) >= 0.85
                {{swapped}}
        end
    """,
    "middle_name": f"""
        case
            when {_INITIAL.format(name="middle_name")} then null
            else jaro_winkler_similarity(l.middle_name, r.middle_name) >= 0.85
        end
    """,
    "gender": "l.gender = r.gender",
    # A digit is wrong, or day and month have changed places.
    "birth_date": """
        damerau_levenshtein(l.birth_date, r.birth_date) <= 1
        or l.birth_date = r.birth_date[1:5] || r.birth_date[9:10] || '-' || r.birth_date[6:7]
    """,
    "email": "jaro_winkler_similarity(l.email, r.email) >= 0.92",
}
_SWAPPED: Final = """
    or coalesce(jaro_winkler_similarity(l.first_name, r.last_name) >= 0.85, false)
    or coalesce(jaro_winkler_similarity(l.last_name, r.first_name) >= 0.85, false)
"""
# Father and son: whoever is a senior is not a junior, however much agrees.
_APART: Final = "coalesce(l.name_suffix <> r.name_suffix, false)"
# What is thought before the pairs are seen, and the number of pairs that this counts as: records of
# one person agree in nine of ten cases, and half of the pairs are one person.
_AGREE, _AS_PAIRS = 0.9, 10.0
_HALF: Final = 0.5
_RAREST: Final = 1e-3
# Less likely than this to be one person, a pair is two for certain.
_TWO_BELOW: Final = 0.1
_STEPS = 200
_CLOSE = 1e-6


def _own(there: Collection[str], identifiers: Collection[str]) -> dict[str, str]:
    """By column that is a person's own: SQL that is true, false or null for rows `l` and `r`."""
    swapped = _SWAPPED if "last_name" in there else ""
    found = {
        column: condition.format(swapped=swapped)
        for column, condition in _OWN.items()
        if column in there
    }
    same = {
        column: f'damerau_levenshtein(l."{column}", r."{column}") <= 1' for column in identifiers
    }
    return found | same


def judge_households(
    connection: duckdb.DuckDBPyConnection,
    pairs: pl.DataFrame,
    rows: pl.DataFrame,
    identifiers: Collection[str] = (),
) -> pl.DataFrame:
    """`pairs` (left, right, probability) with `is_two`, those of one place judged once more.

    They are no likelier than by what is a person's own; two people of one place who were not in
    `pairs` are added to them. `rows` has `unique_id`, from 0 on, and the columns that were
    compared.
    """
    places = [place for place in _PLACES if set(place) <= set(rows.columns)]
    own = _own(rows.columns, identifiers)
    unjudged = pairs.with_columns(pl.lit(value=False).alias("is_two"))
    # Another address or key alone says little: many people have several.
    if not places or not {"first_name", "birth_date"} & set(own):
        return unjudged
    connection.register("compared_rows", rows.to_arrow())
    connection.register("compared_pairs", pairs.to_arrow())
    together = _of_one_place(connection, places, own, rows)
    if together.is_empty():
        return unjudged
    names = list(own)
    # Of those alone that are of one place to the letter: which are there does not hang on whether
    # they are alike in what is learned.
    learned_of = together.filter("is_exact", ~pl.col("is_apart"))
    counted = learned_of.group_by(names).len("pairs").sort(names)
    every = together.select(names).unique().sort(names)
    chance = _by_chance(connection, own, rows.height)
    is_one = _one_person(
        _agreements(every),
        chance,
        *_learned(_agreements(counted), counted["pairs"].to_numpy(), chance),
    )
    judged = (
        together.join(every.with_columns(pl.Series("is_one", is_one)), on=names, nulls_equal=True)
        .with_columns(is_one=pl.when("is_apart").then(0.0).otherwise("is_one"))
        .with_columns((pl.col("is_one") < _TWO_BELOW).alias("is_two"))
    )
    likely = pairs.join(
        judged.select("left", "right", "is_one", "is_two"), on=["left", "right"], how="left"
    ).select(
        "left",
        "right",
        pl.min_horizontal("probability", "is_one").alias("probability"),
        pl.col("is_two").fill_null(value=False),
    )
    others = judged.filter("is_two").join(pairs, on=["left", "right"], how="anti")
    return pl.concat(
        [likely, others.select("left", "right", pl.lit(0.0).alias("probability"), "is_two")]
    )


def _agreements(patterns: pl.DataFrame) -> Vector:
    found: Vector = patterns.select(pl.selectors.boolean().cast(pl.Float64)).to_numpy()
    return found


def _of_one_place(
    connection: duckdb.DuckDBPyConnection,
    places: Collection[tuple[str, ...]],
    own: dict[str, str],
    rows: pl.DataFrame,
) -> pl.DataFrame:
    """left, right, is_exact, is_apart and what agrees.

    All pairs of one place are exact; besides, there are those that are likely and nearly of one.
    """
    apart = _APART if "name_suffix" in rows.columns else "false"
    exact = [
        f"select l.unique_id as a, r.unique_id as b from compared_rows as l"  # noqa: S608
        f" inner join compared_rows as r on {_same(place)} and l.unique_id < r.unique_id"
        for place in places
        if pair_count(rows, place) <= MOST_PAIRS
    ]
    near = [
        f"({_SAME_STREET} and l.{area} = r.{area})"
        for area in ("postcode", "city")
        if {"street", area} <= set(rows.columns)
    ]
    exact_pairs = " union ".join(exact) or "select 0::bigint as a, 0::bigint as b where false"
    patterns = ", ".join(f'{sql} as "{column}"' for column, sql in own.items())
    found: pl.DataFrame = connection.sql(
        f"""
        with exact as ({exact_pairs}),
        near as (
            select least(p."left", p."right") as a, greatest(p."left", p."right") as b
            from compared_pairs as p
            inner join compared_rows as l on p."left" = l.unique_id
            inner join compared_rows as r on p."right" = r.unique_id
            where {" or ".join([*near, *(f"({_same(place)})" for place in places)])}
        ),
        every as (
            select a, b, bool_or(is_exact) as is_exact
            from (
                select a, b, true as is_exact from exact
                union all select a, b, false from near
            )
            group by a, b
        )
        select
            cast(every.a as bigint) as "left", cast(every.b as bigint) as "right",
            every.is_exact, {apart} as is_apart, {patterns}
        from every
        inner join compared_rows as l on every.a = l.unique_id
        inner join compared_rows as r on every.b = r.unique_id
        """  # noqa: S608 - names of columns of ours
    ).pl()
    return found


def _same(place: Collection[str]) -> str:
    return " and ".join(f"l.{column} = r.{column}" for column in place)


def _by_chance(connection: duckdb.DuckDBPyConnection, own: dict[str, str], height: int) -> Vector:
    """How often two records of the file agree in each column, from each and a few others."""
    shares = ", ".join(f"avg(cast({sql} as int))" for sql in own.values())
    steps = sorted({max(1, height * part // 7) for part in range(1, 7)})
    found = connection.execute(
        f"""
        select {shares}
        from compared_rows as l
        cross join (select unnest($steps) as step) as steps
        inner join compared_rows as r on (l.unique_id + steps.step) % $height = r.unique_id
        """,  # noqa: S608 - names of columns, quoted
        {"steps": steps, "height": height},
    ).fetchone()
    return np.array([max(share or 0.0, _RAREST) for share in found or ()])


def _learned(agrees: Vector, counts: NDArray[np.int64], by_chance: Vector) -> tuple[float, Vector]:
    """The share of pairs that are one person, and by column how often such a pair agrees.

    A pattern is a row of `agrees`: 1, 0 or NaN by column; `counts` says how many pairs have it.
    """
    known = ~np.isnan(agrees)
    seen = np.where(known, agrees, 0.0)
    share, agree = _HALF, np.full(agrees.shape[1], _AGREE)
    for _ in range(_STEPS):
        weight = _one_person(agrees, by_chance, share, agree) * counts
        before, share = share, (weight.sum() + _HALF * _AS_PAIRS) / (counts.sum() + _AS_PAIRS)
        agree = (weight @ seen + _AGREE * _AS_PAIRS) / (weight @ known + _AS_PAIRS)
        agree = np.clip(agree, by_chance, 1 - _RAREST)
        if abs(share - before) < _CLOSE:
            break
    return float(share), agree


def _one_person(agrees: Vector, by_chance: Vector, share: float, agree: Vector) -> Vector:
    """Probability that a pair of each pattern is one person."""
    one, two = share * _likelihood(agrees, agree), (1 - share) * _likelihood(agrees, by_chance)
    found: Vector = one / (one + two)
    return found


def _likelihood(agrees: Vector, share: Vector) -> Vector:
    each = np.where(agrees > 0, share, 1 - share)
    found: Vector = np.prod(np.where(np.isnan(agrees), 1.0, each), axis=1)
    return found
