"""The pages of a pull on disk, so that an interrupted pull goes on where it stopped.

JSON pages are appended to one file per process (a file for each would cost more than its page),
the others have a file each. A journal has a line per page, written after the page itself: its
checkpoint says where to go on. A line or a page that was cut off counts as never written.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from marketing_platform.lake import write_atomically
from marketing_platform.sources.secrets import forms_in_content, mask_content, without_secrets
from marketing_platform.sources.stream import Checkpoint, Page

_LONGEST_AGE = dt.timedelta(hours=24)
_JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Kept:
    """A page on disk: its file and place in it, and where its records are.

    A page that is no JSON is the whole file. `held` is one that was only now written.
    """

    path: Path
    first_byte: int
    size: int
    records: str
    format: str
    extra: str
    held: bytes | None = field(default=None, compare=False, repr=False)

    def is_like(self, other: Kept) -> bool:
        """Whether both are read in the same way."""
        return (self.format, self.records, self.extra) == (other.format, other.records, other.extra)

    def content(self) -> bytes:
        """The page."""
        if self.held is not None:
            return self.held
        with self.path.open("rb") as file:
            file.seek(self.first_byte)
            return file.read(self.size)


def drop_stale(folder: Path) -> None:
    """Remove what pulls of any stream left in `folder` that is too old to go on with.

    A pull of the next day has another window, and never comes back to it.
    """
    oldest = time.time() - _LONGEST_AGE.total_seconds()
    for spool in folder.glob("*/*/[!.]*"):
        journal = spool / _JOURNAL
        # Another pull may have removed it meanwhile.
        with suppress(FileNotFoundError):
            if (journal if journal.exists() else spool).stat().st_mtime < oldest:
                shutil.rmtree(spool, ignore_errors=True)


class Spool:
    """The pages of one stream and window, with the checkpoint after the last one.

    `definition` tells one way of asking from another: pages that were asked for in another way, or
    that are older than a day, are dropped.
    """

    def __init__(self, folder: Path, definition: str, secrets: frozenset[str]) -> None:
        self.folder = folder
        self._secrets = secrets
        self._forms = forms_in_content(secrets)
        self._appended: IO[bytes] | None = None
        self._noted: IO[str] | None = None
        self._journal = folder / _JOURNAL
        lines = self._read()
        if not lines or not _is_usable(lines[0], definition) or not self._are_whole(lines[1:]):
            self.remove()
            lines = [{"definition": definition, "started_at": dt.datetime.now(dt.UTC).isoformat()}]
        self._lines = lines
        # What a torn last line left behind must not stand before the next one.
        write_atomically(self._journal, "".join(json.dumps(line) + "\n" for line in lines))

    @property
    def is_complete(self) -> bool:
        """Whether the last page is here."""
        return bool(self._lines[-1].get("is_last"))

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where to go on; None at the beginning."""
        found: Checkpoint | None = self._lines[-1].get("checkpoint")
        return found

    @property
    def page_count(self) -> int:
        """The pages that are here."""
        return len(self._lines) - 1

    @property
    def total(self) -> int:
        """How many records the vendor said at most that there are; 0 where it says nothing."""
        told = [line["total"] for line in self._lines[1:] if line.get("total") is not None]
        return max(map(int, told), default=0)

    def add(self, page: Page, checkpoint: Checkpoint | None) -> Kept | None:
        """Keep a page; without a checkpoint it is the last one. None if there is nothing in it."""
        content = mask_content(page.content, self._forms)
        path, first_byte = self._append(content) if page.format == "json" else self._write(content)
        line = {
            "file": path.name,
            "first_byte": first_byte,
            "size": len(content),
            "records": page.records,
            "format": page.format,
            "extra": without_secrets(dict(page.extra), self._secrets),
            "checkpoint": without_secrets(checkpoint, self._secrets),
            "is_last": checkpoint is None,
            "total": page.total,
        }
        self._note(line)
        return self._kept(line, content if page.format == "json" else None)

    def end(self) -> None:
        """Mark as complete a walk that ended without saying which page was the last."""
        if not self.is_complete:
            self._note({"is_last": True})

    def pages(self) -> Iterator[Kept]:
        """All pages in the order in which they came."""
        for line in self._lines[1:]:
            if kept := self._kept(line):
                yield kept

    def remove(self) -> None:
        """Forget everything."""
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def close(self) -> None:
        """Remove it when its records are in the lake."""
        for file in (self._appended, self._noted):
            if file:
                file.close()
        self._appended = self._noted = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kept(self, line: dict[str, Any], held: bytes | None = None) -> Kept | None:
        if not line.get("size"):
            return None
        extra = json.dumps(line["extra"]) if line["extra"] else ""
        return Kept(
            self.folder / line["file"],
            line["first_byte"],
            line["size"],
            line["records"],
            line["format"],
            extra,
            held,
        )

    def _note(self, line: dict[str, Any]) -> None:
        """A line of the journal, for which the file stays open."""
        if not self._noted:
            self._noted = self._journal.open("a", encoding="utf-8")
        self._noted.write(json.dumps(line, default=str) + "\n")
        self._noted.flush()
        self._lines.append(line)

    def _append(self, content: bytes) -> tuple[Path, int]:
        """Where the page lies: behind the others of this process."""
        if not self._appended:
            # What stands there under this name is a page without a line, cut off.
            self._appended = (self.folder / f"{self.page_count:06d}.pages").open("wb")
        first_byte = self._appended.tell()
        self._appended.write(content)
        self._appended.flush()
        return Path(self._appended.name), first_byte

    def _write(self, content: bytes) -> tuple[Path, int]:
        path = self.folder / f"{self.page_count:06d}.page"
        path.write_bytes(content)
        return path, 0

    def _read(self) -> list[dict[str, Any]]:
        if not self._journal.exists():
            return []
        lines: list[dict[str, Any]] = []
        for text in self._journal.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
        return lines

    def _are_whole(self, lines: list[dict[str, Any]]) -> bool:
        # An earlier version kept each page in a file of its own, and said no place in it.
        return all(
            "first_byte" in line
            and (path := self.folder / line["file"]).is_file()
            and path.stat().st_size >= line["first_byte"] + line["size"]
            for line in lines
            if "file" in line
        )


def _is_usable(header: dict[str, Any], definition: str) -> bool:
    if header.get("definition") != definition:
        return False
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(header["started_at"])
    return age < _LONGEST_AGE
