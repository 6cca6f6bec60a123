"""Rolled tables: a build writes the days that changed, and ends as a build of all days would."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.contracts import CONTRACTS
from marketing_platform.errors import ContractError
from marketing_platform.warehouse import Part, Warehouse, sql_tables
from marketing_platform.warehouse.rolling import spans

ROLLED = [name for name, one in CONTRACTS.items() if one.rolled_from]
ACTIVITY = "profiles.daily_activity"
Event = tuple[int, str, str, str]


def frame(events: list[Event]) -> pl.DataFrame:
    """Events of (day of January, contact, device, event), each at a minute of its own."""
    rows = [
        {
            "event_id": f"{number}-{day}", "source": "s", "event": event, "contact_id": who or None,
            "occurred_at": dt.datetime(2026, 1, day, 9, number % 60),
            "event_date": dt.date(2026, 1, day), "anonymous_id": device or None,
        }
        for number, (day, who, device, event) in enumerate(events)
        if who or device
    ]  # fmt: skip
    empty = CONTRACTS["core.events"].empty()
    return pl.concat([empty, pl.DataFrame(rows, schema_overrides=empty.schema)], how="diagonal")


def roll(warehouse: Warehouse, name: str = ACTIVITY) -> int:
    return warehouse.roll(name, sql_tables()[name].sql).written_count


def counts(warehouse: Warehouse) -> dict[int, int]:
    rows = warehouse.query(
        f"select day(activity_date), sum(event_count)::int from {ACTIVITY} group by 1 order by 1"
    ).rows()
    return dict(rows)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.db")


def test_only_the_day_that_changed_is_written_again(warehouse: Warehouse) -> None:
    events = [(1, "a", "", "seen"), (2, "a", "", "seen"), (3, "b", "", "seen")]
    warehouse.replace("core.events", frame(events))
    assert roll(warehouse) == 3
    assert roll(warehouse) == 0
    warehouse.replace("core.events", frame([*events, (2, "b", "", "seen")]))
    assert roll(warehouse) == 2
    assert counts(warehouse) == {1: 1, 2: 2, 3: 1}


def test_an_event_that_only_changed_its_person_is_noticed(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen"), (2, "a", "", "seen")]))
    roll(warehouse)
    warehouse.replace("core.events", frame([(1, "a", "", "seen"), (2, "z", "", "seen")]))
    assert roll(warehouse) == 1
    assert set(warehouse.read(ACTIVITY)["identifier"]) == {"a", "z"}


def test_a_day_without_events_any_more_goes(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen"), (2, "a", "", "seen")]))
    roll(warehouse)
    day = dt.date(2026, 1, 2)
    warehouse.replace("core.events", frame([]), part=Part(day, day))
    roll(warehouse)
    assert counts(warehouse) == {1: 1}


def test_another_query_builds_all_days_again(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen"), (2, "a", "", "seen")]))
    roll(warehouse)
    other = sql_tables()[ACTIVITY].sql.replace("count(*)", "count(*) * 10")
    assert warehouse.roll(ACTIVITY, other).written_count == 2
    assert counts(warehouse) == {1: 10, 2: 10}


def test_a_broken_day_leaves_the_table_of_before_and_is_tried_again(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen")]))
    roll(warehouse)
    warehouse.replace("core.events", frame([(1, "a", "", "seen"), (2, "a", "", "seen")]))
    broken = sql_tables()[ACTIVITY].sql.replace("count(*)", "count(*) - 1")
    with pytest.raises(ContractError, match="event_count"):
        warehouse.roll(ACTIVITY, broken)
    assert counts(warehouse) == {1: 1}
    assert roll(warehouse) == 1
    assert counts(warehouse) == {1: 1, 2: 1}


def test_a_warehouse_from_before_the_notes_is_rolled_up_too(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen")]))
    with warehouse.connect() as connection:
        connection.execute("drop table rolled.days; drop table rolled.made_of")
    assert roll(warehouse) == 1


def test_a_table_that_was_dropped_is_built_again(warehouse: Warehouse) -> None:
    warehouse.replace("core.events", frame([(1, "a", "", "seen")]))
    roll(warehouse)
    with warehouse.connect() as connection:
        connection.execute(f"drop table {ACTIVITY}")
    assert roll(warehouse) == 1


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 4), st.sampled_from(["a", "b", ""]), st.sampled_from(["d", "e", ""]),
        st.sampled_from(["seen", "bought"]),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=20)
@given(st.lists(EVENTS, min_size=2, max_size=3))
def test_whatever_came_the_rolled_tables_are_as_if_built_at_once(
    history: list[list[Event]],
) -> None:
    warehouse = Warehouse(":memory:")
    for events in history:
        warehouse.replace("core.events", frame(events))
        for name in ROLLED:
            roll(warehouse, name)
    for name in ROLLED:
        at_once = warehouse.query(f"select * from ({sql_tables()[name].sql}) order by all")
        assert warehouse.query(f"select * from {name} order by all").rows() == at_once.rows()


DAYS = st.dictionaries(
    st.dates(dt.date(2026, 1, 1), dt.date(2026, 3, 31)),
    st.tuples(st.integers(0, 400_000), st.booleans()),
)


@given(DAYS)
def test_spans_hold_all_days_that_changed_and_few_rows_that_did_not(
    days: dict[dt.date, tuple[int, bool]],
) -> None:
    rows = [(day, *days[day]) for day in sorted(days)]
    found = spans(rows)
    inside = [[row for row in rows if first <= row[0] <= last] for first, last in found]
    assert [row[0] for span in inside for row in span if row[2]] == [
        day for day, _, is_changed in rows if is_changed
    ]
    for (first, last), span in zip(found, inside, strict=True):
        assert days[first][1] and days[last][1], "it begins and ends with a change"
        assert first == last or sum(row[1] for row in span) <= 1_000_000
    written = {row[0] for span in inside for row in span}
    changed = [place for place, row in enumerate(rows) if row[2]]
    for before, after in itertools.pairwise(changed):
        between = rows[before + 1 : after]
        if any(row[0] in written for row in between):
            assert sum(row[1] for row in between) <= 50_000


def test_a_change_far_away_does_not_write_what_lies_between() -> None:
    days = [dt.date(2026, 1, day) for day in (1, 2, 3)]
    assert spans([(days[0], 1, True), (days[1], 60_000, False), (days[2], 1, True)]) == [
        (days[0], days[0]), (days[2], days[2]),
    ]  # fmt: skip
    assert spans([(days[0], 1, True), (days[1], 40_000, False), (days[2], 1, True)]) == [
        (days[0], days[2])
    ]
