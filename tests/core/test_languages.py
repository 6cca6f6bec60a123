"""Languages by code or name."""

from __future__ import annotations

import pytest

from marketing_platform.core.countries import language_names


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("de", "de"),
        ("deu", "de"),
        ("ger", "de"),
        ("german", "de"),
        ("deutsch", "de"),
        ("français", "fr"),
        ("nb", "nb"),
        ("iw", "he"),
        ("日本語", "ja"),
    ],
)
def test_a_language_is_known_by_its_codes_and_names(name: str, language: str) -> None:
    assert language_names()[name] == language


@pytest.mark.parametrize("name", ["xx", "und", "none", ""])
def test_what_is_not_a_language_has_none(name: str) -> None:
    assert name not in language_names()
