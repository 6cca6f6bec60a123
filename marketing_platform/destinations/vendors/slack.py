"""Slack: a line in a channel for each person who enters a segment.

https://docs.slack.dev/reference/methods/chat.postMessage. Slack knows no message again: a call
after which it may stand there is not repeated. About one message a second and channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import httpx
from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import read_json
from marketing_platform.destinations.base import Answer, Batch, Place, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    plain,
)
from marketing_platform.destinations.people import NotTold, render_marked
from marketing_platform.settings import ActivationRule, Content

_ACCOUNT = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked"})
_LIMITS = frozenset({"ratelimited", "rate_limited"})
# Slack's own trouble, after which the message may stand there.
_IN_DOUBT = frozenset({"internal_error", "fatal_error", "service_unavailable"})
_CHANNEL = frozenset({"channel_not_found", "not_in_channel", "is_archived", "missing_scope"})


class SlackDestination(HttpSettings):
    """`token` is of a bot with chat:write that is in the `channel`."""

    token: SecretStr
    channel: str = Field(min_length=1)
    base_url: str = Field(default="https://slack.com", repr=False)
    batch_size: Literal[1] = 1
    concurrency: int = Field(default=1, ge=1, le=2)

    def lacks_words(self, content: Content) -> str:
        """A line is its text."""
        return "" if content.text else "text"


class Slack(HttpDestination):
    """A message or task is `text`, in which people's values are escaped."""

    modes = ("message", "task")
    repeatable = ()
    rates: ClassVar[tuple[tuple[int, float], ...]] = ((1, 1.0),)

    def __init__(self, name: str, settings: SlackDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {plain(self._settings.token)}"}

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """Slack says no with 200."""
        content = read_json(response)
        if not response.is_success or not isinstance(content, dict) or content.get("ok"):
            return None
        error = str(content.get("error", "refused"))
        if error in _ACCOUNT | _CHANNEL:
            return Answer("stop", f"cannot be used ({error})", is_counted=False)
        if error in _LIMITS:
            return Answer("retry", error, is_counted=False)
        if error in _IN_DOUBT:
            return Answer("retry", error, may_have_arrived=True)
        return Answer("refused", error)

    def probing(self) -> Call:
        """Read something small."""
        return Call("/api/auth.test", {})

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for the one row."""
        [row] = batch.rows
        content = rule.message or rule.task
        assert content is not None  # noqa: S101 - the only modes
        try:
            # Slack reads links and mentions.
            words = render_marked(content.text, row)
        except NotTold as error:
            return {row.key: RowAnswer("error", str(error))}
        if not words.strip():
            return {row.key: RowAnswer("error", "the message is empty")}
        message = {"channel": self._settings.channel, "text": words}
        answer = read_json((yield Call("/api/chat.postMessage", message))) or {}
        return {row.key: RowAnswer("ok", vendor_id=answer.get("ts"))}


SETTINGS = SlackDestination
DESTINATION = Slack
