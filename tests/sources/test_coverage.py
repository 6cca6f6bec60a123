"""What of a daily load each stream has to read, so that nothing is left out and little is twice."""

from __future__ import annotations

import dataclasses
import datetime as dt

from hypothesis import given
from hypothesis import strategies as st
from paged_shop import window

from marketing_platform.sources.coverage import covered, joined, left_to_read
from marketing_platform.sources.stream import Window
from marketing_platform.sources.system import find_system

ORDERS = find_system("shopify").stream("orders")
CUSTOMERS = find_system("shopify").stream("customers")
LONG_AGO = dt.date(2020, 1, 1)
LOAD = window("2026-01-01", "2026-02-01")
DAY = dt.timedelta(days=1)


def test_a_stream_that_was_never_read_reads_all_of_a_load() -> None:
    assert left_to_read(LOAD, ORDERS, LONG_AGO, None) == LOAD


def test_a_source_that_is_new_reads_no_more_than_its_own_history() -> None:
    own = dt.date(2026, 1, 10)
    assert left_to_read(LOAD, ORDERS, own, None) == window("2026-01-10", "2026-02-01")
    read = window("2026-01-10", "2026-02-01")
    assert left_to_read(LOAD, ORDERS, own, read) == window("2026-01-30", "2026-02-01")
    assert left_to_read(LOAD, ORDERS, dt.date(2026, 3, 1), None) == LOAD, "all of it is of before"


def test_what_stands_is_read_from_its_beginning_and_after_that_as_all_others() -> None:
    first = left_to_read(LOAD, CUSTOMERS, LONG_AGO, None)
    assert first == window("2000-01-01", "2026-02-01")
    assert left_to_read(LOAD, CUSTOMERS, LONG_AGO, first) == window("2026-01-30", "2026-02-01")


def test_who_is_known_of_a_part_of_the_history_alone_is_read_once_more_from_the_beginning() -> None:
    of_a_year = window("2025-02-01", "2026-02-01")
    whole = left_to_read(LOAD, CUSTOMERS, LONG_AGO, of_a_year)
    assert whole == window("2000-01-01", "2026-02-01")
    read = joined(of_a_year, whole)
    assert left_to_read(LOAD, CUSTOMERS, LONG_AGO, read) == window("2026-01-30", "2026-02-01")


def test_a_stream_reads_its_own_days_again_and_not_those_of_another() -> None:
    read_until_today = window("2025-01-01", "2026-02-01")
    assert left_to_read(LOAD, ORDERS, LONG_AGO, read_until_today) == window(
        "2026-01-30", "2026-02-01"
    )
    restated = dataclasses.replace(ORDERS, look_back_days=28)
    assert left_to_read(LOAD, restated, LONG_AGO, read_until_today) == window(
        "2026-01-03", "2026-02-01"
    )


def test_days_on_which_nothing_ran_are_read_afterwards() -> None:
    read_until = window("2025-01-01", "2026-01-11")
    assert left_to_read(LOAD, ORDERS, LONG_AGO, read_until) == window("2026-01-09", "2026-02-01")


def test_a_backfill_of_a_day_beyond_leaves_the_gap_to_be_read() -> None:
    read_until = joined(window("2025-01-01", "2026-01-11"), window("2026-01-20", "2026-01-21"))
    assert left_to_read(LOAD, ORDERS, LONG_AGO, read_until) == window("2026-01-09", "2026-02-01")


def test_days_after_a_clock_was_wrong_on_which_nothing_ran_are_read_afterwards() -> None:
    note = {
        "covered": ["2025-01-01T00:00:00+00:00", "2026-04-12T00:00:00+00:00"],
        "newest_record": "2026-01-11T05:30:00",
    }
    now = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC)
    assert left_to_read(LOAD, ORDERS, LONG_AGO, covered(note, now)) == window(
        "2026-01-10", "2026-02-01"
    )


def test_a_load_that_begins_before_what_was_read_is_read_whole() -> None:
    assert left_to_read(LOAD, ORDERS, LONG_AGO, window("2026-01-20", "2026-01-21")) == LOAD


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), min_size=1, max_size=8))
def test_what_counts_as_covered_was_read_without_a_gap(reads: list[tuple[int, int]]) -> None:
    windows = [
        Window(LOAD.first + first * DAY, LOAD.first + (first + length) * DAY)
        for first, length in reads
    ]
    read = windows[0]
    for one in windows[1:]:
        read = joined(read, one)
    day = read.first
    while day < read.end:
        assert any(one.first <= day < one.end for one in windows)
        day += DAY
