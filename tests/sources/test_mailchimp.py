"""Mailchimp: what is asked, and what its members and reports mean."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from samples.mailchimp import SAMPLES
from spec_client import SpecClient, pages
from staged_samples import stage

from marketing_platform.settings import Settings
from marketing_platform.sources.mailchimp.source import SYSTEM, MailchimpSettings
from marketing_platform.sources.stream import Window

FIRST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WINDOW = Window(FIRST, FIRST + dt.timedelta(days=7))
GIVEN = {"api_key": "hush-us21", "list_id": "a1b2c3d4e5"}
SETTINGS = MailchimpSettings(type="mailchimp", api_key=SecretStr("hush-us21"), list_id="a1b2c3d4e5")
MEMBERS = SYSTEM.stream("members").walk
ACTIVITY = SYSTEM.stream("email_activity").walk


def answer(path: str, params: dict[str, str]) -> Any:
    """Two pages of 1,400 members, 3 archived ones, and two campaigns of one recipient each."""
    if path.endswith("/members"):
        count, total = (3, 3) if params.get("status") else (1000, 1400)
        start = int(params.get("offset", 0))
        name = params.get("status", "")
        members = [{"contact_id": f"{name}{i}"} for i in range(start, min(start + count, total))]
        return {"members": members, "total_items": total}
    if path.endswith("/campaigns"):
        sent = "2026-01-05T09:00:00+00:00"
        told = {"title": "", "subject_line": "Our sale is on"}
        campaigns = [{"id": name, "send_time": sent, "settings": told} for name in ("one", "two")]
        return {"campaigns": campaigns}
    return {"emails": [{"email_id": path}], "total_items": 1}


def test_members_are_read_by_their_last_change_and_those_archived_after_them() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer)
    read = list(pages(MEMBERS, client, SETTINGS, WINDOW))
    [(path, first), (_, second), (_, archived)] = client.asked
    assert path == "/3.0/lists/a1b2c3d4e5/members"
    assert first["since_last_changed"] == "2025-12-31T23:59:59+00:00"
    assert first["before_last_changed"] == "2026-01-08T00:00:00+00:00"
    assert (first["sort_field"], first["sort_dir"], first["count"]) == (
        "last_changed",
        "ASC",
        "1000",
    )
    assert second["offset"] == "1000"
    assert archived["status"] == "archived" and "offset" not in archived
    # A member that moves while the pages are read hides another one: their count tells.
    assert [page.total for page, _ in read] == [1400, 1400, 1403]


def test_a_pull_goes_on_where_it_stopped_and_still_counts_all_lists() -> None:
    whole = SpecClient(SYSTEM, SETTINGS, answer)
    totals = [page.total for page, _ in pages(MEMBERS, whole, SETTINGS, WINDOW)]
    for count in (1, 2):
        first, rest = (SpecClient(SYSTEM, SETTINGS, answer) for _ in range(2))
        *_, (_, state) = itertools.islice(pages(MEMBERS, first, SETTINGS, WINDOW), count)
        read = list(pages(MEMBERS, rest, SETTINGS, WINDOW, state))
        assert [*first.asked, *rest.asked] == whole.asked
        assert [page.total for page, _ in read] == totals[count:]


def test_reports_are_those_of_the_campaigns_that_were_sent_in_the_window() -> None:
    client = SpecClient(SYSTEM, SETTINGS, answer)
    read = [page.extra for page, _ in pages(ACTIVITY, client, SETTINGS, WINDOW)]
    (path, asked), *reports = client.asked
    assert path == "/3.0/campaigns"
    assert (asked["status"], asked["list_id"]) == ("sent", "a1b2c3d4e5")
    assert asked["since_send_time"] == "2025-12-31T23:59:59+00:00"
    assert [path for path, _ in reports] == [
        "/3.0/reports/one/email-activity",
        "/3.0/reports/two/email-activity",
    ]
    assert [one["campaign_name"] for one in read] == ["Our sale is on"] * 2
    again = {**SETTINGS.model_dump(), "look_back_days": 30}
    streams = SYSTEM.all_streams(MailchimpSettings.model_validate(again))
    assert {stream.name: stream.look_back_days for stream in streams} == {
        "members": 1, "email_activity": 30, "unsubscribes": 30, "abuse_reports": 1,
    }  # fmt: skip


def test_doctor_names_the_audience_and_a_key_without_a_data_centre_is_refused() -> None:
    told = {"name": "Newsletter", "stats": {"member_count": 7}}
    client = SpecClient(SYSTEM, SETTINGS, lambda path, _: told)
    assert SYSTEM.probe and SYSTEM.api
    assert SYSTEM.probe(client, SETTINGS) == "Newsletter, 7 members"
    assert SYSTEM.api(SETTINGS).base_url == "https://us21.api.mailchimp.com"
    with pytest.raises(ValidationError, match="does not end in a data centre"):
        MailchimpSettings(type="mailchimp", api_key=SecretStr("hush"), list_id="a1")


def test_what_a_status_says_of_consent(make_settings: Callable[..., Settings]) -> None:
    rows = stage(make_settings, "mailchimp", GIVEN, SAMPLES)
    columns = ("source_contact_id", "has_email_consent", "has_sms_consent", "is_deleted")
    found = {
        key: tuple(rest) for key, *rest in (row.values() for row in rows("contacts", *columns))
    }
    assert found == {
        "a2cc76f0ac73ac72b57dd5e6e2b1cbd4": (True, True, False),
        "left": (False, None, False),
        "gone": (False, None, False),
        # Who has not confirmed, or only bought, has said nothing.
        "asked": (None, None, False),
        "buyer": (None, None, False),
        "away": (None, None, True),
    }


def test_the_country_is_that_of_the_address_and_not_of_the_connection(
    make_settings: Callable[..., Settings],
) -> None:
    rows = stage(make_settings, "mailchimp", GIVEN, SAMPLES)
    columns = ("email", "phone", "first_name", "street", "country", "created_at")
    peter = next(row for row in rows("contacts", *columns) if row["email"] == "peter@example.com")
    assert tuple(peter.values())[1:] == (
        "+15125550101", "Peter", "4120 Freidrich Lane", "US", dt.datetime(2024, 2, 19, 9),
    )  # fmt: skip


def test_what_became_of_a_campaign_is_told_person_by_person(
    make_settings: Callable[..., Settings],
) -> None:
    rows = stage(make_settings, "mailchimp", GIVEN, SAMPLES)
    columns = ("email", "engagement", "bounce_type", "occurred_at", "quarantine_reason")
    sent = {tuple(row.values()) for row in rows("engagements", *columns)}
    moment = dt.datetime(2026, 1, 5, 9)
    assert sent == {
        (f"{name}@example.com", "sent", None, moment, None)
        for name in ("peter", "quiet", "gone", "full", "odd")
    }
    activity = {tuple(row.values()) for row in rows("engagements__activity", *columns)}
    assert activity == {
        ("peter@example.com", "opened", None, dt.datetime(2026, 1, 5, 10), None),
        ("peter@example.com", "clicked", None, dt.datetime(2026, 1, 5, 10, 1), None),
        ("gone@example.com", "bounced", "hard", dt.datetime(2026, 1, 5, 9, 0, 10), None),
        ("full@example.com", "bounced", "soft", dt.datetime(2026, 1, 5, 9, 0, 11), None),
        (
            "odd@example.com", None, None, dt.datetime(2026, 1, 5, 9, 0, 12),
            "not about a message: forward",
        ),
    }  # fmt: skip
    [left] = rows("engagements__unsubscribes", *columns)
    assert tuple(left.values())[:2] == ("left@example.com", "unsubscribed")
    [cross] = rows("engagements__abuse_reports", *columns)
    assert tuple(cross.values())[:2] == ("cross@example.com", "complained")
    keys = [
        row["source_engagement_id"]
        for table in ("", "__activity", "__unsubscribes", "__abuse_reports")
        for row in rows(f"engagements{table}", "source_engagement_id")
    ]
    assert len(keys) == len(set(keys)) == 12
