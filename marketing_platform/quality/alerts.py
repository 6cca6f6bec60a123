"""Tells people what is wrong: in the log, and by the channels that are configured.

Channels are a webhook, Slack, e-mail and PagerDuty's events. Addresses and phones of people are
taken out of whatever is said; secrets never come in.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import smtplib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Literal

import httpx
import sqlalchemy as sa

from marketing_platform.destinations.vendors.smtp import connect
from marketing_platform.quality.incidents import (
    Incident,
    News,
    news,
    note_told,
    sent_between,
)
from marketing_platform.settings import Alerts, Settings
from marketing_platform.state import utc_now

_LOG = logging.getLogger("marketing_platform.alerts")
_TIMEOUT_SECONDS = 10
# From the beginning of a word on: from each of its letters, a long one would take minutes.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<!\w)\+\d[\d ()-]{6,}\d")
_SHOWN = 30


@dataclass(frozen=True)
class Alert:
    """One alert: what happened, in a line each, and the key by which repeats are recognised."""

    key: str
    title: str
    lines: tuple[str, ...]
    severity: Literal["warning", "error"] = "error"


def announce(engine: sa.Engine, settings: Settings, *, now: dt.datetime | None = None) -> bool:
    """Tell what has not been told yet, all in one alert; false where nothing could be delivered.

    More than `alerts.max_per_hour` do not go out: what is left is told with the next one.
    """
    moment = now or utc_now()
    alerts = settings.platform.alerts
    told = news(engine, escalate_after=dt.timedelta(hours=alerts.escalate_hours), now=moment)
    if not told:
        return True
    if sent_between(engine, moment - dt.timedelta(hours=1), moment) >= alerts.max_per_hour:
        return True
    alert = alert_of(told)
    if not send_alert(settings, alert, told):
        return False
    note_told(engine, told, alert.title, now=moment)
    return True


def alert_of(told: News) -> Alert:
    """One alert for all news."""
    parts = (("opened", told.opened), ("still open", told.escalated), ("over", told.closed))
    lines = [_line(word, incident) for word, found in parts for incident in found]
    counts = [f"{len(found)} {word}" for word, found in parts if found]
    first = next(incident for _, found in parts for incident in found)
    title = f"{', '.join(counts)}: {first.title}" + (" and others" if len(lines) > 1 else "")
    is_bad = any(one.severity == "critical" for one in (*told.opened, *told.escalated))
    return Alert(
        f"incidents:{first.incident_id}",
        scrubbed(title),
        tuple(scrubbed(line) for line in lines[:_SHOWN]),
        "error" if is_bad else "warning",
    )


def scrubbed(text: str) -> str:
    """The text without addresses and phones of people."""
    return _PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", text))


def send_alert(settings: Settings, alert: Alert, told: News | None = None) -> bool:
    """Log the alert and send it by every channel; false where a channel did not take it.

    A channel that fails never fails the caller: the log has the alert, and says what went wrong.
    """
    log = _LOG.error if alert.severity == "error" else _LOG.warning
    log("%s: %s", alert.title, "; ".join(alert.lines))
    channels = list(_channels(settings.platform.alerts, alert, told))
    taken = [_tried(name, send) for name, send in channels]
    return any(taken) or not channels


def _line(word: str, incident: Incident) -> str:
    holds = f" (holds {incident.holds})" if incident.holds else ""
    owner = f" @{incident.owner}" if incident.owner else ""
    return f"{word}: {incident.title}: {incident.detail}{holds}{owner}"


def _channels(
    alerts: Alerts, alert: Alert, told: News | None
) -> Iterator[tuple[str, Callable[[], None]]]:
    if url := alerts.webhook_url:
        token = alerts.webhook_token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        yield "webhook", lambda: _post(url, asdict(alert), headers)
    if slack := alerts.slack_url:
        text = "\n".join([f"*{_slack(alert.title)}*", *map(_slack, alert.lines)])
        yield "Slack webhook", lambda: _post(slack.get_secret_value(), {"text": text}, {})
    if alerts.pagerduty_key:
        yield "PagerDuty", lambda: _page(alerts, alert, told)
    if alerts.email:
        yield "mail server", lambda: _mail(alerts, alert)


def _tried(name: str, send: Callable[[], None]) -> bool:
    try:
        send()
    except httpx.HTTPStatusError as error:
        _LOG.error("the alert %s answered %d", name, error.response.status_code)
        return False
    except (httpx.HTTPError, httpx.InvalidURL, OSError, smtplib.SMTPException) as error:
        # Its words may hold the URL, and the URL a secret.
        _LOG.error("the alert %s could not be reached: %s", name, type(error).__name__)
        return False
    return True


def _post(url: str, content: Any, headers: dict[str, str]) -> None:
    answer = httpx.post(url, json=content, headers=headers, timeout=_TIMEOUT_SECONDS)
    answer.raise_for_status()


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _page(alerts: Alerts, alert: Alert, told: News | None) -> None:
    """Events API v2: an incident is one alert there, opened and resolved by its key."""
    key = alerts.pagerduty_key
    assert key is not None  # noqa: S101 - asked before
    events: list[tuple[str, str, str]] = []
    if told is None:
        events.append(("trigger", alert.key, alert.title))
    else:
        for incident in (*told.opened, *told.escalated):
            summary = scrubbed(f"{incident.title}: {incident.detail}")
            events.append(("trigger", incident.key, summary))
        events += [("resolve", incident.key, incident.title) for incident in told.closed]
    severity = "critical" if alert.severity == "error" else "warning"
    for action, dedup_key, summary in events:
        content = {
            "routing_key": key.get_secret_value(),
            "event_action": action,
            "dedup_key": dedup_key[:255],
            "payload": {
                "summary": summary[:1024],
                "source": "marketing-platform",
                "severity": severity,
            },
        }
        _post(alerts.pagerduty_url, content, {})


def _mail(alerts: Alerts, alert: Alert) -> None:
    server = alerts.email
    assert server is not None  # noqa: S101 - asked before
    mail = EmailMessage()
    mail["From"], mail["To"] = server.from_email, ", ".join(server.to)
    mail["Subject"] = " ".join(alert.title.split())[:200]
    mail["Date"] = formatdate()
    mail.set_content("\n".join(alert.lines))
    with connect(
        server.host,
        server.port,
        server.security,
        server.user,
        server.password,
        _TIMEOUT_SECONDS,
    ) as opened:
        opened.send_message(mail)
