"""What e-mails need whoever carries them: a way out, for people and for their mail programs.

RFC 8058 is the header by which a mail program unsubscribes with one click; the large mailbox
providers ask for it of everybody who sends in bulk.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from marketing_platform.destinations.base import Row
from marketing_platform.destinations.people import NotTold, render

# The name by which a template asks for the address.
UNSUBSCRIBE_URL = "unsubscribe_url"


def with_way_out(row: Row, url_template: str) -> Row:
    """The row with its person's address to unsubscribe at, for the templates of a mail."""
    url = render(url_template, row)
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotTold("unsubscribe_url gives no http(s) URL")
    return replace(row, payload={**row.payload, UNSUBSCRIBE_URL: url})


def way_out_headers(row: Row) -> dict[str, str]:
    """The headers of a mail to a person `with_way_out`."""
    return {
        "List-Unsubscribe": f"<{row.payload[UNSUBSCRIBE_URL]}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
