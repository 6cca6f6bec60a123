"""The shape of a CSV file: its delimiter, its header, and its text in UTF-8.

Worked out here rather than sniffed by the engine: a sniffer looks at the first rows, and takes a
file apart wrongly when the first quote, or the first ragged row, comes after them.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import BinaryIO

from marketing_platform.errors import InputError

_HEAD = 1 << 20
_SAMPLE = 1_000
_DELIMITERS = ",;\t|"
_TOLD_DELIMITER = re.compile(r"sep=(.)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class _Row:
    """The cells of a row, and the line on which it ends, the first being 1."""

    cells: list[str]
    last_line: int


@dataclass(frozen=True)
class Shape:
    """How a CSV file is laid out; `skip` lines come before the header."""

    delimiter: str
    columns: tuple[str, ...]
    skip: int
    # Lines up to the end of the header that have something in them.
    header_lines: int


def find_shape(path: Path) -> Shape:
    """The shape of a CSV file, from its header."""
    lines = io.StringIO(_head(path), newline=None).readlines()
    skip = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if not any(line.strip() for line in lines):
        raise InputError("the file has no records", where=str(path), mend="Export it again")
    told = _TOLD_DELIMITER.fullmatch(lines[skip].strip("\r\n"))
    if told:
        # Spreadsheets write the delimiter into a line of its own.
        skip += 1
    text = "".join(lines[skip:])
    delimiter = told.group(1) if told else max(_DELIMITERS, key=lambda d: _fit(text, d))
    rows = _from_header(_rows(text, delimiter))
    header = rows[0].cells
    # Some exports end each row, but not the header, with a delimiter.
    width = max(len(row.cells) for row in rows)
    columns = _unique([*header, *[""] * (width - len(header))])
    end = skip + rows[0].last_line
    first = end - 1 - "".join(header).count("\n")
    return Shape(delimiter, columns, first, sum(1 for line in lines[:end] if line.strip()))


def header_place(filled: Sequence[int]) -> int:
    """Which row is the header, of rows of which each has so many cells with something in them.

    It is the first that is as full as a header is. Titles and notes above it fill at most half of
    the cells that a row of several usually fills.
    """
    usual = median([cells for cells in filled if cells > 1] or [0])
    return next((place for place, cells in enumerate(filled) if cells * 2 > usual), 0)


def unclosed_quote(path: Path, lost: int) -> InputError:
    """A quote is open to the end of the file: the `lost` lines after it are in no record."""
    return InputError(
        f"a quote is opened and not closed, and {lost:,} lines after it cannot be told apart",
        where=str(path),
        mend="Export it again with quotes inside of a value doubled",
    )


def is_wide(path: Path) -> bool:
    """Whether the file is in UTF-16, as its first bytes say."""
    with open_bytes(path) as content:
        return content.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def write_utf8(path: Path, target: Path) -> None:
    """Write the text of a file in UTF-8, each line ended alike."""
    with target.open("w", encoding="utf-8", newline="\n") as written:
        for line in _lines(path):
            written.write(line.replace("\r\n", "\n").replace("\r", "\n"))


def count_lines(path: Path) -> int:
    """How many lines of a file have something in them."""
    return sum(
        1 for line in _lines(path) for part in line.replace("\r", "\n").split("\n") if part.strip()
    )


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, compressed or not."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _head(path: Path) -> str:
    with open_bytes(path) as content:
        head = content.read(_HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="ignore")
    return _decoded(head.removeprefix(codecs.BOM_UTF8), is_whole=len(head) < _HEAD)


def _lines(path: Path) -> Iterator[str]:
    with open_bytes(path) as content:
        if is_wide(path):
            yield from io.TextIOWrapper(content, encoding="utf-16", errors="replace", newline="")
        else:
            for number, line in enumerate(content):
                yield _decoded(line.removeprefix(codecs.BOM_UTF8) if number == 0 else line)


def _decoded(text: bytes, *, is_whole: bool = True) -> str:
    # Older spreadsheets write Windows-1252; the five bytes that it lacks are those of Latin-1.
    for encoding in ("utf-8", "cp1252"):
        try:
            return codecs.getincrementaldecoder(encoding)().decode(text, final=is_whole)
        except UnicodeDecodeError:
            continue
    return text.decode("latin-1")


def _rows(text: str, delimiter: str) -> list[_Row]:
    """The first rows that are not empty."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows: list[_Row] = []
    # A field too long to be looked at says nothing about the shape.
    with suppress(csv.Error):
        rows.extend(islice((_Row(cells, reader.line_num) for cells in reader if cells), _SAMPLE))
    return rows or [_Row([""], 1)]


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter fits: the columns of the header, and the rows that have as many."""
    widths = [len(row.cells) for row in _from_header(_rows(text, delimiter))]
    return widths[0], widths.count(widths[0])


def _from_header(rows: list[_Row]) -> list[_Row]:
    """The rows from the header on. Reports have titles above it: an account, a span of dates."""
    filled = [sum(1 for cell in row.cells if cell.strip()) for row in rows]
    first = header_place(filled)
    # Records may be longer than their header, and are none.
    return rows[first:] if _may_be_header(rows[first].cells) else rows


def _may_be_header(cells: list[str]) -> bool:
    names = [cell.strip().lower() for cell in cells if cell.strip()]
    return len(names) == len(set(names)) and not any(name[0].isdigit() for name in names)


def _unique(header: list[str]) -> tuple[str, ...]:
    """Names for all columns: those without one are numbered, repeated ones are told apart."""
    names: list[str] = []
    taken: set[str] = set()
    for position, name in enumerate(header, start=1):
        plain = name.strip() or f"column{position}"
        unique, repeat = plain, 0
        while unique.lower() in taken:
            repeat += 1
            unique = f"{plain}_{repeat}"
        taken.add(unique.lower())
        names.append(unique)
    return tuple(names)
