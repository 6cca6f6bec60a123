"""Google Ads: what is asked, what staging makes of it, and the truth of the sandbox."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from json_answers import json_answer
from samples.google_ads import SAMPLES
from sandbox_pulls import HASTE, Shop, check_ads, days, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import ConfigError
from marketing_platform.settings import Settings
from marketing_platform.sources.client import open_client
from marketing_platform.sources.google_ads.source import SYSTEM
from marketing_platform.sources.oauth import OAuth2, ServiceAccount
from marketing_platform.sources.pull import pull

MakeSettings = Callable[..., Settings]
GIVEN = {
    "customer_id": "123-456-7890",
    "login_customer_id": "999-999-9999",
    "developer_token": "dev",
    "client_id": "id",
    "client_secret": "secret",
    "refresh_token": "refresh",
}
FIGURES = (
    "impression_count",
    "click_count",
    "cost_amount",
    "conversions",
    "conversion_value_amount",
)


def test_micros_become_money_and_figures_that_cannot_be_read_are_held_back(
    make_settings: MakeSettings,
) -> None:
    rows = stage(make_settings, "google_ads", GIVEN, SAMPLES)
    ads = rows("ad_performance", "source_ad_id", "ad_name", *FIGURES, "quarantine_reason")
    assert [tuple(row.values()) for row in ads] == [
        ("1000100", "Winter", 800, 30, Decimal("10.01"), Decimal("1.5"), Decimal("59.90"), None),
        ("1000101", None, 400, 10, Decimal("2.34"), Decimal(1), Decimal("39.99"), None),
        ("1000102", None, None, 10, Decimal("2.34"), None, None, "unreadable: impressions"),
    ]


def test_each_level_names_what_it_is_about(make_settings: MakeSettings) -> None:
    rows = stage(make_settings, "google_ads", GIVEN, SAMPLES)
    names = ("platform", "source_campaign_id", "campaign_name", "source_ad_group_id", "currency")
    assert rows("ad_performance__campaigns", "performance_date", *names) == [
        dict(
            zip(
                ("performance_date", *names),
                (day, "Google Ads", "10001", "Search Brand", None, "EUR"),
                strict=True,
            )
        )
        for day in (dt.date(2026, 1, 5), dt.date(2026, 1, 6))
    ]
    groups = rows("ad_performance__ad_groups", "source_ad_group_id", "quarantine_reason")
    assert [tuple(row.values()) for row in groups] == [
        ("100010", None),
        (None, "no ad group"),
    ]


def test_a_service_account_opens_the_account_too(make_settings: MakeSettings) -> None:
    key = json.dumps({"client_email": "a@b.c", "private_key": "x", "token_uri": "https://t/"})
    of_person = ("client_id", "client_secret", "refresh_token")
    given = {name: value for name, value in GIVEN.items() if name not in of_person}
    for one, kind in ((GIVEN, OAuth2), ({**given, "service_account_key": key}, ServiceAccount)):
        source = shop_of(make_settings(sources={"google_ads": one})).source
        assert SYSTEM.api and isinstance(SYSTEM.api(source.settings).auth, kind)


def test_a_used_up_quota_is_waited_for_as_long_as_google_says(
    make_settings: MakeSettings,
) -> None:
    source = shop_of(make_settings(sources={"google_ads": GIVEN})).source
    assert SYSTEM.api
    pause = SYSTEM.api(source.settings).pause
    details = {"quotaErrorDetails": {"retryDelay": "30s"}}
    body = {"error": {"details": [{"errors": [{"details": details}]}]}}
    assert pause(json_answer(body, 429)) == 30
    assert pause(json_answer({"error": {"code": 429}}, 429)) is None
    assert pause(json_answer({"results": []})) is None


def test_the_probe_tells_the_account(make_settings: MakeSettings, facts: Facts) -> None:
    with Sandbox(facts, vendors=["google_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        with open_client(shop.source) as client:
            assert (
                SYSTEM.probe and SYSTEM.probe(client, shop.source.settings) == "Sandbox Shop, EUR"
            )


@pytest.mark.parametrize("wrong", ["", "123-456-789x", "act_1"])
def test_what_is_no_account_is_refused(make_settings: MakeSettings, wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"sources\.google_ads\.customer_id"):
        shop_of(make_settings(sources={"google_ads": {**GIVEN, "customer_id": wrong}}))


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20))


def sandboxed(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    url = sandbox.url("google_ads")
    given = {**GIVEN, **HASTE, **sandbox.credentials("google_ads"), "base_url": url}
    given["token_url"] = f"{url}/token"
    return shop_of(make_settings(sources={"google_ads": given}))


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_figures_are_those_of_the_platform_after_an_interruption_faults_and_restatements(
    make_settings: MakeSettings, facts: Facts, share: float
) -> None:
    clock = dt.datetime(2025, 11, 10, 6, tzinfo=dt.UTC)
    with Sandbox(facts, clock=clock, faults=Faults(share), vendors=["google_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        month = days("2025-10-21", "2025-11-10")
        shop.break_off("ads", month, after=1)
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
        with Sandbox(facts, vendors=["google_ads"]) as sandbox:
            shop = sandboxed(make_settings, sandbox)
            if is_interrupted:
                shop.break_off("ads", month, after=1)
            pull(shop.settings, shop.source, shop.source.system.stream("ads"), month)
            asked.append({path: n for path, n in sandbox.requests.items() if "search" in path})
    assert asked[0] == asked[1]


def test_a_query_whose_page_token_google_has_forgotten_begins_anew(
    make_settings: MakeSettings, facts: Facts
) -> None:
    month = days("2025-10-21", "2025-11-10")
    with Sandbox(facts, vendors=["google_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        shop.break_off("ads", month, after=1)
        (journal,) = shop.settings.data_dir.rglob("journal.jsonl")
        told = journal.read_text()
        journal.write_text(re.sub(r'"pageToken": "[^"]+"', '"pageToken": "Zm9yZ290dGVu"', told))
        assert journal.read_text() != told
        shop.pull(month)
        check_ads(shop, sandbox, "2025-10-21", "2025-11-09")


def test_as_many_days_are_read_again_as_the_settings_say(make_settings: MakeSettings) -> None:
    for more, expected in (({}, 30), ({"look_back_days": 7}, 7)):
        source = shop_of(make_settings(sources={"google_ads": {**GIVEN, **more}})).source
        assert {stream.look_back_days for stream in source.streams} == {expected}
