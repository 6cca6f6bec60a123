"""Ways from page to page, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from paged_shop import Vendor, serving, shop, stream, window

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import open_client
from marketing_platform.sources.paging import find

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
