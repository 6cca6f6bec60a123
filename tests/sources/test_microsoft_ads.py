"""Microsoft Advertising: what is asked, what staging makes of it, and the truth of the sandbox."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from json_answers import json_answer
from samples.microsoft_ads import SAMPLES
from sandbox_pulls import HASTE, Shop, check_ads, days, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.client import open_client
from marketing_platform.sources.microsoft_ads.source import SYSTEM
from marketing_platform.sources.pull import pull

MakeSettings = Callable[..., Settings]
GIVEN = {
    "account_id": 150175881,
    "customer_id": 1,
    "developer_token": "dev",
    "client_id": "id",
    "refresh_token": "refresh",
}


def test_texts_of_a_report_become_figures(make_settings: MakeSettings) -> None:
    rows = stage(make_settings, "microsoft_ads", GIVEN, SAMPLES)
    columns = (
        "source_ad_id",
        "ad_name",
        "impression_count",
        "click_count",
        "cost_amount",
        "conversions",
        "conversion_value_amount",
        "currency",
        "quarantine_reason",
    )
    ads = rows("ad_performance", *columns)
    assert [tuple(row.values()) for row in ads] == [
        (
            "3000100",
            "Shoes, red",
            300,
            12,
            Decimal("6.5"),
            Decimal("1.5"),
            Decimal("45.01"),
            "USD",
            None,
        ),
        (
            "3000101",
            None,
            300,
            None,
            Decimal("6.5"),
            Decimal("1.5"),
            None,
            "USD",
            "unreadable: clicks",
        ),
    ]
    campaigns = rows("ad_performance__campaigns", "performance_date", "quarantine_reason")
    assert sorted(row["quarantine_reason"] or "" for row in campaigns) == ["", "no date"]


def test_too_many_calls_are_told_by_a_code(make_settings: MakeSettings) -> None:
    source = shop_of(make_settings(sources={"microsoft_ads": GIVEN})).source
    assert SYSTEM.api
    pause = SYSTEM.api(source.settings).pause
    for list_ in ("Errors", "OperationErrors"):
        assert pause(json_answer({list_: [{"Code": 117}]}, 400)) == 60
    assert pause(json_answer({"Errors": [{"Code": 105}]}, 400)) is None
    assert pause(json_answer({"ReportRequestId": "1"})) is None


def test_days_without_a_figure_are_an_empty_report(
    make_settings: MakeSettings, facts: Facts
) -> None:
    with Sandbox(facts, vendors=["microsoft_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        shop.pull(days("2020-01-01", "2020-01-03"))
        assert shop.staged("ad_performance").is_empty()


def test_the_probe_asks_for_a_report(make_settings: MakeSettings, facts: Facts) -> None:
    with Sandbox(facts, vendors=["microsoft_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        with open_client(shop.source) as client:
            assert SYSTEM.probe
            assert SYSTEM.probe(client, shop.source.settings) == "account 150175881"


def test_a_report_that_the_vendor_has_forgotten_is_asked_for_anew(
    make_settings: MakeSettings, facts: Facts
) -> None:
    month = days("2025-10-21", "2025-11-10")
    with Sandbox(facts, vendors=["microsoft_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        shop.break_off("ads", month, after=1)
        (journal,) = shop.settings.data_dir.rglob("journal.jsonl")
        told = journal.read_text()
        journal.write_text(re.sub(r'"key": "\d+"', '"key": "1"', told))
        assert journal.read_text() != told
        shop.pull(month)
        check_ads(shop, sandbox, "2025-10-21", "2025-11-09")


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20))


def sandboxed(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    url = sandbox.url("microsoft_ads")
    given = {**GIVEN, **HASTE, **sandbox.credentials("microsoft_ads"), "base_url": url}
    given |= {"token_url": f"{url}/token", "poll_seconds": 0.01, "throttled_seconds": 0.01}
    given["days_per_report"] = 7
    return shop_of(make_settings(sources={"microsoft_ads": given}))


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_figures_are_those_of_the_platform_after_an_interruption_faults_and_restatements(
    make_settings: MakeSettings, facts: Facts, share: float
) -> None:
    clock = dt.datetime(2025, 11, 10, 6, tzinfo=dt.UTC)
    with Sandbox(facts, clock=clock, faults=Faults(share), vendors=["microsoft_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        month = days("2025-10-21", "2025-11-10")
        shop.break_off("ads", month, after=3)
        shop.pull(month)
        check_ads(shop, sandbox, "2025-10-21", "2025-11-09")
        sandbox.advance(facts.end)
        shop.pull(days("2025-10-31", "2025-11-20"))
        check_ads(shop, sandbox, "2025-10-21", "2025-11-19")
        assert bool(sandbox.faults_happened) == bool(share)


def test_a_resumed_pull_asks_for_no_finished_page_again(
    make_settings: MakeSettings, facts: Facts
) -> None:
    month = days("2025-10-21", "2025-11-10")
    asked = []
    for is_interrupted in (False, True):
        with Sandbox(facts, vendors=["microsoft_ads"]) as sandbox:
            shop = sandboxed(make_settings, sandbox)
            if is_interrupted:
                shop.break_off("ads", month, after=3)
            pull(shop.settings, shop.source, shop.source.system.stream("ads"), month)
            asked.append({path: n for path, n in sandbox.requests.items() if "Report" in path})
    assert asked[0] == asked[1]


def test_as_many_days_are_read_again_as_the_settings_say(make_settings: MakeSettings) -> None:
    for more, expected in (({}, 30), ({"look_back_days": 7}, 7)):
        source = shop_of(make_settings(sources={"microsoft_ads": {**GIVEN, **more}})).source
        assert {stream.look_back_days for stream in source.streams} == {expected}
