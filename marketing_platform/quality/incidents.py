"""Incidents: what is wrong, since when, what it holds, and whether people were told.

Whoever looks (a sensor) reports what it finds; an incident is opened, kept up to date and closed by
that. What people are told follows from the table, so that a crash repeats no alert and loses none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from marketing_platform.errors import InputError
from marketing_platform.state import METADATA, UtcDateTime, one_of, reading, utc_now, writing

Severity = Literal["critical", "warning"]
# An incident that is over is told as such after this time without a relapse; a relapse before it
# goes on with the same incident.
QUIET = dt.timedelta(minutes=10)

# One row: something that is or was wrong. `told` is the last that people were told of it.
incidents = sa.Table(
    "incidents",
    METADATA,
    sa.Column("incident_id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("reporter", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("holds", sa.Text),
    sa.Column("link", sa.Text),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("seen_count", sa.Integer, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("told", sa.Text, nullable=False, server_default="nothing"),
    one_of("severity", ("critical", "warning")),
    one_of("told", ("nothing", "opened", "escalated", "closed")),
    # Two sensors that find the same thing at once: one of them opens it.
    sa.Index(
        "incidents_open",
        "key",
        unique=True,
        sqlite_where=sa.text("closed_at is null"),
        postgresql_where=sa.text("closed_at is null"),
    ),
    sqlite_autoincrement=True,
)
# One row: an alert that went out. It limits how many do.
alerts_sent = sa.Table(
    "alerts_sent",
    METADATA,
    sa.Column("alert_id", sa.Integer, primary_key=True),
    sa.Column("sent_at", UtcDateTime, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong now. The same `key` is the same thing, whatever is said of it.

    `holds` is what it holds, in words, `link` a path of the UI.
    """

    key: str
    title: str
    detail: str
    severity: Severity = "warning"
    owner: str | None = None
    holds: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Incident:
    """A row of the table."""

    incident_id: int
    key: str
    title: str
    detail: str
    severity: Severity
    owner: str | None
    holds: str | None
    link: str | None
    opened_at: dt.datetime
    seen_at: dt.datetime
    seen_count: int
    closed_at: dt.datetime | None
    acknowledged_by: str | None
    told: str


def report(
    engine: sa.Engine,
    reporter: str,
    findings: Iterable[Finding],
    *,
    now: dt.datetime | None = None,
) -> None:
    """What a reporter finds now: the rest of what it had found is over."""
    moment = now or utc_now()
    found = {finding.key: finding for finding in findings}
    with writing(engine) as connection:
        for finding in found.values():
            _open(connection, reporter, finding, moment)
        over = sa.update(incidents).where(
            incidents.c.reporter == reporter,
            incidents.c.closed_at.is_(None),
            incidents.c.key.not_in(list(found)),
        )
        connection.execute(over.values(closed_at=moment))


def open_incident(
    engine: sa.Engine, reporter: str, finding: Finding, *, now: dt.datetime | None = None
) -> None:
    """Open one incident, or note that it is still there."""
    with writing(engine) as connection:
        _open(connection, reporter, finding, now or utc_now())


def close_incident(engine: sa.Engine, key: str, *, now: dt.datetime | None = None) -> None:
    """Close the incident of a key, if one is open."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(incidents)
            .where(incidents.c.key == key, incidents.c.closed_at.is_(None))
            .values(closed_at=now or utc_now())
        )


def acknowledge(engine: sa.Engine, incident_id: int, by: str) -> None:
    """Note that a person looks after an incident; it does not escalate any more."""
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(incidents)
            .where(incidents.c.incident_id == incident_id, incidents.c.closed_at.is_(None))
            .values(acknowledged_by=by)
        )
    if not done.rowcount:
        raise InputError(
            "no such open incident",
            where=f"incident {incident_id}",
            mend="See: marketing-platform incidents",
        )


def open_incidents(engine: sa.Engine) -> list[Incident]:
    """What is wrong now: what holds first, then the oldest."""
    statement = _all().where(incidents.c.closed_at.is_(None))
    return _read(engine, statement.order_by(incidents.c.severity, incidents.c.opened_at))


def recent_incidents(engine: sa.Engine, limit: int = 20) -> list[Incident]:
    """The latest incidents, closed ones too."""
    return _read(engine, _all().order_by(incidents.c.incident_id.desc()).limit(limit))


@dataclass(frozen=True)
class News:
    """What people have not been told yet."""

    opened: Sequence[Incident]
    escalated: Sequence[Incident]
    closed: Sequence[Incident]

    def __bool__(self) -> bool:
        return bool(self.opened or self.escalated or self.closed)


def news(engine: sa.Engine, *, escalate_after: dt.timedelta, now: dt.datetime) -> News:
    """What people should be told now.

    A critical incident that nobody has acknowledged escalates once after `escalate_after`. One that
    was over before anybody was told of it is not told at all.
    """
    is_open = incidents.c.closed_at.is_(None)
    opened = _all().where(is_open, incidents.c.told == "nothing")
    escalated = _all().where(
        is_open,
        incidents.c.told == "opened",
        incidents.c.severity == "critical",
        incidents.c.acknowledged_by.is_(None),
        incidents.c.opened_at <= now - escalate_after,
    )
    closed = _all().where(
        incidents.c.closed_at <= now - QUIET, incidents.c.told.in_(("opened", "escalated"))
    )
    first = (incidents.c.severity, incidents.c.incident_id)
    return News(*(_read(engine, part.order_by(*first)) for part in (opened, escalated, closed)))


def note_told(engine: sa.Engine, told: News, title: str, *, now: dt.datetime) -> None:
    """Remember that an alert with all this went out."""
    parts = (("opened", told.opened), ("escalated", told.escalated), ("closed", told.closed))
    with writing(engine) as connection:
        for state, found in parts:
            ids = [incident.incident_id for incident in found]
            connection.execute(
                sa.update(incidents).where(incidents.c.incident_id.in_(ids)).values(told=state)
            )
        connection.execute(sa.insert(alerts_sent).values(sent_at=now, title=title))


def sent_between(engine: sa.Engine, since: dt.datetime, now: dt.datetime) -> int:
    """How many alerts went out after a moment and until now, by a clock that was not ahead."""
    sent = alerts_sent.c.sent_at
    counted = sa.select(sa.func.count()).where(sent > since, sent <= now)
    with reading(engine) as connection:
        return int(connection.execute(counted).scalar_one())


def _open(connection: sa.Connection, reporter: str, finding: Finding, now: dt.datetime) -> None:
    values = {
        "title": finding.title,
        "detail": finding.detail,
        "severity": finding.severity,
        "owner": finding.owner,
        "holds": finding.holds,
        "link": finding.link,
        "seen_at": now,
    }
    # A relapse of what nobody was told to be over is the same incident.
    same = sa.or_(
        incidents.c.closed_at.is_(None),
        sa.and_(incidents.c.closed_at > now - QUIET, incidents.c.told != "closed"),
    )
    latest = (
        sa.select(sa.func.max(incidents.c.incident_id))
        .where(incidents.c.key == finding.key, same)
        .scalar_subquery()
    )
    # Who looks after a warning does not know yet that it holds something by now.
    knows = sa.or_(incidents.c.severity == "critical", sa.literal(finding.severity == "warning"))
    updated = connection.execute(
        sa.update(incidents)
        .where(incidents.c.incident_id == latest)
        .values(
            seen_count=incidents.c.seen_count + 1,
            closed_at=None,
            acknowledged_by=sa.case((knows, incidents.c.acknowledged_by), else_=None),
            **values,
        )
    )
    if not updated.rowcount:
        row = {"key": finding.key, "reporter": reporter, "opened_at": now, "seen_count": 1}
        connection.execute(sa.insert(incidents).values({**row, **values}))


def _all() -> sa.Select[Any]:
    return sa.select(*(incidents.c[name] for name in Incident.__dataclass_fields__))


def _read(engine: sa.Engine, statement: sa.Select[Any]) -> list[Incident]:
    with reading(engine) as connection:
        return [Incident(**row) for row in connection.execute(statement).mappings()]
