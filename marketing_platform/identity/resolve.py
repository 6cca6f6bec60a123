"""From identifiers to customers: contacts that share one are one, through any number of hops.

Everything here is a function of frames, without a warehouse.

    contacts     contact_id
    identifiers  contact_id, kind, value: those that tie
    mapping      contact_id, customer_id
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import duckdb
import numpy as np
import polars as pl

from marketing_platform.identity.edges import Edge

MAPPING = {"contact_id": pl.String, "customer_id": pl.String}
ID_PREFIX = "cus_"
_ID_LENGTH = 16


@dataclass(frozen=True)
class Difference:
    """What a new mapping changes: customers before, how many were merged away, how many split."""

    customers_before: int
    merged_count: int
    split_count: int
    largest_customer: int
    digest: str

    @property
    def merged_share(self) -> float:
        """Share of the customers of before that are part of another one now."""
        return self.merged_count / max(self.customers_before, 1)

    @property
    def split_share(self) -> float:
        """Share of the customers of before whose contacts are several customers now."""
        return self.split_count / max(self.customers_before, 1)


def groups(
    contacts: pl.DataFrame, identifiers: pl.DataFrame, edges: Sequence[Edge] = ()
) -> pl.DataFrame:
    """Which contacts belong together: contact_id and the number of its group, for every contact.

    Contacts set `apart` share identifiers only among themselves, so exactly the ties to everybody
    else are cut. Contacts said to be `together` are tied whatever they share.
    """
    # Slow to load, and needed by builds alone.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    people = contacts.select("contact_id").unique().sort("contact_id").with_row_index("contact")
    tied = identifiers.select("contact_id", "kind", "value").join(
        _labels(edges), on="contact_id", how="left"
    )
    tied = tied.join(people, on="contact_id")
    values = tied.select("kind", "value", "label").unique(maintain_order=False)
    values = values.with_row_index("identifier", people.height)
    ties = tied.join(values, on=["kind", "value", "label"], nulls_equal=True)
    pairs = _pairs(edges, people)
    left = np.concatenate([ties["contact"].to_numpy(), pairs[:, 0]]).astype(np.int64)
    right = np.concatenate([ties["identifier"].to_numpy(), pairs[:, 1]]).astype(np.int64)
    size = people.height + values.height
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return people.select(
        "contact_id", pl.Series("group", component[: people.height], dtype=pl.Int64)
    )


def _labels(edges: Sequence[Edge]) -> pl.DataFrame:
    """For contacts that are set apart: by which edges."""
    rows = [
        (contact, edge.edge_id)
        for edge in edges
        if edge.kind == "apart"
        for contact in edge.contact_ids
    ]
    frame = pl.DataFrame(rows, schema={"contact_id": pl.String, "edge": pl.Int64}, orient="row")
    return frame.group_by("contact_id").agg(
        pl.col("edge").sort().cast(pl.String).str.join("/").alias("label")
    )


def _pairs(edges: Sequence[Edge], people: pl.DataFrame) -> np.ndarray:
    """The numbers of contacts that are said to be one person, and were not set apart later."""
    rows = [
        (edge.contact_ids[0], other)
        for edge in edges
        if edge.kind == "together"
        for other in edge.contact_ids[1:]
        if not _is_parted(edges, edge.edge_id, edge.contact_ids[0], other)
    ]
    told = pl.DataFrame(rows, schema={"first": pl.String, "second": pl.String}, orient="row")
    numbers = people.rename({"contact": "number"})
    found = told.join(numbers, left_on="first", right_on="contact_id").join(
        numbers, left_on="second", right_on="contact_id", suffix="_second"
    )
    return found.select("number", "number_second").to_numpy().reshape(-1, 2)


def _is_parted(edges: Sequence[Edge], after: int, first: str, second: str) -> bool:
    """Whether a later word sets one of the two apart and not the other: the last word counts."""
    return any(
        edge.kind == "apart"
        and edge.edge_id > after
        and (first in edge.contact_ids) != (second in edge.contact_ids)
        for edge in edges
    )


def held_back(
    grouped: pl.DataFrame, before: pl.DataFrame, largest: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The groups without those that are too large, and these: group, contact_count.

    The contacts of a group that is too large stay the customers that they were; new ones stay by
    themselves.
    """
    sizes = grouped.group_by("group").agg(pl.len().cast(pl.Int64).alias("contact_count"))
    large = sizes.filter(pl.col("contact_count") > largest).sort("group")
    if large.is_empty():
        return grouped, large
    known = before.select("contact_id", pl.col("customer_id").alias("was"))
    inside = grouped.join(large.select("group"), on="group", how="semi").join(
        known, on="contact_id", how="left"
    )
    # Numbers that no group has: one for each customer of before, one for each new contact.
    alone = pl.coalesce(pl.concat_str(pl.lit("was "), "was"), "contact_id")
    kept = inside.select("contact_id", (-1 - alone.rank("dense").cast(pl.Int64)).alias("group"))
    rest = grouped.join(large.select("group"), on="group", how="anti")
    return pl.concat([rest, kept]), large


def with_stable_ids(grouped: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The mapping of the groups, in which a customer keeps the id that most of its contacts had.

    An id goes to one group alone: where a customer has split, to the one with most of its contacts.
    A new id is a digest of the smallest contact: ids stand in ledgers and logs, and a contact's key
    may be an e-mail.
    """
    claims = (
        grouped.join(before, on="contact_id")
        .group_by("group", "customer_id")
        .agg(pl.len().alias("count"), pl.col("contact_id").min().alias("first"))
        .sort(["count", "first"], descending=[True, False])
    )
    # A group claims the id that most of it had; an id is given to the group with most of it.
    chosen = claims.unique("group", keep="first", maintain_order=True).unique(
        "customer_id", keep="first", maintain_order=True
    )
    named = grouped.join(chosen.select("group", "customer_id"), on="group", how="left")
    fresh = (
        named.filter(pl.col("customer_id").is_null())
        .group_by("group")
        .agg(pl.col("contact_id").min().alias("first"))
        .sort("first")
    )
    given = fresh.with_columns(_digests(fresh["first"]).alias("new_id"))
    # A group that has split off may have the contact after which another one was called.
    for attempt in range(2, 100):
        is_taken = pl.col("new_id").is_in(chosen["customer_id"].implode())
        again = given.filter(is_taken)
        if again.is_empty():
            break
        renamed = again.with_columns(_digests(again["first"] + f"/{attempt}").alias("new_id"))
        given = pl.concat([given.filter(~is_taken), renamed])
    given = given.select("group", "new_id")
    return (
        named.join(given, on="group", how="left")
        .select("contact_id", pl.coalesce("customer_id", "new_id").alias("customer_id"))
        .sort("contact_id")
    )


def own_ids(contacts: pl.DataFrame) -> pl.DataFrame:
    """The customers that are called after these contacts, as a mapping."""
    return contacts.select("contact_id", _digests(contacts["contact_id"]).alias("customer_id"))


def named_by(grouped: pl.DataFrame, before: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """The mapping of before, with those of `told` that name a group of which it knows nobody."""
    known = grouped.join(before, on="contact_id", how="semi").select("group").unique()
    unknown = grouped.join(known, on="group", how="anti")
    more = told.join(unknown, on="contact_id", how="semi")
    return pl.concat([before, more.join(before, on="customer_id", how="anti")])


def _digests(texts: pl.Series) -> pl.Series:
    """An id for each text."""
    with _scratch().cursor() as connection:
        connection.register("texts", texts.alias("text").to_frame().to_arrow())
        rows = connection.sql(
            f"select '{ID_PREFIX}' || substr(md5(text), 1, {_ID_LENGTH}) as id from texts"  # noqa: S608
        )
        return pl.DataFrame(rows.to_arrow_table())["id"]


@cache
def _scratch() -> duckdb.DuckDBPyConnection:
    """A database without tables, for its functions: polars has no digest that stays the same."""
    return duckdb.connect(config={"threads": 1})


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What became of the customers of before: kind (merged, split), customer_id, other_customer_id.

    `merged`: the customer's contacts belong to the other one now. `split`: some of its contacts
    belong to the other one now. Contacts that came or went change nobody.
    """
    both = before.join(after, on="contact_id", suffix="_after")
    touched = both.filter(pl.col("customer_id") != pl.col("customer_id_after"))
    # From day to day nearly all stay as they are.
    moved = (
        both.join(touched.select("customer_id").unique(), on="customer_id", how="semi")
        .group_by("customer_id", "customer_id_after")
        .agg(
            pl.len().cast(pl.Int64).alias("contact_count"),
            pl.col("contact_id").min().alias("contact_id"),
        )
    )
    parts = moved.group_by("customer_id").agg(pl.len().alias("parts"))
    left = moved.filter(pl.col("customer_id") != pl.col("customer_id_after")).join(
        parts, on="customer_id"
    )
    is_split = pl.col("parts") > 1
    return left.select(
        pl.when(is_split).then(pl.lit("split")).otherwise(pl.lit("merged")).alias("kind"),
        "customer_id",
        pl.col("customer_id_after").alias("other_customer_id"),
        "contact_count",
        "contact_id",
    ).sort("kind", "customer_id", "other_customer_id")


def difference(before: pl.DataFrame, after: pl.DataFrame, found: pl.DataFrame) -> Difference:
    """How far a mapping is from the one before; `found` is what `changes` tells of them."""
    told = found.select("kind", "customer_id", "other_customer_id").rows()
    sizes: list[int] = after.group_by("customer_id").len()["len"].to_list()
    return Difference(
        customers_before=before["customer_id"].n_unique(),
        merged_count=found.filter(pl.col("kind") == "merged")["customer_id"].n_unique(),
        split_count=found.filter(pl.col("kind") == "split")["customer_id"].n_unique(),
        largest_customer=max(sizes, default=0),
        digest=hashlib.md5(repr(told).encode(), usedforsecurity=False).hexdigest(),
    )
