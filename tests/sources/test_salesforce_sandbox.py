"""Salesforce from end to end: by bulk jobs and by queries, against the sandbox."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl
import pytest
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of

from marketing_platform.demo.sandbox import salesforce as played
from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.errors import SourceError
from marketing_platform.settings import Settings
from marketing_platform.sources.client import Request, open_client
from marketing_platform.sources.salesforce import source as salesforce_source
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]


@cache
def facts() -> Facts:
    return make_facts(customers=200, seed=6, end=dt.date(2025, 11, 20), days=200)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that there are several, and a short wait where a minute is usual."""
    monkeypatch.setattr(played, "_PAGE", 4)
    monkeypatch.setattr(salesforce_source, "_LIMIT_PAUSE_SECONDS", 0.01)


def salesforce(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**HASTE, **sandbox.settings("salesforce"), **sandbox.credentials("salesforce")}
    more = {"poll_seconds": 0.01, "bulk_page_size": 10, "days_per_report": 60}
    return shop_of(make_settings(sources={"salesforce": {**given, **more}}))


def accepted(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = shop.staged(table, is_clean=False).filter(pl.col("outcome") == "accepted")
    return sorted(rows.select(columns).rows(), key=str)


def known(
    sandbox: Sandbox, table: str, prefix: str, key: str, *columns: str | pl.Expr
) -> list[tuple[Any, ...]]:
    """What the sandbox knows by now, with Salesforce's keys."""
    rows = sandbox.truth(table).with_columns(pl.col("^email$").str.strip_chars())
    named = pl.col(key).cast(pl.String).str.zfill(15)
    return sorted(rows.select(pl.format(f"{prefix}{{}}", named), *columns).rows(), key=str)


def check(shop: Shop, sandbox: Sandbox) -> None:
    """The accepted rows of every table are what the sandbox knows by now, deleted ones too."""
    home = ("street", "city", "postcode", "region", "country")
    person = ("email", "first_name", *home, "is_deleted")
    found = accepted(shop, "contacts", "source_contact_id", *person)
    assert found == known(sandbox, "crm_contacts", "003", "crm_id", *person)
    found = accepted(shop, "contacts__leads", "source_contact_id", *person)
    assert found == known(sandbox, "leads", "00Q", "lead_id", *person)
    found = accepted(shop, "deals", "source_deal_id", "title", "deal_amount", "currency",
                     "close_date", "is_won")  # fmt: skip
    is_won = pl.col("stage") == "won"
    truth = ("title", "amount", "currency", "close_date", is_won)
    assert found == known(sandbox, "deals", "006", "deal_id", *truth)
    found = accepted(shop, "accounts", "source_account_id", "title", "industry")
    assert found == known(sandbox, "companies", "001", "company_id", "name", "industry")


# The 403 that says "too many requests" is never given by the endpoint of tokens.
SOME = dataclasses.replace(FAULTS, kinds=tuple(k for k in FAULTS.kinds if k != "rate_limit"))


@pytest.mark.parametrize("faults", [Faults(), SOME], ids=["well", "faulty"])
def test_history_by_jobs_and_the_last_days_by_queries_end_with_the_truth(
    make_settings: MakeSettings, faults: Faults
) -> None:
    everything = facts()
    middle = everything.end - dt.timedelta(days=6)
    history = Window(everything.start - dt.timedelta(days=30), middle)
    path = "/salesforce/services/data/v66.0"
    with Sandbox(
        everything, clock=middle, vendors=["salesforce"], faults=faults, has_limits=False
    ) as sandbox:
        shop = salesforce(make_settings, sandbox)
        shop.break_off("contacts", history, after=2)
        shop.pull(history)
        check(shop, sandbox)
        assert sandbox.requests[f"POST {path}/jobs/query"] > 4
        assert sandbox.requests[f"GET {path}/queryAll"] == 0
        sandbox.advance(everything.end)
        days = Window(middle - dt.timedelta(days=1), everything.end)
        shop.break_off("contacts", days, after=1)
        shop.pull(days)
        check(shop, sandbox)
        assert sandbox.requests[f"GET {path}/queryAll"] >= 4
    assert sum(sandbox.faults_happened.values()) > 5 or not faults.share


def test_another_query_is_refused_as_malformed(make_settings: MakeSettings) -> None:
    with Sandbox(facts(), vendors=["salesforce"]) as sandbox:
        source = salesforce(make_settings, sandbox).source
        asked = Request("/services/data/v66.0/queryAll", {"q": "SELECT Id FROM Contact"})
        with open_client(source) as client, pytest.raises(SourceError, match="MALFORMED_QUERY"):
            client.send(asked)
