"""A source breaks and activation holds; it is mended, and the next load alone lifts the hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from tiny_orders import half, living_lines, without_buyer, worded_price
from tiny_settings import export_of, living_settings

from marketing_platform.definitions import run_job
from marketing_platform.quality.findings import find_all
from marketing_platform.quality.holds import find_holds
from marketing_platform.settings import Settings
from marketing_platform.sources.files.ingest import ingest
from marketing_platform.state import open_state, utc_now

NEWEST = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
DAYS = 31


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop whose orders up to yesterday are loaded."""
    folder = tmp_path_factory.mktemp("living")
    settings = living_settings(folder)
    export_of(settings).write_text(living_lines(NEWEST - DAY, DAYS - 1), encoding="utf-8")
    ingest(settings, "orders")
    load(settings)
    assert holds_of(settings) == []
    return settings


def load(settings: Settings) -> None:
    outcome = run_job(settings, "ingest")
    assert outcome.success, outcome.failures


def holds_of(settings: Settings, now: dt.datetime | None = None) -> list[str]:
    return find_holds(open_state(settings.state_url.get_secret_value()), settings, now=now)


BREAKS: tuple[tuple[Callable[[list[str]], list[str] | None], str, str], ...] = (
    (half, "core.orders", "records in the newest day of files, 40 to 40 on such a weekday"),
    (without_buyer, "core.orders", "contact_id is empty in 100% of the records"),
    (
        worded_price,
        "staging.files_order_lines",
        "% of a day before. See: marketing-platform quarantine list",
    ),
)


def test_what_breaks_holds_until_it_is_mended(shop: Settings) -> None:
    for change, table, found in BREAKS:
        export_of(shop).write_text(living_lines(NEWEST, DAYS, 5, change), encoding="utf-8")
        outcome = run_job(shop, "ingest")
        assert not outcome.success
        ((check, told),) = outcome.failures.items()
        assert check.startswith(table)
        assert found in told
        holds = holds_of(shop)
        assert any(hold.startswith(f"{table}: check ") and found in hold for hold in holds), holds
        incidents = find_all(open_state(shop.state_url.get_secret_value()), shop, now=utc_now())
        assert any(one.holds and table in one.title for one in incidents)
    export_of(shop).write_text(living_lines(NEWEST, DAYS, 5), encoding="utf-8")
    load(shop)
    assert holds_of(shop) == []


def test_a_source_that_falls_silent_holds(shop: Settings) -> None:
    export_of(shop).write_text(living_lines(NEWEST, DAYS, 5), encoding="utf-8")
    load(shop)
    two_days_on = utc_now() + dt.timedelta(hours=52)
    assert any("the newest record is 53 hours old" in hold for hold in holds_of(shop, two_days_on))
    assert holds_of(shop) == []
