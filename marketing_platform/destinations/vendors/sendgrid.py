"""SendGrid: e-mails, and the lists of its marketing contacts.

https://www.twilio.com/docs/sendgrid/api-reference. An e-mail is not known again: a call after which
it may have gone out is not repeated. Contacts go as import jobs, which are waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import only_tried, read_json
from marketing_platform.destinations.base import Answer, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import (
    Call,
    Exchange,
    HttpDestination,
    HttpSettings,
    Pause,
    Unusual,
    complete,
    in_parts,
    plain,
)
from marketing_platform.destinations.mail import (
    UNSUBSCRIBE_URL,
    lacks_of_mail,
    link_words,
    subject_of,
    way_out_headers,
    with_way_out,
)
from marketing_platform.destinations.people import (
    NotTold,
    cleared_as,
    flat,
    known,
    render,
    split,
    text,
)
from marketing_platform.settings import ActivationRule, Channel, Content

_STANDARD = {
    "email": "email",
    "phone": "phone_number_id",
    "first_name": "first_name",
    "last_name": "last_name",
    "city": "city",
    "region": "state_province_region",
    "postcode": "postal_code",
    "country": "country",
}
# A longer one would keep the whole job from being taken.
_LONGEST = {
    "first_name": 50,
    "last_name": 50,
    "city": 60,
    "state_province_region": 50,
    "country": 50,
}
_SEARCHED = 100
_LOOKS = 60


class SendGridDestination(HttpSettings):
    """`api_key` may send mail (and for lists, change marketing contacts).

    `from_email` is a verified sender. People leave by an unsubscribe group of SendGrid
    (`unsubscribe_group_id`), at an address of the shop (`unsubscribe_url`, a template), or by a
    link that the account adds itself (`has_subscription_tracking`). `custom_fields` gives for an
    attribute the id of the contact's custom field. With `sandbox` SendGrid checks mails and sends
    none, and nobody counts as told.
    """

    own_channel: ClassVar[Channel | None] = "email"
    known_by: ClassVar[tuple[str, ...]] = ("email",)
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    api_key: SecretStr
    from_email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    from_name: str | None = None
    reply_to: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    unsubscribe_group_id: int | None = None
    unsubscribe_url: str | None = None
    unsubscribe_secret: SecretStr | None = None
    has_subscription_tracking: bool = False
    custom_fields: dict[str, str] = Field(default_factory=dict)
    sandbox: bool = False
    base_url: str = Field(default="https://api.sendgrid.com", repr=False)
    batch_size: int = Field(default=500, ge=1, le=1000)
    poll_seconds: float = Field(default=2.0, gt=0, le=30)
    requires: tuple[Literal["email", "phone"], ...] = ("email",)
    consent: Channel | None = "email"

    def takes(self, attribute: str) -> bool:
        """What a contact has a field for."""
        return attribute in _STANDARD or attribute in self.custom_fields

    @property
    def place(self) -> str:
        """Where fields are named."""
        return "custom_fields"

    @property
    def links(self) -> Mapping[str, str]:
        """The way out, where it is an address of the shop."""
        return {UNSUBSCRIBE_URL: self.unsubscribe_url} if self.unsubscribe_url else {}

    @property
    def link_words(self) -> frozenset[str]:
        """The token, where there is a secret to make it of."""
        return link_words(self.unsubscribe_secret)

    def lacks_words(self, content: Content) -> str:
        """A template has its own subject and body."""
        return "" if content.template else lacks_of_mail(content)

    @property
    def lacks_for_messages(self) -> str:
        """A way to unsubscribe, where the settings tell none."""
        ways = (
            self.unsubscribe_group_id,
            self.unsubscribe_url,
            self.has_subscription_tracking,
        )
        if any(ways):
            return ""
        return (
            "unsubscribe_group_id or unsubscribe_url, or has_subscription_tracking: true where"
            " SendGrid itself adds the link"
        )


class SendGrid(HttpDestination):
    """A message is a dynamic template (`template`), or subject, text and html; a list its id."""

    modes = ("audience", "message")
    repeatable = ("audience",)

    def __init__(self, name: str, settings: SendGridDestination, place: Place) -> None:
        super().__init__(name, settings, place)
        self._settings = settings
        if any(rule.message and not rule.message.template for rule in place.rules.values()):
            # Without a template each person's words differ, and a call has one set of words.
            self.batch_size = 1

    def headers(self) -> Mapping[str, str]:
        """The key."""
        return {"Authorization": f"Bearer {plain(self._settings.api_key)}"}

    def probing(self) -> Call:
        """Read something small."""
        return Call("/v3/scopes", method="GET")

    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """E-mails in one call, or contacts and their list."""
        if rule.message is not None:
            return (yield from self._mail(batch, rule))
        stays = [row for row in batch.rows if row.operation != "remove"]
        leaves = [row for row in batch.rows if row.operation == "remove"]
        told: dict[str, RowAnswer] = {}
        if stays:
            yield from self._import(stays, rule.audience)
        for part in in_parts(leaves, _SEARCHED):
            yield from self._leave(part, rule.audience)
        return complete(batch.rows, told)

    def _mail(self, batch: Batch, rule: ActivationRule) -> Exchange:
        settings, words = self._settings, rule.message
        assert words is not None  # noqa: S101 - asked for by the caller
        told: dict[str, RowAnswer] = {}
        rows: list[Row] = []
        for row in batch.rows:
            try:
                way_out = settings.unsubscribe_url
                secret = settings.unsubscribe_secret
                rows.append(with_way_out(row, way_out, secret) if way_out else row)
            except NotTold as error:
                told[row.key] = RowAnswer("error", str(error))
        if not rows:
            return told
        content: dict[str, Any] = {
            "from": known({"email": settings.from_email, "name": settings.from_name}),
            "personalizations": [_personalization(row, words.template) for row in rows],
        }
        if words.template:
            content["template_id"] = words.template
        else:
            [row] = rows
            try:
                content["subject"] = subject_of(words, row)
                parts = [
                    {"type": "text/plain", "value": render(words.text, row)},
                    {"type": "text/html", "value": render(words.html, row, form="html")},
                ]
            except NotTold as error:
                return {row.key: RowAnswer("error", str(error))}
            content["content"] = [part for part in parts if part["value"].strip()]
            if not content["content"]:
                return {row.key: RowAnswer("error", "the message is empty")}
        if settings.reply_to:
            content["reply_to"] = {"email": settings.reply_to}
        if settings.unsubscribe_group_id:
            content["asm"] = {"group_id": settings.unsubscribe_group_id}
        if settings.sandbox:
            content["mail_settings"] = {"sandbox_mode": {"enable": True}}
        response = yield Call("/v3/mail/send", content)
        if settings.sandbox:
            raise Unusual(only_tried("sandbox"))
        sent = response.headers.get("X-Message-Id")
        return told | {row.key: RowAnswer("ok", vendor_id=sent) for row in rows}

    def _import(self, rows: Sequence[Row], list_id: str | None) -> Exchange:
        lists = {"list_ids": [list_id]} if list_id else {}
        content = {**lists, "contacts": [self._contact(row) for row in rows]}
        response = yield Call("/v3/marketing/contacts", content, "PUT")
        path = f"/v3/marketing/contacts/imports/{read_json(response)['job_id']}"
        for _ in range(_LOOKS):
            job = read_json((yield Call(path, method="GET")))
            if job["status"] == "completed":
                return {}
            if job["status"] in ("errored", "failed"):
                # It does not say which; the contacts that were taken are taken again.
                count = (job.get("results") or {}).get("errored_count", 0)
                raise Unusual(Answer("refused", f"{count} contacts were not taken"))
            yield Pause(self._settings.poll_seconds)
        raise Unusual(Answer("retry", "the import has not ended yet", may_have_arrived=True))

    def _leave(self, rows: Sequence[Row], list_id: str | None) -> Exchange:
        emails = [text(row, "email") for row in rows]
        search = Call(
            "/v3/marketing/contacts/search/emails", {"emails": emails}, reads=frozenset({404})
        )
        found = (read_json((yield search)) or {}).get("result") or {}
        ids = [one["contact"]["id"] for one in found.values() if one.get("contact")]
        if ids and list_id:
            path = f"/v3/marketing/lists/{list_id}/contacts"
            yield Call(path, method="DELETE", params={"contact_ids": ",".join(ids)})
        return {}

    def _contact(self, row: Row) -> dict[str, Any]:
        standard, rest = split(row, _STANDARD)
        fields = {
            self._settings.custom_fields[name]: value
            for name, value in flat(rest).items()
            if name in self._settings.custom_fields and value is not None
        }
        # It finds people by their phone too, so that a blank is none.
        phone = known({"phone_number_id": standard.pop("phone_number_id", None)})
        told = {
            name: str(value)[: _LONGEST.get(name)]
            for name, value in {**cleared_as("", standard), **phone}.items()
        }
        return {**told, **({"custom_fields": fields} if fields else {})}


def _personalization(row: Row, template: str | None) -> dict[str, Any]:
    """One person's mail; what comes back about it names the row by `message_key`."""
    return {
        "to": [{"email": text(row, "email")}],
        "custom_args": {"message_key": row.key},
        **({"headers": way_out_headers(row)} if UNSUBSCRIBE_URL in row.payload else {}),
        **({"dynamic_template_data": dict(row.payload)} if template else {}),
    }


SETTINGS = SendGridDestination
DESTINATION = SendGrid
