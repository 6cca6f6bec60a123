"""Calls in the Segment spec, from files of JSON lines."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from samples.segment_events import SAMPLES
from staged_samples import stage

from marketing_platform.errors import ConfigError, SourceError
from marketing_platform.pipeline import build_all
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.pull import pull
from marketing_platform.sources.segment_events.source import SYSTEM
from marketing_platform.sources.stream import Query, Window
from marketing_platform.warehouse import Warehouse

JANUARY = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))


def pulled(folder: Path, stream: str, window: Window = JANUARY) -> list[Any]:
    walk = SYSTEM.stream(stream).walk
    assert isinstance(walk, Query)
    settings = SYSTEM.settings_model.model_validate(
        {"type": "segment_events", "folder": str(folder)}
    )
    with duckdb.connect() as connection:
        select = walk.select(connection, settings, window)
        return [json.loads(row[0]) for row in connection.execute(select).fetchall()]


def call(key: str, moment: str, kind: str = "track", **more: Any) -> str:
    content = {"type": kind, "messageId": key, "userId": "u", "timestamp": moment, **more}
    return json.dumps(content, ensure_ascii=False)


def keys(calls: list[Any]) -> set[str]:
    return {one["messageId"] for one in calls}


def test_identifies_are_people_and_all_other_calls_are_events(tmp_path: Path) -> None:
    lines = [
        call("m1", "2026-01-05T10:00:00Z", event="Order Completed"),
        call("m2", "2026-01-05T10:00:00Z", "identify"),
        call("m3", "2026-01-05T10:00:00Z", "page"),
        call("m4", "2026-01-05T10:00:00Z", "alias"),
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert keys(pulled(tmp_path, "events")) == {"m1", "m3", "m4"}
    assert keys(pulled(tmp_path, "identifies")) == {"m2"}


def test_files_in_folders_and_gzip_are_read(tmp_path: Path) -> None:
    (tmp_path / "2026" / "01").mkdir(parents=True)
    with gzip.open(tmp_path / "2026" / "01" / "it's.json.gz", "wt", encoding="utf-8") as file:
        file.write(call("m1", "2026-01-05T10:00:00Z") + "\n")
    (tmp_path / "b.ndjson").write_text(call("m2", "2026-01-05T10:00:00Z") + "\r\n")
    (tmp_path / ".half.json").write_text(call("m3", "2026-01-05T10:00:00Z"))
    (tmp_path / "empty.json").touch()
    assert keys(pulled(tmp_path, "events")) == {"m1", "m2"}


def test_only_the_window_is_read_whatever_the_offset(tmp_path: Path) -> None:
    lines = [
        call("before", "2025-12-31T23:59:59.999Z"),
        call("first", "2026-01-01T00:00:00Z"),
        call("offset", "2026-02-01T01:00:00+02:00"),
        call("end", "2026-02-01T00:00:00Z"),
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    assert keys(pulled(tmp_path, "events")) == {"first", "offset"}


def test_a_call_that_comes_late_is_read_when_it_is_received(tmp_path: Path) -> None:
    lines = [
        call("offline", "2025-12-20T10:00:00Z", receivedAt="2026-01-01T00:00:00Z"),
        call("earlier", "2025-12-20T10:00:00Z", receivedAt="2025-12-31T23:59:59Z"),
        call("later", "2025-12-20T10:00:00Z", receivedAt="2026-02-01T00:00:00Z"),
        call("its clock is ahead", "2031-01-05T10:00:00Z", receivedAt="2026-01-05T10:00:00Z"),
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    assert keys(pulled(tmp_path, "events")) == {"offline"}


def test_a_line_that_is_no_call_is_kept(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text(
        call("m1", "2026-01-05T10:00:00Z", event='say "hi", é 😀')
        + '\n{"type": "track", "mess\n\n[1]\n'
        + call("m2", "yesterday")
        + "\n"
    )
    read = pulled(tmp_path, "events")
    assert keys([one for one in read if isinstance(one, dict)]) == {"m1", "m2"}
    assert [one for one in read if not isinstance(one, dict)] == ['{"type": "track", "mess', 1]
    assert pulled(tmp_path, "identifies") == []


def test_every_call_of_the_specs_own_examples_is_read(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    examples = shared_data("events/segment_spec_examples.jsonl").read_text(encoding="utf-8")
    calls = [
        argument
        for example in map(json.loads, examples.splitlines())
        if example["call"] == "raw"
        for argument in example["args"]
        if isinstance(argument, dict)
    ]
    (tmp_path / "spec.jsonl").write_text("\n".join(map(json.dumps, calls)), encoding="utf-8")
    always = Window(dt.datetime(1990, 1, 1, tzinfo=dt.UTC), dt.datetime(2090, 1, 1, tzinfo=dt.UTC))
    read = [*pulled(tmp_path, "events", always), *pulled(tmp_path, "identifies", always)]
    assert len(read) == len(calls) > 50


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        pulled(tmp_path / "none", "events")


def test_a_line_that_is_too_long_is_named_with_its_file(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    long = call("a", "2026-01-05T10:00:00Z", properties={"text": "x" * 17_000_000})
    path = tmp_path / "calls.jsonl"
    path.write_text(f"{call('b', '2026-01-05T10:00:00Z')}\n{long}\n", encoding="utf-8")
    settings = make_settings(sources={"segment_events": {"folder": str(tmp_path)}})
    (source,) = active_sources(settings)
    with pytest.raises(SourceError) as caught:
        pull(settings, source, source.system.stream("events"), JANUARY)
    assert f"line 2 of {path} is longer than 16 MB" in str(caught.value)
    assert "xxx" not in str(caught.value)


CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0"


@pytest.mark.parametrize(
    ("context", "device_type"),
    [
        ({"userAgent": f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari"}, "mobile"),
        ({"userAgent": f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Safari/537.36"}, "tablet"),
        ({"userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"}, "mobile"),
        ({"userAgent": "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X)"}, "tablet"),
        ({"userAgent": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}"}, "desktop"),
        ({"userAgent": "Mozilla/5.0 (Linux; Android 14; SMART-TV)"}, "tv"),
        ({"device": {"type": "ios", "model": "iPhone16,2"}}, "mobile"),
        ({"userAgent": "curl/8.9.1"}, None),
        ({}, None),
    ],
)
def test_a_visit_has_the_kind_of_device_that_the_browser_names(
    context: dict[str, Any], device_type: str | None, make_settings: Callable[..., Settings]
) -> None:
    told = call("m1", "2026-01-05T10:00:00Z", event="Order Completed", context=context)
    samples = {"events": [json.loads(told)]}
    rows = stage(make_settings, "segment_events", {"folder": "unused"}, samples)
    assert rows("events", "device_type") == [{"device_type": device_type}]


@pytest.mark.parametrize("name", ["", "*", "size\\", 'a "b"', "a/b~c"])
def test_a_call_is_read_whatever_a_visitor_calls_a_field(
    name: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    (tmp_path / "calls").mkdir()
    told = call("m1", "2026-01-05T10:00:00Z", event="x", **{name: {"y": 1}}, properties={name: 1})
    (tmp_path / "calls" / "calls.jsonl").write_text(told, encoding="utf-8")
    events = {"folder": str(tmp_path / "calls"), "history_start": "2026-01-01"}
    settings = make_settings(sources={"segment_events": events})
    [source] = active_sources(settings)
    done = pull(settings, source, SYSTEM.stream("events"), JANUARY)
    assert done.record_count == 1
    assert {f"properties.{name}", f"{name}.y"} <= set(done.drift.noted["fields"])


@pytest.mark.parametrize(
    ("created", "moment"),
    [
        ("2025-11-14T22:13:20Z", dt.datetime(2025, 11, 14, 22, 13, 20)),
        (1763158400, dt.datetime(2025, 11, 14, 22, 13, 20)),
        ("1763158400", dt.datetime(2025, 11, 14, 22, 13, 20)),
        (1763158400000, dt.datetime(2025, 11, 14, 22, 13, 20)),
        ("Fri Nov 14 2025", dt.datetime(2026, 1, 5, 9, 59)),
    ],
)
def test_a_person_is_known_however_a_site_writes_since_when(
    created: Any, moment: dt.datetime, make_settings: Callable[..., Settings]
) -> None:
    (sample,) = SAMPLES["identifies"]
    told = {**sample, "traits": {**sample["traits"], "createdAt": created}}
    rows = stage(make_settings, "segment_events", {"folder": "unused"}, {"identifies": [told]})
    (person,) = rows("contacts", "email", "created_at", "outcome")
    assert tuple(person.values()) == ("peter@example.com", moment, "accepted")


NOBODY = ["null", "undefined", "NaN", "None", "(not set)", "0", "guest", "anonymous"]


@pytest.mark.parametrize("user_id", NOBODY)
def test_who_is_not_signed_in_is_nobody_whatever_a_script_writes(
    user_id: str, make_settings: Callable[..., Settings]
) -> None:
    (seen, _), (told,) = SAMPLES["events"], SAMPLES["identifies"]
    calls = {
        "events": [
            {**seen, "userId": user_id},
            {**seen, "userId": user_id, "anonymousId": "undefined", "messageId": "m-9"},
        ],
        "identifies": [{**told, "userId": user_id}],
    }
    rows = stage(make_settings, "segment_events", {"folder": "unused"}, calls)
    columns = ("source_contact_id", "anonymous_id", "quarantine_reason")
    assert [tuple(row.values()) for row in rows("events", *columns)] == [
        (None, "a-1", None),
        (None, None, "nobody did it"),
    ]
    (person,) = rows("contacts", "source_contact_id", "email", "outcome")
    assert tuple(person.values()) == (None, "peter@example.com", "accepted")


def test_the_latest_push_token_of_a_person_reaches_their_profile(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    def app(token: str) -> dict[str, Any]:
        return {"context": {"device": {"token": token}}, "traits": {"email": "ada@example.com"}}

    lines = [
        call("m1", "2026-01-05T10:00:00Z", "identify", **app("old")),
        call("m2", "2026-01-06T10:00:00Z", "identify", **app("new")),
        call("m3", "2026-01-07T10:00:00Z", "identify", traits={"firstName": "Ada"}),
    ]
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "calls.jsonl").write_text("\n".join(lines), encoding="utf-8")
    events = {"folder": str(tmp_path / "calls"), "history_start": "2026-01-01"}
    settings = make_settings(sources={"segment_events": events}, clock="2026-01-31")
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["profiles.customers"])
    [person] = warehouse.read("profiles.customers").to_dicts()
    assert (person["first_name"], person["push_token"]) == ("Ada", "new")


def shop_with_a_site(tmp_path: Path, customer_ids_of: str | None) -> dict[str, Any]:
    """The sources of a shop whose orders and site know customer 7 by the same key."""
    (tmp_path / "orders.csv").write_text(
        "order_id,customer_id,email,order_date,total\n1,7,ada@x.org,2026-01-04,20\n"
    )
    (tmp_path / "calls").mkdir(exist_ok=True)
    seen = call("m1", "2026-01-05T10:00:00Z", event="Product Viewed", userId="7")
    named = call("m2", "2026-01-05T10:00:00Z", "identify", userId="7", traits={"firstName": "Ada"})
    (tmp_path / "calls" / "calls.jsonl").write_text(f"{seen}\n{named}\n", encoding="utf-8")
    site = {"folder": str(tmp_path / "calls"), "history_start": "2026-01-01"}
    told = {"customer_ids_of": customer_ids_of} if customer_ids_of else {}
    return {
        "files": {"orders": {"path": tmp_path / "orders.csv"}},
        "segment_events": {**site, **told},
    }


@pytest.mark.parametrize(("customer_ids_of", "people"), [(None, 2), ("files", 1)])
def test_a_site_that_uses_the_shops_keys_tells_of_the_shops_customers(
    customer_ids_of: str | None,
    people: int,
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> None:
    sources = shop_with_a_site(tmp_path, customer_ids_of)
    settings = make_settings(sources=sources, clock="2026-01-06")
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["profiles.customers"])
    customers = warehouse.read("profiles.customers").to_dicts()
    assert len(customers) == people
    [buyer] = [one for one in customers if one["is_buyer"]]
    assert buyer["product_viewed_7d_count"] == (1 if customer_ids_of else 0)
    assert buyer["first_name"] == ("Ada" if customer_ids_of else None)


@pytest.mark.parametrize("customer_ids_of", [None, "files"])
def test_nobody_gets_the_mails_of_another_one_by_a_call_in_their_name(
    customer_ids_of: str | None, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    (tmp_path / "contacts.csv").write_text(
        "id,email,phone,accepts_marketing,sms_consent,updated_at\n"
        "7,ada@x.org,+4930901820,true,true,2026-01-01\n"
        "8,bob@x.org,+4930901821,true,true,2026-01-01\n"
    )
    # The key by which a site sends its calls stands in its pages.
    forged = [
        call("m1", "2026-01-05T10:00:00Z", "identify", userId="evil",
             traits={"email": "evil@y.org", "phone": "+4930901820"}),
        call("m2", "2026-01-05T10:00:00Z", "identify", userId="8",
             traits={"email": "evil2@y.org", "phone": "+4930901899"}),
    ]  # fmt: skip
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "calls.jsonl").write_text("\n".join(forged))
    site = {"folder": str(tmp_path / "calls"), "history_start": "2026-01-01"}
    told = {"customer_ids_of": customer_ids_of} if customer_ids_of else {}
    settings = make_settings(
        sources={
            "files": {"contacts": {"path": tmp_path / "contacts.csv"}},
            "segment_events": {**site, **told},
        },
        clock="2026-01-06",
    )
    warehouse = Warehouse(settings.warehouse_path)
    build_all(warehouse, settings, until=["profiles.customers"])
    reached = warehouse.query(
        "select email, phone, has_email_consent, has_sms_consent from profiles.customers"
        " where has_email_consent or has_sms_consent order by phone"
    )
    evil = [row for row in reached.rows() if "evil" in row[0] and row[2]]
    assert evil == []
    assert "+4930901899" not in reached["phone"].to_list()


@pytest.mark.parametrize("other", ["shopfy", "segment_events"])
def test_keys_of_a_source_that_is_not_there_are_refused_in_one_line(
    other: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(sources=shop_with_a_site(tmp_path, other))
    told = f"sources.segment_events.customer_ids_of: no source '{other}' with keys of its own"
    with pytest.raises(ConfigError, match=told) as refused:
        active_sources(settings)
    assert "There are: files" in str(refused.value)
