"""Salesforce: what is asked, and what becomes of the answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from json_answers import json_answer
from pydantic import SecretStr
from samples.salesforce import SAMPLES
from staged_samples import Rows, stage

from marketing_platform.settings import Settings
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.salesforce.source import SYSTEM, SalesforceSettings
from marketing_platform.sources.stream import Page, Window
from marketing_platform.sources.system import Api

DAY = Window(dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC))
MONTH = Window(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
SETTINGS = SalesforceSettings(
    type="salesforce",
    instance_url="https://initech.my.salesforce.com",
    client_id="app",
    client_secret=SecretStr("app-secret"),
    refresh_token=SecretStr("refresh-secret"),
    currency="EUR",
    poll_seconds=0.001,
)
DATA = "/services/data/v66.0"
CSV = {"": (b"Id\n1\n2\n", "next"), "next": (b"Id\n3\n", "null")}


class Org(Client):
    """An org with a contact an hour, two to a page, and a bulk job that is ready at last."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.left: list[dict[str, Any]] = []
        self.polls = 0

    def send(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.path.endswith("/results"):
            content, locator = CSV[request.params.get("locator", "")]
            return Answer(200, httpx.Headers({"Sforce-Locator": locator}), content, False)
        body = self._answer(request)
        return json_answer(body)

    def _answer(self, request: Request) -> dict[str, Any]:
        if request.method == "POST":
            return {"id": "750A", "state": "UploadComplete"}
        if request.path.startswith(f"{DATA}/jobs"):
            self.polls += 1
            return {"id": "750A", "state": "JobComplete" if self.polls > 2 else "InProgress"}
        if request.path.endswith("/queryAll"):
            first = request.params["q"].partition("SystemModstamp >= ")[2][:13]
            moments = [f"2026-01-05T{hour:02d}:00:00.000+0000" for hour in range(5)]
            self.left = [{"Id": m[11:13], "SystemModstamp": m} for m in moments if m[:13] >= first]
        records, self.left = self.left[:2], self.left[2:]
        more = {"nextRecordsUrl": f"{DATA}/query/01g-2"} if self.left else {}
        return {"records": records, "done": not more, **more}


def walk(client: Client, window: Window, checkpoint: Any = None) -> list[tuple[Page, Any]]:
    return list(SYSTEM.stream("contacts").walk.pages(client, SETTINGS, window, checkpoint))  # type: ignore[union-attr]


def keys(pages: list[tuple[Page, Any]]) -> list[str]:
    return [one["Id"] for page, _ in pages for one in orjson.loads(page.content)["records"]]


def test_a_query_names_its_fields_and_its_window_and_is_read_to_its_end() -> None:
    client = Org()
    pages = walk(client, DAY)
    assert keys(pages) == ["00", "01", "02", "03", "04"]
    assert pages[-1][1] is None
    assert client.asked[0].params["q"] == (
        "SELECT Id, CreatedDate, SystemModstamp, LastModifiedDate, IsDeleted, Email, MobilePhone,"
        " Phone, FirstName, LastName, HasOptedOutOfEmail, MailingStreet, MailingCity,"
        " MailingPostalCode, MailingState, MailingCountry FROM Contact"
        " WHERE SystemModstamp >= 2026-01-05T00:00:00.000Z"
        " AND SystemModstamp < 2026-01-06T00:00:00.000Z ORDER BY SystemModstamp, Id"
    )


def test_a_query_goes_on_at_the_last_moment_it_had() -> None:
    for place, (_, checkpoint) in enumerate(walk(Org(), DAY)[:-1], start=1):
        resumed = walk(Org(), DAY, orjson.loads(orjson.dumps(checkpoint)))
        # The record of that moment comes twice; it is the same one.
        assert keys(resumed) == ["00", "01", "02", "03", "04"][place * 2 - 1 :]


def test_a_long_window_is_asked_for_as_a_bulk_job_with_the_deleted_ones() -> None:
    client = Org()
    pages = walk(client, MONTH)
    assert [page.content for page, _ in pages if page.format == "csv"] == [
        b"Id\n1\n2\n",
        b"Id\n3\n",
    ]
    assert pages[-1][1] is None
    (job,) = [one.json for one in client.asked if one.method == "POST"]
    assert job["operation"] == "queryAll"
    assert "SystemModstamp >= 2026-01-01T00:00:00.000Z" in job["query"]
    assert "SystemModstamp < 2026-02-01T00:00:00.000Z" in job["query"]


def test_a_bulk_job_goes_on_at_its_next_page_without_a_new_job() -> None:
    checkpoint = next(state for page, state in walk(Org(), MONTH) if page.format == "csv")
    client = Org()
    resumed = walk(client, MONTH, orjson.loads(orjson.dumps(checkpoint)))
    assert [page.content for page, _ in resumed] == [b"Id\n3\n"]
    assert all(one.method == "GET" for one in client.asked)


def test_the_currency_of_a_record_is_asked_for_only_where_there_is_one() -> None:
    for has_currencies in (False, True):
        settings = SETTINGS.model_copy(update={"has_currencies": has_currencies})
        client = Org()
        list(SYSTEM.stream("opportunities").walk.pages(client, settings, DAY, None))  # type: ignore[union-attr]
        assert ("CurrencyIsoCode" in client.asked[0].params["q"]) is has_currencies


def test_the_limit_of_requests_is_waited_for_and_other_refusals_are_not() -> None:
    assert SYSTEM.api is not None
    api: Api = SYSTEM.api(SETTINGS)
    for code, is_waited_for in (("REQUEST_LIMIT_EXCEEDED", True), ("INVALID_FIELD", False)):
        body = [{"errorCode": code, "message": "no"}]
        answer = json_answer(body, 403)
        assert (api.pause(answer) is not None) is is_waited_for


@pytest.fixture
def rows(make_settings: Callable[..., Settings]) -> Callable[..., Rows]:
    given = {
        "instance_url": "https://initech.my.salesforce.com",
        "client_id": "app",
        "client_secret": "app-secret",
    }
    return stage(make_settings, "salesforce", given, SAMPLES)


def test_a_contact_from_a_bulk_job_is_read_like_one_from_a_query(rows: Callable[..., Rows]) -> None:
    columns = ("email", "phone", "country", "has_email_consent", "is_deleted", "outcome")
    phone = "+4930901820"
    assert [tuple(row.values()) for row in rows("contacts", *columns)] == [
        ("peter@example.com", phone, "Germany", False, False, "duplicate"),
        ("peter@example.com", phone, None, None, True, "accepted"),
    ]


def test_leads_are_contacts_too(rows: Callable[..., Rows]) -> None:
    read = rows("contacts__leads", "last_name", "country", "quarantine_reason")
    assert [tuple(row.values()) for row in read] == [
        ("Lumbergh", "US", None),
        (None, None, "unreadable: updated_at"),
    ]


def test_an_opportunity_is_a_deal_in_the_currency_of_its_own_or_of_the_org(
    rows: Callable[..., Rows],
) -> None:
    columns = ("title", "deal_amount", "currency", "is_won", "close_date", "source_account_id")
    assert [tuple(row.values()) for row in rows("deals", *columns)] == [
        (
            "500 chairs",
            Decimal("12500.50"),
            "EUR",
            True,
            dt.date(2026, 1, 31),
            "001100000000001AAA",
        ),
        ("Nothing yet", None, "USD", False, dt.date(2026, 3, 31), None),
    ]


def test_an_account_is_a_company(rows: Callable[..., Rows]) -> None:
    assert [tuple(row.values()) for row in rows("accounts", "title", "industry", "is_deleted")] == [
        ("Initech", "Technology", False),
        ("Initrode", None, True),
    ]
