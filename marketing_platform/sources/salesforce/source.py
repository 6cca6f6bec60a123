"""Salesforce: contacts, leads, opportunities and accounts of one org."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, SecretStr

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import Field as Column
from marketing_platform.sources.fields import date, flag, ident, number, text, timestamp
from marketing_platform.sources.oauth import OAuth2
from marketing_platform.sources.paging import find
from marketing_platform.sources.prepared import Prepared, PreparedSettings, Status
from marketing_platform.sources.stream import Checkpoint, Page, Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

_LIMIT_PAUSE_SECONDS = 60.0
# How often a part of a job's results that is cut off is asked for.
_TRIES = 5


class SalesforceSettings(PreparedSettings):
    """One org and a connected app; without a refresh token the app signs in as itself.

    Windows of more than `bulk_from_days` are asked for as bulk jobs. `currency` is the org's own;
    an org with several is told by `has_currencies`, as only then records have a field for it.
    """

    instance_url: str = Field(pattern=r"^https?://[^/@\s]+$")
    login_url: str = Field(default="", pattern=r"^(https?://[^/@\s]+)?$")
    version: str = Field(default="v66.0", pattern=r"^v\d+\.0$")
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    has_currencies: bool = False
    bulk_from_days: int = Field(default=7, ge=1)
    bulk_page_size: int = Field(default=50_000, ge=1)


def _api(settings: SalesforceSettings) -> Api:
    base = settings.base_url or settings.instance_url
    tokens = OAuth2(
        f"{settings.login_url or base}/services/oauth2/token",
        settings.client_id,
        settings.client_secret,
        settings.refresh_token,
    )
    return Api(base, auth=tokens, pause=_pause)


def _pause(answer: Answer) -> float | None:
    """The limit of requests in 24 hours, or of those at a time, comes as a 403."""
    code = find(answer.body, "[0].errorCode")
    return _LIMIT_PAUSE_SECONDS if code == "REQUEST_LIMIT_EXCEEDED" else None


def _probe(client: Client, settings: SalesforceSettings) -> str:
    path = f"{_data(settings)}/queryAll"
    answer = client.send(Request(path, {"q": "SELECT Name FROM Organization"}))
    return str(find(answer.body, "$.records[0].Name") or "no name")


def _data(settings: SalesforceSettings) -> str:
    return f"/services/data/{settings.version}"


@dataclass(frozen=True)
class _Query:
    """The walk of one kind of object: by REST where the window is short, else by bulk jobs.

    `queryAll` has the deleted ones too, as long as they are in the recycle bin.
    """

    kind: str
    columns: tuple[str, ...]
    has_currency: bool = False

    def pages(
        self,
        client: Client,
        settings: SystemSettings,
        window: Window,
        checkpoint: Checkpoint | None,
    ) -> Iterator[tuple[Page, Checkpoint | None]]:
        """Each page; a bulk job goes on where it was, a query at the last moment it had."""
        assert isinstance(settings, SalesforceSettings)  # noqa: S101
        if (window.last_date - window.first_date).days >= settings.bulk_from_days:
            walk = Prepared(_Job(self))
            yield from walk.pages(client, settings, window, checkpoint)
            return
        first = str(checkpoint["from"]) if checkpoint else _written(window.first)
        asked = self.soql(settings, first, _written(window.end), is_sorted=True)
        request: Request | None = Request(f"{_data(settings)}/queryAll", {"q": asked})
        while request:
            answer = client.send(request)
            following = find(answer.body, "$.nextRecordsUrl")
            # The address of the next page is forgotten by Salesforce within minutes: a later run
            # asks anew from here, and the few records of this moment come twice.
            state = {"from": _last_moment(answer)} if following else None
            yield Page(answer.content, "$.records", extra=self.facts(settings)), state
            request = Request(str(following)) if following else None

    def soql(self, settings: SalesforceSettings, first: str, end: str, *, is_sorted: bool) -> str:
        """The query for what changed from `first` to before `end`."""
        has_currency = self.has_currency and settings.has_currencies
        columns = ", ".join((*self.columns, *(("CurrencyIsoCode",) if has_currency else ())))
        where = f"SystemModstamp >= {first} AND SystemModstamp < {end}"
        order = " ORDER BY SystemModstamp, Id" if is_sorted else ""
        return f"SELECT {columns} FROM {self.kind} WHERE {where}{order}"  # noqa: S608

    def facts(self, settings: SalesforceSettings) -> dict[str, str]:
        """What the settings know of all records."""
        return {"currency": settings.currency} if settings.currency else {}


@dataclass(frozen=True)
class _Job:
    """The same query as a job of the Bulk API 2.0, its results as CSV."""

    query: _Query

    def asking(self, settings: SalesforceSettings, first: dt.date, last: dt.date) -> Request:
        end = last + dt.timedelta(days=1)
        asked = self.query.soql(
            settings, f"{first}T00:00:00.000Z", f"{end}T00:00:00.000Z", is_sorted=False
        )
        body = {"operation": "queryAll", "query": asked}
        return Request(f"{_data(settings)}/jobs/query", method="POST", json=body)

    def key(self, answer: Answer) -> str:
        return str(find(answer.body, "$.id"))

    def polling(self, settings: SalesforceSettings, key: str) -> Request:
        return Request(f"{_data(settings)}/jobs/query/{key}")

    def status(self, answer: Answer) -> Status:
        state = find(answer.body, "$.state")
        if state in ("Failed", "Aborted"):
            return "failed"
        return "ready" if state == "JobComplete" else "preparing"

    def reading(
        self,
        client: Client,
        settings: SalesforceSettings,
        key: str,
        polled: Answer,
        place: Mapping[str, Any],
    ) -> Iterator[tuple[Page, Mapping[str, Any]]]:
        locator = str(place.get("locator", ""))
        is_last = False
        while not is_last:
            asked = {
                "maxRecords": settings.bulk_page_size,
                **({"locator": locator} if locator else {}),
            }
            request = Request(
                f"{_data(settings)}/jobs/query/{key}/results", asked, headers={"Accept": "text/csv"}
            )
            answer = _whole(client, request)
            locator = answer.headers.get("Sforce-Locator", "null")
            is_last = locator in ("", "null")
            page = Page(answer.content, "$", "csv", self.query.facts(settings))
            yield page, {} if is_last else {"locator": locator}


def _whole(client: Client, request: Request) -> Answer:
    """An answer with as many rows as it says: a CSV that is cut off looks like a shorter one."""
    for _ in range(_TRIES):
        answer = client.send(request)
        told = answer.headers.get("Sforce-NumberOfRecords", "")
        rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig", errors="replace")))
        if not told.isdigit() or sum(1 for _ in rows) == int(told) + 1:
            return answer
    raise SourceError(
        f"Salesforce gives fewer than the {told} rows that it speaks of",
        mend="Run again; it goes on where it stopped",
    )


def _written(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _last_moment(answer: Answer) -> str:
    """As SOQL wants it: Salesforce itself writes `+0000`."""
    return _written(dt.datetime.fromisoformat(find(answer.body, "$.records")[-1]["SystemModstamp"]))


_UPDATED = timestamp("updated_at", "$.SystemModstamp", "$.LastModifiedDate")


def _stream(name: str, kind: str, own: tuple[Column, ...], *, has_currency: bool = False) -> Stream:
    """A kind of object; what is asked for is what the fields read."""
    fields = (
        ident("id", "$.Id"),
        timestamp("created_at", "$.CreatedDate"),
        _UPDATED,
        flag("is_deleted", "$.IsDeleted"),
        *own,
    )
    read = (path.removeprefix("$.") for field in fields for path in field.paths)
    columns = tuple(
        dict.fromkeys(c for c in read if c != "CurrencyIsoCode" and not c.startswith("_page"))
    )
    walk = _Query(kind, columns, has_currency)
    return Stream(name, walk, _UPDATED, fields, ("$.Id",), is_state=True)


_PERSON = (
    text("email", "$.Email"),
    text("phone", "$.MobilePhone", "$.Phone"),
    text("first_name", "$.FirstName"),
    text("last_name", "$.LastName"),
    flag("is_opted_out", "$.HasOptedOutOfEmail"),
)


def _address(prefix: str) -> tuple[Column, ...]:
    return (
        text("street", f"$.{prefix}Street"),
        text("city", f"$.{prefix}City"),
        text("postcode", f"$.{prefix}PostalCode"),
        text("region", f"$.{prefix}State"),
        text("country", f"$.{prefix}Country"),
    )


SYSTEM = System(
    "salesforce",
    "Salesforce",
    SalesforceSettings,
    (
        _stream("contacts", "Contact", (*_PERSON, *_address("Mailing"))),
        _stream("leads", "Lead", (*_PERSON, *_address(""))),
        _stream(
            "opportunities",
            "Opportunity",
            (
                ident("account_id", "$.AccountId"),
                ident("owner_id", "$.OwnerId"),
                text("title", "$.Name"),
                text("stage", "$.StageName"),
                number("amount", "$.Amount"),
                text("currency", "$.CurrencyIsoCode", "$._page.currency"),
                flag("is_closed", "$.IsClosed"),
                flag("is_won", "$.IsWon"),
                date("close_date", "$.CloseDate"),
            ),
            has_currency=True,
        ),
        _stream(
            "accounts",
            "Account",
            (
                text("title", "$.Name"),
                text("website", "$.Website"),
                text("industry", "$.Industry"),
                text("country", "$.BillingCountry"),
            ),
        ),
    ),
    api=_api,
    probe=_probe,
)
