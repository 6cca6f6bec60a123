"""Firebase Cloud Messaging: push messages.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. A message a call, and it
is not known again. The app's token of a person stands in the attribute `push_token`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field

from marketing_platform.destinations.answers import only_tried, read_json, refusal, vendor_words
from marketing_platform.destinations.base import Batch, Place, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Unusual,
)
from marketing_platform.destinations.people import NotTold, known, render, text
from marketing_platform.settings import ActivationRule, Channel, Content, QuietHours
from marketing_platform.sources.google_access import GoogleAccess
from marketing_platform.sources.oauth import TokenAuth
from marketing_platform.state import utc_now

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_APP_IS_GONE = "UNREGISTERED"
_OF_ANOTHER_PROJECT = "SENDER_ID_MISMATCH"


class FcmDestination(GoogleAccess, HttpSettings):
    """`project` of Firebase, and who may send there.

    A phone that is off for longer than `hours_to_live` does not get the message any more. With
    `validate_only` FCM checks the message, and nobody counts as told.
    """

    own_channel: ClassVar[Channel | None] = "push"
    asks_for: ClassVar[tuple[str, ...]] = ("push_token",)

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,29}$")
    validate_only: bool = False
    # Left to itself, FCM keeps one for four weeks.
    hours_to_live: int = Field(default=12, ge=1, le=672)
    base_url: str = Field(default="https://fcm.googleapis.com", repr=False)
    batch_size: Literal[1] = 1
    concurrency: int = Field(default=8, ge=1, le=64)
    consent: Channel | None = "push"
    # A push wakes people as a text message does.
    quiet_hours: QuietHours | None = QuietHours(start=21, end=8)

    def make_auth(self) -> TokenAuth:
        """Google's tokens."""
        return self.auth(_SCOPE)

    def lacks_words(self, content: Content) -> str:
        """A push shows a title, a text or both."""
        return "" if content.subject or content.text else "subject or text"


class Fcm(HttpDestination):
    """A message is a title (`subject`) and a `text`."""

    modes = ("message",)
    repeatable = ()

    def __init__(self, name: str, settings: FcmDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for the one row."""
        [row] = batch.rows
        content = rule.message
        assert content is not None  # noqa: S101 - the only mode
        if not text(row, "push_token"):
            return {row.key: RowAnswer("error", "no push token is known")}
        try:
            shown = {"title": render(content.subject, row), "body": render(content.text, row)}
        except NotTold as error:
            return {row.key: RowAnswer("error", str(error))}
        if not "".join(shown.values()).strip():
            return {row.key: RowAnswer("error", "the message is empty")}
        message: dict[str, Any] = {
            "token": text(row, "push_token"),
            "notification": known({name: value or None for name, value in shown.items()}),
            "data": {"message_key": row.key},
            "fcmOptions": {"analyticsLabel": rule.segment[:50]},
            **self._lifetime(),
        }
        asked = {"validateOnly": self._settings.validate_only, "message": message}
        path = f"/v1/projects/{self._settings.project}/messages:send"
        # 400 is about this message; 403 and 404 may be about the token, or about the project.
        response = yield Call(path, asked, reads=frozenset({400, 403, 404}))
        if response.is_success and self._settings.validate_only:
            raise Unusual(only_tried("validate_only"))
        if response.is_success:
            return {row.key: RowAnswer("ok", vendor_id=(read_json(response) or {}).get("name"))}
        code, words = _code(response), vendor_words(response)
        if code == _APP_IS_GONE:
            return {row.key: RowAnswer("error", words, suppresses="hard_bounce")}
        if response.status_code == 400 or code == _OF_ANOTHER_PROJECT:
            return {row.key: RowAnswer("error", words)}
        raise Unusual(refusal(response, utc_now()))

    def _lifetime(self) -> dict[str, Any]:
        """Until when it may be shown, as each kind of phone and browser is told."""
        seconds = self._settings.hours_to_live * 3600
        ends_at = int(utc_now().timestamp()) + seconds
        return {
            "android": {"ttl": f"{seconds}s"},
            "apns": {"headers": {"apns-expiration": str(ends_at)}},
            "webpush": {"headers": {"TTL": str(seconds)}},
        }


def _code(response: httpx.Response) -> str | None:
    """The code of FCM's own in an error."""
    content = read_json(response)
    error = content.get("error") if isinstance(content, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return next((str(one["errorCode"]) for one in details or () if "errorCode" in one), None)


SETTINGS = FcmDestination
DESTINATION = Fcm
