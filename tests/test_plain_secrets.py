"""A secret that stands in the settings themselves is refused, whatever key it hides under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketing_platform.errors import ConfigError
from marketing_platform.settings import parse_platform

WHERE = Path("platform.yaml")


@pytest.mark.parametrize(
    "source",
    [
        {"access_token": "shpat_hush"},
        {"consumer_secret": "hush"},
        {"api_key": "hush"},
        {"url": "postgresql://ada:hush@db.example/crm"},
        {"url": "postgresql://db.example/crm?user=ada&password=hush"},
        {"base_url": "https://shop.example/api?access_token=hush"},
    ],
)
def test_a_plain_secret_is_refused_and_not_repeated(source: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a secret does not belong in a file") as caught:
        parse_platform({"sources": {"crm": source}}, where=WHERE, environ={})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("postgresql://ada:${DB_WORD}@db.example/crm", "postgresql://ada:hush@db.example/crm"),
        ("https://shop.example:8080/path", "https://shop.example:8080/path"),
        (
            "postgresql://db.example/crm?password=${DB_WORD}",
            "postgresql://db.example/crm?password=hush",
        ),
        ("https://shop.example/u?token={{ unsubscribe_token }}",) * 2,
    ],
)
def test_a_url_with_a_referenced_password_or_none_is_taken(url: str, resolved: str) -> None:
    platform = parse_platform(
        {"sources": {"crm": {"url": url}}}, where=WHERE, environ={"DB_WORD": "hush"}
    )
    assert platform.sources.systems["crm"]["url"] == resolved
    assert "hush" not in repr(platform)


def test_the_end_of_a_line_is_no_part_of_a_secret() -> None:
    platform = parse_platform(
        {"sources": {"crm": {"token": "${TOKEN}"}}}, where=WHERE, environ={"TOKEN": "hush\r"}
    )
    assert platform.sources.systems["crm"]["token"] == "hush"


@pytest.mark.parametrize(
    "content",
    [
        {"files": {"contacts": {"path": "c.csv", "mapping": {"push_token": "Device"}}}},
        {"crm": {"queries": {"contacts": {"columns": {"push_token": "device"}}}}},
    ],
)
def test_the_column_that_holds_the_tokens_of_peoples_phones_is_named_as_it_is(
    content: dict[str, Any],
) -> None:
    platform = parse_platform({"sources": content}, where=WHERE, environ={})
    assert platform.sources.files or platform.sources.systems
