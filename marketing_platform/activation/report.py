"""What a dispatch did, by destination."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace


@dataclass
class DestinationReport:
    """Rows of one destination that this run settled or put off, and the calls that it took.

    `stopped` says why the destination or an audience of it was given up for this run,
    `paused_until` that it asked to be left alone until then. `taken_over_count` counts rows that a
    dead run had left in flight.
    """

    destination: str
    sent_count: int = 0
    failed_count: int = 0
    deferred_count: int = 0
    batch_count: int = 0
    call_count: int = 0
    taken_over_count: int = 0
    stopped: str | None = None
    paused_until: dt.datetime | None = None

    def add(self, other: DestinationReport) -> DestinationReport:
        """This report and a later one of the same destination as one."""
        return DestinationReport(
            self.destination,
            self.sent_count + other.sent_count,
            self.failed_count + other.failed_count,
            self.deferred_count + other.deferred_count,
            self.batch_count + other.batch_count,
            self.call_count + other.call_count,
            self.taken_over_count + other.taken_over_count,
            other.stopped or self.stopped,
            other.paused_until or self.paused_until,
        )

    @property
    def needs_a_look(self) -> bool:
        """Whether rows failed, or nothing got through although nobody asked to wait."""
        got_nothing_through = self.deferred_count > 0 and self.sent_count == 0
        return bool(
            self.failed_count or self.stopped or (got_nothing_through and not self.paused_until)
        )

    def line(self) -> str:
        """One line for a person."""
        text = (
            f"{self.destination}: {self.sent_count} sent, {self.failed_count} failed,"
            f" {self.deferred_count} deferred"
        )
        if self.stopped:
            text += f"; stopped: {self.stopped}"
        if self.paused_until:
            text += f"; asks to wait until {self.paused_until:%Y-%m-%d %H:%M:%S} UTC"
        return text


@dataclass(frozen=True)
class DispatchReport:
    """What a run of the dispatcher did.

    `in_flight_count` is the number of rows that another run held when this one ended,
    `unknown_destinations` the rows that wait for a destination which the settings do not have.
    """

    destinations: tuple[DestinationReport, ...]
    was_stopped: bool = False
    in_flight_count: int = 0
    unknown_destinations: dict[str, int] = field(default_factory=dict)

    @property
    def sent_count(self) -> int:
        """Rows sent by this run."""
        return sum(report.sent_count for report in self.destinations)

    @property
    def failed_count(self) -> int:
        """Rows that failed in this run."""
        return sum(report.failed_count for report in self.destinations)

    @property
    def deferred_count(self) -> int:
        """Times that this run put a row off."""
        return sum(report.deferred_count for report in self.destinations)

    @property
    def has_failures(self) -> bool:
        """Whether a person should look: rows failed, or a destination could not be used."""
        return bool(self.unknown_destinations) or any(
            report.needs_a_look for report in self.destinations
        )

    def add(self, later: DispatchReport) -> DispatchReport:
        """This report and a later one over the same destinations as one."""
        pairs = zip(self.destinations, later.destinations, strict=True)
        return replace(later, destinations=tuple(first.add(second) for first, second in pairs))

    def lines(self) -> Iterator[str]:
        """The report for a person, a line each."""
        for report in self.destinations:
            yield report.line()
        for name, count in self.unknown_destinations.items():
            yield f"{name}: {count} rows wait for a destination that the settings do not have"
        if self.in_flight_count:
            yield f"{self.in_flight_count} rows are in the hands of another run"
        if self.was_stopped:
            yield "stopped before the end; the next run goes on"
