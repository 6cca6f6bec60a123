"""E-mail by SMTP, to any mail server.

RFC 5321 and 5322. A server knows no mail again: where the outcome is unknown it is not sent again.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import replace
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from marketing_platform.destinations.answers import one_line, stop
from marketing_platform.destinations.base import Answer, Audience, Batch, Place, Row, RowAnswer
from marketing_platform.destinations.http import plain
from marketing_platform.destinations.mail import (
    MAIL_POLICY,
    UNSUBSCRIBE_URL,
    lacks_of_mail,
    link_words,
    subject_of,
    way_out_headers,
    with_way_out,
)
from marketing_platform.destinations.people import NotTold, render, text
from marketing_platform.settings import ActivationRule, Channel, Content, DestinationSettings, Mode

# What begins with =? is read as a word in another alphabet, and may stand for anybody's address.
_ONE_ADDRESS = re.compile(r'(?!.*=\?)[^@\s,;:<>()"]+@[^@\s,;:<>()"]+')
_KNOWN_WRONG = frozenset({550, 551, 553, 511})
# The status of RFC 3463 that a reply may begin with: what is not of the address (5.1) or a mailbox
# that is closed (5.2.1) is about the mail, the sender or the server.
_STATUS = re.compile(r"5\.\d{1,3}\.\d{1,3}\b")
_NO_MAILBOX = re.compile(r"5\.1\.|5\.2\.1\b")
_TOO_LARGE = 552


class SmtpDestination(DestinationSettings):
    """`unsubscribe_url` is a template, such as `https://shop.example/u?c={{ customer_id }}`.

    With `unsubscribe_secret` it may have `{{ unsubscribe_token }}`, which nobody else can work out.
    """

    own_channel: ClassVar[Channel | None] = "email"
    asks_for: ClassVar[tuple[str, ...]] = ("email",)

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    # `starttls` on the port of submission, `tls` from the start, `none` on a line of your own.
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    from_email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    from_name: str | None = None
    reply_to: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    unsubscribe_url: str
    unsubscribe_secret: SecretStr | None = None
    # Mails over one connection.
    batch_size: int = Field(default=50, ge=1, le=1000)
    concurrency: int = Field(default=2, ge=1, le=16)
    timeout_seconds: float = Field(default=30.0, gt=0)
    requires: tuple[Literal["email", "phone"], ...] = ("email",)
    consent: Channel | None = "email"

    @property
    def links(self) -> Mapping[str, str]:
        """The way out, in the words of each mail."""
        return {UNSUBSCRIBE_URL: self.unsubscribe_url}

    @property
    def link_words(self) -> frozenset[str]:
        """The token, where there is a secret to make it of."""
        return link_words(self.unsubscribe_secret)

    def lacks_words(self, content: Content) -> str:
        """A mail has a subject and a body."""
        return lacks_of_mail(content)


class Smtp:
    """A message has a subject, and text or html or both."""

    modes: ClassVar[tuple[Mode, ...]] = ("message",)
    audience: ClassVar[Audience | None] = None
    is_idempotent = False
    is_full_feed = False
    calls_per_run = 3
    retry_seconds = 2.0
    max_wait_seconds = 15.0
    max_attempts = 10

    def __init__(self, name: str, settings: SmtpDestination, place: Place) -> None:
        self.name = name
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self._rules = place.rules
        self._settings = settings

    async def send(self, batch: Batch) -> Answer:
        """Hand the mails over, one after the other; each is answered for."""
        rule = self._rules.get(batch.audience)
        if rule is None or rule.message is None:
            told = f"the settings have no rule for {batch.audience} any more"
            return Answer(
                "refused", told, rows={r.key: RowAnswer("error", told) for r in batch.rows}
            )
        return await asyncio.to_thread(self._send, batch, rule)

    async def probe(self) -> Answer | None:
        """Whether the server lets us in."""
        return await asyncio.to_thread(self._try)

    def _try(self) -> Answer:
        opened = self._connect()
        if isinstance(opened, Answer):
            return opened
        opened.close()
        return Answer("accepted")

    def preview(self, batch: Batch) -> str:
        """The first mail as it would be handed over."""
        [row, *_] = batch.rows
        rule = self._rules[batch.audience]
        try:
            return self._mail(row, rule).as_string()
        except NotTold as error:
            return str(error)

    def missing(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Nothing is kept open between batches."""

    def _send(self, batch: Batch, rule: ActivationRule) -> Answer:
        told: dict[str, RowAnswer] = {}
        server = self._connect()
        if isinstance(server, Answer):
            return server
        try:
            for row in batch.rows:
                told[row.key] = self._hand_over(server, row, rule)
                if server.sock is None:
                    # It takes no more for now (421), and has said good-bye.
                    return self._ended(batch, told, "the server ended the connection before it")
        except smtplib.SMTPSenderRefused as error:
            said = f"refuses the sender {self._settings.from_email} ({_reply(error)})"
            return self._ended(batch, told, said) if told else stop(said)
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            # The mail under way may have been taken; those after it were certainly not.
            return self._broken(batch, told, error)
        finally:
            # A server that has hung up already needs no good-bye.
            server.close()
        return Answer("accepted", rows=told)

    def _connect(self) -> smtplib.SMTP | Answer:
        """A conversation with the server, or why there is none."""
        settings = self._settings
        try:
            return connect(
                settings.host,
                settings.port,
                settings.security,
                settings.user,
                settings.password,
                settings.timeout_seconds,
            )
        except smtplib.SMTPAuthenticationError as error:
            return stop(f"refuses the credentials ({error.smtp_code})")
        except ssl.SSLCertVerificationError:
            return stop(f"the certificate of {settings.host} is not trusted")
        except (OSError, smtplib.SMTPException) as error:
            return Answer("retry", f"no connection to {settings.host}: {_words(error)}")

    def _ended(self, batch: Batch, told: dict[str, RowAnswer], reason: str) -> Answer:
        """What was answered for; the rest was certainly not taken."""
        left = {row.key: RowAnswer("later", reason) for row in batch.rows if row.key not in told}
        return Answer("accepted", rows=told | left)

    def _broken(self, batch: Batch, told: dict[str, RowAnswer], error: Exception) -> Answer:
        left = [row for row in batch.rows if row.key not in told]
        for row in left[1:]:
            told[row.key] = RowAnswer("later", "the connection broke off before it")
        if not told:
            return Answer("retry", _words(error), may_have_arrived=True)
        told[left[0].key] = RowAnswer("unknown", f"the connection broke off: {_words(error)}")
        return Answer("accepted", rows=told)

    def _hand_over(self, server: smtplib.SMTP, row: Row, rule: ActivationRule) -> RowAnswer:
        try:
            mail = self._mail(row, rule)
        except NotTold as error:
            return RowAnswer("error", str(error))
        try:
            # To this address and to none that a header could be taken for.
            server.send_message(mail, to_addrs=[text(row, "email")])
        except smtplib.SMTPRecipientsRefused as error:
            [(code, words)] = error.recipients.values()
            return self._of_recipient(code, one_line(_decoded(words)))
        except smtplib.SMTPNotSupportedError:
            return RowAnswer("error", "the server takes no address with letters other than ASCII")
        except smtplib.SMTPSenderRefused as error:
            if error.smtp_code >= 500 and error.smtp_code != _TOO_LARGE:
                raise
            return self._refused(error.smtp_code, _reply(error))
        except smtplib.SMTPDataError as error:
            return self._refused(error.smtp_code, _reply(error))
        return RowAnswer("ok", vendor_id=mail["Message-ID"])

    def _of_recipient(self, code: int, words: str) -> RowAnswer:
        is_wrong = code in _KNOWN_WRONG and (not _STATUS.match(words) or _NO_MAILBOX.match(words))
        answer = self._refused(code, f"{code} {words}")
        return replace(answer, suppresses="hard_bounce") if is_wrong else answer

    def _refused(self, code: int, said: str) -> RowAnswer:
        return RowAnswer("later" if 400 <= code < 500 else "error", one_line(said))

    def _mail(self, row: Row, rule: ActivationRule) -> EmailMessage:
        settings, words = self._settings, rule.message
        assert words is not None  # noqa: S101 - the only mode
        if not _ONE_ADDRESS.fullmatch(text(row, "email")):
            raise NotTold("the e-mail is not one address")
        mail = EmailMessage(MAIL_POLICY)
        row = with_way_out(row, settings.unsubscribe_url, settings.unsubscribe_secret)
        try:
            mail["From"] = formataddr((settings.from_name or "", settings.from_email))
            mail["To"] = text(row, "email")
            mail["Subject"] = subject_of(words, row)
            mail["Date"] = formatdate()
            mail["Message-ID"] = f"<{row.key}@{settings.from_email.rpartition('@')[2]}>"
            if settings.reply_to:
                mail["Reply-To"] = settings.reply_to
            for name, value in way_out_headers(row).items():
                mail[name] = value
        except ValueError as error:
            # A line break in an address would begin another header.
            raise NotTold(f"cannot stand in a mail's header: {error}") from None
        plain_text = render(words.text, row)
        html = render(words.html, row, form="html")
        if not (plain_text + html).strip():
            raise NotTold("the message is empty")
        mail.set_content(plain_text or "This message is in HTML.")
        if html:
            mail.add_alternative(html, subtype="html")
        return mail


def connect(
    host: str,
    port: int,
    security: Literal["starttls", "tls", "none"],
    user: str | None,
    password: SecretStr | None,
    timeout: float,
) -> smtplib.SMTP:
    """A conversation with a mail server, secured and signed in as told."""
    context = ssl.create_default_context()
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    try:
        if security == "starttls":
            server.starttls(context=context)
        if user:
            server.login(user, plain(password))
    except BaseException:
        server.close()
        raise
    return server


def _reply(error: smtplib.SMTPResponseException) -> str:
    return one_line(f"{error.smtp_code} {_decoded(error.smtp_error)}")


def _decoded(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words


def _words(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}")


SETTINGS = SmtpDestination
DESTINATION = Smtp
