"""Google Ads: figures of campaigns, ad groups and ads by day, asked for in GAQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, SecretStr, field_validator

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import date, ident, integer, number, text
from marketing_platform.sources.google_access import GoogleAccess
from marketing_platform.sources.paging import Cursor, Rest, find
from marketing_platform.sources.restated import restated
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

# The default of the longest conversion window. Google adds conversions to the day of the click.
_RESTATED_DAYS = 30
_SCOPE = "https://www.googleapis.com/auth/adwords"


class GoogleAdsSettings(GoogleAccess, SystemSettings):
    """One account. `login_customer_id` is the manager account through which it is reached."""

    base_url: str = "https://googleads.googleapis.com"
    version: str = Field(default="v26", pattern=r"^v\d+$")
    customer_id: str = Field(min_length=1)
    login_customer_id: str = ""
    developer_token: SecretStr
    look_back_days: int = Field(default=_RESTATED_DAYS, ge=1, le=365)

    @field_validator("customer_id", "login_customer_id", mode="before")
    @classmethod
    def _digits(cls, written: Any) -> str:
        """An account as Google writes it, `123-456-7890`, without the hyphens."""
        digits = str(written).replace("-", "")
        if digits and not digits.isdecimal():
            raise ValueError("not a Google Ads account like 123-456-7890")
        return digits


def _api(settings: GoogleAdsSettings) -> Api:
    headers = {"developer-token": settings.developer_token.get_secret_value()}
    if settings.login_customer_id:
        headers["login-customer-id"] = settings.login_customer_id
    return Api(
        settings.base_url,
        auth=settings.auth(_SCOPE),
        headers=headers,
        pause=_pause,
    )


def _pause(answer: Answer) -> float | None:
    """Seconds that Google asks for when a quota is used up (`retryDelay: "30s"`)."""
    if answer.status != 429 or not isinstance(answer.body, (Mapping, list)):
        return None
    failure = answer.body[0] if isinstance(answer.body, list) and answer.body else answer.body
    for detail in find(failure, "$.error.details") or ():
        for error in find(detail, "$.errors") or ():
            delay = find(error, "$.details.quotaErrorDetails.retryDelay")
            if isinstance(delay, str) and delay.endswith("s"):
                return float(delay[:-1])
    return None


def _probe(client: Client, settings: GoogleAdsSettings) -> str:
    query = "SELECT customer.descriptive_name, customer.currency_code FROM customer LIMIT 1"
    customer = find(client.send(_search(settings, query)).body, "$.results[0].customer") or {}
    return f"{customer.get('descriptiveName', 'account')}, {customer.get('currencyCode', '')}"


def _search(settings: GoogleAdsSettings, query: str) -> Request:
    path = f"/{settings.version}/customers/{settings.customer_id}/googleAds:search"
    return Request(path, method="POST", json={"query": query})


_METRICS = (
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
    "metrics.conversions_value",
)
_CAMPAIGN = ("segments.date", "customer.currency_code", "campaign.id", "campaign.name")
_AD_GROUP = (*_CAMPAIGN, "ad_group.id", "ad_group.name")
_AD = (*_AD_GROUP, "ad_group_ad.ad.id", "ad_group_ad.ad.name")


def _report(name: str, resource: str, columns: tuple[str, ...], keys: tuple[str, ...]) -> Stream:
    """Figures of one level: a record is a day of a campaign, ad group or ad."""

    def first(settings: GoogleAdsSettings, window: Window) -> Request:
        days = f"segments.date BETWEEN '{window.first_date}' AND '{window.last_date}'"
        selected = ", ".join((*columns, *_METRICS))
        return _search(settings, f"SELECT {selected} FROM {resource} WHERE {days}")  # noqa: S608

    return Stream(
        name,
        Rest(first, "$.results", Cursor("", "$.nextPageToken", body=("pageToken",))),
        updated_at=date("performance_date", "$.segments.date"),
        record_keys=("$.segments.date", *keys),
        fields=(
            date("performance_date", "$.segments.date"),
            text("currency", "$.customer.currencyCode"),
            ident("campaign_id", "$.campaign.id"),
            text("campaign_name", "$.campaign.name"),
            ident("ad_group_id", "$.adGroup.id"),
            text("ad_group_name", "$.adGroup.name"),
            ident("ad_id", "$.adGroupAd.ad.id"),
            text("ad_name", "$.adGroupAd.ad.name"),
            integer("impressions", "$.metrics.impressions"),
            integer("clicks", "$.metrics.clicks"),
            integer("cost_micros", "$.metrics.costMicros"),
            number("conversions", "$.metrics.conversions"),
            number("conversions_value", "$.metrics.conversionsValue"),
        ),
        reads="report",
        look_back_days=_RESTATED_DAYS,
    )


_STREAMS = (
    _report("campaigns", "campaign", _CAMPAIGN, ("$.campaign.id",)),
    _report("ad_groups", "ad_group", _AD_GROUP, ("$.campaign.id", "$.adGroup.id")),
    _report("ads", "ad_group_ad", _AD, ("$.campaign.id", "$.adGroup.id", "$.adGroupAd.ad.id")),
)

SYSTEM = System(
    "google_ads",
    "Google Ads",
    GoogleAdsSettings,
    streams=_STREAMS,
    streams_of=restated(_STREAMS),
    api=_api,
    probe=_probe,
)
