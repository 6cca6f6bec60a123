"""JSON lines in the files of a folder, as payloads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from marketing_platform.errors import SourceError

_ENDINGS = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
_LONGEST_LINE_BYTES = 16 * 1024 * 1024


def json_files(folder: Path) -> list[Path]:
    """The files of JSON lines in a folder, at any depth."""
    if not folder.is_dir():
        raise SourceError("no such folder", where=str(folder), mend="Correct the folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.endswith(_ENDINGS) and not path.name.startswith(".") and path.is_file()
    )


def json_lines(folder: Path) -> str:
    """A select with the column `payload`: each line, or each element of a line that is a list.

    A line that is no JSON becomes a JSON text.
    """
    paths = [str(path) for path in json_files(folder) if path.stat().st_size]
    if not paths:
        return "select cast(null as varchar) as payload where false"
    return f"""
        select cast(unnest(
            case when json_type(line) = 'ARRAY' then cast(line as json[]) else [line] end
        ) as varchar) as payload
        from ({lines_of(paths)})
    """  # noqa: S608 - made of names of our own


def lines_of(paths: Sequence[str]) -> str:
    """A select with the column `line`: each line of the files as JSON, or as a JSON text."""
    names = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    # Read as lines of text, not as JSON: a broken line takes no other with it.
    return f"""
        select case when json_valid(text) then cast(text as json) else to_json(text) end as line
        from read_csv(
            [{names}],
            columns = {{'text': 'VARCHAR'}}, header = false, auto_detect = false,
            delim = '\x01', quote = '', escape = '', strict_mode = false,
            null_padding = false, max_line_size = {_LONGEST_LINE_BYTES}
        )
        where trim(text) <> ''
    """  # noqa: S608 - names of files, quoted
