"""Reads a YAML file into entries that know their line and key, so that an error can name both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from marketing_platform.errors import ConfigError

_NESTED_TOO_DEEPLY = "conditions are nested too deeply"
_SPLIT_IT = "Move a part into a segment of its own"


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a rule that repeats itself through them could be endless."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise ConstructorError(None, None, "aliases", event.start_mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class Entry:
    """A value in a file: its node, its line (from 1), its key such as `members.all[0].field`."""

    path: Path
    node: Node
    line: int
    key: str = ""

    def error(self, what: str, mend: str | None = None) -> ConfigError:
        """The error that this value is wrong."""
        place = f"{self.path}:{self.line}"
        return ConfigError(what, where=f"{place} ({self.key})" if self.key else place, mend=mend)

    def mapping(self) -> dict[str, Entry]:
        """The entries of keys and values, by key."""
        if not isinstance(self.node, MappingNode):
            raise self.error(
                f"expected keys and values, found {self.shown()}", "Write key: value, indented"
            )
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            entry = self._at(value, key, f"{self.key}.{name}" if self.key else name)
            if name in found:
                raise entry.error("the key is written twice", "Take one of them out")
            found[name] = entry
        return found

    def items(self) -> list[Entry]:
        """The entries of a list that has at least one."""
        if not isinstance(self.node, SequenceNode):
            raise self.error(f"expected a list, found {self.shown()}", "Write [a, b]")
        if not self.node.value:
            raise self.error("the list is empty", "Write at least one value, or take the key out")
        return [
            self._at(node, node, f"{self.key}[{index}]")
            for index, node in enumerate(self.node.value)
        ]

    @property
    def is_list(self) -> bool:
        """Whether this is a list."""
        return isinstance(self.node, SequenceNode)

    def scalar(self) -> Any:
        """The value as YAML understands it: text, number, true or false, moment or nothing."""
        if not isinstance(self.node, ScalarNode):
            raise self.error(f"expected one value, found {self.shown()}")
        try:
            return _Loader("").construct_object(self.node)
        except (yaml.YAMLError, ValueError, OverflowError):
            raise self.error(f"not a value: {self.shown()}", "Put it in quotes") from None

    def text(self) -> str:
        """The value, which must be text that is not empty."""
        value = self.scalar()
        if not isinstance(value, str):
            raise self.error(
                f"expected text, found {self.shown()}", f'Put it in quotes: "{self.node.value}"'
            )
        if not value.strip():
            raise self.error("the text is empty", "Write a text")
        # DuckDB takes UTF-8 only, and other warehouses end a text at a zero character.
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise self.error("the text has a character that cannot be stored", "Take it out")
        return value

    def shown(self) -> str:
        """What stands here, in the words of an error message."""
        if isinstance(self.node, MappingNode):
            return "keys and values"
        if isinstance(self.node, SequenceNode):
            return "a list"
        return f"{self.node.value!r:.60}" if self.node.value else "nothing"

    def _at(self, node: Node, place: Node, key: str) -> Entry:
        return replace(self, node=node, line=place.start_mark.line + 1, key=key)


def read_document(path: Path) -> Entry:
    """The content of one YAML file."""
    try:
        node = _compose(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            "cannot be read as text", where=str(path), mend="Save it as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise _unreadable(path, error) from None
    except RecursionError:
        raise ConfigError(_NESTED_TOO_DEEPLY, where=str(path), mend=_SPLIT_IT) from None
    if node is None:
        raise ConfigError(
            "the file is empty", where=str(path), mend="Write description and members"
        )
    return Entry(path, node, node.start_mark.line + 1)


def too_deep(entry: Entry) -> ConfigError:
    """The error that conditions stand inside one another too many times."""
    return entry.error(_NESTED_TOO_DEEPLY, _SPLIT_IT)


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _unreadable(path: Path, error: yaml.YAMLError) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    if problem == "aliases":
        return ConfigError(
            "an alias (*name) is not allowed here",
            where=where,
            mend="Move the part into a segment and write segment: its name",
        )
    return ConfigError(
        f"not readable as YAML: {problem}", where=where, mend="Check indents, quotes and brackets"
    )
