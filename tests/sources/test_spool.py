"""Pages on disk: what a crash may leave behind, and what never stands there."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from marketing_platform.sources.spool import Spool
from marketing_platform.sources.stream import Page

SECRET = "key/of-the-shop"


def spool(folder: Path, definition: str = "as today") -> Spool:
    return Spool(folder, definition, frozenset({SECRET}))


def page(number: int) -> Page:
    return Page(json.dumps([{"id": number, "text": "é" * number}]).encode())


def contents(kept: Spool) -> list[bytes]:
    return [one.content() for one in kept.pages()]


def test_pages_come_back_as_they_were_in_their_order_across_processes(tmp_path: Path) -> None:
    expected = []
    for start in (0, 3, 6):
        process = spool(tmp_path)
        assert (process.checkpoint or {"next": 0})["next"] == start
        for number in range(start, start + 3):
            process.add(page(number), {"next": number + 1})
            expected.append(page(number).content)
    assert contents(spool(tmp_path)) == expected


def test_a_page_that_was_cut_off_before_its_line_was_written_is_asked_for_again(
    tmp_path: Path,
) -> None:
    first = spool(tmp_path)
    first.add(page(0), {"next": 1})
    (torn,) = tmp_path.glob("*.pages")
    with torn.open("ab") as file:
        file.write(page(1).content[:7])
    with (tmp_path / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"file": "000000.pages", "first_by')
    again = spool(tmp_path)
    assert again.checkpoint == {"next": 1}
    again.add(page(1), None)
    assert contents(spool(tmp_path)) == [page(0).content, page(1).content]
    assert spool(tmp_path).is_complete


def test_where_a_page_lost_its_end_nothing_is_taken_for_read(tmp_path: Path) -> None:
    first = spool(tmp_path)
    first.add(page(0), {"next": 1})
    first.add(page(1), {"next": 2})
    (torn,) = tmp_path.glob("*.pages")
    torn.write_bytes(torn.read_bytes()[:-1])
    again = spool(tmp_path)
    assert again.checkpoint is None
    assert contents(again) == []


def test_pages_that_an_earlier_version_left_are_asked_for_again(tmp_path: Path) -> None:
    spool(tmp_path).add(page(0), {"next": 1})
    (tmp_path / "000000.pages").rename(tmp_path / "000000.page")
    journal = tmp_path / "journal.jsonl"
    header, line = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    line["file"] = "000000.page"
    del line["first_byte"]
    journal.write_text(f"{json.dumps(header)}\n{json.dumps(line)}\n", encoding="utf-8")
    again = spool(tmp_path)
    assert again.checkpoint is None
    again.add(page(0), None)
    assert contents(spool(tmp_path)) == [page(0).content]


@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_a_page_that_is_read_as_a_file_has_one_of_its_own(tmp_path: Path, format: str) -> None:
    process = spool(tmp_path)
    process.add(page(0), {"next": 1})
    lines = process.add(Page(b"a\n1\n", format=format), {"next": 2})  # type: ignore[arg-type]
    process.add(page(2), None)
    assert lines
    assert lines.path.read_bytes() == b"a\n1\n"
    assert contents(spool(tmp_path)) == [page(0).content, b"a\n1\n", page(2).content]


def test_a_secret_stands_in_no_page_and_no_line_however_it_is_written(tmp_path: Path) -> None:
    written = [
        SECRET,
        SECRET.replace("/", "\\/"),
        SECRET.replace("/", "%2F"),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"{SECRET}:".encode()).decode(),
    ]
    process = spool(tmp_path)
    for one in written:
        content = f'{{"data": [], "next": "https://x.example/?key={one}"}}'.encode()
        process.add(Page(content, "$.data"), {"next": f"https://x.example/?page=2&key={one}"})
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [one for one in written if one.encode() in stored]
    assert process.checkpoint == {"next": "https://x.example/?page=2"}
