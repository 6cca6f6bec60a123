"""Tells people that something is wrong: in the log, and to a webhook where one is configured."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Literal

import httpx

from marketing_platform.settings import Settings

_LOG = logging.getLogger("marketing_platform.alerts")
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Alert:
    """One alert: what happened, in a line each, and the key by which repeats are recognised."""

    key: str
    title: str
    lines: tuple[str, ...]
    severity: Literal["warning", "error"] = "error"


def send_alert(settings: Settings, alert: Alert) -> bool:
    """Log the alert and post it as JSON; False where the webhook did not take it.

    A webhook that fails never fails the caller: the log has the alert, and says what went wrong.
    """
    _LOG.error("%s: %s", alert.title, "; ".join(alert.lines))
    url = settings.platform.alerts.webhook_url
    if url is None:
        return True
    token = settings.platform.alerts.webhook_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        answer = httpx.post(url, json=asdict(alert), headers=headers, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        _LOG.error("the alert webhook answered %d", error.response.status_code)
        return False
    except httpx.HTTPError as error:
        _LOG.error("the alert webhook could not be reached: %s", type(error).__name__)
        return False
    return True
