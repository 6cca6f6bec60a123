"""The visits of a day, and where they came from, beside a plain reading of the same events."""

from __future__ import annotations

import datetime as dt
from itertools import groupby, pairwise
from typing import NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from marketing_platform.contracts import CONTRACTS
from marketing_platform.warehouse import Warehouse, sql_tables

VISITS = "profiles.daily_visits"
PAUSE = 1800


class Event(NamedTuple):
    """An event of a day: its minute, and what it tells of a campaign and the device."""

    minute: int
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    device: str | None = None

    @property
    def at(self) -> dt.datetime:
        return dt.datetime(2026, 1, 5) + dt.timedelta(minutes=self.minute)

    @property
    def origin(self) -> tuple[str, str, str] | None:
        if self.source is None and self.medium is None and self.campaign is None:
            return None
        return self.source or "(direct)", self.medium or "(none)", self.campaign or ""


def visits_of(events: list[Event]) -> dict[str, object]:
    """The row of `profiles.daily_visits` of one visitor's day."""
    empty = CONTRACTS["core.events"].empty()
    rows = [
        {
            "event_id": str(number), "source": "s", "event": "seen", "contact_id": "s:1",
            "occurred_at": event.at, "event_date": event.at.date(), "utm_source": event.source,
            "utm_medium": event.medium, "utm_campaign": event.campaign,
            "device_type": event.device,
        }
        for number, event in enumerate(events)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides=empty.schema)
    warehouse = Warehouse(":memory:")
    warehouse.replace("core.events", pl.concat([empty, frame], how="diagonal"))
    warehouse.roll(VISITS, sql_tables()[VISITS].sql)
    (row,) = warehouse.read(VISITS).to_dicts()
    return row


def read_plainly(events: list[Event]) -> dict[str, object]:
    """The same, event by event: those of an hour belong together, and hours without a pause."""
    hours = [list(hour) for _, hour in groupby(sorted(events), key=lambda one: one.at.hour)]
    visits = [hours[0]]
    dwell = 0
    for before, hour in pairwise(hours):
        if (hour[0].at - before[-1].at).total_seconds() < PAUSE:
            visits[-1] = visits[-1] + hour
        else:
            visits.append(hour)
    for visit in visits:
        dwell += int((visit[-1].at - visit[0].at).total_seconds())
    firsts = [event for event in visits[0] if event.origin]
    lasts = [event for event in visits[-1] if event.origin]
    direct = ("(direct)", "(none)", "")
    first, last = (
        found[at].origin if found else direct for found, at in ((firsts, 0), (lasts, -1))
    )
    assert first
    assert last
    return {
        "visit_count": len(visits),
        "dwell_seconds": dwell,
        "first_source": first[0], "first_medium": first[1], "first_campaign": first[2],
        "last_source": last[0], "last_medium": last[1], "last_campaign": last[2],
    }  # fmt: skip


WORD = st.none() | st.sampled_from(["google", "mail", " ", "a|b", "'; drop", "ü\u200b"])
EVENTS = st.lists(
    st.builds(Event, st.integers(0, 1439), WORD, WORD, WORD, st.sampled_from([None, "tv"])),
    min_size=1,
    max_size=12,
    unique_by=lambda event: event.minute,
)


@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_the_row_of_a_day_is_what_a_plain_reading_of_its_events_says(events: list[Event]) -> None:
    assert read_plainly(events).items() <= visits_of(events).items()


def test_a_visit_came_from_the_campaign_that_its_page_of_arrival_told() -> None:
    arrival = Event(600, "newsletter", "email", "Weekly")
    row = visits_of([arrival, Event(601), Event(655), Event(661)])
    assert (row["first_source"], row["last_source"]) == ("newsletter", "newsletter")
    assert (row["last_medium"], row["last_campaign"]) == ("email", "Weekly")


def test_a_later_visit_of_the_day_without_a_campaign_is_direct() -> None:
    row = visits_of([Event(600, "google", "cpc", "Shopping"), Event(603), Event(900), Event(901)])
    assert (row["first_source"], row["first_campaign"]) == ("google", "Shopping")
    assert (row["last_source"], row["last_medium"], row["last_campaign"]) == (
        "(direct)", "(none)", "",
    )  # fmt: skip


def test_of_two_campaigns_at_one_moment_it_is_always_the_same_one() -> None:
    one, other = Event(600, "google", "cpc", "a"), Event(600, "meta", "cpc", "b")
    found = visits_of([one, other])
    assert found == visits_of([other, one])
    assert (found["first_source"], found["last_source"]) == ("google", "meta")
