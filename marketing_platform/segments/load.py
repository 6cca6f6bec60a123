"""Loads the segments of a folder: one YAML file each, in an order in which each can be computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from marketing_platform.errors import ConfigError
from marketing_platform.segments.conditions import Segment, references
from marketing_platform.segments.document import read_document
from marketing_platform.segments.parse import parse_segment

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


def load_segments(folder: Path) -> dict[str, Segment]:
    """The segments of a folder by name, each after those that it asks for.

    A folder that is empty or not there has no segments. The first mistake, in the order of the file
    names, is raised as `ConfigError`.
    """
    files = {path.stem: path for path in _segment_files(folder)}
    segments = {
        name: parse_segment(read_document(path), name, files.keys()) for name, path in files.items()
    }
    return in_order(segments)


def in_order(segments: Mapping[str, Segment]) -> dict[str, Segment]:
    """The same segments, each after those that it asks for; a circle is refused."""
    ordered: dict[str, Segment] = {}
    # A stack of our own: a long chain of segments must not run into Python's limit of recursion.
    for start in segments:
        stack = [start]
        while stack:
            name = stack[-1]
            waiting = [r for r in references(segments[name]) if r.segment not in ordered]
            if not waiting or name in ordered:
                ordered.setdefault(name, segments[stack.pop()])
            elif waiting[0].segment in stack:
                raise _circle(segments[name], waiting[0].line, [*stack, waiting[0].segment])
            else:
                stack.append(waiting[0].segment)
    return ordered


def _circle(segment: Segment, line: int, names: list[str]) -> ConfigError:
    circle = names[names.index(names[-1]) :]
    return ConfigError(
        f"segments ask for each other in a circle: {' -> '.join(circle)}",
        where=f"{segment.path}:{line} (segment)",
        mend="Take one of them out",
    )


def _segment_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if _is_segment_file(path))
    for path in files:
        if path.suffix != ".yaml":
            raise ConfigError(
                "a segment file ends in .yaml", where=str(path), mend=f"Name it {path.stem}.yaml"
            )
        if not _NAME.fullmatch(path.stem):
            raise ConfigError(
                f"{path.stem!r} is not a name for a segment",
                where=str(path),
                mend="Use at most 60 small letters, digits and underscores; begin with a letter",
            )
    return files


def _is_segment_file(path: Path) -> bool:
    # Hidden files are what editors and file systems leave behind.
    return path.suffix.lower() in (".yaml", ".yml") and not path.name.startswith(".")
