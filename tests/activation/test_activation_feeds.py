"""A feed is always the whole audience, whatever happened on the way."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings

from marketing_platform.activation import activate, conservation, dispatch, ledger_sums, plan_all
from marketing_platform.activation.claims import Holder, claim
from marketing_platform.destinations import make_destination
from marketing_platform.destinations.vendors.files import FilesDestination
from marketing_platform.settings import Settings
from marketing_platform.state import utc_now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_settings(tmp_path, {"feed": FilesDestination(type="files")}, max_removal_share=1)


def feed(settings: Settings) -> dict[str, str]:
    """First names by customer, as the file has them."""
    path = settings.feeds_dir / "feed" / f"{SEGMENT}.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["customer_id"]: row["first_name"] for row in csv.DictReader(lines)}


def test_a_feed_follows_the_audience(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    for name in ("ada", "bob", "cyd"):
        shop.know(name, first_name=name.title())
    shop.members(["ada", "bob"])
    activate(shop.warehouse, engine, settings)
    assert feed(settings) == {"ada": "Ada", "bob": "Bob"}
    shop.know("ada", first_name="Augusta")
    shop.members(["ada", "cyd"])
    activate(shop.warehouse, engine, settings)
    assert feed(settings) == {"ada": "Augusta", "cyd": "Cyd"}
    shop.members([])
    activate(shop.warehouse, engine, settings)
    assert feed(settings) == {}
    assert ledger_sums(engine)["sent"] == 7
    assert all(balance.adds_up for balance in conservation(engine))


def test_a_feed_is_written_again_only_when_something_changed_or_it_is_gone(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(3)
    activate(shop.warehouse, engine, settings)
    path = settings.feeds_dir / "feed" / f"{SEGMENT}.csv"
    written = path.stat().st_mtime_ns
    activate(shop.warehouse, engine, settings)
    assert path.stat().st_mtime_ns == written
    path.unlink()
    activate(shop.warehouse, engine, settings)
    assert len(feed(settings)) == 3


def test_an_audience_without_members_has_a_feed_once_it_is_planned(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    dispatch(engine, settings)
    assert not settings.feeds_dir.exists(), "nobody has decided anything about it yet"
    activate(shop.warehouse, engine, settings)
    assert feed(settings) == {}


def test_a_run_that_died_over_a_feed_is_brought_to_its_end(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(3)
    plan_all(shop.warehouse, engine, settings)
    now = utc_now()
    destination = make_destination("feed", settings)
    holder = Holder("elsewhere|1|1|x", now, now + dt.timedelta(minutes=1))
    assert claim(engine, destination, "1 = 1", holder)

    shop.know("late", first_name="Late")
    shop.members(["c00000", "late"])
    plan_all(shop.warehouse, engine, settings)
    report = dispatch(engine, settings)
    assert report.sent_count == 0, "one writer at a time: the other may still be at work"

    dispatch(engine, settings, now=lambda: utc_now() + dt.timedelta(minutes=2))
    assert sorted(feed(settings)) == ["c00000", "c00001", "c00002", "late"]
    activate(shop.warehouse, engine, settings)
    assert sorted(feed(settings)) == ["c00000", "late"]
