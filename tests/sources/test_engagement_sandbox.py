"""Engagements pulled from the sandbox are those of the simulated shop, system by system."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import polars as pl
import pytest

from marketing_platform.demo.sandbox.facts import make_facts
from marketing_platform.demo.sandbox.mailchimp import LIST_ID, newsletters
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.demo.sandbox.twilio import ACCOUNT_SID
from marketing_platform.settings import Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.pull import pull
from marketing_platform.sources.raw_view import create_views
from marketing_platform.sources.staging import staging_tables
from marketing_platform.sources.stream import Window

SYSTEMS = ("klaviyo", "twilio", "sendgrid", "customer_io", "mailchimp")
Rows = list[dict[str, Any]]
Staged = Callable[..., Rows]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    facts = make_facts(customers=300, end=dt.date(2025, 11, 20))
    # So few people hardly ever reply.
    replies = (pl.col("channel") == "sms") & (pl.col("message_id") % 20 == 0)
    moment = pl.when(replies).then(pl.col("sent_at") + pl.duration(minutes=5))
    messages = facts.messages.with_columns(moment.alias("replied_stop_at"))
    facts = dataclasses.replace(facts, messages=messages)
    with Sandbox(facts, vendors=SYSTEMS, has_limits=False) as running:
        yield running


@pytest.fixture
def staged(make_settings: Callable[..., Settings], sandbox: Sandbox) -> Staged:
    """A function from a system, a staging table and some of its columns to its rows."""

    def rows(name: str, table: str, *columns: str, days_before: int = 0, **given: Any) -> Rows:
        known = {"base_url": sandbox.url(name), **sandbox.credentials(name), **given}
        settings = make_settings(sources={name: known})
        (source,) = active_sources(settings)
        first = sandbox.facts.start - dt.timedelta(days=days_before)
        window = Window(first, sandbox.facts.end)
        for stream in source.streams:
            pull(settings, source, stream, window)
        with duckdb.connect() as connection:
            create_views(connection, settings, source)
            connection.execute("create schema staging")
            tables = staging_tables(settings)
            # What belongs to another record is judged with it.
            for one in tables.keys() & set(tables[f"staging.{name}_{table}"].table.reads):
                connection.execute(f"create table {one} as {tables[one].table.sql}")
            select = tables[f"staging.{name}_{table}"].table.sql
            found = connection.execute(f"select {', '.join(columns)} from ({select})").fetchall()
        return [dict(zip(columns, row, strict=True)) for row in found]

    return rows


def happened(sandbox: Sandbox, channel: str, kind: str, **more: str) -> Counter[Any]:
    """Whom and when, of all messages of a channel to which this happened."""
    rows = sandbox.facts.messages.filter(
        pl.col(f"{kind}_at").is_not_null(), channel=channel, **more
    )
    whom = "email" if channel == "email" else "phone"
    moment = pl.col(f"{kind}_at").dt.truncate("1s").dt.replace_time_zone(None)
    return Counter(rows.select(whom, moment).iter_rows())


def found(rows: Rows, whom: str, engagement: str, **more: Any) -> Counter[Any]:
    wanted = {"engagement": engagement, "quarantine_reason": None, **more}
    return Counter(
        (row[whom], row["occurred_at"])
        for row in rows
        if all(row[key] == value for key, value in wanted.items())
    )


COLUMNS = (
    "channel",
    "engagement",
    "bounce_type",
    "email",
    "phone",
    "occurred_at",
    "quarantine_reason",
)


def test_klaviyo_tells_of_every_message_to_a_profile(staged: Staged, sandbox: Sandbox) -> None:
    rows = staged("klaviyo", "engagements", *COLUMNS)
    for kind in ("delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"):
        email = found(rows, "email", kind, channel="email")
        assert email == happened(sandbox, "email", kind), kind
    for engagement, kind in (("delivered", "delivered"), ("unsubscribed", "replied_stop")):
        text = found(rows, "phone", engagement, channel="sms")
        assert text == happened(sandbox, "sms", kind), kind


def test_klaviyo_tells_the_newest_consent_of_every_account(
    staged: Staged, sandbox: Sandbox
) -> None:
    columns = ("email", "has_email_consent", "has_sms_consent", "outcome")
    # Some accounts are older than all that the shop did.
    rows = staged("klaviyo", "contacts", *columns, days_before=365)
    accounts = sandbox.truth("accounts")
    told = ("email", "has_email_consent", "has_sms_consent")
    assert accounts["has_email_consent"].null_count(), "who never subscribed has not refused"
    assert Counter(tuple(row[name] for name in told) for row in rows) == Counter(
        accounts.select(told).iter_rows()
    )
    assert {row["outcome"] for row in rows} == {"accepted"}


def test_klaviyo_tells_every_review_as_it_stands(staged: Staged, sandbox: Sandbox) -> None:
    columns = ("source_review_id", "email", "source_product_id", "rating", "is_published")
    rows = staged("klaviyo", "reviews", *columns, streams=["reviews"])
    key, product = pl.col("review_id").cast(pl.String), pl.col("product_id").cast(pl.String)
    truth = sandbox.truth("reviews").select(
        key, "email", product, "rating", pl.col("status") == "published"
    )
    assert {tuple(row.values()) for row in rows} == set(truth.rows())
    assert len(rows) == truth.height > 20


def test_twilio_tells_the_end_of_every_text_and_every_stop(
    staged: Staged, sandbox: Sandbox
) -> None:
    rows = staged("twilio", "engagements", *COLUMNS, account_sid=ACCOUNT_SID)
    sent = happened(sandbox, "sms", "sent")
    ends = found(rows, "phone", "delivered") + found(rows, "phone", "bounced")
    assert ends + found(rows, "phone", "sent") == sent
    stops = happened(sandbox, "sms", "replied_stop")
    assert found(rows, "phone", "replied_stop") == stops
    assert stops


def test_sendgrid_tells_every_bounce_complaint_and_unsubscribe(
    staged: Staged, sandbox: Sandbox
) -> None:
    rows = staged("sendgrid", "engagements__suppressions", *COLUMNS)
    for kind in ("complained", "unsubscribed"):
        assert found(rows, "email", kind) == happened(sandbox, "email", kind), kind
    for bounce in ("hard", "soft"):
        truth = happened(sandbox, "email", "bounced", bounce_type=bounce)
        assert found(rows, "email", "bounced", bounce_type=bounce) == truth


def test_customer_io_tells_everything_that_became_of_a_message(
    staged: Staged, sandbox: Sandbox
) -> None:
    rows = staged("customer_io", "engagements", *COLUMNS)
    for kind in ("sent", "delivered", "opened", "clicked", "bounced", "complained"):
        assert found(rows, "email", kind, channel="email") == happened(sandbox, "email", kind)
    stops = found(rows, "phone", "unsubscribed", channel="sms")
    assert stops == happened(sandbox, "sms", "replied_stop")


def test_mailchimp_tells_what_became_of_every_campaign(staged: Staged, sandbox: Sandbox) -> None:
    sent = newsletters(sandbox.facts.messages)

    def told(table: str) -> Rows:
        return staged("mailchimp", table, *COLUMNS, list_id=LIST_ID)

    def happened(kind: str, **more: str) -> Counter[Any]:
        moment = pl.col(f"{kind}_at").dt.truncate("1s").dt.replace_time_zone(None)
        rows = sent.filter(pl.col(f"{kind}_at").is_not_null(), **more)
        return Counter(rows.select("email", moment).iter_rows())

    moment = pl.col("send_time").dt.replace_time_zone(None)
    whom = Counter(sent.select("email", moment).iter_rows())
    assert found(told("engagements"), "email", "sent") == whom
    activity = told("engagements__activity")
    for kind in ("opened", "clicked"):
        assert found(activity, "email", kind) == happened(kind)
    for bounce in ("hard", "soft"):
        bounced = found(activity, "email", "bounced", bounce_type=bounce)
        assert bounced == happened("bounced", bounce_type=bounce)
    left = found(told("engagements__unsubscribes"), "email", "unsubscribed")
    assert left == happened("unsubscribed")
    assert left
    complaints = found(told("engagements__abuse_reports"), "email", "complained")
    assert complaints == happened("complained")


def test_mailchimp_tells_the_newest_consent_of_every_member(
    staged: Staged, sandbox: Sandbox
) -> None:
    told = ("email", "has_email_consent", "has_sms_consent")
    rows = staged("mailchimp", "contacts", *told, list_id=LIST_ID, days_before=365)
    accounts = sandbox.truth("accounts").select(told)
    assert Counter(tuple(row.values()) for row in rows) == Counter(accounts.iter_rows())
    assert {row["has_email_consent"] for row in rows} == {True, False, None}
