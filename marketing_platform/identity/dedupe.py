"""The people in any CSV file: which of its records are the same person.

deduped = dedupe(read_people(path))
deduped.clusters        # a number per record, the same for the same person
"""

from __future__ import annotations

import csv
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from marketing_platform.errors import InputError
from marketing_platform.identity.clusters import cluster
from marketing_platform.identity.headers import HEADERS, recognised
from marketing_platform.identity.linkage import link
from marketing_platform.sources.files import workbook
from marketing_platform.sources.files.csv_text import Shape, find_shape, unclosed_quote, write_utf8

_BIRTH_DATES = (
    *("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIME_OF_DAY = r"[T ]\d{1,2}:\d{2}.*$"


@dataclass(frozen=True)
class People:
    """Records of people, and what their columns are taken for.

    `roles` maps a role to the column that has it, `identifiers` are columns whose values identify
    somebody, though with mistakes; `ignored` have no part in comparing.
    """

    records: pl.DataFrame
    roles: Mapping[str, str]
    identifiers: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deduped:
    """The number of each record's person, and from which probability on two records are one."""

    clusters: pl.Series
    threshold: float
    seconds: float
    pairs: pl.DataFrame = field(repr=False)


def read_people(
    path: Path, told: Mapping[str, str] | None = None, ignored: Sequence[str] = ()
) -> People:
    """The people of a file. `told` (role -> column) wins over what the names suggest.

    Raises InputError for a file that cannot be read, or has nothing to compare.
    """
    records = _read_csv(path)
    if not records.height:
        raise InputError("the file has no records", where=str(path), mend="Export it again")
    told = dict(told or {})
    for role, column in told.items():
        if role not in HEADERS:
            raise InputError(
                f"no role {role!r}", where="--map", mend=f"There are: {', '.join(HEADERS)}"
            )
        if column not in records.columns:
            raise InputError(f"no column {column!r}", where=str(path))
    if unknown := [column for column in ignored if column not in records.columns]:
        raise InputError(f"no column {unknown[0]!r}", where=str(path))
    free = [c for c in records.columns if c not in ignored and c not in told.values()]
    roles = recognised(records.select(free), set(told)) | told
    if not roles:
        raise InputError(
            "no column about people is recognised",
            where=str(path),
            mend="Say which: --map last_name=COLUMN",
        )
    identifiers = [
        column
        for column in free
        if re.search(r"(^|_)id$", column.lower())
        and column not in roles.values()
        and _ties(records[column])
    ]
    rest = [c for c in records.columns if c not in {*roles.values(), *identifiers}]
    return People(records, roles, tuple(identifiers), tuple(rest))


def _read_csv(path: Path) -> pl.DataFrame:
    """The records of a CSV file of any editor, or of a workbook, all columns as text."""
    try:
        if not workbook.is_workbook(path) and _is_archive(path):
            raise InputError("this is an archive", where=str(path), mend="Unpack it first")
        with tempfile.TemporaryDirectory(prefix="people-") as folder:
            # In UTF-8, whatever it was.
            copy = Path(folder, "people.csv")
            (workbook.write_csv if workbook.is_workbook(path) else write_utf8)(path, copy)
            try:
                shape = find_shape(copy)
            except InputError as error:
                raise InputError(error.what, where=str(path), mend=error.mend) from None
            try:
                return pl.read_csv(
                    copy,
                    infer_schema=False,
                    separator=shape.delimiter,
                    skip_lines=shape.skip,
                    new_columns=list(shape.columns),
                )
            except pl.exceptions.PolarsError:
                return _row_by_row(copy, shape, path)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path)) from None
    except (OSError, csv.Error) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"not readable as CSV: {reason}", where=str(path)) from None


def _is_archive(path: Path) -> bool:
    """Whether a file is a ZIP, of which what is not packed looks like text."""
    with path.open("rb") as content:
        return content.read(4) == b"PK\x03\x04"


def _row_by_row(copy: Path, shape: Shape, path: Path) -> pl.DataFrame:
    """The records of a file with rows that are longer than its header, or quotes within a value."""
    with copy.open(encoding="utf-8", newline="") as text:
        lines = text.readlines()[shape.skip :]
    reader = csv.reader(lines, delimiter=shape.delimiter)
    next(reader)
    rows: list[list[str]] = []
    begun, read = 0, reader.line_num
    for row in reader:
        begun, read = read, reader.line_num
        if row:
            rows.append(row)
    if rows and read - begun > 1 and _is_open(lines[begun:], shape.delimiter):
        raise unclosed_quote(path, read - begun - 1)
    width = max([len(shape.columns), *map(len, rows)])
    names = [*shape.columns, *(f"column{n + 1}" for n in range(len(shape.columns), width))]
    return pl.DataFrame(
        {
            name: [row[place] or None if place < len(row) else None for row in rows]
            for place, name in enumerate(names)
        },
        schema=dict.fromkeys(names, pl.String),
    )


def _is_open(lines: Sequence[str], delimiter: str) -> bool:
    """Whether a quote is open at the end of a record."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return str(error) == "unexpected end of data"
    return False


def _ties(values: pl.Series) -> bool:
    """Whether some value is there twice: a column that numbers the records ties nobody."""
    known = values.drop_nulls()
    return known.n_unique() < known.len()


def dedupe(people: People, threshold: float | None = None) -> Deduped:
    """Find out which records are one person.

    Without a `threshold` it is half of the F1 that is to be expected at it, from the probabilities
    alone: the choice that is best for F1 if they are right (Lipton et al. 2014,
    https://arxiv.org/abs/1402.1892).
    """
    started = time.perf_counter()
    columns = {role: people.records[column] for role, column in people.roles.items()}
    if "full_name" in columns:
        columns |= _parts_of_name(columns.pop("full_name"))
    # By names of ours: a header may be anything, and these are written into SQL.
    identifiers = {f"identifier_{n}": people.records[c] for n, c in enumerate(people.identifiers)}
    frame = pl.DataFrame({**columns, **identifiers})
    if "birth_date" in columns:
        frame = frame.with_columns(_date_text(frame["birth_date"]))
    linked = link(frame, tuple(identifiers))
    chosen = best_threshold(linked.pairs["probability"]) if threshold is None else threshold
    labels = cluster(linked.pairs, people.records.height, chosen)
    # Persons are numbered in the order of their first records.
    numbered = pl.Series("cluster_id", labels, dtype=pl.Int64)
    first = numbered.unique(maintain_order=True)
    order = pl.DataFrame({"cluster_id": first, "number": np.arange(1, first.len() + 1)})
    clusters = numbered.to_frame().join(order, on="cluster_id", maintain_order="left")["number"]
    return Deduped(
        clusters.rename("cluster_id"), chosen, time.perf_counter() - started, linked.pairs
    )


def best_threshold(probabilities: pl.Series) -> float:
    """The probability from which on a pair should count, for the highest F1 to be expected."""
    if probabilities.is_empty():
        return 0.5
    ordered = probabilities.sort(descending=True).to_numpy()
    right = np.cumsum(ordered)
    expected = 2 * right / (np.arange(1, len(ordered) + 1) + right[-1])
    return float(expected.max() / 2)


def quality(clusters: pl.Series, truth: pl.Series) -> dict[str, Any]:
    """How clusters compare with the true persons: of pairs, and of whole clusters.

    A cluster is right where its records are those of a person, all of them and no others.
    """
    frame = pl.DataFrame({"found": clusters, "true": truth})

    def pairs(*columns: str) -> float:
        sizes = frame.group_by(*columns).len()["len"].cast(pl.Float64)
        return float((sizes * (sizes - 1) / 2).sum())

    both, found, true = pairs("found", "true"), pairs("found"), pairs("true")
    mixed = frame.group_by("found").agg(
        pl.col("true").n_unique().alias("persons"), pl.col("true").first(), pl.len().alias("size")
    )
    whole = frame.group_by("true").len("whole")
    right = mixed.join(whole, on="true").filter(
        (pl.col("persons") == 1) & (pl.col("size") == pl.col("whole"))
    )
    return {
        "pairwise": _figures(both, found, true),
        "cluster": _figures(right.height, mixed.height, whole.height),
    }


def _figures(both: float, found: float, true: float) -> dict[str, float]:
    precision = both / found if found else 1.0
    recall = both / true if true else 1.0
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def _parts_of_name(names: pl.Series) -> dict[str, pl.Series]:
    """Given and family name of whole names: `Ada King Lovelace` or `Lovelace, Ada King`."""
    text = names.str.strip_chars().str.replace_all(r"\s+", " ")
    turned = text.str.replace(r"^([^,]+), ?(.+)$", "$2 $1")
    return {
        "first_name": turned.str.extract(r"^(\S+) ", 1),
        "last_name": turned.str.extract(r"(\S+)$", 1),
    }


def _date_text(texts: pl.Series) -> pl.Series:
    """Days as YYYY-MM-DD, of the form that most of them have; others stay as they are.

    A time of the day is left out; of a year alone it is the first day.
    """
    texts = texts.str.replace(_TIME_OF_DAY, "")
    sample = texts.drop_nulls()
    if sample.len() and 2 * sample.str.contains(r"^\d{4}$").sum() > sample.len():
        return texts.str.replace(r"^(\d{4})$", "$1-01-01").rename("birth_date")
    read = {form: sample.str.to_date(form, strict=False).count() for form in _BIRTH_DATES}
    best = max(read, key=lambda form: read[form])
    if not sample.len() or 2 * read[best] <= sample.len():
        return texts.rename("birth_date")
    parsed = texts.str.to_date(best, strict=False).dt.to_string("%Y-%m-%d")
    both = pl.select(pl.coalesce(pl.lit(parsed), pl.lit(texts)))
    return both.to_series().rename("birth_date")
