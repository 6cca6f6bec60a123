"""A contract: the columns of a table, their types and the checks that its rows pass.

A contract is a pandera schema on polars plus the table's key. The blocking check of a table and the
column schema shown in the UI both come from it. Each check is also a condition in SQL, by which the
warehouse finds the rows that break it without loading the others; pandera then says what is wrong.
The functions `text`, `money`, `timestamp`, ... make the columns; each holds the naming rule of its
kind, so that a column that ends in `_at` cannot be anything but a UTC timestamp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from marketing_platform.names import TableName
from marketing_platform.wording import counted

_SAMPLE = 5
# What a visitor's browser sends may be as long as a book.
_LONGEST_SHOWN = 100


@dataclass(frozen=True)
class Violation:
    """One broken promise: the column, the check, how many rows break it and a few of the values."""

    column: str
    check: str
    failures: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(
            one if len(one) <= _LONGEST_SHOWN else f"{one[:_LONGEST_SHOWN]}..."
            for one in self.examples
        )
        return (
            f"{self.column}: {self.check} fails for {counted(self.failures, 'row')}, e.g. {shown}"
        )


@dataclass(frozen=True)
class Check:
    """A check of a value: as pandera does it, and as SQL that is true where `{value}` breaks it."""

    pandera: pa.Check
    broken: str


@dataclass(frozen=True)
class Column:
    """A column: its polars type, whether it may be null, what it means, and its checks."""

    dtype: pl.DataType
    description: str
    nullable: bool = False
    checks: tuple[Check, ...] = ()

    @property
    def duckdb_type(self) -> str:
        """The type of this column in the warehouse."""
        if isinstance(self.dtype, pl.Decimal):
            return f"DECIMAL({self.dtype.precision}, {self.dtype.scale})"
        return _DUCKDB_TYPES[type(self.dtype)]


_DUCKDB_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
}


def text(
    description: str, *, nullable: bool = False, one_of: Iterable[str] | None = None
) -> Column:
    """Text; `one_of` lists the only values it may have."""
    if not one_of:
        return Column(pl.String(), description, nullable)
    values = list(one_of)
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    check = Check(pa.Check.isin(values), f"{{value}} not in ({listed})")
    return Column(pl.String(), description, nullable, (check,))


def key(description: str) -> Column:
    """Text that identifies something: never null, never empty."""
    check = Check(pa.Check.str_length(min_value=1), "{value} = ''")
    return Column(pl.String(), description, False, (check,))


def integer(
    description: str, *, nullable: bool = False, ge: int | None = None, le: int | None = None
) -> Column:
    """A whole number; counts and days are given `ge=0`."""
    return Column(pl.Int64(), description, nullable, _range(ge, le))


def number(
    description: str, *, nullable: bool = False, ge: float | None = None, le: float | None = None
) -> Column:
    """A floating-point number, never NaN."""
    return Column(pl.Float64(), description, nullable, (_IS_A_NUMBER, *_range(ge, le)))


def share(description: str, *, nullable: bool = False) -> Column:
    """A share, rate or probability from 0 to 1."""
    return number(description, nullable=nullable, ge=0.0, le=1.0)


def money(
    description: str, *, nullable: bool = False, ge: int | None = None, scale: int = 2
) -> Column:
    """An amount of money in the currency beside it; unit prices carry four decimals."""
    return Column(pl.Decimal(18, scale), description, nullable, _range(ge, None))


def timestamp(description: str, *, nullable: bool = False) -> Column:
    """A moment in UTC, to the microsecond."""
    return Column(pl.Datetime("us"), description, nullable)


def date(description: str, *, nullable: bool = False) -> Column:
    """A local date."""
    return Column(pl.Date(), description, nullable)


def flag(description: str, *, nullable: bool = False) -> Column:
    """True or false."""
    return Column(pl.Boolean(), description, nullable)


def _range(ge: float | None, le: float | None) -> tuple[Check, ...]:
    checks = []
    if ge is not None:
        checks.append(Check(pa.Check.ge(ge), f"{{value}} < {ge}"))
    if le is not None:
        checks.append(Check(pa.Check.le(le), f"{{value}} > {le}"))
    return tuple(checks)


def _is_a_number(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_nan())


_IS_A_NUMBER = Check(pa.Check(_is_a_number, name="is a number"), "isnan({value})")


@dataclass(frozen=True)
class Days:
    """A table and the column that holds the day of a row."""

    table: str
    column: str


@dataclass(frozen=True)
class Contract:
    """The promise of one table.

    `key` names the columns that no two rows share (none: no promise), `partition_by` the date
    column by which the table is built in daily parts (none: built whole). A day of a table with
    `rolled_from` is made of that day of another table alone, so a build finds by itself which days
    changed, and builds no others.
    """

    name: TableName
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    partition_by: str | None = None
    rolled_from: Days | None = None

    def __post_init__(self) -> None:
        unknown = {*self.key, *([self.partition_by] if self.partition_by else [])} - set(
            self.columns
        )
        if unknown:
            raise ValueError(f"{self.name}: no such column: {', '.join(sorted(unknown))}")

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The columns and their checks as pandera holds them."""
        return pa.DataFrameSchema(
            {
                name: pa.Column(
                    column.dtype,
                    checks=[check.pandera for check in column.checks],
                    nullable=column.nullable,
                    description=column.description,
                )
                for name, column in self.columns.items()
            },
            strict=True,
            name=str(self.name),
        )

    @property
    def broken(self) -> str:
        """SQL that is true for a row that breaks a check or is null where it may not be."""
        nulls = [f"{name} is null" for name, column in self.columns.items() if not column.nullable]
        checks = [
            check.broken.format(value=name)
            for name, column in self.columns.items()
            for check in column.checks
        ]
        return " or ".join([*nulls, *checks]) or "false"

    def violations(self, frame: pl.DataFrame) -> list[Violation]:
        """What in `frame` breaks this contract. The caller checks keys, over all the rows."""
        try:
            self.schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            return _summary(errors.failure_cases)
        return []

    def empty(self) -> pl.DataFrame:
        """A frame of this contract's columns without rows."""
        return pl.DataFrame(schema={name: column.dtype for name, column in self.columns.items()})


def contract(
    name: str,
    columns: Mapping[str, Column],
    *,
    key: Sequence[str] = (),
    partition_by: str | None = None,
    rolled_from: Days | None = None,
) -> Contract:
    """Declare the contract of the table `name`."""
    return Contract(TableName.parse(name), dict(columns), tuple(key), partition_by, rolled_from)


def _summary(failure_cases: pl.DataFrame) -> list[Violation]:
    """Pandera's failure cases, one row a failing value, as one violation per column and check."""
    grouped = failure_cases.group_by("column", "check", maintain_order=True).agg(
        pl.len().alias("failures"), pl.col("failure_case").cast(pl.String).head(_SAMPLE)
    )
    return [_violation(row) for row in grouped.to_dicts()]


def _violation(row: dict[str, Any]) -> Violation:
    examples = tuple(str(value) for value in row["failure_case"])
    return Violation(str(row["column"]), str(row["check"]), int(row["failures"]), examples)
