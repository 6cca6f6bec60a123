"""What the last build and the last check of each table said, kept in the state database.

Activation asks here whether it may go on, so that it holds whoever starts it: a sensor, the UI or
the command line. The warehouse file is not opened for it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from marketing_platform.state import METADATA, UtcDateTime, reading, writing

# One row: the latest result of one check of one table.
check_results = sa.Table(
    "check_results",
    METADATA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("check_name", sa.Text, primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("is_blocking", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("checked_at", UtcDateTime, nullable=False),
)

# One row: the latest successful build of one table. `newest_at` is its newest record, where it has
# a moment of its own, `seconds` how long it took.
table_builds = sa.Table(
    "table_builds",
    METADATA,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("built_at", UtcDateTime, nullable=False),
    sa.Column("newest_at", UtcDateTime),
    sa.Column("seconds", sa.Float),
)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one table; `detail` says in a line what was found."""

    table_name: str
    check_name: str
    passed: bool
    detail: str
    is_blocking: bool = True
    checked_at: dt.datetime | None = None


@dataclass(frozen=True)
class TableBuild:
    """The latest build of a table."""

    table_name: str
    row_count: int
    built_at: dt.datetime
    newest_at: dt.datetime | None
    seconds: float | None = None


def record_check(engine: sa.Engine, result: CheckResult) -> None:
    """Remember the outcome of a check in place of the one before."""
    row = {
        "table_name": result.table_name,
        "check_name": result.check_name,
        "passed": result.passed,
        "is_blocking": result.is_blocking,
        "detail": result.detail,
        "checked_at": result.checked_at or dt.datetime.now(dt.UTC),
    }
    _replace(engine, check_results, row, ("table_name", "check_name"))


def record_build(
    engine: sa.Engine,
    table_name: str,
    row_count: int,
    newest_at: dt.datetime | None = None,
    seconds: float | None = None,
) -> None:
    """Remember that a table was built just now."""
    row = {
        "table_name": table_name,
        "row_count": row_count,
        "built_at": dt.datetime.now(dt.UTC),
        "newest_at": newest_at,
        "seconds": seconds,
    }
    _replace(engine, table_builds, row, ("table_name",))


def forget_check(engine: sa.Engine, table_name: str, check_name: str) -> None:
    """Forget a check that is only kept while it fails."""
    same = sa.and_(
        check_results.c.table_name == table_name, check_results.c.check_name == check_name
    )
    with reading(engine) as connection:
        if connection.execute(sa.select(check_results.c.passed).where(same)).first() is None:
            return
    with writing(engine) as connection:
        connection.execute(check_results.delete().where(same))


def latest_checks(engine: sa.Engine) -> list[CheckResult]:
    """The latest result of every check, by table."""
    query = sa.select(check_results).order_by(
        check_results.c.table_name, check_results.c.check_name
    )
    with reading(engine) as connection:
        return [CheckResult(**row._mapping) for row in connection.execute(query)]


def latest_builds(engine: sa.Engine) -> list[TableBuild]:
    """The latest build of every table, by name."""
    query = sa.select(table_builds).order_by(table_builds.c.table_name)
    with reading(engine) as connection:
        return [TableBuild(**row._mapping) for row in connection.execute(query)]


def _replace(
    engine: sa.Engine, table: sa.Table, row: dict[str, object], keys: tuple[str, ...]
) -> None:
    same = sa.and_(*(table.c[key] == row[key] for key in keys))
    with writing(engine) as connection:
        connection.execute(table.delete().where(same))
        connection.execute(table.insert().values(**row))
