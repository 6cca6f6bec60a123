"""Whose certificates are trusted, read once: every HTTP client would read them anew."""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx


def trusted() -> ssl.SSLContext:
    """The trust of all HTTP clients: that of certifi, or what SSL_CERT_FILE or SSL_CERT_DIR name.

    Reading it takes some 30 ms, for connections without TLS too.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()
