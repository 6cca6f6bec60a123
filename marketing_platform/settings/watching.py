"""When data is late, odd or unlike before, and who hears of it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field, SecretStr

from marketing_platform.settings.group import Group


class AlertMail(Group):
    """A mail server, and who gets alerts from it."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    from_email: str
    to: tuple[str, ...] = Field(min_length=1)


class Alerts(Group):
    """Where alerts go besides the log, how many an hour, and when an incident is told again."""

    webhook_url: str | None = None
    webhook_token: SecretStr | None = None
    # An incoming webhook: its whole URL is a secret.
    slack_url: SecretStr | None = None
    pagerduty_key: SecretStr | None = None
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    email: AlertMail | None = None
    max_per_hour: int = Field(default=12, ge=1)
    escalate_hours: float = Field(default=4, gt=0)


class SourceFreshness(Group):
    """From which age, in hours, a source is late and stale; what is not said is learnt."""

    late_hours: float | None = Field(default=None, gt=0)
    stale_hours: float | None = Field(default=None, gt=0)


class Freshness(Group):
    """How old the newest record of a source may be, in hours, before activation holds.

    `stale_hours` is the least that is learnt for a source; `sources` says it for some.
    """

    stale_hours: float = Field(default=50, gt=0)
    sources: dict[str, SourceFreshness] = Field(default_factory=dict)


class Anomalies(Group):
    """When a day, or an hour, of a series is odd.

    `threshold` and `hourly_threshold` are in robust standard deviations (there are many hours);
    below `minimum_volume` (a count, or what a ratio is taken of) nothing is said; `holidays` are
    neither judged nor learned from.
    """

    threshold: float = Field(default=4.0, ge=2, le=20)
    hourly_threshold: float = Field(default=6.0, ge=2, le=20)
    minimum_volume: float = Field(default=30, ge=1)
    holidays: tuple[dt.date, ...] = ()


class Drift(Group):
    """When the newest records of a source are not like those before them.

    Fewer than `minimum_rows` are not judged; fewer than `least_volume` of the least that came on
    such a weekday before, or of all that were there, are too few. Of the rows that records refer
    to, more than `missing_references` must not be missing. `ignored` names tables and columns
    (`core.orders.country`) that have changed for good, or are of no concern.
    """

    minimum_rows: int = Field(default=30, ge=1)
    least_volume: float = Field(default=0.6, ge=0, le=1)
    missing_references: float = Field(default=0.1, ge=0, le=1)
    ignored: tuple[str, ...] = ()
