"""Twilio: text messages.

https://www.twilio.com/docs/messaging/api/message-resource. A message a call, and Twilio knows none
again: a call after which the message may have gone out is not repeated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import httpx
from pydantic import Field, SecretStr, model_validator

from marketing_platform.destinations.answers import one_line, read_json
from marketing_platform.destinations.base import Answer, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    basic,
    dump,
    plain,
)
from marketing_platform.destinations.people import NotTold, render, text
from marketing_platform.settings import ActivationRule, Channel, Content, QuietHours

_LONGEST = 1600
# How many seconds a message may wait in Twilio's queue, and does unless something else is said.
_LONGEST_WAIT = 36_000
# The queue is full for hours, the calls or the messages of the day are used up: a later run may do.
_NOT_NOW = frozenset({21611, 20429, 63038})
_STOPPED = 21610
# It is no phone, no mobile one, or a landline.
_NO_MOBILE = frozenset({21211, 21614, 21635})


class TwilioDestination(HttpSettings):
    """`from_number` (E.164) or `messaging_service_sid` says who it comes from.

    `auth_token` is the account's, or the secret of the API key that `key_sid` names.
    """

    own_channel: ClassVar[Channel | None] = "sms"
    asks_for: ClassVar[tuple[str, ...]] = ("phone",)

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    key_sid: str | None = Field(default=None, pattern=r"^SK[0-9a-fA-F]{32}$")
    auth_token: SecretStr
    from_number: str | None = Field(default=None, pattern=r"^\+[1-9]\d{6,14}$")
    messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")
    base_url: str = Field(default="https://api.twilio.com", repr=False)
    batch_size: Literal[1] = 1
    concurrency: int = Field(default=8, ge=1, le=64)
    requires: tuple[Literal["email", "phone"], ...] = ("phone",)
    consent: Channel | None = "sms"
    # As the law of the United States has it; elsewhere it is good manners.
    quiet_hours: QuietHours | None = QuietHours(start=21, end=8)

    @model_validator(mode="after")
    def _one_sender(self) -> TwilioDestination:
        if (self.from_number is None) == (self.messaging_service_sid is None):
            raise ValueError("write from_number or messaging_service_sid")
        return self

    def lacks_words(self, content: Content) -> str:
        """Words of ours, or a template of Twilio's."""
        return "" if content.text or content.template else "text or template"


class Twilio(HttpDestination):
    """A message is `text`, or a content template (`template`: its sid) with its `variables`."""

    modes = ("message",)
    repeatable = ()

    def __init__(self, name: str, settings: TwilioDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings

    def headers(self) -> Mapping[str, str]:
        """Account and token."""
        user = self._settings.key_sid or self._settings.account_sid
        return basic(user, plain(self._settings.auth_token))

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """Codes that are not about this message."""
        code = (read_json(response) or {}).get("code") if not response.is_success else None
        if code in _NOT_NOW:
            return Answer("retry", f"{response.status_code} code {code}", is_counted=False)
        return None

    def probing(self) -> Call:
        """Read something small."""
        return Call(
            f"/2010-04-01/Accounts/{self._settings.account_sid}/Messages.json",
            method="GET",
            params={"PageSize": 1},
        )

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """One call for the one row."""
        [row] = batch.rows
        settings, content = self._settings, rule.message
        assert content is not None  # noqa: S101 - the only mode
        form = {"To": text(row, "phone")}
        if settings.messaging_service_sid:
            form["MessagingServiceSid"] = settings.messaging_service_sid
        else:
            form["From"] = settings.from_number or ""
        if row.not_after:
            # A number sends about one message a second: the others wait at Twilio, past the hour.
            left = int((row.not_after - dt.datetime.now(dt.UTC)).total_seconds())
            form["ValidityPeriod"] = str(min(max(left, 1), _LONGEST_WAIT))
        try:
            form |= _template(content, row) if content.template else _body(content, row)
        except NotTold as error:
            return {row.key: RowAnswer("error", str(error))}
        path = f"/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        response = yield Call(path, form=form, reads=frozenset({400}))
        body: Any = read_json(response) or {}
        if response.is_success:
            return {row.key: RowAnswer("ok", vendor_id=body.get("sid"))}
        words = one_line(f"code {body.get('code')}: {body.get('message', '')}")
        if body.get("code") == _STOPPED:
            return {row.key: RowAnswer("error", words, suppresses="unsubscribed")}
        if body.get("code") in _NO_MOBILE:
            return {row.key: RowAnswer("error", words, suppresses="hard_bounce")}
        return {row.key: RowAnswer("error", words)}


def _template(content: Content, row: Row) -> dict[str, str]:
    """A content template, and what its variables stand for; Twilio refuses blank ones."""
    values = {name: render(words, row) for name, words in content.variables.items()}
    for name, value in values.items():
        if not value.strip():
            raise NotTold(f"variable {name} would be blank; give it a default('...')")
    told = {"ContentSid": content.template or ""}
    return {**told, **({"ContentVariables": dump(values).decode()} if values else {})}


def _body(content: Content, row: Row) -> dict[str, str]:
    body = render(content.text, row)
    if not body.strip():
        raise NotTold("the message is empty")
    if len(body) > _LONGEST:
        raise NotTold(f"the message has {len(body)} characters, more than {_LONGEST}")
    return {"Body": body}


SETTINGS = TwilioDestination
DESTINATION = Twilio
