"""Raw records as they came: immutable Parquet, one file per source, stream and day (UTC).

A day that is received again replaces itself: its file is written beside and renamed over the old
one, so a reader sees the day of before or the day of now, never half of one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stream:
    """The raw records of one stream of one source; `folder` holds a file per day."""

    folder: Path

    @property
    def pattern(self) -> str:
        """The glob of the day files."""
        return str(self.folder / "*.parquet")

    def days(self) -> list[dt.date]:
        """The days that have records, oldest first."""
        return sorted(dt.date.fromisoformat(path.stem) for path in self.folder.glob("*.parquet"))

    def publish(self, staged: dict[dt.date, Path], emptied: Iterable[dt.date]) -> None:
        """Put the staged files in place, and remove the days that have no record any more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for day, path in staged.items():
            path.replace(self.folder / f"{day.isoformat()}.parquet")
        for day in emptied:
            (self.folder / f"{day.isoformat()}.parquet").unlink(missing_ok=True)

    def note(self) -> dict[str, Any]:
        """What was last written about this stream (file, fingerprint, mapping), or nothing."""
        path = self.folder / "note.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def write_note(self, note: dict[str, Any]) -> None:
        """Remember something about this stream, atomically."""
        write_atomically(self.folder / "note.json", json.dumps(note, indent=2, default=str))


@dataclass(frozen=True)
class Lake:
    """The folder of all raw records."""

    root: Path

    def stream(self, source: str, stream: str) -> Stream:
        """The records of one stream, e.g. `files` and `orders`."""
        return Stream(self.root / source / stream)


def write_atomically(path: Path, content: str) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(content, encoding="utf-8")
    staged.replace(path)
