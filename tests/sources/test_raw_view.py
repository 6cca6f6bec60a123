"""Raw views read whatever JSON a vendor sends, and say what they could not read."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_records import LakeRecord, write_records

from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.fields import (
    Field,
    date,
    flag,
    ident,
    integer,
    json_text,
    microseconds,
    milliseconds,
    number,
    person,
    rfc2822,
    seconds,
    text,
    timestamp,
)
from marketing_platform.sources.raw_view import columns, create_views, item_columns
from marketing_platform.sources.stream import Items, Query, Stream, Versions
from marketing_platform.sources.system import System, SystemSettings

_UPDATED_AT = timestamp("updated_at", "$.updated_at")
_KINDS: tuple[Callable[..., Field], ...] = (
    text,
    ident,
    person,
    number,
    integer,
    flag,
    date,
    timestamp,
    seconds,
    milliseconds,
    microseconds,
    rfc2822,
    json_text,
)


class Toys:
    """A source `toys` whose records are put into a lake of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection = duckdb.connect()

    def put(self, stream: str, records: Sequence[LakeRecord]) -> None:
        write_records(self.settings.lake_dir, "toys", stream, records)

    def create(self, *streams: Stream) -> None:
        system = System("toys", "Toys", SystemSettings, streams)
        source = ActiveSource("toys", system, SystemSettings(type="toys"))
        create_views(self.connection, self.settings, source)

    def read(self, view: str = "raw.toys_robots") -> list[dict[str, Any]]:
        answer = self.connection.execute(f"select * from {view} order by record_id")
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def value(self, field: Field, payload: Any) -> tuple[Any, str | None]:
        """What the field reads from one payload, and the row's `unreadable`."""
        given = payload if isinstance(payload, str) else json.dumps(payload)
        self.put("robots", [LakeRecord("1", given)])
        self.create(_robots(field))
        (row,) = self.read()
        return row[field.name], row["unreadable"]


@pytest.fixture
def toys(make_settings: Callable[..., Settings]) -> Toys:
    return Toys(make_settings(shop={"timezone": "Europe/Berlin"}))


def _robots(*fields: Field, **more: Any) -> Stream:
    walk = Query(lambda connection, settings, window: "select 1")
    return Stream("robots", walk, _UPDATED_AT, fields, **more)


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        (text, "  a b ", "a b"),
        (text, "", None),
        (text, 5, "5"),
        (text, True, "true"),
        (text, "{brace", "{brace"),
        (text, '{"a": 1}', '{"a": 1}'),
        (text, "a\x00b\x07\tc\n", "ab\tc"),
        (text, "שלום 🤖", "שלום 🤖"),
        (text, "\u00a0a\x07\u2003", "a"),
        (text, "\u00a0", None),
        (ident, 123, "123"),
        (ident, "123", "123"),
        (ident, 123.0, "123"),
        (ident, 123456789012345678901234567890, "123456789012345678901234567890"),
        (ident, "1.05", "1.05"),
        (ident, "gid://shop/1.0", "gid://shop/1.0"),
        (person, " u-1 ", "u-1"),
        (person, 10.0, "10"),
        (person, "Undefined", None),
        (person, 0, None),
        (number, 1.5, Decimal("1.5")),
        (number, "1.50", Decimal("1.5")),
        (number, "1e3", Decimal(1000)),
        (number, "", None),
        (integer, "5", 5),
        (integer, 5.0, 5),
        (integer, "-5.0", -5),
        (flag, True, True),
        (flag, "TRUE", True),
        (flag, 1, True),
        (flag, "yes", True),
        (flag, "0", False),
        (flag, "No", False),
        (date, "2026-01-31", dt.date(2026, 1, 31)),
        (date, "20260131", dt.date(2026, 1, 31)),
        (date, 20260131, dt.date(2026, 1, 31)),
        (date, "2026-01-31T23:30:00-05:00", dt.date(2026, 1, 31)),
        (timestamp, "2026-01-31T10:00:00Z", _utc(2026, 1, 31, 10)),
        (timestamp, "2026-01-31T10:00:00+02:00", _utc(2026, 1, 31, 8)),
        (timestamp, "2026-01-31T10:00:00-0530", _utc(2026, 1, 31, 15, 30)),
        (timestamp, "2026-01-31T10:00:00.123456789Z", _utc(2026, 1, 31, 10, 0, 0, 123456)),
        (timestamp, "2026-01-31 10:00:00+00", _utc(2026, 1, 31, 10)),
        (timestamp, "2026-01-31 10:00:00 +0100", _utc(2026, 1, 31, 9)),
        (timestamp, "2026-01-31t10:00:00+05:30", _utc(2026, 1, 31, 4, 30)),
        (timestamp, "2026-01-31T10:00-08", _utc(2026, 1, 31, 18)),
        (timestamp, "2026-01-31 10:00:00 UTC", _utc(2026, 1, 31, 10)),
        (timestamp, "2026-01-31 10:00:00", _utc(2026, 1, 31, 10)),
        (timestamp, "2026-01-31", _utc(2026, 1, 31)),
        (seconds, 1700000000, _utc(2023, 11, 14, 22, 13, 20)),
        (seconds, "1700000000.25", _utc(2023, 11, 14, 22, 13, 20, 250000)),
        (milliseconds, 1700000000001, _utc(2023, 11, 14, 22, 13, 20, 1000)),
        (microseconds, "1700000000000001", _utc(2023, 11, 14, 22, 13, 20, 1)),
        (rfc2822, "Thu, 24 Aug 2023 05:01:45 +0000", _utc(2023, 8, 24, 5, 1, 45)),
        (rfc2822, "24 Aug 2023 05:01:45 +0200", _utc(2023, 8, 24, 3, 1, 45)),
        (rfc2822, "Thu, 24 Aug 2023 05:01:45 GMT", _utc(2023, 8, 24, 5, 1, 45)),
        (json_text, {"a": [1, None]}, '{"a":[1,null]}'),
        (json_text, "x", '"x"'),
    ],
)
def test_a_value_is_read_as_its_kind(
    toys: Toys, kind: Callable[..., Field], given: Any, read: Any
) -> None:
    assert toys.value(kind("value", "$.value"), {"value": given}) == (read, None)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (text, {"a": 1}),
        (text, []),
        (ident, [1]),
        (number, "NaN"),
        (number, "Infinity"),
        (number, 1e30),
        (number, -(10**13)),
        (number, "twelve"),
        (number, True),
        (number, "1_000"),
        (integer, 5.5),
        (integer, 10**15),
        (flag, "maybe"),
        (flag, 2),
        (date, "0000-00-00"),
        (date, "9999-12-31"),
        (date, "1899-12-31"),
        (date, "2026-02-30"),
        (date, "infinity"),
        (timestamp, "9999-12-31T00:00:00Z"),
        (timestamp, "2026-01-31 10:00 PM"),
        (timestamp, "2026-01-31 10:00 America/New_York"),
        (timestamp, "epoch"),
        (timestamp, 1700000000),
        (seconds, 1e20),
        (seconds, "NaN"),
        (seconds, "2026-01-31"),
        (milliseconds, -(10**18)),
        (rfc2822, "2023-08-24"),
    ],
)
def test_a_value_of_another_kind_is_named_as_unreadable(
    toys: Toys, kind: Callable[..., Field], given: Any
) -> None:
    assert toys.value(kind("value", "$.value"), {"value": given}) == (None, "value")
    loose = Field("value", kind("value", "$.value").kind, ("$.value",), is_loose=True)
    assert toys.value(loose, {"value": given}) == (None, None)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("payload", [{}, {"value": None}, {"other": 1}, []])
def test_what_is_not_there_is_null_for_every_kind(
    toys: Toys, kind: Callable[..., Field], payload: Any
) -> None:
    assert toys.value(kind("value", "$.value"), json.dumps(payload)) == (None, None)


def test_the_first_path_with_a_value_wins(toys: Toys) -> None:
    customer = ident("customer", "$.customer", "$.customer.id", "$.user")
    assert toys.value(customer, {"customer": "c1", "user": "u1"}) == ("c1", None)
    assert toys.value(customer, {"customer": {"id": 7}, "user": "u1"}) == ("7", None)
    assert toys.value(customer, {"customer": "", "user": "u1"}) == ("u1", None)
    assert toys.value(customer, {"customer": {}}) == (None, "customer")


def test_paths_reach_keys_with_odd_characters(toys: Toys) -> None:
    payload = {"properties": {"hs object": 1, "it's": 2, "a.b": 3}, "list": [{"k": 4}]}
    assert toys.value(ident("v", '$.properties."hs object"'), payload) == ("1", None)
    assert toys.value(ident("v", '$.properties."it\'s"'), payload) == ("2", None)
    assert toys.value(ident("v", '$.properties."a.b"'), payload) == ("3", None)
    assert toys.value(ident("v", "$.list[0].k"), payload) == ("4", None)


def test_several_unreadable_fields_are_named_together(toys: Toys) -> None:
    toys.put("robots", [LakeRecord("1", '{"a": "x", "b": [], "c": 1}')])
    toys.create(_robots(number("a", "$.a"), text("b", "$.b"), integer("c", "$.c")))
    (row,) = toys.read()
    assert (row["unreadable"], row["c"]) == ("a, b", 1)


@pytest.mark.parametrize(
    "payload", ["", "{", "5", '"x"', "null", '{"a": "\\ud800"}', "\x00", '{"a": 1} x']
)
def test_a_payload_that_is_no_json_is_a_row_of_nulls(toys: Toys, payload: str) -> None:
    assert toys.value(text("a", "$.a"), payload) == (None, "payload")


def test_a_local_date_is_the_day_in_the_shops_time_zone(toys: Toys) -> None:
    toys.put("robots", [LakeRecord("1", '{"at": "2026-01-31T23:30:00Z"}')])
    toys.create(_robots(timestamp("at", "$.at", local_date="day")))
    assert toys.read()[0]["day"] == dt.date(2026, 2, 1)


def test_the_record_and_the_day_it_lies_on_are_kept(toys: Toys) -> None:
    toys.put("robots", [LakeRecord("1", '{"id": 1}', updated_at=dt.datetime(2026, 1, 5, 3))])
    stream = _robots(ident("id", "$.id"))
    toys.create(stream)
    (row,) = toys.read()
    assert list(row) == list(columns(stream))
    assert row == {
        "record_id": "1@2026-01-05 03:00:00",
        "record_key": "1",
        "received_date": dt.date(2026, 1, 5),
        "record_updated_at": dt.datetime(2026, 1, 5, 3),
        "received_at": dt.datetime(2026, 2, 1, 4),
        "payload": '{"id": 1}',
        "unreadable": None,
        "id": "1",
    }


def test_a_stream_without_records_has_an_empty_view_with_its_columns(toys: Toys) -> None:
    parts = Items("parts", ("$.parts",), (ident("id", "$.id"),))
    stream = _robots(number("a", "$.a"), timestamp("at", "$.at", local_date="day"), items=(parts,))
    toys.create(stream)
    for view, expected in (
        ("raw.toys_robots", columns(stream)),
        ("raw.toys_parts", item_columns(stream, parts)),
    ):
        assert toys.read(view) == []
        described = toys.connection.execute(f"describe {view}").fetchall()
        assert {row[0]: row[1] for row in described} == expected


_PARTS = Items(
    "parts",
    ("$.parts",),
    (ident("id", "$.id"), integer("count", "$.count"), text("robot", "$.name", level=0)),
    "$.id",
)


def test_the_elements_of_a_list_are_numbered_and_read_their_record_too(toys: Toys) -> None:
    payload = {"name": "Ro", "parts": [{"id": 7, "count": "x"}, {"id": "8.0"}, None]}
    toys.put("robots", [LakeRecord("1", json.dumps(payload), record_id="r")])
    toys.create(_robots(items=(_PARTS,)))
    rows = toys.read("raw.toys_parts")
    assert [row["record_id"] for row in rows] == ["r/1", "r/2", "r/3"]
    assert {row["parent_record_id"] for row in rows} == {"r"}
    assert [row["record_key"] for row in rows] == ["1/7", "1/8", None]
    assert [row["id"] for row in rows] == ["7", "8", None]
    assert [row["robot"] for row in rows] == ["Ro"] * 3
    assert [row["unreadable"] for row in rows] == ["count", None, None]
    assert json.loads(rows[0]["payload"]) == {"id": 7, "count": "x"}


@pytest.mark.parametrize(
    ("parts", "unreadable"),
    [([], None), (None, None), ({"id": 1}, "parts"), ("x", "parts"), (5, "parts")],
)
def test_a_list_that_is_none_has_no_rows_and_is_named(
    toys: Toys, parts: Any, unreadable: str | None
) -> None:
    toys.put("robots", [LakeRecord("1", json.dumps({"parts": parts}))])
    toys.create(_robots(items=(_PARTS,)))
    assert toys.read("raw.toys_parts") == []
    assert toys.read()[0]["unreadable"] == unreadable


def test_lists_within_lists_are_numbered_through(toys: Toys) -> None:
    screws = Items(
        "screws",
        ("$.parts", "$.screws.edges[*].node"),
        (
            text("robot", "$.name", level=0),
            text("part", "$.name", level=1),
            text("screw", "$.name"),
        ),
    )
    payload = {
        "name": "Ro",
        "parts": [
            {
                "name": "arm",
                "screws": {"edges": [{"node": {"name": "a"}}, {"node": {"name": "b"}}]},
            },
            {"name": "leg", "screws": {"edges": [{"node": {"name": "c"}}]}},
            {"name": "head"},
        ],
    }
    toys.put("robots", [LakeRecord("1", json.dumps(payload), record_id="r")])
    toys.create(_robots(items=(screws,)))
    rows = toys.read("raw.toys_screws")
    assert [(r["record_id"], r["record_key"], r["part"], r["screw"]) for r in rows] == [
        ("r/1", "1/1", "arm", "a"),
        ("r/2", "1/2", "arm", "b"),
        ("r/3", "1/3", "leg", "c"),
    ]
    assert {row["robot"] for row in rows} == {"Ro"}
    assert toys.read()[0]["unreadable"] is None


def test_a_wrong_list_within_a_list_is_named_too(toys: Toys) -> None:
    screws = Items("screws", ("$.parts", "$.screws"), (text("name", "$.name"),))
    payload = {"parts": [{"screws": [{"name": "a"}]}, {"screws": {"name": "b"}}]}
    toys.put("robots", [LakeRecord("1", json.dumps(payload))])
    toys.create(_robots(items=(screws,)))
    assert [row["name"] for row in toys.read("raw.toys_screws")] == ["a"]
    assert toys.read()[0]["unreadable"] == "screws"


def test_records_of_another_stream_are_versions_of_this_one(toys: Toys) -> None:
    versions = Versions(
        "news", "$.data.robot", ("$.type", "robot."), seconds("updated_at", "$.created")
    )
    stream = _robots(ident("id", "$.id"), text("name", "$.name"), versions=(versions,))
    news = [
        {"type": "robot.renamed", "created": 1700000000, "data": {"robot": {"id": 1, "name": "B"}}},
        {"type": "human.renamed", "created": 1700000001, "data": {"human": {"id": 1, "name": "C"}}},
    ]
    toys.put("robots", [LakeRecord("1", '{"id": 1, "name": "A"}')])
    toys.put("news", [LakeRecord(f"n{n}", json.dumps(one)) for n, one in enumerate(news)])
    toys.create(stream)
    assert [(row["record_id"], row["record_key"], row["name"]) for row in toys.read()] == [
        ("1@2023-11-14 22:13:20@n0@2026-01-31 12:00:00", "1", "B"),
        ("1@2026-01-31 12:00:00", "1", "A"),
    ]
    assert toys.read()[0]["record_updated_at"] == _utc(2023, 11, 14, 22, 13, 20)


def test_versions_come_alone_where_the_stream_itself_has_no_records(toys: Toys) -> None:
    versions = Versions("news", "$.robot", ("$.type", "robot"), seconds("updated_at", "$.created"))
    toys.put(
        "news", [LakeRecord("n", '{"type": "robot", "robot": {"id": 2}}'), LakeRecord("m", "")]
    )
    toys.create(_robots(ident("id", "$.id"), versions=(versions,)))
    assert [(row["id"], row["record_updated_at"]) for row in toys.read()] == [("2", None)]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["NaN", "9999-99-99", "0000-01-01T00:00:00Z", "1e999", "\x00", "[", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "value", "parts", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(_JSON, min_size=1, max_size=20), broken=st.lists(st.text(), max_size=3))
def test_every_record_is_a_row_whatever_its_json(values: list[Any], broken: list[str]) -> None:
    fields = tuple(kind(f"f_{kind.__name__}", "$.value", "$.id") for kind in _KINDS)
    parts = Items("parts", ("$.parts",), tuple(kind(kind.__name__, "$") for kind in _KINDS))
    stream = _robots(*fields, items=(parts,))
    documents = [
        json.dumps(one) for value in values for one in (value, {"value": value, "parts": value})
    ]
    payloads = [*documents, *(one.encode("utf-8", "replace").decode() for one in broken)]
    with tempfile.TemporaryDirectory() as folder:
        toys = Toys(_settings(Path(folder)))
        toys.put("robots", [LakeRecord(str(n), one) for n, one in enumerate(payloads)])
        toys.create(stream)
        rows = toys.read()
        toys.read("raw.toys_parts")
    assert sorted(row["record_key"] for row in rows) == sorted(map(str, range(len(payloads))))
    for row in rows:
        for field in fields:
            assert row[field.name] is None or field.name not in (row["unreadable"] or "")


def _settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "config_dir": folder,
            "data_dir": folder,
            "state_url": f"sqlite:///{folder}/state.db",
            "platform": {"clock": "newest_record"},
        }
    )
