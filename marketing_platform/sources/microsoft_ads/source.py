"""Microsoft Advertising: figures of campaigns, ad groups and ads by day, as reports it prepares.

A report is a zipped CSV at an address of its own, which holds a signature in place of our token.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, SecretStr, field_validator

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import date, ident, integer, number, text
from marketing_platform.sources.oauth import OAuth2
from marketing_platform.sources.paging import find
from marketing_platform.sources.prepared import Prepared, PreparedSettings, Status
from marketing_platform.sources.restated import restated
from marketing_platform.sources.stream import Page, Stream
from marketing_platform.sources.system import Api, System

# Conversions are added to the day of the click, by default up to so many days later.
_RESTATED_DAYS = 30
_FORMAT = {
    "Format": "Csv",
    # Dates as 2026-01-31, numbers without thousands separators, whatever the account's language.
    "FormatVersion": "2.0",
    "ExcludeReportHeader": True,
    "ExcludeReportFooter": True,
    "ExcludeColumnHeaders": False,
    "ReturnOnlyCompleteData": False,
    "Aggregation": "Daily",
}
# Call rate exceeded; too many reports being prepared.
_THROTTLED = (117, 207)
_DOWNLOADS = 5
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class MicrosoftAdsSettings(PreparedSettings):
    """One account of a customer. `time_zone` is Microsoft's name for the zone that days are in."""

    base_url: str = "https://reporting.api.bingads.microsoft.com"
    account_id: int
    customer_id: int
    developer_token: SecretStr
    client_id: str
    client_secret: SecretStr | None = None
    refresh_token: SecretStr
    token_url: str = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105
    scope: str = "https://ads.microsoft.com/msads.manage offline_access"
    time_zone: str = "GreenwichMeanTimeDublinEdinburghLisbonLondon"
    look_back_days: int = Field(default=_RESTATED_DAYS, ge=1, le=365)

    @field_validator("time_zone")
    @classmethod
    def _name(cls, name: str) -> str:
        if not name.isalpha():
            raise ValueError("not a ReportTimeZone of Microsoft Advertising")
        return name


def _api(settings: MicrosoftAdsSettings) -> Api:
    return Api(
        settings.base_url,
        auth=OAuth2(
            token_url=settings.token_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            refresh_token=settings.refresh_token,
            scope=settings.scope,
        ),
        headers={
            "DeveloperToken": settings.developer_token.get_secret_value(),
            "CustomerId": str(settings.customer_id),
            "CustomerAccountId": str(settings.account_id),
        },
        pause=lambda answer: settings.throttled_seconds if _is_throttled(answer) else None,
    )


def _is_throttled(answer: Answer) -> bool:
    """Microsoft says so by a code, with a status that others have for mistakes too."""
    lists = ("$.Errors[*].Code", "$.OperationErrors[*].Code")
    return any(code in _THROTTLED for path in lists for code in find(answer.body, path) or ())


def _probe(client: Client, settings: MicrosoftAdsSettings) -> str:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(1)
    client.send(_CAMPAIGNS.asking(settings, yesterday, yesterday))
    return f"account {settings.account_id}"


@dataclass(frozen=True)
class _Report:
    """A report of one level."""

    kind: str
    columns: tuple[str, ...]

    def asking(self, settings: MicrosoftAdsSettings, first: dt.date, last: dt.date) -> Request:
        """The request for the report of these days."""
        report = {
            "Type": f"{self.kind}PerformanceReportRequest",
            "ReportName": f"{self.kind} {first} to {last}",
            **_FORMAT,
            "Columns": [*self.columns, *_FIGURES],
            "Scope": {"AccountIds": [settings.account_id]},
            "Time": {
                "CustomDateRangeStart": _parts(first),
                "CustomDateRangeEnd": _parts(last),
                "ReportTimeZone": settings.time_zone,
            },
        }
        return _post("Submit", {"ReportRequest": report})

    def key(self, answer: Answer) -> str:
        """Microsoft's key of the report, good for a day."""
        return str(find(answer.body, "$.ReportRequestId") or "")

    def polling(self, settings: MicrosoftAdsSettings, key: str) -> Request:
        """The question whether it is ready."""
        return _post("Poll", {"ReportRequestId": key})

    def status(self, answer: Answer) -> Status:
        """The answer to that."""
        status = find(answer.body, "$.ReportRequestStatus.Status")
        return "failed" if status == "Error" else "ready" if status == "Success" else "preparing"

    def reading(
        self,
        client: Client,
        settings: MicrosoftAdsSettings,
        key: str,
        polled: Answer,
        place: Mapping[str, Any],
    ) -> Iterator[tuple[Page, Mapping[str, Any]]]:
        """The one page; a report without a row has no address."""
        url = find(polled.body, "$.ReportRequestStatus.ReportDownloadUrl")
        if not url:
            yield Page(b"[]"), {}
            return
        yield Page(_downloaded(client, str(url)), format="csv"), {}


def _post(operation: str, body: Mapping[str, Any]) -> Request:
    return Request(f"/Reporting/v13/GenerateReport/{operation}", method="POST", json=body)


def _parts(day: dt.date) -> dict[str, int]:
    return {"Day": day.day, "Month": day.month, "Year": day.year}


def _downloaded(client: Client, url: str) -> bytes:
    """The CSV in the zip at this address, fetched again where it came broken off."""
    for _ in range(_DOWNLOADS):
        content = client.send(Request(url, is_download=True)).content
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return archive.read(archive.namelist()[0]).removeprefix(_BYTE_ORDER_MARK)
        except (zipfile.BadZipFile, IndexError):
            continue
    raise SourceError("a report is no zip file", mend="Run again; it goes on where it stopped")


_FIGURES = ("Impressions", "Clicks", "Spend", "Conversions", "Revenue")
_CAMPAIGN = ("TimePeriod", "AccountId", "CurrencyCode", "CampaignId", "CampaignName")
_AD_GROUP = (*_CAMPAIGN, "AdGroupId", "AdGroupName")
_AD = (*_AD_GROUP, "AdId", "AdTitle")
_CAMPAIGNS = _Report("Campaign", _CAMPAIGN)


def _stream(name: str, report: _Report, *keys: str) -> Stream:
    """Figures of one level: a record is a day of a campaign, ad group or ad."""
    return Stream(
        name,
        Prepared(report),
        updated_at=date("performance_date", "$.TimePeriod"),
        record_keys=("$.TimePeriod", *keys),
        fields=(
            date("performance_date", "$.TimePeriod"),
            text("currency", "$.CurrencyCode"),
            ident("campaign_id", "$.CampaignId"),
            text("campaign_name", "$.CampaignName"),
            ident("ad_group_id", "$.AdGroupId"),
            text("ad_group_name", "$.AdGroupName"),
            ident("ad_id", "$.AdId"),
            text("ad_name", "$.AdTitle"),
            integer("impressions", "$.Impressions"),
            integer("clicks", "$.Clicks"),
            number("spend", "$.Spend"),
            number("conversions", "$.Conversions"),
            number("revenue", "$.Revenue"),
        ),
        reads="report",
        look_back_days=_RESTATED_DAYS,
    )


_STREAMS = (
    _stream("campaigns", _CAMPAIGNS, "$.CampaignId"),
    _stream("ad_groups", _Report("AdGroup", _AD_GROUP), "$.CampaignId", "$.AdGroupId"),
    _stream("ads", _Report("Ad", _AD), "$.CampaignId", "$.AdGroupId", "$.AdId"),
)

SYSTEM = System(
    "microsoft_ads",
    "Microsoft Advertising",
    MicrosoftAdsSettings,
    streams=_STREAMS,
    streams_of=restated(_STREAMS),
    api=_api,
    probe=_probe,
)
