"""Meta Ads: insights, asked for directly or as reports that are prepared; cursors."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._ads import AdReports, Level
from marketing_platform.demo.sandbox.server import Shop, Vendor

_LEVELS: dict[str, Level] = {"campaign": "campaign", "adset": "ad_group", "ad": "ad"}
_PLAIN: dict[str, str] = {
    "account_currency": "currency",
    "campaign_id": "campaign_id",
    "campaign_name": "campaign_name",
    "adset_id": "ad_group_id",
    "adset_name": "ad_group_name",
    "ad_id": "ad_id",
    "ad_name": "ad_name",
    "impressions": "impressions",
    "inline_link_clicks": "clicks",
    "spend": "cost",
}
_LISTS = {"actions": "conversions", "action_values": "conversion_value"}
# Meta tells one purchase under several names; people also do other things.
_PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
_QUESTION = ("level", "fields", "time_range", "time_increment")


@dataclass
class _Run:
    """A report that is being prepared: what was asked, and how often it was looked at."""

    question: dict[str, str]
    looks: int = 0


def _routes(shop: Shop) -> list[Route]:
    reports = AdReports(shop, "meta_ads")
    runs: dict[str, _Run] = {}

    async def insights(request: Request) -> Response:
        if request.method == "GET":
            return _page(reports, request, dict(request.query_params))
        question = dict(parse_qsl((await request.body()).decode()))
        request.scope["listing"] = orjson.dumps(question)
        if _levels_of(question) is None:
            return _refusal(400, 100, "Invalid parameter")
        key = str(6_020_000_000_000 + len(runs))
        runs[key] = _Run(question)
        return JSONResponse({"report_run_id": key})

    async def run_status(request: Request) -> Response:
        run = runs.get(key := request.path_params["run"])
        if run is None:
            return _refusal(400, 100, "Unsupported get request.")
        run.looks += 1
        is_over = run.looks > 1
        status = "Job Completed" if is_over else "Job Running"
        percent = 100 if is_over else 40
        return JSONResponse(
            {"id": key, "async_status": status, "async_percent_completion": percent}
        )

    async def run_insights(request: Request) -> Response:
        run = runs.get(request.path_params["run"])
        if run is None or run.looks < 2:
            return _refusal(400, 2601, "Loading async ads insights failed.")
        return _page(reports, request, {**run.question, **request.query_params})

    async def account(request: Request) -> Response:
        number = request.path_params["account"]
        named = {"name": "Sandbox Shop", "currency": "EUR", "timezone_name": "Europe/Berlin"}
        return JSONResponse({**named, "id": f"act_{number}"})

    return [
        Route("/{version}/act_{account}/insights", insights, methods=["GET", "POST"]),
        Route("/{version}/act_{account}", account),
        Route("/{version}/{run}/insights", run_insights),
        Route("/{version}/{run}", run_status),
    ]


def _levels_of(question: dict[str, str]) -> Level | None:
    """The level, where the question is one that the sandbox understands."""
    columns = set(question.get("fields", "").split(","))
    is_daily = question.get("time_increment") == "1"
    return _LEVELS.get(question.get("level", "")) if is_daily and columns <= _KNOWN else None


_KNOWN = {*_PLAIN, *_LISTS}


def _page(reports: AdReports, request: Request, question: dict[str, str]) -> Response:
    level = _levels_of(question)
    if level is None:
        return _refusal(400, 100, "Invalid parameter")
    asked = {name: question[name] for name in _QUESTION}
    request.scope["listing"] = request.url.path.encode() + orjson.dumps(asked)
    span = orjson.loads(question["time_range"])
    rows = reports.rows(level, *(dt.date.fromisoformat(span[name]) for name in ("since", "until")))
    start = int(base64.b64decode(question["after"])) if question.get("after") else 0
    size = int(question.get("limit", 25))
    columns = question["fields"].split(",")
    data = [_row(row, columns) for row in rows.slice(start, size).iter_rows(named=True)]
    body: dict[str, Any] = {"data": data}
    if data:
        stop = start + len(data)
        after = base64.b64encode(b"%d" % stop).decode()
        body["paging"] = {"cursors": {"before": base64.b64encode(b"%d" % start).decode()}}
        body["paging"]["cursors"]["after"] = after
        if stop < rows.height:
            # As Meta does, with the token in it.
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            more = urlencode({**request.query_params, "after": after, "access_token": token})
            body["paging"]["next"] = f"{reports.shop.url}{_own_path(request)}?{more}"
    return Response(orjson.dumps(body), media_type="application/json")


def _own_path(request: Request) -> str:
    """The path below the vendor's own address."""
    return request.url.path.removeprefix("/meta_ads")


def _row(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """A row as Meta writes it: figures are texts, and those that are zero are left out."""
    day = row["performance_date"].isoformat()
    found: dict[str, Any] = {
        column: str(value)
        for column in columns
        if column in _PLAIN and (value := row[_PLAIN[column]])
    }
    for column in columns:
        if column in _LISTS and (value := row[_LISTS[column]]):
            found[column] = [{"action_type": kind, "value": str(value)} for kind in _PURCHASES]
            found[column].append({"action_type": "view_content", "value": str(value * 7)})
    return {**found, "date_start": day, "date_stop": day}


def _refusal(status: int, code: int, message: str, **more: Any) -> Response:
    error = {"message": message, "type": "OAuthException", "code": code, **more}
    return JSONResponse({"error": {**error, "fbtrace_id": "sandbox"}}, status)


def _authorised(shop: Shop, request: Request) -> Response | None:
    bearer = f"Bearer {shop.credentials['access_token']}"
    if request.headers.get("authorization") == bearer:
        return None
    return _refusal(401, 190, "Invalid OAuth access token.")


def _error(status: int) -> Response:
    if status != 429:
        return _refusal(status, 2, "Service temporarily unavailable", is_transient=True)
    refusal = _refusal(400, 17, "User request limit reached", error_subcode=2446079)
    usage = {"type": "ads_insights", "call_count": 100, "total_cputime": 20, "total_time": 20}
    limits = {"1": [{**usage, "estimated_time_to_regain_access": 0}]}
    refusal.headers["X-Business-Use-Case-Usage"] = orjson.dumps(limits).decode()
    return refusal


VENDOR = Vendor(
    "meta_ads",
    _routes,
    _authorised,
    _error,
    credentials=("access_token",),
    # A report is ready soon: there is nothing to wait for.
    settings={"account_id": "1234567890", "poll_seconds": "0.1"},
)
