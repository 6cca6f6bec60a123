"""Twilio: text and WhatsApp messages, out with what became of them, and in with STOP or START."""

from __future__ import annotations

import httpx
from pydantic import Field, SecretStr

from marketing_platform.sources.client import Client, Request
from marketing_platform.sources.fields import ident, integer, rfc2822, text
from marketing_platform.sources.paging import NextUrl, Rest
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings


class TwilioSettings(SystemSettings):
    """An account: its SID and token, or an API key's SID (`key_sid`) and secret as `auth_token`."""

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$")
    auth_token: SecretStr
    key_sid: str = ""
    page_size: int = Field(default=1000, ge=1, le=1000)


def _api(settings: TwilioSettings) -> Api:
    user = settings.key_sid or settings.account_sid
    auth = httpx.BasicAuth(user, settings.auth_token.get_secret_value())
    return Api(settings.base_url or "https://api.twilio.com", auth=auth)


def _path(settings: TwilioSettings) -> str:
    return f"2010-04-01/Accounts/{settings.account_sid}/Messages.json"


def _probe(client: Client, settings: TwilioSettings) -> str:
    client.send(Request(_path(settings), params={"PageSize": 1}))
    return f"messages of account {settings.account_sid}"


def _first(settings: TwilioSettings, window: Window) -> Request:
    # Both ends are included, whether Twilio takes them as moments or as whole days in UTC.
    return Request(
        _path(settings),
        params={
            "DateSent>": f"{window.first:%Y-%m-%dT%H:%M:%SZ}",
            "DateSent<": f"{window.end:%Y-%m-%dT%H:%M:%SZ}",
            "PageSize": settings.page_size,
        },
    )


# The status of a message changes for up to a few days after it was sent.
_MESSAGES = Stream(
    name="messages",
    walk=Rest(_first, "$.messages", NextUrl("$.next_page_uri")),
    updated_at=rfc2822("updated_at", "$.date_updated", "$.date_sent", "$.date_created"),
    record_keys=("$.sid",),
    fields=(
        ident("message_id", "$.sid"),
        text("direction", "$.direction"),
        text("status", "$.status"),
        text("sender", "$.from"),
        text("recipient", "$.to"),
        text("body", "$.body"),
        integer("error_code", "$.error_code"),
        ident("service_id", "$.messaging_service_sid"),
        rfc2822("occurred_at", "$.date_sent", "$.date_created", local_date="engagement_date"),
    ),
    look_back_days=3,
)

SYSTEM = System(
    name="twilio",
    title="Twilio",
    settings_model=TwilioSettings,
    streams=(_MESSAGES,),
    api=_api,
    probe=_probe,
)
