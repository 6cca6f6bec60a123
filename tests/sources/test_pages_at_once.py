"""Pages that are asked for at the same time, where a vendor says how many there are."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from paged_shop import Vendor, record, serving, shop, stream, window

from marketing_platform.errors import SourceError
from marketing_platform.lake import Lake
from marketing_platform.settings import Settings
from marketing_platform.sources.active import ActiveSource
from marketing_platform.sources.client import Client, Request, open_client
from marketing_platform.sources.paging import PageNumber, Rest
from marketing_platform.sources.pull import pull
from marketing_platform.sources.stream import Checkpoint, Page

MakeSettings = Callable[..., Settings]
WINDOW = window("2026-01-01", "2026-01-02")


@dataclass
class Numbered(Vendor):
    """Ten records a page; it counts how many pages are asked for at a time."""

    size: int = 10
    says_pages: bool = True
    # What a page is answered with while others are under way.
    wrong: dict[int, int] = field(default_factory=dict)
    under_way: int = 0
    most_under_way: int = 0
    pages: Counter[int] = field(default_factory=Counter)
    lock: Any = field(default_factory=threading.Lock)

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        number = int(parse_qs(urlsplit(target).query).get("page", ["1"])[0])
        with self.lock:
            self.pages[number] += 1
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            given = self.wrong.get(number, number) if self.under_way > 1 else number
        time.sleep(0.02)
        with self.lock:
            self.under_way -= 1
        if self.script:
            return self.script.pop()
        listed = self.records[(given - 1) * self.size : given * self.size]
        headers = {"Content-Type": "application/json"}
        if self.says_pages:
            headers["X-Pages"] = str(-(-len(self.records) // self.size))
            headers["X-Total"] = str(len(self.records))
        return 200, headers, json.dumps(listed).encode()


def numbered(vendor: Numbered) -> ActiveSource:
    source = shop(vendor.url)
    walk = Rest(
        lambda settings, window: Request("items", params={"limit": 10}),
        "$",
        PageNumber("limit", total_pages="X-Pages"),
        total=lambda answer: int(told) if (told := answer.headers.get("X-Total")) else None,
    )
    system = replace(source.system, streams=(replace(stream(), walk=walk),))
    return ActiveSource("shop", system, source.settings)


def pulled_keys(settings: Settings, vendor: Numbered) -> list[int]:
    source = numbered(vendor)
    pull(settings, source, source.system.stream("items"), WINDOW)
    pattern = Lake(settings.lake_dir).stream("shop", "items").pattern
    query = "select cast(record_key as int) from read_parquet(?) order by 1"
    return [key for (key,) in duckdb.execute(query, [pattern]).fetchall()]


def pages(client: Client, vendor: Numbered) -> Iterator[tuple[Page, Checkpoint | None]]:
    source = numbered(vendor)
    walk = source.system.stream("items").walk
    assert isinstance(walk, Rest)
    return walk.pages(client, source.settings, WINDOW, None)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95, 100])
@pytest.mark.parametrize("says_pages", [True, False])
def test_every_page_comes_once_however_many_there_are(
    make_settings: MakeSettings, count: int, says_pages: bool
) -> None:
    records = [record(number) for number in range(count)]
    with serving(Numbered(records, says_pages=says_pages)) as vendor:
        assert isinstance(vendor, Numbered)
        if count:
            assert pulled_keys(make_settings(), vendor) == list(range(count))
        else:
            with open_client(numbered(vendor)) as client:
                list(pages(client, vendor))
    assert set(vendor.pages.values()) == {1}


def test_pages_come_at_the_same_time_in_their_order_and_never_more_than_allowed() -> None:
    with serving(Numbered([record(number) for number in range(200)])) as vendor:
        assert isinstance(vendor, Numbered)
        with open_client(numbered(vendor)) as client:
            first = [json.loads(page.content)[0]["id"] for page, _ in pages(client, vendor)]
    assert first == list(range(0, 200, 10))
    assert 2 <= vendor.most_under_way <= 4


def test_a_page_that_comes_in_place_of_another_loses_no_record(
    make_settings: MakeSettings,
) -> None:
    """As from a cache that mixes up what is asked for at the same time."""
    records = [record(number) for number in range(100)]
    with serving(Numbered(records, wrong={4: 5, 7: 6})) as vendor:
        assert isinstance(vendor, Numbered)
        assert pulled_keys(make_settings(), vendor) == list(range(100))


@dataclass
class Moving(Numbered):
    """The first record changes, and leaves the list, whenever the second page is asked for."""

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        if target.endswith("page=2"):
            self.records = self.records[1:]
        return super().answer(target)


def test_a_record_that_leaves_the_list_while_it_is_read_hides_no_other_one(
    make_settings: MakeSettings,
) -> None:
    with serving(Moving([record(number) for number in range(60)])) as vendor:
        assert isinstance(vendor, Moving)
        assert pulled_keys(make_settings(), vendor) == list(range(60))
    assert vendor.pages[1] == 2


def test_records_that_are_gone_before_the_last_page_was_asked_for_end_the_walk_there() -> None:
    vendor = Numbered([record(number) for number in range(60)])
    with serving(vendor), open_client(numbered(vendor)) as client:
        walked = pages(client, vendor)
        next(walked)
        vendor.records = vendor.records[:35]
        assert [len(json.loads(page.content)) for page, _ in walked] == [10, 10, 5]


def test_who_stops_waits_for_no_page_that_was_asked_for_at_the_same_time() -> None:
    vendor = Numbered([record(number) for number in range(60)])
    with serving(vendor), open_client(numbered(vendor)) as client:
        walked = pages(client, vendor)
        next(walked)
        vendor.script = [(429, {"Retry-After": "60"}, b"") for _ in range(9)]
        timer = threading.Timer(0.3, client.stop)
        timer.start()
        started = time.monotonic()
        with pytest.raises(SourceError, match="stopped"):
            list(walked)
        assert time.monotonic() - started < 10
