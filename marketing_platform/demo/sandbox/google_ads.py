"""Google Ads: GAQL by `googleAds:search`, with a page token."""

from __future__ import annotations

import base64
import datetime as dt
import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._ads import AdReports, Level
from marketing_platform.demo.sandbox._oauth import CREDENTIALS, has_token, token_route
from marketing_platform.demo.sandbox.server import Shop, Vendor

# Google's own pages have 10,000 rows; a small shop would never see a second one.
_ROWS_PER_PAGE = 200
_LEVELS: dict[str, Level] = {"campaign": "campaign", "ad_group": "ad_group", "ad_group_ad": "ad"}
_DAYS = r"segments\.date BETWEEN '(?P<first>[\d-]+)' AND '(?P<last>[\d-]+)'"
_REPORT = re.compile(rf"SELECT (?P<columns>.+) FROM (?P<resource>\w+) WHERE {_DAYS}")  # noqa: S608
# GAQL's name of a column, and the value of it; whole numbers are texts in Google's JSON.
_COLUMNS: dict[str, Any] = {
    "segments.date": lambda row: row["performance_date"].isoformat(),
    "customer.currency_code": lambda row: row["currency"],
    "campaign.id": lambda row: str(row["campaign_id"]),
    "campaign.name": lambda row: row["campaign_name"],
    "ad_group.id": lambda row: str(row["ad_group_id"]),
    "ad_group.name": lambda row: row["ad_group_name"],
    "ad_group_ad.ad.id": lambda row: str(row["ad_id"]),
    "ad_group_ad.ad.name": lambda row: row["ad_name"],
    "metrics.impressions": lambda row: str(row["impressions"]),
    "metrics.clicks": lambda row: str(row["clicks"]),
    "metrics.cost_micros": lambda row: str(int(row["cost"] * 1_000_000)),
    "metrics.conversions": lambda row: row["conversions"],
    "metrics.conversions_value": lambda row: float(row["conversion_value"]),
}


def _routes(shop: Shop) -> list[Route]:
    reports = AdReports(shop, "google_ads")

    async def search(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        query = str(asked.get("query", ""))
        if re.fullmatch(r"SELECT .+ FROM customer LIMIT 1", query):
            return _answer([_customer()], "customer.descriptiveName,customer.currencyCode")
        report = _REPORT.fullmatch(query)
        columns = report["columns"].split(", ") if report else []
        if not report or report["resource"] not in _LEVELS or set(columns) - set(_COLUMNS):
            return _failure(400, "INVALID_ARGUMENT", {"queryError": "UNEXPECTED_INPUT"})
        request.scope["listing"] = query
        first, last = (dt.date.fromisoformat(report[name]) for name in ("first", "last"))
        rows = reports.rows(_LEVELS[report["resource"]], first, last)
        start = _read_token(asked.get("pageToken"))
        if start is None:
            return _failure(400, "INVALID_ARGUMENT", {"requestError": "INVALID_PAGE_TOKEN"})
        page = rows.slice(start, _ROWS_PER_PAGE).iter_rows(named=True)
        following = start + _ROWS_PER_PAGE
        token = _token(following) if following < rows.height else None
        mask = ",".join(_camel(name) for name in columns)
        return _answer([_nested(row, columns) for row in page], mask, token)

    path = "/{version}/customers/{customer}/googleAds:search"
    return [token_route(shop), Route(path, search, methods=["POST"])]


def _customer() -> dict[str, Any]:
    return {"customer": {"descriptiveName": "Sandbox Shop", "currencyCode": "EUR"}}


def _nested(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """A row as Google nests it: `ad_group.id` is `{"adGroup": {"id": ...}}`."""
    found: dict[str, Any] = {}
    for column in columns:
        *holders, name = _camel(column).split(".")
        inner = found
        for holder in holders:
            inner = inner.setdefault(holder, {})
        inner[name] = _COLUMNS[column](row)
    return found


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _answer(results: list[dict[str, Any]], mask: str, token: str | None = None) -> Response:
    body: dict[str, Any] = {"results": results} if results else {}
    if token:
        body["nextPageToken"] = token
    return Response(
        orjson.dumps({**body, "fieldMask": mask}), media_type="application/json; charset=UTF-8"
    )


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(b"from %d" % start).decode()


def _read_token(token: str | None) -> int | None:
    """The row that a page begins with; nothing for a token that was never given."""
    if token is None:
        return 0
    told = re.fullmatch(rb"from (\d+)", base64.urlsafe_b64decode(token + "=="))
    return int(told[1]) if told else None


def _failure(status: int, name: str, code: dict[str, str], delay: str = "") -> Response:
    error: dict[str, Any] = {"errorCode": code, "message": "The request was refused."}
    if delay:
        error["details"] = {"quotaErrorDetails": {"rateScope": "ACCOUNT", "retryDelay": delay}}
    kind = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
    details = [{"@type": kind, "errors": [error], "requestId": "sandbox"}]
    refusal = {"code": status, "message": "Refused.", "status": name, "details": details}
    return JSONResponse({"error": refusal}, status)


def _authorised(shop: Shop, request: Request) -> Response | None:
    if not has_token(shop, request):
        failure = {"authenticationError": "OAUTH_TOKEN_INVALID"}
        return _failure(401, "UNAUTHENTICATED", failure)
    is_token = request.method == "POST" and request.url.path.endswith("/token")
    developer = request.headers.get("developer-token")
    if not is_token and developer != shop.credentials["developer_token"]:
        failure = {"authenticationError": "DEVELOPER_TOKEN_INVALID"}
        return _failure(401, "UNAUTHENTICATED", failure)
    return None


def _error(status: int) -> Response:
    if status == 429:
        failure = {"quotaError": "RESOURCE_TEMPORARILY_EXHAUSTED"}
        return _failure(429, "RESOURCE_EXHAUSTED", failure, delay="0.1s")
    return _failure(status, "INTERNAL", {"internalError": "INTERNAL_ERROR"})


VENDOR = Vendor(
    "google_ads",
    _routes,
    _authorised,
    _error,
    credentials=(*CREDENTIALS, "developer_token"),
    settings={"customer_id": "1234567890", "token_url": "{url}/token"},
)
