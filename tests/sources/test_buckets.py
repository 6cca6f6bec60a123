"""Files in a bucket are read as those in a folder are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sandbox_pulls import Shop, days, shop_of
from small_bucket import SECRET, SmallBucket

from marketing_platform.errors import ConfigError, SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.doctor import examine_sources

MakeSettings = Callable[..., Settings]
CALLS = [
    f'{{"messageId":"m{n}","type":"track","event":"Product Viewed","userId":"{1 + n % 7}",'
    f'"timestamp":"2026-03-{1 + n % 20:02}T10:00:00Z"}}'
    for n in range(300)
]
WINDOW = days("2026-03-01", "2026-04-01")


def pulled(make_settings: MakeSettings, **given: Any) -> Shop:
    shop = shop_of(make_settings(sources={"segment_events": given}))
    shop.pull(WINDOW)
    return shop


def parts() -> dict[str, bytes]:
    first, second = "\n".join(CALLS[:150]).encode(), "\n".join(CALLS[150:]).encode()
    return {"in/2026/03/a.jsonl": first, "in/2026/03/b.jsonl.gz": gzip.compress(second)}


@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_events_in_a_bucket_are_those_in_a_folder(
    kind: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    for name, content in parts().items():
        path = tmp_path / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    here = pulled(make_settings, folder=str(tmp_path / "drop" / "in")).staged("events")
    others = {"elsewhere/c.jsonl": CALLS[0].encode(), "in/read.me": b"not for us"}
    with SmallBucket("shop", parts() | others, kind) as bucket:
        given = {"folder": f"{kind}://shop/in", "store": bucket.store}
        shop = pulled(make_settings, **given)
        there = shop.staged("events")
        (finding,) = examine_sources(shop.settings)
    assert there.height == len(CALLS)
    assert there.sort("source_event_id").equals(here.sort("source_event_id"))
    assert finding.is_well
    assert f"2 files in {kind}://shop/in" in finding.found


def test_a_bucket_that_refuses_is_told_in_a_line_without_its_secret(
    make_settings: MakeSettings,
) -> None:
    with SmallBucket("shop", parts()) as bucket:
        store = bucket.store | {"access_key_id": "somebody"}
        with pytest.raises(SourceError) as caught:
            pulled(make_settings, folder="s3://shop/in", store=store)
    told = str(caught.value)
    assert told.startswith("s3://shop/in: the bucket said:")
    assert "Correct the folder, or the credentials" in told
    assert SECRET not in told
    assert "\n" not in told


def test_a_place_that_is_no_bucket_is_a_mistake_in_the_settings(
    make_settings: MakeSettings,
) -> None:
    with pytest.raises(ConfigError, match=r"segment_events\.folder: neither a path nor a bucket"):
        pulled(make_settings, folder="ftp://shop/in")


def test_a_ga4_export_is_read_from_a_bucket(make_settings: MakeSettings, tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    duckdb.sql(
        f"""copy (
            select '20260310' as event_date, 1773136800000000 as event_timestamp,
                'page_view' as event_name, 'u1' as user_pseudo_id
        ) to '{file}'"""
    )
    objects = {"export/events_20260310.parquet": file.read_bytes()}
    with SmallBucket("shop", objects) as bucket:
        given = {"folder": "s3://shop/export", "store": bucket.store}
        shop = shop_of(make_settings(sources={"ga4_export": given}))
        shop.pull(WINDOW)
        (event,) = shop.staged("events").to_dicts()
    assert event["anonymous_id"] == "u1"
