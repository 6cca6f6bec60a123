"""Pulling: pages, records, days, and what an interruption leaves."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from paged_shop import SECRET, Vendor, record, serving, shop, window

from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.progress import missing_since
from marketing_platform.sources.pull import BYTES_AHEAD, Pulled, pull, read_ahead
from marketing_platform.sources.stream import Page

MakeSettings = Callable[..., Settings]
WEEK = window("2026-01-01", "2026-01-08")


def pulled(settings: Settings, vendor: Vendor, reads: str = "changes", **more: Any) -> Pulled:
    source = shop(vendor.url, reads, **more.pop("given", {}))
    return pull(settings, source, source.streams[0], more.pop("window", WEEK))


def lake(settings: Settings, columns: str = "record_key, record_id, payload") -> list[Any]:
    pattern = settings.lake_dir / "shop" / "items" / "*.parquet"
    return duckdb.sql(
        f"select {columns}, parse_filename(filename, true) as day"
        f" from read_parquet('{pattern}', filename = true) order by all"
    ).fetchall()


def keys(settings: Settings) -> list[str]:
    return [key for key, *_ in lake(settings)]


def files(settings: Settings) -> dict[str, bytes]:
    folder = settings.lake_dir / "shop" / "items"
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_each_record_lies_on_the_day_of_its_last_change(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, 1), record(2, 3, price=2.5)])) as vendor:
        done = pulled(settings, vendor)
    assert [(key, key_and_moment, day) for key, key_and_moment, _, day in lake(settings)] == [
        ("1", "1@2026-01-01T00:01:00.000000Z", "2026-01-01"),
        ("2", "2@2026-01-03T00:02:00.000000Z", "2026-01-03"),
    ]
    assert done.record_count == 2
    assert done.traffic.requests == 1
    assert str(done.newest_record) == "2026-01-03 00:02:00"


def test_one_bad_answer_in_five_leaves_the_lake_as_if_there_were_none(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    records = [record(number, 1 + number % 7) for number in range(1500)]
    found = []
    for share in (0.0, 0.2):
        settings = make_settings().model_copy(update={"data_dir": tmp_path / str(share)})
        with serving(Vendor(records, size=10, fault_share=share)) as vendor:
            done = pulled(settings, vendor, given={"attempts": 20})
        found.append(lake(settings))
    assert found[0] == found[1]
    assert len(found[0]) == 1500
    assert done.traffic.retries > 10


def test_a_pull_that_is_killed_goes_on_without_asking_for_finished_pages_again(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    settings = make_settings()
    code = (
        "import sys; from pathlib import Path; from pydantic import SecretStr\n"
        "from paged_shop import shop, window\n"
        "from marketing_platform.settings import Platform, Settings\n"
        "from marketing_platform.sources.pull import pull\n"
        "settings = Settings(config_dir=Path('config'), data_dir=Path(sys.argv[1]),"
        " state_url=SecretStr('sqlite://'), platform=Platform())\n"
        "source = shop(sys.argv[2])\n"
        "pull(settings, source, source.streams[0], window('2026-01-01', '2026-01-08'))\n"
    )
    vendor = Vendor([record(number) for number in range(1000)], size=10, pause_seconds=0.01)
    with serving(vendor):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(settings.data_dir), vendor.url],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        until = time.monotonic() + 60
        while sum(vendor.answered.values()) < 30 and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen = dict(vendor.answered)
        assert 30 <= len(seen) < 100
        pulled(settings, vendor)
    again = [start for start, count in vendor.answered.items() if count > 1]
    assert len(again) <= 1, "only the page under way may be asked for twice"
    assert len(keys(settings)) == 1000
    assert not list((settings.data_dir / "spool").rglob("*.page*"))


@pytest.mark.parametrize("taken", [1, 12])
def test_large_pages_after_small_ones_do_not_fill_the_memory(taken: int) -> None:
    """Reports come so: a word that they are asked for, then many megabytes a page."""
    large = BYTES_AHEAD // 2
    read: list[int] = []

    def pages() -> Iterator[tuple[Page, None]]:
        for size in [2, 2, *[large] * 30]:
            read.append(size)
            yield Page(b" " * size), None

    stopped = threading.Event()
    walked = read_ahead(pages(), stopped.set)
    for _ in range(taken):
        next(walked)
    time.sleep(0.3)
    assert sum(read[taken:]) <= BYTES_AHEAD + large
    assert len(read) > taken, "the next ones are asked for while one is worked on"
    walked.close()  # type: ignore[attr-defined]
    assert stopped.is_set()


def test_what_a_pull_left_behind_that_nobody_went_on_with_is_gone_after_a_day(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings()
    vendor = Vendor([record(number) for number in range(30)], size=10)
    with serving(vendor):
        for window_ in (WEEK, window("2026-01-01", "2026-01-09")):
            vendor.script = [vendor.answer("/items"), (403, {}, b"no")]
            with pytest.raises(SourceError):
                pulled(settings, vendor, window=window_)
        early, late = sorted((settings.data_dir / "spool").glob("*/*/[!.]*"))
        two_days_ago = time.time() - 2 * 24 * 60 * 60
        os.utime(early / "journal.jsonl", (two_days_ago, two_days_ago))
        pulled(settings, vendor, window=window("2026-01-01", "2026-01-10"))
    assert not early.exists(), "it holds records of people, and none can go on with it"
    assert late.exists(), "this may still go on"


def test_what_was_spooled_under_other_settings_is_dropped(make_settings: MakeSettings) -> None:
    settings = make_settings()
    vendor = Vendor([record(number) for number in range(30)], size=10)
    with serving(vendor):
        first = vendor.answer("/items")
        vendor.script = [first, (403, {}, b"no")]
        with pytest.raises(SourceError):
            pulled(settings, vendor)
        vendor.asked.clear()
        pulled(settings, vendor, given={"timeout_seconds": 59})
    assert sum(vendor.asked.values()) == 3


def test_a_version_that_the_vendor_no_longer_lists_is_kept(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, 1), record(2, 1)])) as vendor:
        pulled(settings, vendor)
        vendor.records = [record(2, 1), record(1, 5)]
        pulled(settings, vendor)
    assert keys(settings) == ["1", "1", "2"]


def test_the_newly_received_payload_of_a_version_wins(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, 1, price=1)])) as vendor:
        pulled(settings, vendor)
        vendor.records = [record(1, 1, price=2), record(1, 1, price=3)]
        pulled(settings, vendor)
    assert [payload for _, _, payload, _ in lake(settings)] == [
        '{"id":1,"updated_at":"2026-01-01T00:01:00Z","price":3}'
    ]


def test_a_pull_that_brings_nothing_new_writes_nothing(make_settings: MakeSettings) -> None:
    settings = make_settings()
    odd = {"id": 9, "updated_at": None}
    with serving(Vendor([record(1, 1), record(2, 2), odd])) as vendor:
        pulled(settings, vendor)
        before = files(settings)
        later = pulled(settings, vendor, window=window("2026-01-02", "2026-01-09"))
    assert files(settings) == before
    assert later.written_days == ()


def test_a_record_without_a_moment_lies_once_on_the_last_day(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([{"id": 1, "updated_at": "soon", "a": 1}])) as vendor:
        pulled(settings, vendor)
        vendor.records = [{"id": 1, "updated_at": "soon", "a": 2}]
        pulled(settings, vendor, window=window("2026-01-02", "2026-01-10"))
    assert [(row[1], row[3]) for row in lake(settings)] == [("1", "2026-01-09")]


def test_a_record_without_a_key_is_kept_by_its_content(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([{"a": 1}, {"a": 2}, {"a": 1}])) as vendor:
        pulled(settings, vendor)
    assert len(keys(settings)) == 2
    assert all(key.startswith("md5:") for key in keys(settings))


def test_what_a_listing_no_longer_has_is_gone(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, 1), record(2, 2)])) as vendor:
        pulled(settings, vendor, "listing")
        vendor.records = [record(2, 2)]
        pulled(settings, vendor, "listing", window=window("2026-02-01", "2026-02-02"))
        assert keys(settings) == ["2"]
        vendor.records = []
        pulled(settings, vendor, "listing")
    assert files(settings) == {}


def test_a_report_replaces_the_days_of_its_window_and_no_others(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, 1), record(2, 2), record(3, 3)])) as vendor:
        pulled(settings, vendor, "report")
        vendor.records = [record(4, 3)]
        pulled(settings, vendor, "report", window=window("2026-01-02", "2026-01-04"))
    assert keys(settings) == ["1", "4"]


def test_half_a_surrogate_pair_does_not_lose_its_page(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(1, name="a\ud83d"), record(2)])) as vendor:
        pulled(settings, vendor)
    assert keys(settings) == ["1", "2"]
    assert "a\ufffd" in lake(settings)[0][2]


def test_new_and_vanished_fields_are_told(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(n, old=1, buyer={"name": "x"}) for n in range(30)])) as vendor:
        pulled(settings, vendor)
        vendor.records = [record(n, buyer={"email": "x"}) for n in range(30)]
        done = pulled(settings, vendor)
    assert done.drift.new == ("buyer.email",)
    assert done.drift.vanished == ("buyer.name", "old")


def test_a_field_is_missing_until_it_is_back_or_for_two_weeks(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with serving(Vendor([record(n, old=1, new=1) for n in range(30)])) as vendor:
        pulled(settings, vendor)
        vendor.records = [record(n) for n in range(30)]
        today = dt.datetime.now(dt.UTC).date()
        gone = dict.fromkeys(("old", "new"), today.isoformat())
        assert pulled(settings, vendor).drift.missing == gone
        assert pulled(settings, vendor).drift.missing == gone, "also when it is not news any more"
        vendor.records = [record(1, new=1)]
        assert set(pulled(settings, vendor).drift.missing) == {"old"}
    later = today + dt.timedelta(days=14)
    assert missing_since(gone, (), (), later) == {}
    assert missing_since(gone, (), (), later - dt.timedelta(days=1)) == gone


def test_no_secret_is_left_on_the_disk(make_settings: MakeSettings) -> None:
    settings = make_settings()
    vendor = Vendor([record(number) for number in range(30)], size=10)
    with serving(vendor):
        answers = [vendor.answer("/items"), vendor.answer("/items?start=10")]
        vendor.script = [*answers, (403, {}, f"bad token {SECRET}".encode())]
        with pytest.raises(SourceError) as refused:
            pulled(settings, vendor)
    kept = [path.read_text() for path in settings.data_dir.rglob("*") if path.is_file()]
    assert kept
    for text in [*kept, str(refused.value)]:
        assert SECRET not in text
        assert "s3cr3t" not in text
