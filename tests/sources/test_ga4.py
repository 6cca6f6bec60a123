"""Google Analytics 4: what is asked, what staging makes of it, and the truth of the sandbox."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from discovery import check
from lake_records import LakeRecord, write_records
from samples.ga4 import SAMPLES
from sandbox_pulls import HASTE, Shop, days, shop_of
from staged_samples import stage

from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import ConfigError
from marketing_platform.pipeline import build_table, needed
from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request, open_client
from marketing_platform.sources.ga4.source import SYSTEM
from marketing_platform.sources.oauth import OAuth2, ServiceAccount
from marketing_platform.sources.stream import Query
from marketing_platform.warehouse import Warehouse

MakeSettings = Callable[..., Settings]
USER = {"client_id": "id", "client_secret": "secret", "refresh_token": "refresh"}
GIVEN = {"property_id": "properties/123", **USER}
WINDOW = days("2025-10-21", "2025-11-10")
SPEC = "analyticsdata.v1beta.json"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return make_facts(customers=60, end=dt.date(2025, 11, 20))


def sandboxed(make_settings: MakeSettings, sandbox: Sandbox, **more: Any) -> Shop:
    url = sandbox.url("ga4")
    given = {**GIVEN, **HASTE, **sandbox.credentials("ga4"), "base_url": url, **more}
    given["token_url"] = f"{url}/token"
    return shop_of(make_settings(sources={"ga4": given}))


class Checked(Client):
    """A client that holds what is asked and answered against Google's own description."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.asked.append(request)
        check(SPEC, "RunReportRequest", request.json)
        answer = self._client.send(request)
        check(SPEC, "RunReportResponse", answer.body)
        return answer


def test_rows_become_visits_and_what_is_not_set_is_null(make_settings: MakeSettings) -> None:
    rows = stage(make_settings, "ga4", GIVEN, SAMPLES)
    columns = (
        "traffic_date",
        "channel_group",
        "utm_source",
        "utm_campaign",
        "session_count",
        "visitor_count",
        "conversions",
        "revenue_amount",
        "currency",
        "quarantine_reason",
    )
    fifth, sixth = dt.date(2026, 1, 5), dt.date(2026, 1, 6)
    unreadable, other = "unreadable: users", "unreadable: traffic_date"
    found = [tuple(row.values()) for row in rows("traffic", *columns)]
    assert sorted(found, key=lambda row: (str(row[0]), str(row[1]))) == [
        (fifth, "Direct", "(direct)", None, 80, 75, 0, 0, "EUR", None),
        (fifth, "Paid Search", "google", "Brand", 120, 100, 3, Decimal("250.5"), "EUR", None),
        (sixth, "Unassigned", None, None, 5, None, 0, 0, "EUR", unreadable),
        (None, "(other)", "(other)", "(other)", 5, 5, 0, 0, "EUR", other),
    ]


def test_campaigns_that_differ_in_blanks_alone_are_one(make_settings: MakeSettings) -> None:
    settings = make_settings(sources={"ga4": GIVEN})
    (sample, *_) = SAMPLES["traffic"]
    visits = {"Brand": "10", "Brand ": "2", "(not set)": "5", "": "1"}
    records = []
    for campaign, sessions in visits.items():
        names = [*sample["dimensionValues"][:-1], {"value": campaign}]
        figures = [{"value": value} for value in (sessions, sessions, "0.5", "20")]
        payload = json.dumps({**sample, "dimensionValues": names, "metricValues": figures})
        records.append(LakeRecord(campaign or "none", payload))
    write_records(settings.lake_dir, "ga4", "traffic", records)
    warehouse = Warehouse(settings.warehouse_path)
    for table in needed(settings, ["core.traffic"]):
        build_table(warehouse, settings, table)
    columns = ("utm_campaign", "session_count", "conversions", "revenue_reporting_amount")
    assert sorted(warehouse.read("core.traffic").select(columns).rows()) == [
        ("", 6, 1.0, Decimal("40.00")),
        ("Brand", 12, 1.0, Decimal("40.00")),
    ]


def test_requests_and_answers_are_as_google_describes_them(
    make_settings: MakeSettings, facts: Facts
) -> None:
    with Sandbox(facts, vendors=["ga4"]) as sandbox:
        source = sandboxed(make_settings, sandbox, rows_per_page=40).source
        walk = SYSTEM.stream("traffic").walk
        assert not isinstance(walk, Query)
        with open_client(source) as client:
            checked = Checked(client)
            pages = list(walk.pages(checked, source.settings, WINDOW, None))
            empty = list(
                walk.pages(checked, source.settings, days("2020-01-01", "2020-01-02"), None)
            )
            assert SYSTEM.probe and SYSTEM.probe(checked, source.settings) == "EUR, Etc/UTC"
    sizes = [len(json.loads(page.content)["rows"]) for page, _ in pages]
    assert sizes[:-1] == [40] * (len(sizes) - 1) and 0 < sizes[-1] <= 40
    offsets = [request.json["offset"] for request in checked.asked[: len(sizes)]]
    assert offsets == [str(40 * place) for place in range(len(sizes))]
    assert [state for _, state in empty] == [None]


def truth(sandbox: Sandbox, first: str, last: str) -> list[tuple[Any, ...]]:
    """Visits and purchases of each day and source, by the facts."""
    is_purchase = pl.col("event") == "Order Completed"
    orders = sandbox.truth("orders").select("order_id", "total_amount")
    return (
        sandbox.truth("events")
        .join(orders, on="order_id", how="left")
        .with_columns(
            day=pl.col("occurred_at").dt.date(),
            utm_source=pl.col("utm_source").fill_null("(direct)"),
            utm_medium=pl.col("utm_medium").fill_null("(none)"),
        )
        .filter(pl.col("day").is_between(dt.date.fromisoformat(first), dt.date.fromisoformat(last)))
        .group_by("day", "utm_source", "utm_medium", "utm_campaign")
        .agg(
            pl.col("anonymous_id").n_unique().alias("sessions"),
            is_purchase.sum().cast(pl.Int64).alias("conversions"),
            pl.col("total_amount").filter(is_purchase).sum().alias("revenue"),
        )
        .sort("day", "utm_source", "utm_medium", "utm_campaign")
        .rows()
    )


def staged(shop: Shop) -> list[tuple[Any, ...]]:
    by = ["traffic_date", "utm_source", "utm_medium", "utm_campaign"]
    figures = ["session_count", pl.col("conversions").cast(pl.Int64), "revenue_amount"]
    return shop.staged("traffic").sort(by).select(*by, *figures).rows()


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_visits_are_those_of_the_property_after_an_interruption_faults_and_later_figures(
    make_settings: MakeSettings, facts: Facts, share: float
) -> None:
    clock = dt.datetime(2025, 11, 9, 12, tzinfo=dt.UTC)
    with Sandbox(facts, clock=clock, faults=Faults(share), vendors=["ga4"]) as sandbox:
        shop = sandboxed(make_settings, sandbox, rows_per_page=15)
        shop.break_off("traffic", WINDOW, after=2)
        shop.pull(WINDOW)
        assert staged(shop) == truth(sandbox, "2025-10-21", "2025-11-09")
        sandbox.advance(facts.end)
        shop.pull(days("2025-11-06", "2025-11-20"))
        assert staged(shop) == truth(sandbox, "2025-10-21", "2025-11-19")
        assert bool(sandbox.faults_happened) == bool(share)


def test_a_resumed_pull_asks_for_no_finished_page_again(
    make_settings: MakeSettings, facts: Facts
) -> None:
    asked = []
    for is_interrupted in (False, True):
        with Sandbox(facts, vendors=["ga4"]) as sandbox:
            shop = sandboxed(make_settings, sandbox, rows_per_page=15)
            if is_interrupted:
                shop.break_off("traffic", WINDOW, after=2)
            shop.pull(WINDOW)
            asked.append([n for path, n in sandbox.requests.items() if path.endswith("runReport")])
    assert asked[0] == asked[1]


def test_a_service_account_or_a_user_opens_the_property(make_settings: MakeSettings) -> None:
    key = json.dumps({"client_email": "a@b.c", "private_key": "x", "token_uri": "https://t/"})
    for given, kind in ((USER, OAuth2), ({"service_account_key": key}, ServiceAccount)):
        source = shop_of(make_settings(sources={"ga4": {"property_id": 123, **given}})).source
        assert SYSTEM.api and isinstance(SYSTEM.api(source.settings).auth, kind)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"property_id": "G-ABC", **USER}, "not a GA4 property"),
        ({"property_id": "1"}, "give service_account_key, or"),
        ({"property_id": "1", **USER, "service_account_key": "{}"}, "give service_account_key, or"),
        (
            {"property_id": "1", "service_account_key": "hush"},
            r"ga4.*: .* key is no JSON; it is the",
        ),
        ({"property_id": "1", "service_account_key": "{}"}, "ga4.*: .* key has no 'client_email'"),
    ],
)
def test_settings_that_open_nothing_are_refused(
    make_settings: MakeSettings, given: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        shop_of(make_settings(sources={"ga4": given}))


def test_as_many_days_are_read_again_as_the_settings_say(make_settings: MakeSettings) -> None:
    for more, expected in (({}, 3), ({"look_back_days": 7}, 7)):
        source = shop_of(make_settings(sources={"ga4": {**GIVEN, **more}})).source
        assert {stream.look_back_days for stream in source.streams} == {expected}
