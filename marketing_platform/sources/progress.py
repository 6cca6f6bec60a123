"""What is noted of a stream from pull to pull: the fields that its records have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

_SAMPLE = 1000
_SMALLEST_SAMPLE = 20
# A field in this share of the records is expected to be there again.
_USUAL_SHARE = 0.95
_BELIEVED_AFTER = dt.timedelta(days=14)


@dataclass(frozen=True)
class Drift:
    """The field paths that came up and those that are gone since the last pull.

    `missing` has those that were usual and are gone, with the day since when; after two weeks they
    are believed to be gone for good.
    """

    new: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, Any] = field(default_factory=dict, repr=False)


def note_fields(
    connection: duckdb.DuckDBPyConnection, note: Mapping[str, Any], today: dt.date
) -> Drift:
    """Compare the fields in a sample of `pulled`, two levels deep, with those noted before."""
    found = dict(connection.execute(_FIELDS).fetchall())
    row = connection.execute("select count(*) from pulled").fetchone()
    before = note.get("missing_fields", {})
    if not found or not row:
        return Drift(missing=missing_since(before, (), (), today))
    size = min(row[0], _SAMPLE)
    known = set(note.get("fields", ()))
    usual = {path for path, count in found.items() if count >= _USUAL_SHARE * size}
    expected = set(note.get("usual_fields", ())) if size >= _SMALLEST_SAMPLE else set()
    vanished = tuple(sorted(expected - set(found)))
    missing = missing_since(before, vanished, found, today)
    return Drift(
        new=tuple(sorted(set(found) - known)) if known else (),
        vanished=vanished,
        missing=missing,
        noted={
            "fields": sorted(known | set(found)),
            "usual_fields": sorted(usual),
            "missing_fields": missing,
        },
    )


def missing_since(
    before: Mapping[str, str], gone: Collection[str], found: Collection[str], today: dt.date
) -> dict[str, str]:
    """The fields that are missing, each with the day since when, from those that were before."""
    oldest = (today - _BELIEVED_AFTER).isoformat()
    return {
        path: since
        for path, since in ({path: today.isoformat() for path in gone} | dict(before)).items()
        if path not in found and since > oldest
    }


_FIELDS = f"""
    with
    sample as (
        select cast(payload as json) as payload from pulled
        where json_valid(payload) and json_type(payload) = 'OBJECT'
        using sample reservoir({_SAMPLE} rows) repeatable (1)
    ),
    outer_fields as (
        select unnest(json_keys(payload)) as name, payload from sample
    ),
    valued as (
        -- By a pointer: what a visitor's browser calls a field may be no path, as '*' and ''.
        select
            name,
            json_extract(payload, '/' || replace(replace(name, '~', '~0'), '/', '~1')) as value
        from outer_fields
    ),
    inner_fields as (
        select name || '.' || unnest(json_keys(value)) as name
        from valued
        where json_type(value) = 'OBJECT'
    )
    select name, count(*) from (
        select name from valued where json_type(value) <> 'NULL'
        union all
        select name from inner_fields
    )
    group by name
"""  # noqa: S608 - a number of ours
