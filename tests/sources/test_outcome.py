"""Of each record's versions one is accepted; every row has one outcome, and the sums add up."""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.sources.outcome import with_outcome

_DAY = dt.date(2026, 1, 1)
_MORNING, _NOON = dt.datetime(2026, 1, 1, 8), dt.datetime(2026, 1, 1, 12)
_COLUMNS = "record_id, record_key, received_date, record_updated_at, received_at, quarantine_reason"
_RECORDS = f"-- One version of a robot.\nselect {_COLUMNS}, name from raw.toys_robots -- all"
_PARTS = f"select {_COLUMNS}, parent_record_id, name from raw.toys_parts"

Row = tuple[Any, ...]
Outcomes = dict[str, tuple[str, str | None]]


def _row(
    record_id: str,
    key: str | None = "k",
    updated_at: dt.datetime | None = _NOON,
    received_at: dt.datetime | None = _NOON,
    reason: str | None = None,
    parent: str | None = None,
) -> Row:
    return (record_id, key, _DAY, updated_at, received_at, reason, "name", parent)


def _outcomes(records: list[Row], parts: list[Row] | None = None) -> Outcomes:
    """What becomes of the records, or of the parts where there are some."""
    connection = duckdb.connect()
    connection.execute("create schema raw; create schema staging")
    for table, rows in (("robots", records), ("parts", parts or [])):
        connection.execute(
            f"create table raw.toys_{table} (record_id varchar, record_key varchar,"
            " received_date date, record_updated_at timestamp, received_at timestamp,"
            " quarantine_reason varchar, name varchar, parent_record_id varchar)"
        )
        if rows:
            connection.executemany(f"insert into raw.toys_{table} values (?,?,?,?,?,?,?,?)", rows)
    connection.execute(f"create table staging.toys_robots as {with_outcome(_RECORDS)}")
    judged = "staging.toys_robots"
    if parts is not None:
        judged = f"({with_outcome(_PARTS, parent=judged)})"
    found = connection.execute(
        f"select record_id, outcome, quarantine_reason from {judged}"
    ).fetchall()
    assert len(found) == len(records if parts is None else parts)
    return {record_id: (outcome, reason) for record_id, outcome, reason in found}


def test_the_latest_version_of_a_record_is_accepted() -> None:
    records = [_row("a", updated_at=_MORNING), _row("b"), _row("c", updated_at=None)]
    assert _outcomes(records) == {
        "a": ("duplicate", None),
        "b": ("accepted", None),
        "c": ("duplicate", None),
    }


def test_of_versions_of_one_moment_the_last_received_is_accepted_then_the_greatest_id() -> None:
    records = [_row("a"), _row("b"), _row("c", received_at=_MORNING)]
    assert [i for i, (outcome, _) in _outcomes(records).items() if outcome == "accepted"] == ["b"]


def test_a_record_with_a_reason_is_quarantined_and_an_earlier_good_one_stays() -> None:
    records = [_row("a", updated_at=_MORNING), _row("b", reason="no date")]
    assert _outcomes(records) == {"a": ("accepted", None), "b": ("quarantined", "no date")}


@pytest.mark.parametrize("key", [None, ""])
def test_a_record_without_a_key_is_quarantined(key: str | None) -> None:
    assert _outcomes([_row("a", key)]) == {"a": ("quarantined", "no key")}


def test_the_elements_of_a_list_go_with_their_record() -> None:
    records = [
        _row("old", updated_at=_MORNING),
        _row("new"),
        _row("bad", "other", reason="no date"),
    ]
    parts = [
        _row("old/1", "k/1", parent="old"),
        _row("old/2", "k/2", reason="no amount", parent="old"),
        _row("new/1", "k/1", updated_at=_MORNING, parent="new"),
        _row("new/2", "k/2", reason="no amount", parent="new"),
        _row("bad/1", "other/1", parent="bad"),
        _row("bad/2", "other/2", reason="no amount", parent="bad"),
        _row("lost/1", "lost/1", parent="lost"),
    ]
    assert _outcomes(records, parts) == {
        "old/1": ("duplicate", None),
        "old/2": ("duplicate", None),
        "new/1": ("accepted", None),
        "new/2": ("quarantined", "no amount"),
        "bad/1": ("quarantined", "its record is quarantined"),
        "bad/2": ("quarantined", "no amount"),
        "lost/1": ("quarantined", "its record is quarantined"),
    }


def test_an_element_that_comes_twice_in_a_record_is_accepted_once() -> None:
    parts = [_row("a/1", "k/7", parent="a"), _row("a/2", "k/7", parent="a")]
    found = _outcomes([_row("a")], parts)
    assert sorted(outcome for outcome, _ in found.values()) == ["accepted", "duplicate"]


@pytest.mark.parametrize("dialect", ["spark", "snowflake", "bigquery"])
@pytest.mark.parametrize("parent", [None, "staging.toys_robots"])
def test_the_sql_is_carried_to_other_engines(dialect: str, parent: str | None) -> None:
    sql = with_outcome(_PARTS if parent else _RECORDS, parent=parent)
    (carried,) = sqlglot.transpile(
        sql, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    assert sqlglot.parse_one(carried, read=dialect)


_MOMENTS = st.none() | st.sampled_from([_MORNING, _NOON])
_KEYS = st.none() | st.sampled_from(["", "a", "b", "c"])
_REASONS = st.none() | st.just("no date")
_GIVEN = st.lists(st.tuples(_KEYS, _MOMENTS, _MOMENTS, _REASONS), max_size=12)


@settings(max_examples=25, deadline=None)
@given(given_records=_GIVEN, given_parts=_GIVEN)
def test_every_row_has_one_outcome_and_each_key_one_accepted_row(
    given_records: list[Row], given_parts: list[Row]
) -> None:
    records = [_row(f"r{n}", *one) for n, one in enumerate(given_records)]
    parts = [_row(f"p{n}", *one, f"r{n // 2}") for n, one in enumerate(given_parts)]
    for rows, found in (
        (records, _outcomes(records)),
        (parts, _outcomes(records, parts)),
    ):
        assert set(found) == {row[0] for row in rows}
        for outcome, reason in found.values():
            assert (outcome == "quarantined") == (reason is not None)
        accepted = [row[1] for row in rows if found[row[0]][0] == "accepted"]
        assert len(accepted) == len(set(accepted))
    usable = {row[1] for row in records if row[1] and row[5] is None}
    outcomes = _outcomes(records)
    assert {row[1] for row in records if outcomes[row[0]][0] == "accepted"} == usable
