"""What e-mails need whoever carries them: a way out, for people and for their mail programs.

RFC 8058 is the header by which a mail program unsubscribes with one click; the large mailbox
providers ask for it of everybody who sends in bulk.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.policy import EmailPolicy, Policy

import httpx
from pydantic import SecretStr

from marketing_platform.destinations.base import Row
from marketing_platform.destinations.people import NotTold, render
from marketing_platform.settings import Content

# The name by which a template asks for the address.
UNSUBSCRIBE_URL = "unsubscribe_url"
# The name by which the template of that address asks for what nobody else can work out.
UNSUBSCRIBE_TOKEN = "unsubscribe_token"  # noqa: S105 - a name


class _Unfolded(UnstructuredHeader, BaseHeader):
    """A header in one line, however long: a folded address would be encoded, and be none."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Unfolded)
# How the headers of a mail are written.
MAIL_POLICY = EmailPolicy(header_factory=_HEADERS)


def lacks_of_mail(content: Content) -> str:
    """What a mail of these words would lack; empty where nothing is missing."""
    if not content.subject:
        return "subject"
    return "" if content.text or content.html else "text or html"


def subject_of(content: Content, row: Row) -> str:
    """The subject of a person's mail, in one line."""
    subject = " ".join(render(content.subject, row).split())
    if not subject:
        raise NotTold("the subject is empty; give its values a default('...')")
    return subject


def with_way_out(row: Row, url_template: str, secret: SecretStr | None = None) -> Row:
    """The row with its person's address to unsubscribe at, for the templates of a mail."""
    signed = row
    if secret:
        key, who = secret.get_secret_value().encode(), row.customer_id.encode()
        token = hmac.new(key, who, hashlib.sha256).hexdigest()
        signed = replace(row, payload={**row.payload, UNSUBSCRIBE_TOKEN: token})
    try:
        # What cannot stand in a URL, as a letter of a name, is quoted.
        url = httpx.URL(render(url_template, signed, form="url"))
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise NotTold("unsubscribe_url gives no http(s) URL")
    return replace(row, payload={**row.payload, UNSUBSCRIBE_URL: str(url)})


def link_words(secret: SecretStr | None) -> frozenset[str]:
    """What the template of that address may name besides what the rule tells."""
    return frozenset({UNSUBSCRIBE_TOKEN} if secret else ())


def way_out_headers(row: Row) -> dict[str, str]:
    """The headers of a mail to a person `with_way_out`."""
    return {
        "List-Unsubscribe": f"<{row.payload[UNSUBSCRIBE_URL]}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
