"""Feeds: the whole audience, replaced in one step, harmless in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from marketing_platform.destinations.base import Batch, Place, Row
from marketing_platform.destinations.store import replace_file
from marketing_platform.destinations.vendors.files import Files, FilesDestination, cell
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule

RULE = ActivationRule(segment="winback", destination="feed", attributes=("email", "first_name"))


def row(customer_id: str, **values: Any) -> Row:
    return Row(f"k-{customer_id}", "add", customer_id, {"customer_id": customer_id, **values})


def write(folder: Path, rows: list[Row], kind: str = "csv") -> Path:
    declared = FilesDestination.model_validate({"type": "files", "format": kind})
    files = Files("feed", declared, Place({"winback": RULE}, folder / "feed"))
    answer = asyncio.run(files.send(Batch("b", "feed", "winback", rows)))
    assert answer.kind == "accepted"
    return folder / "feed" / files.file_name("winback")


def test_a_csv_feed_has_a_header_and_the_columns_of_the_rule(tmp_path: Path) -> None:
    path = write(tmp_path, [row("ada", email="a@x.example", first_name='A "B", C\nD'), row("bob")])
    with path.open(newline="", encoding="utf-8") as lines:
        assert list(csv.reader(lines)) == [
            ["customer_id", "source_contact_id", "email", "first_name"],
            ["ada", "", "a@x.example", 'A "B", C\nD'],
            ["bob", "", "", ""],
        ]


def test_an_empty_audience_is_a_feed_with_a_header_only(tmp_path: Path) -> None:
    assert write(tmp_path, []).read_text() == "customer_id,source_contact_id,email,first_name\n"


def test_a_json_lines_feed_has_a_row_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, [row("ada", email=None, first_name="=Zoë")], "jsonl")
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"customer_id": "ada", "email": None, "first_name": "=Zoë"}
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("+4915112345678", "+4915112345678"),
        ("-12.50", "-12.50"),
        ("+1\n=2", "'+1\n=2"),
        ("ada@x.example", "ada@x.example"),
        (-5, "-5"),
        (True, "true"),
        (None, ""),
    ],
)
def test_a_value_that_a_spreadsheet_would_run_is_made_harmless(value: Any, written: str) -> None:
    assert cell(value) == written


def test_a_failed_write_leaves_the_feed_of_before(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("before")

    def fail(out: Any) -> None:
        out.write("half of it")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace_file(path, fail)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["feed.csv"]


def test_what_a_killed_process_left_is_tidied_up(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    left = tmp_path / "feed" / ".winback.csv.abc.part"
    left.write_text("half of it")
    path = write(tmp_path, [])
    assert [entry.name for entry in path.parent.iterdir()] == ["winback.csv"]


def test_a_folder_that_cannot_be_written_is_an_answer_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("in the way")
    files = Files("feed", FilesDestination(type="files"), Place(folder=tmp_path / "feed"))
    answer = asyncio.run(files.send(Batch("b", "feed", "winback", [])))
    assert answer.kind == "retry"
    assert "cannot write" in answer.reason


@pytest.mark.parametrize("audience", ["../escape", "a/b", "", ".hidden"])
def test_a_segment_name_cannot_leave_the_folder(tmp_path: Path, audience: str) -> None:
    files = Files("feed", FilesDestination(type="files"), Place(folder=tmp_path / "feed"))
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        files.file_name(audience)
