"""Ways from page to page, and how they end."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from paged_shop import Vendor, record, serving, shop, stream, window

from marketing_platform.errors import SourceError
from marketing_platform.lake import Lake
from marketing_platform.settings import Settings
from marketing_platform.sources.client import open_client
from marketing_platform.sources.paging import OnePage, Rest, find
from marketing_platform.sources.pull import pull

DAY = window("2026-01-01", "2026-01-02")
BODY = {"a": [{"b": 1}, {"b": 2}], "x.y": {"z z": 3}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", BODY),
        ("$.a[*].b", [1, 2]),
        ("$.a[1].b", 2),
        ("$.a[7].b", None),
        ('$."x.y"."z z"', 3),
        ("$['x.y']['z z']", 3),
        ("$.none.b", None),
        ("$.none[*]", None),
    ],
)
def test_a_path_finds_its_value(path: str, value: Any) -> None:
    assert find(BODY, path) == value


def test_a_vendor_that_repeats_a_page_for_ever_is_told() -> None:
    vendor = Vendor()
    with serving(vendor) as vendor, open_client(shop(vendor.url)) as client:
        kind = {"Content-Type": "application/json"}
        vendor.script = [
            (200, kind, f'{{"data": [{{"id": 1}}], "next": "{vendor.url}/p{n}"}}'.encode())
            for n in range(20)
        ]
        pages = stream().walk.pages(  # type: ignore[union-attr]
            client, shop(vendor.url).settings, window("2026-01-01", "2026-01-02"), None
        )
        with pytest.raises(SourceError, match="the same page again and again"):
            list(pages)
    assert sum(vendor.asked.values()) == 5


def test_a_place_that_the_vendor_knows_no_more_is_where_a_pull_begins_anew(
    make_settings: Callable[..., Settings],
) -> None:
    """A cursor that ended meanwhile, or the key of a record that was deleted."""
    settings = make_settings()
    with serving(Vendor([record(number) for number in range(30)], size=10)) as vendor:
        source = shop(vendor.url)
        (items,) = source.streams
        vendor.script = [vendor.answer("/items"), (403, {}, b"no")]
        with pytest.raises(SourceError, match="403"):
            pull(settings, source, items, DAY)
        vendor.script = [(400, {}, b"No such customer: 'cus_1'")]
        pull(settings, source, items, DAY)
        files = Lake(settings.lake_dir).stream(source.name, items.name).pattern
        ((count,),) = duckdb.sql(f"select count(*) from read_parquet('{files}')").fetchall()
        assert count == 30
        vendor.script = [(400, {}, b"No")] * 3
        with pytest.raises(SourceError, match="400"):
            pull(settings, source, items, window("2026-01-01", "2026-01-03"))
        assert len(vendor.script) == 2, "what is refused at the beginning is refused"


@pytest.mark.parametrize("is_whole_list", [True, False])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html; charset=UTF-8", b"<!doctype html><title>Back soon</title>"),
        ("text/html; charset=UTF-8", b""),
        ("application/json", b"null"),
        ("application/json", b'"no"'),
    ],
)
def test_an_answer_without_a_list_is_asked_for_again_and_never_taken_for_an_empty_one(
    kind: str, content: bytes, is_whole_list: bool, make_settings: Callable[..., Settings]
) -> None:
    """A site that is being mended answers so, and calls it a success."""
    settings = make_settings()
    with serving(Vendor()) as vendor:
        source = shop(vendor.url, "listing")
        (items,) = source.streams
        walk = items.walk
        assert isinstance(walk, Rest)
        records = [record(1), record(2)]
        body: Any = {"data": records}
        if is_whole_list:
            items = replace(items, walk=replace(walk, records="$", paging=OnePage()))
            body = records
        good = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        odd = (200, {"Content-Type": kind}, content)
        vendor.script = [odd, good]
        assert pull(settings, source, items, DAY).record_count == 2
        vendor.script = [odd] * 9
        with pytest.raises(SourceError, match="gives no list of records"):
            pull(settings, source, items, DAY)
        lake = Lake(settings.lake_dir).stream(source.name, items.name)
        assert lake.days(), "what was there is not taken for gone"
        # What a site writes before its answer by mistake keeps nothing back.
        vendor.script = [(*good[:2], BOM_UTF8 + b"\n" * 99 + good[2])]
        assert pull(settings, source, items, DAY).record_count == 2
