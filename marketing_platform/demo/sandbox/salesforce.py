"""Salesforce: contacts, leads, opportunities and accounts, by SOQL and as jobs of the Bulk API 2.0.

Of SOQL it understands what reads the changes of a time: the named columns of one object, from and
to before a `SystemModstamp`. Any other query is refused as Salesforce refuses a malformed one.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._oauth import CREDENTIALS, has_token, token_route
from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.server import Shop, Vendor
from marketing_platform.demo.sandbox.shelf import Shelf, encode

_DATA = "/services/data/v66.0"
_ISO = "%Y-%m-%dT%H:%M:%S.000+0000"
_PAGE = 2000
_SOQL = re.compile(
    r"SELECT (?P<columns>[\w, ]+) FROM (?P<kind>\w+)"
    r" WHERE SystemModstamp >= (?P<first>\S+) AND SystemModstamp < (?P<end>\S+)"
    r"(?P<order> ORDER BY SystemModstamp, Id)?"
)


def _key(prefix: str, column: str) -> pl.Expr:
    """A key of 18 characters, as all of Salesforce's are."""
    number = pl.col(column).cast(pl.String).str.zfill(15)
    return pl.when(pl.col(column).is_not_null()).then(pl.format(f"{prefix}{{}}", number))


def _objects(frame: pl.DataFrame, key: pl.Expr, **own: pl.Expr) -> pl.DataFrame:
    common = {
        "Id": key,
        "CreatedDate": pl.col("created_at").dt.to_string(_ISO),
        "SystemModstamp": pl.col("updated_at").dt.to_string(_ISO),
        "LastModifiedDate": pl.col("updated_at").dt.to_string(_ISO),
        "IsDeleted": pl.col("is_deleted"),
    }
    payload = pl.struct([value.alias(name) for name, value in {**common, **own}.items()])
    moment = pl.col("updated_at").dt.truncate("1s")
    return encode(frame.select(key=key, updated_at=moment, payload=payload))


def _person() -> dict[str, pl.Expr]:
    return {
        "Email": pl.col("email"),
        "Phone": pl.col("phone"),
        "MobilePhone": pl.lit(None, pl.String),
        "FirstName": pl.col("first_name"),
        "LastName": pl.col("last_name"),
    }


def _address(prefix: str) -> dict[str, pl.Expr]:
    names = {"Street": "street", "City": "city", "PostalCode": "postcode", "State": "region"}
    named = {**names, "Country": "country"}
    return {f"{prefix}{name}": pl.col(column) for name, column in named.items()}


def _contacts(facts: Facts) -> pl.DataFrame:
    return _objects(
        facts.crm_contacts,
        _key("003", "crm_id"),
        **_person(),
        HasOptedOutOfEmail=~pl.col("has_email_consent").fill_null(True),
        **_address("Mailing"),
    )


def _leads(facts: Facts) -> pl.DataFrame:
    own = {"HasOptedOutOfEmail": pl.lit(False), **_address("")}
    return _objects(facts.leads, _key("00Q", "lead_id"), **_person(), **own)


def _opportunities(facts: Facts) -> pl.DataFrame:
    stages = {"open": "Prospecting", "won": "Closed Won", "lost": "Closed Lost"}
    stage = pl.col("stage")
    return _objects(
        facts.deals,
        _key("006", "deal_id"),
        AccountId=_key("001", "company_id"),
        OwnerId=_key("005", "owner_id"),
        Name=pl.col("title"),
        StageName=stage.replace_strict(stages, return_dtype=pl.String),
        Amount=pl.col("amount").cast(pl.Float64),
        IsClosed=stage != "open",
        IsWon=stage == "won",
        CloseDate=pl.col("close_date").cast(pl.String),
    )


def _accounts(facts: Facts) -> pl.DataFrame:
    return _objects(
        facts.companies,
        _key("001", "company_id"),
        Name=pl.col("name"),
        Website=pl.col("domain"),
        Industry=pl.col("industry"),
        BillingCountry=pl.col("country"),
    )


_KINDS: dict[str, Callable[[Facts], pl.DataFrame]] = {
    "Contact": _contacts,
    "Lead": _leads,
    "Opportunity": _opportunities,
    "Account": _accounts,
}


@dataclass(frozen=True)
class _Question:
    """A query that was understood."""

    kind: str
    columns: tuple[str, ...]
    first: dt.datetime
    end: dt.datetime


def _understood(soql: str) -> _Question | None:
    found = _SOQL.fullmatch(soql)
    if found is None or found["kind"] not in _KINDS:
        return None
    columns = tuple(name.strip() for name in found["columns"].split(","))
    first, end = (dt.datetime.fromisoformat(found[name]) for name in ("first", "end"))
    return _Question(found["kind"], columns, first, end)


class _Org:
    """The records, the queries whose next pages are known, and the jobs."""

    def __init__(self, shop: Shop) -> None:
        self._shelves: dict[str, Shelf] = {
            kind: shop.shelf(make(shop.facts)) for kind, make in _KINDS.items()
        }
        self._numbers = itertools.count(1)
        self._asked: dict[str, _Question] = {}
        self._polls: dict[str, int] = {}

    async def query(self, request: Request) -> Response:
        """The first page of a query."""
        soql = request.query_params.get("q", "")
        if soql == "SELECT Name FROM Organization":
            return JSONResponse({"totalSize": 1, "done": True, "records": [{"Name": "Demo"}]})
        question = _understood(soql)
        if question is None:
            return _error(400, "MALFORMED_QUERY")
        return self._page(self._remember("01g", question), question, 0)

    async def more(self, request: Request) -> Response:
        """A further page: its place stands in its address."""
        name, _, place = request.path_params["locator"].rpartition("-")
        if name not in self._asked:
            return _error(400, "INVALID_QUERY_LOCATOR")
        return self._page(name, self._asked[name], int(place))

    async def create(self, request: Request) -> Response:
        """A job, which is never ready at once."""
        asked = orjson.loads(await request.body())
        question = _understood(asked["query"])
        if question is None:
            return _error(400, "INVALIDJOB")
        name = self._remember("750", question)
        return JSONResponse({"id": name, "operation": "queryAll", "state": "UploadComplete"})

    async def job(self, request: Request) -> Response:
        """How far a job is."""
        name = request.path_params["job"]
        if name not in self._asked:
            return _error(404, "NOT_FOUND")
        self._polls[name] = self._polls.get(name, 0) + 1
        state = "JobComplete" if self._polls[name] > 1 else "InProgress"
        return JSONResponse({"id": name, "operation": "queryAll", "state": state})

    async def results(self, request: Request) -> Response:
        """A part of what a job found, as CSV."""
        name = request.path_params["job"]
        if name not in self._asked:
            return _error(404, "NOT_FOUND")
        size = int(request.query_params.get("maxRecords", 50_000))
        offset = int(request.query_params.get("locator", 0))
        rows, total = self._records(self._asked[name], offset, size)
        following = offset + size
        headers = {
            "Sforce-Locator": str(following) if following < total else "null",
            "Sforce-NumberOfRecords": str(len(rows)),
        }
        content = _csv(self._asked[name].columns, rows)
        return Response(content, media_type="text/csv", headers=headers)

    def _remember(self, prefix: str, question: _Question) -> str:
        name = f"{prefix}{next(self._numbers):015}"
        self._asked[name] = question
        return name

    def _page(self, name: str, question: _Question, offset: int) -> Response:
        rows, total = self._records(question, offset, _PAGE)
        is_last = offset + _PAGE >= total
        more = {} if is_last else {"nextRecordsUrl": f"{_DATA}/query/{name}-{offset + _PAGE}"}
        records = [{"attributes": {"type": question.kind}, **row} for row in rows]
        body = {"totalSize": total, "done": is_last, "records": records, **more}
        headers = {"Sforce-Limit-Info": "api-usage=18/15000"}
        return JSONResponse(body, headers=headers)

    def _records(
        self, question: _Question, offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        found = self._shelves[question.kind].select(
            first=question.first, end=question.end, offset=offset, limit=limit
        )
        whole = [orjson.loads(payload) for payload in found.payloads]
        return [{name: row.get(name) for name in question.columns} for row in whole], found.total


def _csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            str(value).lower() if isinstance(value, bool) else value for value in row.values()
        )
    return text.getvalue()


def _routes(shop: Shop) -> list[Route]:
    org = _Org(shop)
    return [
        token_route(shop, "/services/oauth2/token"),
        Route(f"{_DATA}/queryAll", org.query),
        Route(f"{_DATA}/query/{{locator}}", org.more),
        Route(f"{_DATA}/jobs/query", org.create, methods=["POST"]),
        Route(f"{_DATA}/jobs/query/{{job}}", org.job),
        Route(f"{_DATA}/jobs/query/{{job}}/results", org.results),
    ]


def _authorised(shop: Shop, request: Request) -> Response | None:
    return None if has_token(shop, request) else _error(401, "INVALID_SESSION_ID")


def _error(status: int, code: str = "UNKNOWN_EXCEPTION") -> Response:
    """Salesforce's own: too many requests are a 403."""
    if status == 429:
        status, code = 403, "REQUEST_LIMIT_EXCEEDED"
    return JSONResponse([{"errorCode": code, "message": f"{code}: status {status}"}], status)


VENDOR = Vendor(
    "salesforce",
    _routes,
    _authorised,
    _error,
    credentials=CREDENTIALS,
    settings={"instance_url": "https://demo.example", "currency": "EUR"},
)
