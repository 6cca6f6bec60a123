"""Meta Ads: what is asked, what staging makes of it, and the truth of the sandbox."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from json_answers import json_answer
from samples.meta_ads import SAMPLES
from sandbox_pulls import HASTE, Shop, check_ads, days, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request, open_client
from marketing_platform.sources.meta_ads.source import SYSTEM
from marketing_platform.sources.pull import pull
from marketing_platform.sources.stream import Query

MakeSettings = Callable[..., Settings]
GIVEN = {"account_id": "act_123", "access_token": "token"}


def test_a_purchase_counts_once_by_its_widest_name_and_figures_left_out_are_zero(
    make_settings: MakeSettings,
) -> None:
    rows = stage(make_settings, "meta_ads", GIVEN, SAMPLES)
    columns = (
        "performance_date",
        "impression_count",
        "click_count",
        "cost_amount",
        "conversions",
        "conversion_value_amount",
        "currency",
        "outcome",
    )
    days_ = rows("ad_performance__campaigns", *columns)
    assert [tuple(row.values()) for row in days_] == [
        (dt.date(2026, 1, 5), 5000, 60, Decimal("31.5"), 4, Decimal("150.25"), "EUR", "accepted"),
        (dt.date(2026, 1, 6), 10, 0, 0, 0, 0, "EUR", "accepted"),
    ]
    (group,) = rows("ad_performance__ad_sets", "source_ad_group_id", "ad_group_name", "conversions")
    assert tuple(group.values()) == ("200010", "Broad", 3)


class Account(Client):
    """An account without a row, and what it was asked."""

    def __init__(self) -> None:
        self.questions: list[dict[str, str]] = []

    def send(self, request: Request) -> Answer:
        self.questions.append(dict(request.form or request.params))
        return json_answer({"data": [], "report_run_id": "1"})


@pytest.mark.parametrize(
    ("stream", "level"), [("campaigns", "campaign"), ("ad_sets", "adset"), ("ads", "ad")]
)
@pytest.mark.parametrize("end", ["2026-01-06", "2026-01-20"])
def test_what_was_deleted_or_archived_since_is_asked_for_too(
    stream: str, level: str, end: str
) -> None:
    settings = SYSTEM.settings_model.model_validate({"type": "meta_ads", **GIVEN})
    account, walk = Account(), SYSTEM.stream(stream).walk
    assert not isinstance(walk, Query)
    next(iter(walk.pages(account, settings, days("2026-01-05", end), None)))
    (condition,) = json.loads(account.questions[0]["filtering"])
    assert (condition["field"], condition["operator"]) == (f"{level}.effective_status", "IN")
    assert {"ACTIVE", "PAUSED", "ARCHIVED", "DELETED"} <= set(condition["value"])


def test_figures_that_cannot_be_are_held_back(make_settings: MakeSettings) -> None:
    rows = stage(make_settings, "meta_ads", GIVEN, SAMPLES)
    ads = rows("ad_performance", "source_ad_id", "conversions", "quarantine_reason")
    assert [tuple(row.values()) for row in ads] == [
        ("2000100", 2, None),
        ("2000101", 0, "negative figure"),
        ("2000102", 0, "unreadable: actions"),
    ]


def pause(answer: Answer) -> float | None:
    assert SYSTEM.api
    model = SYSTEM.settings_model
    return SYSTEM.api(model.model_validate({"type": "meta_ads", **GIVEN})).pause(answer)


def refusal(code: int, usage: str = "", status: int = 400, **more: Any) -> Answer:
    headers = httpx.Headers({"X-Business-Use-Case-Usage": usage} if usage else {})
    return json_answer({"error": {"code": code, **more}}, status, headers)


def test_a_limit_told_with_status_400_is_waited_for() -> None:
    usage = '{"1": [{"type": "ads_insights", "estimated_time_to_regain_access": 3}]}'
    assert [pause(refusal(code, usage)) for code in (4, 17, 613, 80004)] == [180] * 4
    assert pause(refusal(80000)) == 60
    assert pause(refusal(17, "no json")) == 60


def test_other_refusals_are_final_and_passing_ones_are_not() -> None:
    assert pause(refusal(190)) is None
    assert pause(refusal(100, is_transient=False)) is None
    assert pause(refusal(2, is_transient=True)) == 5
    assert pause(refusal(2, status=500, is_transient=True)) is None
    assert pause(json_answer({"data": []})) is None


def test_with_the_apps_secret_requests_are_signed() -> None:
    assert SYSTEM.api
    settings = SYSTEM.settings_model.model_validate(
        {"type": "meta_ads", "account_id": "1", "access_token": "token", "app_secret": "secret"}
    )
    api = SYSTEM.api(settings)
    assert api.headers == {"Authorization": "Bearer token"}
    assert api.params == {
        "appsecret_proof": "e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a"
    }


def test_a_few_days_are_asked_for_directly(make_settings: MakeSettings, facts: Facts) -> None:
    with Sandbox(facts, vendors=["meta_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        shop.pull(days("2025-11-01", "2025-11-04"))
        check_ads(shop, sandbox, "2025-11-01", "2025-11-03", "ad_sets")
        assert not [path for path in sandbox.requests if path.startswith("POST")]
        with open_client(shop.source) as client:
            assert SYSTEM.probe
            found = SYSTEM.probe(client, shop.source.settings)
        assert found == "Sandbox Shop, EUR, Europe/Berlin"


def test_neither_pages_nor_checkpoints_hold_the_token(
    make_settings: MakeSettings, facts: Facts
) -> None:
    with Sandbox(facts, vendors=["meta_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        shop.break_off("ads", days("2025-10-21", "2025-11-10"), after=3)
        token = sandbox.credentials("meta_ads")["access_token"].encode()
        kept = [path for path in shop.settings.data_dir.rglob("*") if path.is_file()]
        pages = [path.read_bytes().count(b'"first_byte"') for path in kept]
        assert sum(pages) >= 3, "the report is asked for, waited for and read"
        assert not [path for path in kept if token in path.read_bytes()]


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20))


def sandboxed(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**GIVEN, **HASTE, **sandbox.credentials("meta_ads"), "page_size": 50}
    given |= {"base_url": sandbox.url("meta_ads"), "poll_seconds": 0.01, "throttled_seconds": 0.01}
    return shop_of(make_settings(sources={"meta_ads": given}))


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_figures_are_those_of_the_platform_after_an_interruption_faults_and_restatements(
    make_settings: MakeSettings, facts: Facts, share: float
) -> None:
    clock = dt.datetime(2025, 11, 10, 6, tzinfo=dt.UTC)
    with Sandbox(facts, clock=clock, faults=Faults(share), vendors=["meta_ads"]) as sandbox:
        shop = sandboxed(make_settings, sandbox)
        month = days("2025-10-21", "2025-11-10")
        shop.break_off("ads", month, after=4)
        shop.pull(month)
        check_ads(shop, sandbox, "2025-10-21", "2025-11-09", "ad_sets")
        sandbox.advance(facts.end)
        shop.pull(days("2025-10-31", "2025-11-20"))
        check_ads(shop, sandbox, "2025-10-21", "2025-11-19", "ad_sets")
        assert bool(sandbox.faults_happened) == bool(share)


def test_a_resumed_pull_asks_for_no_finished_page_again(
    make_settings: MakeSettings, facts: Facts
) -> None:
    month = days("2025-10-21", "2025-11-10")
    asked = []
    for is_interrupted in (False, True):
        with Sandbox(facts, vendors=["meta_ads"]) as sandbox:
            shop = sandboxed(make_settings, sandbox)
            if is_interrupted:
                shop.break_off("ads", month, after=4)
            pull(shop.settings, shop.source, shop.source.system.stream("ads"), month)
            asked.append(
                {path: n for path, n in sandbox.requests.items() if path.endswith("insights")}
            )
    assert asked[0] == asked[1]


def test_as_many_days_are_read_again_as_the_settings_say(make_settings: MakeSettings) -> None:
    for more, expected in (({}, 28), ({"look_back_days": 7}, 7)):
        source = shop_of(make_settings(sources={"meta_ads": {**GIVEN, **more}})).source
        assert {stream.look_back_days for stream in source.streams} == {expected}
