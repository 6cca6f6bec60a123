"""The GA4 export: which files are read, what is made of their events, and real rows of one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from samples.ga4_export import SAMPLES
from sandbox_pulls import Shop, days, shop_of
from staged_samples import stage

from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings

MakeSettings = Callable[..., Settings]
Rows = list[dict[str, Any]]


def event(name: str, second: int, **more: Any) -> dict[str, Any]:
    """An event as BigQuery exports it to JSON: whole numbers are texts."""
    page = {"string_value": "https://shop.example.com/", "int_value": None}
    return {
        "event_date": "20260105",
        "event_timestamp": str(1767607200_000000 + second * 1_000_000),
        "event_name": name,
        "event_params": [
            {"key": "page_location", "value": page},
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": "17"}},
        ],
        "user_pseudo_id": "device.1",
        "items": [],
        **more,
    }


def write(path: Path, *events: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
    path.write_text("\n".join(lines) + "\n")


def shop(make_settings: MakeSettings, folder: Path) -> Shop:
    return shop_of(make_settings(sources={"ga4_export": {"folder": str(folder)}}))


def names(shop: Shop) -> list[str]:
    return shop.staged("events").sort("occurred_at")["event"].to_list()


def test_events_have_the_names_of_the_segment_spec_and_the_source_of_their_visit(
    make_settings: MakeSettings,
) -> None:
    rows = stage(make_settings, "ga4_export", {"folder": "unused"}, SAMPLES)
    columns = (
        "source_event_id",
        "event",
        "source_contact_id",
        "source_product_id",
        "source_order_id",
        "page_url",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "quarantine_reason",
    )
    url = "https://shop.example.com/a"
    nobody = "nobody did it"
    assert [tuple(row.values()) for row in rows("events", *columns)] == [
        ("k1", "product_viewed", None, "SKU-1", None, url, "news", None, None, None),
        ("k2", "order_completed", "u-1", None, "T-9", None, "bing", "cpc", "Brand", None),
        ("k3", "my_event", None, None, None, None, None, None, None, None),
        ("k4", "page_viewed", *[None] * 7, "unreadable: occurred_at"),
        ("k5", "page_viewed", *[None] * 7, nobody),
    ]


def test_the_kind_of_device_is_that_of_the_export(make_settings: MakeSettings) -> None:
    rows = stage(make_settings, "ga4_export", {"folder": "unused"}, SAMPLES)
    found = [row["device_type"] for row in rows("events", "device_type")]
    assert found == ["tv", None, None, None, None]


def test_an_item_that_is_not_set_is_no_product(make_settings: MakeSettings) -> None:
    (seen, *_) = SAMPLES["events"]
    samples = {"events": [{**seen, "items": [{"item_id": "(not set)", "item_name": "Stapler"}]}]}
    (event,) = stage(make_settings, "ga4_export", {"folder": "unused"}, samples)(
        "events", "event", "source_product_id", "outcome"
    )
    assert tuple(event.values()) == ("product_viewed", None, "accepted")


@pytest.mark.parametrize("user_id", ["null", "undefined", "(not set)", "0"])
def test_who_is_not_signed_in_is_nobody_whatever_a_script_writes(
    user_id: str, make_settings: MakeSettings
) -> None:
    samples = {"events": [{**one, "user_id": user_id} for one in SAMPLES["events"][:3]]}
    rows = stage(make_settings, "ga4_export", {"folder": "unused"}, samples)
    found = rows("events", "source_contact_id", "anonymous_id", "outcome")
    assert {tuple(row.values()) for row in found} == {(None, "1166526666.1617691776", "accepted")}


def test_the_whole_day_takes_the_place_of_its_beginning(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    folder = tmp_path / "export"
    source = shop(make_settings, folder)
    first = event("view_item", 1)
    write(folder / "events_intraday_20260105.json", first, event("add_to_cart", 2))
    source.pull(days("2026-01-05", "2026-01-06"))
    assert names(source) == ["product_viewed", "product_added"]
    write(folder / "a" / "events_20260105000000000000.json", first, event("purchase", 3))
    source.pull(days("2026-01-05", "2026-01-06"))
    assert names(source) == ["product_viewed", "order_completed"]


def test_only_the_days_of_the_window_are_read(tmp_path: Path, make_settings: MakeSettings) -> None:
    folder = tmp_path / "export"
    source = shop(make_settings, folder)
    for day in (4, 5, 6):
        write(folder / f"events_2026010{day}.json", event(f"day_{day}", day))
    write(folder / "users_20260105.json", event("user", 9))
    source.pull(days("2026-01-05", "2026-01-06"))
    assert names(source) == ["day_5"]


def test_parquet_gives_what_json_gives(tmp_path: Path, make_settings: MakeSettings) -> None:
    write(tmp_path / "json" / "events_20260105.json", event("view_item", 1), event("purchase", 2))
    (tmp_path / "parquet").mkdir()
    duckdb.sql(
        f"copy (from '{tmp_path}/json/events_20260105.json')"
        f" to '{tmp_path}/parquet/events_20260105-000.parquet'"
    )
    found = []
    for kind in ("json", "parquet"):
        source = shop_of(make_settings(sources={"ga4_export": {"folder": str(tmp_path / kind)}}))
        source.pull(days("2026-01-05", "2026-01-06"))
        columns = ["event", "occurred_at", "event_date", "anonymous_id", "page_url"]
        found.append(source.staged("events").sort("occurred_at").select(columns).rows())
    assert found[0] == found[1]
    moment = dt.datetime(2026, 1, 5, 10, 0, 1)
    page = "https://shop.example.com/"
    assert found[0][0] == ("product_viewed", moment, dt.date(2026, 1, 5), "device.1", page)


def test_lines_that_are_no_events_are_held_back_and_take_no_other_with_them(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    folder = tmp_path / "export"
    source = shop(make_settings, folder)
    odd = [
        '{"event_name": "broken',
        '"text"',
        "[1]",
        "{}",
        {"event_name": "odd", "event_params": "odd"},
        event("good", 1, event_params=[{"key": "a", "value": 3}, {"key": None}, 7]),
        event("twice", 2, event_params=[{"key": "source", "value": {"string_value": "x"}}] * 2),
    ]
    write(folder / "events_20260105.json", *odd)
    source.pull(days("2026-01-05", "2026-01-06"))
    rows = source.staged("events", is_clean=False)
    assert rows.height == len(odd)
    accepted = rows.filter(outcome="accepted").sort("event")
    assert accepted.select("event", "utm_source").rows() == [("good", None), ("twice", "x")]
    assert rows.filter(outcome="quarantined").height == 5


def test_events_of_the_same_moment_are_told_apart(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    folder = tmp_path / "export"
    source = shop(make_settings, folder)
    items = [{"item_id": "A"}], [{"item_id": "B"}]
    write(folder / "events_20260105.json", *(event("view_item", 1, items=one) for one in items))
    source.pull(days("2026-01-05", "2026-01-06"))
    assert sorted(source.staged("events")["source_product_id"]) == ["A", "B"]


def test_a_folder_without_an_export_is_told(tmp_path: Path, make_settings: MakeSettings) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no file events_YYYYMMDD"):
        shop(make_settings, tmp_path / "none").pull(days("2026-01-05", "2026-01-06"))


def test_real_rows_of_an_export_are_read(
    tmp_path: Path, make_settings: MakeSettings, shared_data: Callable[[str], Path]
) -> None:
    """dbt-ga4's example row; it has renamed two columns of Google's."""
    text = shared_data("events/ga4_event_row_raw_and_staged.jsonl").read_text()
    row = json.loads(text.splitlines()[0])
    row["event_date"] = row.pop("event_date_dt").replace("-", "")
    row["user_pseudo_id"] = row.pop("client_id")
    write(tmp_path / "export" / "events_20210406.json", row)
    source = shop(make_settings, tmp_path / "export")
    source.pull(days("2021-04-06", "2021-04-07"))
    (found,) = source.staged("events").to_dicts()
    assert found["event"] == "first_visit"
    assert found["occurred_at"] == dt.datetime(2021, 4, 6, 6, 49, 50, 431476)
    assert found["anonymous_id"] == "1166526666.1617691776"
    assert found["page_url"] == row["page_location"]
    # "(direct)" is where the visitor first came from; of the visit nothing is told.
    assert found["utm_source"] is None
