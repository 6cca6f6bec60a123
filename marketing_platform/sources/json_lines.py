"""JSON lines in files, as payloads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ENDINGS = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
LONGEST_LINE_BYTES = 16 * 1024 * 1024
# A buffer is 32 times the longest line where nothing is said, and there are several of them.
LINE_SIZES = f"max_line_size = {LONGEST_LINE_BYTES}, buffer_size = {LONGEST_LINE_BYTES}"
# Lines of text and not JSON, so that a broken one takes no other with it.
AS_LINES = f"""
    columns = {{'text': 'VARCHAR'}}, header = false, auto_detect = false, delim = '\x01',
    quote = '', escape = '', strict_mode = false, null_padding = false, {LINE_SIZES}
"""

# What a part of a list has before its first element and after its last one.
_ENDS_OF_LIST = r"^\s*\[|[\],]\s*$"
_TOO_LONG = re.compile(r"CSV Error on Line: (\d+)")
_FILE = re.compile(r"^  file = (.+)$", re.MULTILINE)


def json_files(files: Iterable[str]) -> list[str]:
    """Those of the files that have JSON lines in them, by their names."""
    return [
        path
        for path in files
        if path.endswith(_ENDINGS) and not path.rpartition("/")[2].startswith(".")
    ]


def json_lines(paths: Sequence[str]) -> str:
    """A select with the column `payload`: each line, or each element of a line that is a list.

    A list may go over several lines, an element or more on each, as SendGrid writes it. A line that
    is no JSON becomes a JSON text.
    """
    if not paths:
        return "select cast(null as varchar) as payload where false"
    return f"""
        select cast(unnest(
            case
                when json_type(line) = 'ARRAY' then cast(line as json[])
                when json_valid(part) then cast(cast(part as json) as json[])
                else [line]
            end
        ) as varchar) as payload
        from (
            select
                line,
                case
                    when json_type(line) = 'VARCHAR'
                    then concat('[', regexp_replace(line ->> '$', '{_ENDS_OF_LIST}', '', 'g'), ']')
                end as part
            from ({lines_of(paths)})
        )
    """  # noqa: S608 - made of names of our own


def lines_of(paths: Sequence[str]) -> str:
    """A select with the column `line`: each line of the files as JSON, or as a JSON text."""
    names = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"""
        select case when json_valid(text) then cast(text as json) else to_json(text) end as line
        from read_csv([{names}], {AS_LINES})
        where trim(text) <> ''
    """  # noqa: S608 - names of files, quoted


def reason_of(error: Exception) -> str:
    """Why the engine could not read a file, in a line; it tells of one too long in thirty."""
    told = str(error).strip()
    if "Maximum line size" in told:
        number, path = _TOO_LONG.search(told), _FILE.search(told)
        where = f"line {number[1]}" if number else "a line"
        inside = f" of {path[1]}" if path else ""
        return f"{where}{inside} is longer than {LONGEST_LINE_BYTES >> 20} MB"
    return (told.splitlines() or [type(error).__name__])[0]
