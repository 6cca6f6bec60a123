"""The codes of countries, as a shop may write one and as `core` understands them."""

from __future__ import annotations

from functools import cache

# Ascension and Tristan da Cunha have a calling code, but no ISO 3166-1 code of their own.
NOT_ISO = frozenset({"AC", "TA"})
_WITHOUT_PHONES = frozenset({"AQ", "BV", "GS", "HM", "PN", "TF", "UM"})


@cache
def country_codes() -> tuple[str, ...]:
    """The alpha-2 codes of ISO 3166-1, and XK, which shops use for Kosovo."""
    # Every command reads the settings, and few of them name a country.
    from phonenumbers import SUPPORTED_REGIONS

    return tuple(sorted((SUPPORTED_REGIONS | _WITHOUT_PHONES) - NOT_ISO))
