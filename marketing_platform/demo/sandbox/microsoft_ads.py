"""Microsoft Advertising: reports that are asked for, prepared, and downloaded as zipped CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketing_platform.demo.sandbox._ads import AdReports, Level
from marketing_platform.demo.sandbox._oauth import CREDENTIALS, has_token, token_route
from marketing_platform.demo.sandbox.server import Shop, Vendor

_LEVELS: dict[str, Level] = {
    "CampaignPerformanceReportRequest": "campaign",
    "AdGroupPerformanceReportRequest": "ad_group",
    "AdPerformanceReportRequest": "ad",
}
_COLUMNS: dict[str, str] = {
    "TimePeriod": "performance_date",
    "AccountId": "",
    "CurrencyCode": "currency",
    "CampaignId": "campaign_id",
    "CampaignName": "campaign_name",
    "AdGroupId": "ad_group_id",
    "AdGroupName": "ad_group_name",
    "AdId": "ad_id",
    "AdTitle": "ad_name",
    "Impressions": "impressions",
    "Clicks": "clicks",
    "Spend": "cost",
    "Conversions": "conversions",
    "Revenue": "conversion_value",
}
_DOWNLOADS = "/downloads"


@dataclass
class _Report:
    """A report that is being prepared: what was asked, and how often it was looked at."""

    asked: dict[str, Any]
    looks: int = 0

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day."""
        time = self.asked["Time"]
        first, last = (time[f"CustomDateRange{end}"] for end in ("Start", "End"))
        return tuple(dt.date(day["Year"], day["Month"], day["Day"]) for day in (first, last))  # type: ignore[return-value]


def _routes(shop: Shop) -> list[Route]:
    figures = AdReports(shop, "microsoft_ads")
    reports: dict[str, _Report] = {}

    async def submit(request: Request) -> Response:
        asked = orjson.loads(await request.body()).get("ReportRequest", {})
        request.scope["listing"] = orjson.dumps(asked)
        if asked.get("Type") not in _LEVELS or set(asked.get("Columns", ())) - set(_COLUMNS):
            return _refusal(400, 100, "NullRequest")
        key = str(30_000_000_000 + len(reports))
        reports[key] = _Report(asked)
        return JSONResponse({"ReportRequestId": key})

    async def poll(request: Request) -> Response:
        key = str(orjson.loads(await request.body()).get("ReportRequestId"))
        request.scope["listing"] = f"poll {key}"
        report = reports.get(key)
        if report is None:
            return _refusal(400, 2100, "ReportingServiceInvalidReportId")
        report.looks += 1
        if report.looks < 2:
            return _status("Pending")
        level = _LEVELS[report.asked["Type"]]
        if figures.rows(level, *report.days).is_empty():
            return _status("Success")
        return _status("Success", f"{shop.url}{_DOWNLOADS}/{key}.zip?sig=sandbox")

    async def download(request: Request) -> Response:
        report = reports.get(request.path_params["key"])
        if report is None:
            return Response("AuthenticationFailed", 403)
        rows = figures.rows(_LEVELS[report.asked["Type"]], *report.days)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(report.asked["Columns"])
        account = report.asked["Scope"]["AccountIds"][0]
        for row in rows.iter_rows(named=True):
            named = {**row, "": account}
            writer.writerow(named[_COLUMNS[column]] for column in report.asked["Columns"])
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("report.csv", text.getvalue().encode("utf-8-sig"))
        return Response(content.getvalue(), media_type="application/x-zip-compressed")

    service = "/Reporting/v13/GenerateReport"
    return [
        token_route(shop),
        Route(f"{service}/Submit", submit, methods=["POST"]),
        Route(f"{service}/Poll", poll, methods=["POST"]),
        Route(_DOWNLOADS + "/{key}.zip", download),
    ]


def _status(status: str, url: str | None = None) -> Response:
    return JSONResponse({"ReportRequestStatus": {"Status": status, "ReportDownloadUrl": url}})


def _refusal(status: int, code: int, name: str) -> Response:
    errors = [{"Code": code, "ErrorCode": name, "Message": f"{name}.", "Detail": None}]
    return JSONResponse(
        {"TrackingId": "sandbox", "Type": "AdApiFaultDetail", "Errors": errors}, status
    )


def _authorised(shop: Shop, request: Request) -> Response | None:
    if f"{_DOWNLOADS}/" in request.url.path:
        # Who has the address may read it; our token must not be shown there.
        bears = request.headers.get("authorization") or request.headers.get("developertoken")
        return Response("InvalidAuthenticationInfo", 400) if bears else None
    if not has_token(shop, request):
        return _refusal(401, 109, "AuthenticationTokenExpired")
    is_token = request.url.path.endswith("/token")
    developer = request.headers.get("developertoken")
    if not is_token and developer != shop.credentials["developer_token"]:
        return _refusal(401, 105, "InvalidCredentials")
    return None


def _error(status: int) -> Response:
    if status == 429:
        return _refusal(429, 117, "CallRateExceeded")
    return _refusal(status, 0, "InternalError")


VENDOR = Vendor(
    "microsoft_ads",
    _routes,
    _authorised,
    _error,
    credentials=(*CREDENTIALS, "developer_token"),
    settings={"account_id": "11", "customer_id": "22", "token_url": "{url}/token"},
)
