"""What the docs show is what the platform takes: settings, segments, commands, names."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shlex
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from pydantic import BaseModel, SecretStr

from marketing_platform.activation.rules import check_declared
from marketing_platform.cli import app
from marketing_platform.destinations.http import HttpSettings
from marketing_platform.destinations.queues import QueueSettings
from marketing_platform.destinations.registry import modes_of
from marketing_platform.pipeline import all_tables
from marketing_platform.segments.load import load_segments
from marketing_platform.settings import Platform, Settings, destination_types, parse_platform
from marketing_platform.sources.active import active_sources, find_system, system_types
from marketing_platform.sources.files.fields import STREAMS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^\n)((?:^ {4}.*\n|^\n(?= {4}))+)", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ |.*-- )?(?:\.venv/bin/)?marketing-platform ([a-z].*)")
# What stands for a word of the reader's own, where a command wants a number.
_NUMBERS = {"PLAN": "17"}
_MODES = ("audience", "event", "message", "task")


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


def commands() -> list[tuple[str, str]]:
    """Each command that a page shows, as a line of a block or within a sentence."""
    roots = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    found = []
    for example in examples():
        lines = example.text.replace("\\\n", " ").splitlines()
        found += [(example.place, told[1]) for line in lines if (told := _COMMAND.fullmatch(line))]
    for page in PAGES:
        for span in _SPAN.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            told = _COMMAND.fullmatch(span)
            first, _, rest = span.partition(" ")
            if told or (first in roots and (rest.startswith("--") or rest[:1].islower())):
                found.append((page.name, told[1] if told else span))
    return list(dict.fromkeys(found))


def test_a_command_that_a_page_shows_is_understood() -> None:
    for place, line in commands():
        words = shlex.split(re.sub(r"[][]", "", line), comments=True)
        words = [_NUMBERS.get(word, word) for word in words]
        command: Any = typer.main.get_command(app)
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, (place, line)
            command = command.commands[words.pop(0)]
        known = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= known, (place, line)
        # What a sentence names alone is not called.
        if ":" in place:
            command.make_context(command.name, words)


def test_a_command_that_a_message_names_is_there() -> None:
    root: Any = typer.main.get_command(app)
    ways = {name: set(getattr(one, "commands", ())) for name, one in root.commands.items()}
    for path in (ROOT / "marketing_platform").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        for first, second in re.findall(r"[: ]marketing-platform ([a-z-]+)(?: ([a-z-]+)\b)?", code):
            assert first in ways, (path.name, first)
            assert not ways[first] or second in ways[first], (path.name, first, second)


def test_what_pages_name_of_make_and_of_the_environment_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    code = "".join(p.read_text() for p in (ROOT / "marketing_platform" / "settings").glob("*.py"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = "\n".join(example.text for example in examples() if page.name in example.place)
        for target in re.findall(r"`make ([a-z]+)", text) + re.findall(r"\bmake ([a-z]+)", shown):
            assert f"\n{target}: " in makefile, (page.name, target)
        for variable in re.findall(r"MARKETING_PLATFORM_[A-Z_]+", text):
            assert f'"{variable}"' in code, (page.name, variable)


def rows_under(heading: str, page: str) -> list[list[str]]:
    """The cells of the first table under a heading of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    table = text[text.index("\n|") :].partition("\n\n|")[0]
    lines = itertools.takewhile(lambda line: line.startswith("|"), table.strip().splitlines()[2:])
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def test_the_settings_of_each_type_of_destination_are_on_the_page() -> None:
    rows = {
        row[0].strip("`"): row
        for row in rows_under("## What each type is given", "destinations.md")
    }
    assert set(rows) == set(destination_types())
    common = {*HttpSettings.model_fields, *QueueSettings.model_fields, "token_url", "poll_seconds"}
    for kind, (_, needs, may_have) in rows.items():
        settings = importlib.import_module(
            f"marketing_platform.destinations.vendors.{kind}"
        ).SETTINGS
        told = set(_SPAN.findall(needs + may_have))
        needed = {name for name, field in settings.model_fields.items() if field.is_required()}
        assert told <= set(settings.model_fields), kind
        assert needed - {"type"} <= set(_SPAN.findall(needs)), kind
        assert set(settings.model_fields) - common <= told, kind


def test_the_settings_of_each_system_are_on_the_page() -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", page))
    for kind in system_types():
        fields = find_system(kind).settings_model.model_fields
        missing = {field.alias or name for name, field in fields.items()} - words
        assert not missing, kind


def test_each_key_of_the_settings_is_on_the_page_with_its_default() -> None:
    told: dict[str, str] = {}
    for keys, default, *_ in rows_under("## Settings", "operations.md"):
        first, *others = _SPAN.findall(keys)
        group = first.rpartition(".")[0]
        names = [first, *(n if "." in n else f"{group}.{n}" for n in others)]
        told |= zip_longest(names, default.replace("`", "").split(", ")[: len(names)], fillvalue="")
    for key, default in keys_of(Platform):
        assert key in told, key
        if isinstance(default, bool | int | float | str) and "://" not in str(default):
            expected = f"{default:g}" if type(default) is float else str(default).lower()
            assert told[key].lower().removesuffix(".0").replace(",", "") == expected, key


def keys_of(model: type[BaseModel], *above: str) -> Iterator[tuple[str, Any]]:
    """Each key of the shop's own settings, and its default; groups by name have pages of theirs."""
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from keys_of(group, *above, name)
        elif not str(group).startswith("dict"):
            yield ".".join((*above, name)), field.default


def test_each_table_is_on_the_page_of_the_architecture(tmp_path: Path) -> None:
    told = set()
    for first, *_ in rows_under("## Tables", "architecture.md"):
        schema = _SPAN.findall(first)[0].partition(".")[0]
        told |= {n if "." in n else f"{schema}.{n}" for n in _SPAN.findall(first)}
    built = {n for n in all_tables(settings_of(tmp_path, {})) if not n.startswith("staging.")}
    assert {n for n in told if n.partition(".")[0] not in ("raw", "staging")} == built


def test_a_condition_that_a_page_shows_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "segments.md").read_text(encoding="utf-8")
    shown = re.findall(r"`((?:not: )?\{[a-z_]+:[^`]*\})`", text)
    assert len(shown) > 10
    # A segment that is named is one of the library.
    for path in (ROOT / "config" / "segments").glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for number, condition in enumerate(shown):
        # What limits an event stands beside it.
        content = (
            f"{{performed: product_added, {condition}}}" if "where" in condition else condition
        )
        members = content if content.startswith("{") else f"{{{content}}}"
        body = f"description: Shown.\nmembers: {members}\n"
        (tmp_path / f"shown_{number}.yaml").write_text(body, encoding="utf-8")
    assert set(load_segments(tmp_path)) >= {f"shown_{number}" for number in range(len(shown))}


def test_the_fields_of_exports_are_on_the_page() -> None:
    rows = {row[0].strip("`"): row[1:] for row in rows_under("### Exports (`files`)", "sources.md")}
    assert set(rows) == set(STREAMS)
    for name, stream in STREAMS.items():
        needed, others = (_SPAN.findall(cell) for cell in rows[name])
        assert needed == [field for group in stream.required for field in group]
        assert {*needed, *others} == set(stream.names())


def test_what_a_hold_says_is_said_by_the_code() -> None:
    """Who looks for the words of a hold finds them on the page."""
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "marketing_platform").rglob("*.py")
    )
    # Literals that stand below each other are one.
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    for first, *_ in rows_under("## When activation holds", "operations.md"):
        for told in _SPAN.findall(first):
            if told.startswith("check "):
                continue  # By the name that the UI shows, which is on the page too.
            for part in re.split(r"\.\.\.|\d+|purchase_14d(?:_score)?|^orders", told):
                assert part.strip(" ,") in code, (told, part)


def test_the_page_says_what_each_type_of_destination_can_do() -> None:
    rows = {row[0].strip("`"): row for row in rows_under("## The types", "destinations.md")}
    assert set(rows) == set(destination_types())
    for kind, row in rows.items():
        told = {name for name, cell in zip(_MODES, row[1:5], strict=True) if cell}
        assert told == set(modes_of(kind)), kind


def test_a_link_of_a_page_leads_somewhere() -> None:
    def anchors(page: Path) -> set[str]:
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}

    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            other = page.parent / name if name else page
            assert other.exists(), (page.name, target)
            assert not anchor or anchor in anchors(other), (page.name, target)
