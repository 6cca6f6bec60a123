"""HubSpot from end to end: the connector against the sandbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl
import pytest
from sandbox_pulls import FAULTS, HASTE, Shop, shop_of

from marketing_platform.demo.sandbox._messages import happenings
from marketing_platform.demo.sandbox.facts import Facts, make_facts
from marketing_platform.demo.sandbox.faults import Faults
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.settings import Settings
from marketing_platform.sources.hubspot import source as hubspot_source
from marketing_platform.sources.stream import Window

MakeSettings = Callable[..., Settings]
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@cache
def facts() -> Facts:
    return make_facts(customers=200, seed=6, end=dt.date(2025, 11, 20), days=200)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that there are several, and no waiting for the lowest plan's limits."""
    monkeypatch.setattr(hubspot_source, "_SEARCH_SIZE", 15)
    monkeypatch.setattr(hubspot_source, "_EVENTS_SIZE", 100)
    monkeypatch.setattr(hubspot_source, "_RATES", ())


def hubspot(make_settings: MakeSettings, sandbox: Sandbox) -> Shop:
    given = {**HASTE, **sandbox.settings("hubspot"), **sandbox.credentials("hubspot")}
    return shop_of(make_settings(sources={"hubspot": given}))


def accepted(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = shop.staged(table, is_clean=False).filter(pl.col("outcome") == "accepted")
    return sorted(rows.select(columns).rows(), key=str)


def known(sandbox: Sandbox, table: str, *columns: str | pl.Expr) -> list[tuple[Any, ...]]:
    """What the sandbox knows by now, keys as texts, other texts without blanks around them."""
    rows = sandbox.truth(table).with_columns(
        pl.col("^.*_id$").cast(pl.String), pl.col("^email$").str.strip_chars()
    )
    return sorted(rows.select(columns).rows(), key=str)


def check(shop: Shop, sandbox: Sandbox) -> None:
    """The accepted rows of every table are what the sandbox knows by now, archived ones too."""
    contacts = ("email", "first_name", "has_email_consent", "is_deleted")
    found = accepted(shop, "contacts", "source_contact_id", *contacts)
    assert found == known(sandbox, "crm_contacts", "crm_id", *contacts)
    deals = ("title", "deal_amount", "currency", "close_date", "is_won", "is_deleted")
    found = accepted(
        shop, "deals", "source_deal_id", "source_contact_id", "source_owner_id", *deals
    )
    is_won = pl.col("stage") == "won"
    truth = ("title", "amount", "currency", "close_date", is_won, "is_deleted")
    # Archived deals come without their contact.
    live = [row for row in found if not row[-1]]
    everything = known(sandbox, "deals", "deal_id", "crm_id", "owner_id", *truth)
    assert live == [row for row in everything if not row[-1]]
    assert len(found) == len(everything)
    found = accepted(shop, "tickets", "source_ticket_id", "subject", "priority", "is_closed")
    is_closed = pl.col("status") == "closed"
    assert found == known(sandbox, "tickets", "ticket_id", "subject", "priority", is_closed)
    found = accepted(shop, "owners", "source_owner_id", "email", "is_deleted")
    assert found == known(sandbox, "owners", "owner_id", "email", ~pl.col("is_active"))
    happened = happenings(sandbox.facts).filter(
        pl.col("channel") == "email", pl.col("occurred_at") <= sandbox.clock
    )
    counts = dict(happened.group_by("kind").len().iter_rows())
    engagements = shop.staged("engagements")
    assert dict(engagements.group_by("engagement").len().iter_rows()) == counts
    hard = happened.filter(pl.col("kind") == "bounced", pl.col("bounce_type") == "hard")
    assert engagements.filter(pl.col("bounce_type") == "hard").height == hard.height


@pytest.mark.parametrize("faults", [Faults(), FAULTS], ids=["well", "faulty"])
def test_interrupted_resumed_and_pulled_again_staging_is_the_truth(
    make_settings: MakeSettings, faults: Faults
) -> None:
    everything = facts()
    middle = everything.end - dt.timedelta(days=30)
    with Sandbox(
        everything, clock=middle, vendors=["hubspot"], faults=faults, has_limits=False
    ) as sandbox:
        shop = hubspot(make_settings, sandbox)
        shop.break_off("contacts", Window(FIRST, middle), after=2)
        shop.pull(Window(FIRST, middle))
        check(shop, sandbox)
        sandbox.advance(everything.end)
        shop.pull(Window(middle - dt.timedelta(days=1), everything.end))
        check(shop, sandbox)
        assert sandbox.truth("crm_contacts")["is_deleted"].any(), "someone was archived"
    assert sum(sandbox.faults_happened.values()) > 5 or not faults.share
