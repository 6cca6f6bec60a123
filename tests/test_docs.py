"""What the docs show is what the platform takes: settings, segments, commands, names."""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import SecretStr

from marketing_platform.activation.rules import check_declared
from marketing_platform.segments.load import load_segments
from marketing_platform.settings import Platform, Settings, parse_platform
from marketing_platform.sources.active import active_sources

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^\n)((?:^ {4}.*\n|^\n(?= {4}))+)", re.MULTILINE)
_COMMAND = re.compile(r"(?:\.venv/bin/)?marketing-platform (?=[a-z])(.*)")


class Example(NamedTuple):
    """A block of a page, and the line on which it begins."""

    place: str
    text: str


def examples() -> Iterator[Example]:
    """Every block of the pages, fenced or indented."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fenced = [(m.start(3), textwrap.dedent(m[3])) for m in _FENCE.finditer(text)]
        rest = _FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)
        indented = [(m.start(1), textwrap.dedent(m[1])) for m in _INDENTED.finditer(rest)]
        for (start, content), whole in [(b, text) for b in fenced] + [(b, rest) for b in indented]:
            line = whole[:start].count("\n") + 1
            yield Example(f"{page.name}:{line}", content)


def written(kind: str) -> list[Any]:
    """The examples that are settings of a shop, or a segment."""
    keys = {"settings": set(Platform.model_fields), "segment": {"description", "members", "owner"}}
    found = []
    for example in examples():
        try:
            content = yaml.safe_load(example.text)
        except yaml.YAMLError:
            continue
        if isinstance(content, dict) and set(content) <= keys[kind]:
            found.append(pytest.param(example, id=example.place))
    return found


class AnySecret(defaultdict[str, str]):
    """An environment that has whatever is asked for."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        if name.endswith("_SERVICE_ACCOUNT_KEY"):
            return json.dumps(
                dict.fromkeys(("client_email", "private_key", "token_uri"), "https://hush")
            )
        endings = {"_URL": "sqlite:///crm.db", "_SID": f"AC{0:032}"}
        return next((v for end, v in endings.items() if name.endswith(end)), "hush-us21")


def settings_of(folder: Path, content: Mapping[str, Any]) -> Settings:
    platform = parse_platform(content, where=folder / "platform.yaml", environ=AnySecret(str))
    url = SecretStr("sqlite://")
    return Settings(config_dir=folder, data_dir=folder, state_url=url, platform=platform)


@pytest.mark.parametrize("example", written("settings"))
def test_settings_that_a_page_shows_are_taken(example: Example, tmp_path: Path) -> None:
    content = yaml.safe_load(example.text)
    named = {rule["destination"] for rule in content.get("activations", ())}
    shown = content.setdefault("destinations", {})
    for name in named - set(shown):
        # Of a page that shows a rule alone; `whole` shows the destinations beside it.
        shown[name] = next(
            other["destinations"][name]
            for other in map(yaml.safe_load, whole())
            if name in other.get("destinations", {})
        )
    settings = settings_of(tmp_path, content)
    active_sources(settings)
    library = load_segments(ROOT / "config" / "segments")
    check_declared(settings, settings.platform.activations, library)


def whole() -> list[str]:
    return [param.values[0].text for param in written("settings")]


@pytest.mark.parametrize("example", written("segment"))
def test_a_segment_that_a_page_shows_is_one(example: Example, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(example.text, encoding="utf-8")
    assert set(load_segments(tmp_path)) == {"shown"}
