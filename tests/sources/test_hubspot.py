"""HubSpot: what is asked, and what becomes of the answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from json_answers import json_answer
from pydantic import SecretStr
from samples.hubspot import SAMPLES
from staged_samples import Rows, stage

from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.hubspot.paths import crm_path
from marketing_platform.sources.hubspot.source import SYSTEM, HubSpotSettings
from marketing_platform.sources.stream import Page, Window

DAY = Window(dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC))
SETTINGS = HubSpotSettings(type="hubspot", access_token=SecretStr("pat-secret"), currency="EUR")


class Crm(Client):
    """A CRM of `count` live deals, three archived ones, and a contact for every second deal."""

    def __init__(self, count: int) -> None:
        self.keys = list(range(1, count + 1))
        self.asked: list[Request] = []

    def send(self, request: Request) -> Answer:
        self.asked.append(request)
        body = self._answer(request)
        return json_answer(body)

    def _answer(self, request: Request) -> dict[str, Any]:
        if request.path.endswith("/search"):
            above = int(request.json["filterGroups"][0]["filters"][-1]["value"])
            found = [key for key in self.keys if key > above][: request.json["limit"]]
            return {"total": len(self.keys), "results": [{"id": str(key)} for key in found]}
        if request.path.endswith("/batch/read"):
            asked = [int(one["id"]) for one in request.json["inputs"]]
            assert len(asked) <= 1000
            return {
                "results": [
                    {"from": {"id": str(key)}, "to": [{"toObjectId": key + 5000}]}
                    for key in asked
                    if key % 2 == 0
                ]
            }
        return self._archived(request)

    def _archived(self, request: Request) -> dict[str, Any]:
        days = {"901": "2026-01-04T23:59:59.999Z", "902": "2026-01-05T00:00:00Z", "903": None}
        place = int(request.params.get("after", 0))
        key, moment = list(days.items())[place]
        more = {"paging": {"next": {"after": str(place + 1)}}} if place < len(days) - 1 else {}
        return {"results": [{"id": key, "archived": True, "archivedAt": moment}], **more}


def records(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(page.content)["results"]
    return found


def walk(client: Client, checkpoint: Any = None) -> list[tuple[Page, Any]]:
    return list(SYSTEM.stream("deals").walk.pages(client, SETTINGS, DAY, checkpoint))  # type: ignore[union-attr]


def all_keys(pages: list[tuple[Page, Any]]) -> list[str]:
    return [one["id"] for page, _ in pages for one in records(page)]


def test_more_than_a_search_shows_are_read_each_once() -> None:
    client = Crm(10_450)
    keys = all_keys(walk(client))
    assert keys == [*map(str, client.keys), "902"]
    searches = [one for one in client.asked if one.path.endswith("/search")]
    # A page number would end at the 10,000th record.
    assert all("after" not in one.json for one in searches)


def test_records_that_leave_the_window_meanwhile_hide_no_others() -> None:
    client = Crm(500)
    pages = SYSTEM.stream("deals").walk.pages(client, SETTINGS, DAY, None)  # type: ignore[union-attr]
    first, _ = next(pages)
    client.keys = client.keys[150:]
    rest = [one["id"] for page, _ in pages for one in records(page)]
    assert {*(one["id"] for one in records(first)), *rest} == {*map(str, range(1, 501)), "902"}


def test_a_page_that_was_answered_before_is_asked_for_again() -> None:
    class Stuttering(Crm):
        """Answers the second search as it answered the first."""

        def send(self, request: Request) -> Answer:
            answer = super().send(request)
            searches = [one for one in self.asked if one.path.endswith("/search")]
            return super().send(searches[0]) if len(searches) == 2 else answer

    assert all_keys(walk(Stuttering(450))) == all_keys(walk(Crm(450)))


def test_a_walk_goes_on_after_each_of_its_checkpoints() -> None:
    whole = walk(Crm(450))
    for place, (_, checkpoint) in enumerate(whole[:-1], start=1):
        resumed = walk(Crm(450), orjson.loads(orjson.dumps(checkpoint)))
        assert all_keys(whole[:place]) + all_keys(resumed) == all_keys(whole)
    assert whole[-1][1] is None


def test_only_what_was_archived_within_the_window_counts_as_archived() -> None:
    assert all_keys(walk(Crm(0))) == ["902"]


def test_a_deal_carries_its_contacts_and_the_currency_of_the_account() -> None:
    page, _ = walk(Crm(2))[0]
    contacts = [one["associations"]["contacts"]["results"] for one in records(page)]
    assert contacts == [[], [{"id": "5002"}]]
    assert page.extra == {"currency": "EUR"}


def test_all_that_the_fields_read_is_asked_for() -> None:
    client = Crm(1)
    walk(client)
    asked = client.asked[0].json
    assert {"dealname", "amount", "hs_lastmodifieddate", "closedate"} <= set(asked["properties"])
    assert asked["filterGroups"][0]["filters"][:2] == [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "1767571200000"},
        {"propertyName": "hs_lastmodifieddate", "operator": "LT", "value": "1767657600000"},
    ]


@pytest.fixture
def rows(make_settings: Callable[..., Settings]) -> Callable[..., Rows]:
    return stage(make_settings, "hubspot", {"access_token": "pat-secret"}, SAMPLES)


def test_an_archived_contact_is_the_latest_version_and_deleted(rows: Callable[..., Rows]) -> None:
    columns = ("source_contact_id", "has_email_consent", "is_deleted", "outcome")
    assert [tuple(row.values()) for row in rows("contacts", *columns)] == [
        ("101", True, False, "duplicate"),
        ("101", False, True, "accepted"),
        ("102", None, False, "accepted"),
    ]


@pytest.mark.parametrize(
    ("status", "consent"),
    [
        ("Confirmation pending", None),
        ("CONFIRMATION_PENDING", None),
        ("Confirmation email sent", None),
        ("User has not clicked sent link", None),
        ("Awaiting Double Opt In", None),
        ("User clicked confirmation", True),
        ("Confirmed", True),
        ("Confirmed from previous behavior", True),
        (None, True),
    ],
)
def test_who_has_not_confirmed_a_double_opt_in_has_not_agreed_yet(
    status: str | None, consent: bool | None, make_settings: Callable[..., Settings]
) -> None:
    sample = SAMPLES["contacts"][0]
    properties = {**sample["properties"], "hs_emailconfirmationstatus": status}
    told = {"contacts": [{**sample, "properties": properties}]}
    rows = stage(make_settings, "hubspot", {"access_token": "pat-secret"}, told)
    (found,) = rows("contacts", "has_email_consent", "outcome")
    assert tuple(found.values()) == (consent, "accepted")


def merged_into(kind: str, moment: str, merged: str, **more: Any) -> dict[str, Any]:
    """A record that stays alone, after a merge."""
    sample = SAMPLES[kind][0]
    changed = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    told = {"hs_object_id": "900", "hs_merged_object_ids": merged, changed: moment, **more}
    return {**sample, "id": "900", "properties": {**sample["properties"], **told}}


def test_a_contact_that_was_merged_away_is_who_it_became(
    make_settings: Callable[..., Settings],
) -> None:
    (before, _, other) = SAMPLES["contacts"]
    ada = {"email": "ada@example.com", "phone": None}
    contacts = [
        before,
        other,
        merged_into("contacts", "2026-01-07T10:00:00Z", "101;800", **ada),
        merged_into("contacts", "2026-01-08T10:00:00Z", "101;800", hs_email_optout="true", **ada),
    ]
    given = {"access_token": "pat-secret"}
    rows = stage(make_settings, "hubspot", given, {"contacts": contacts})
    columns = ("source_contact_id", "email", "phone", "has_email_consent", "is_deleted", "outcome")
    assert [tuple(row.values()) for row in rows("contacts", *columns)] == [
        ("101", "ada@example.com", None, False, False, "accepted"),
        ("102", None, None, None, False, "accepted"),
        ("900", "ada@example.com", None, True, False, "duplicate"),
        ("900", "ada@example.com", None, False, False, "accepted"),
    ]


@pytest.mark.parametrize(("kind", "key"), [("deals", "deal"), ("tickets", "ticket")])
def test_a_deal_or_ticket_that_was_merged_away_counts_no_more(
    kind: str, key: str, make_settings: Callable[..., Settings]
) -> None:
    before = SAMPLES[kind][0]
    told = {kind: [before, merged_into(kind, "2026-01-07T10:00:00Z", f"{before['id']};800")]}
    rows = stage(make_settings, "hubspot", {"access_token": "pat-secret"}, told)
    found = rows(kind, f"source_{key}_id", "is_deleted", "outcome")
    assert [tuple(row.values()) for row in found] == [
        (before["id"], True, "accepted"),
        ("900", False, "accepted"),
    ]


def test_a_deal_names_its_contact_company_and_owner(rows: Callable[..., Rows]) -> None:
    columns = (
        "source_contact_id",
        "source_account_id",
        "source_owner_id",
        "deal_amount",
        "currency",
        "is_won",
        "close_date",
    )
    first, second = rows("deals", *columns)
    day = dt.date(2026, 1, 31)
    assert tuple(first.values()) == ("101", "301", "7", Decimal("12500.50"), "EUR", True, day)
    assert set(second.values()) == {None}


def test_tickets_without_a_date_are_held_back(rows: Callable[..., Rows]) -> None:
    columns = ("source_ticket_id", "is_closed", "priority", "quarantine_reason")
    assert [tuple(row.values()) for row in rows("tickets", *columns)] == [
        ("401", True, "HIGH", None),
        ("402", False, None, "no date"),
    ]


def test_owners_are_members_of_staff(rows: Callable[..., Rows]) -> None:
    assert [tuple(row.values()) for row in rows("owners", "source_owner_id", "last_name")] == [
        ("7", "Waddams"),
        ("8", None),
    ]


def test_email_events_are_engagements_but_for_steps_on_the_way_and_machines_are_told_apart(
    rows: Callable[..., Rows],
) -> None:
    columns = ("engagement", "bounce_type", "source_message_id", "quarantine_reason")
    assert [tuple(row.values()) for row in rows("engagements", *columns)] == [
        ("sent", None, "e-1", None),
        ("clicked", None, "e-1", None),
        ("bounced", "hard", "e-9", None),
        ("unsubscribed", None, None, None),
        ("machine_opened", None, None, None),
        (None, None, None, "no engagement: processed"),
    ]


@pytest.mark.parametrize(
    ("status", "bounce_type"),
    [
        ("5.1.1", "hard"),
        ("5.1.2", "hard"),
        ("5.2.1", "hard"),
        ("5.4.4", "hard"),
        ("5.0.0", "hard"),
        ("550", "hard"),
        ("5.2.2", "soft"),
        ("5.3.4", "soft"),
        ("5.6.0", "soft"),
        ("5.7.1", "soft"),
        ("4.2.2", "soft"),
        (None, None),
    ],
)
def test_a_bounce_is_hard_only_where_it_is_about_the_address(
    status: str | None, bounce_type: str | None, make_settings: Callable[..., Settings]
) -> None:
    (bounce,) = [one for one in SAMPLES["email_events"] if one["type"] == "BOUNCE"]
    told = {"email_events": [{**bounce, "status": status}]}
    rows = stage(make_settings, "hubspot", {"access_token": "pat-secret"}, told)
    (found,) = rows("engagements", "engagement", "bounce_type")
    assert tuple(found.values()) == ("bounced", bounce_type)


@pytest.mark.parametrize(
    ("reason", "engagement"),
    [
        ("PREVIOUSLY_UNSUBSCRIBED_PORTAL", "unsubscribed"),
        ("PREVIOUS_SPAM", "unsubscribed"),
        # Of one kind of mails alone.
        ("PREVIOUSLY_UNSUBSCRIBED_MESSAGE", "failed"),
        (None, "failed"),
    ],
)
def test_whom_hubspot_keeps_from_mails_they_left_has_left(
    reason: str | None, engagement: str, make_settings: Callable[..., Settings]
) -> None:
    sample = SAMPLES["email_events"][0]
    told = {"email_events": [{**sample, "type": "DROPPED", "dropReason": reason}]}
    rows = stage(make_settings, "hubspot", {"access_token": "pat-secret"}, told)
    (found,) = rows("engagements", "engagement", "outcome")
    assert tuple(found.values()) == (engagement, "accepted")


def test_a_version_stands_behind_what_it_is_about_and_before_it_until_2027() -> None:
    assert crm_path("2026-09", "objects", "/deals/search") == "/crm/objects/2026-09/deals/search"
    assert crm_path("2026-03", "owners") == "/crm/owners/2026-03"
    assert crm_path("v3", "objects", "/deals/search") == "/crm/v3/objects/deals/search"
    assert crm_path("v3", "associations", "/deals") == "/crm/v4/associations/deals"
