"""Google Analytics 4: visits by day, channel, source, medium and campaign, from the Data API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from marketing_platform.sources.client import Answer, Client, Request
from marketing_platform.sources.fields import date, integer, number, text
from marketing_platform.sources.google_access import GoogleAccess
from marketing_platform.sources.paging import Paging, Records, Rest, find
from marketing_platform.sources.restated import restated
from marketing_platform.sources.stream import Stream, Window
from marketing_platform.sources.system import Api, System, SystemSettings

_SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
# Google finishes a day within 24 to 48 hours; a day more, for the property's time zone.
_RESTATED_DAYS = 3
_DIMENSIONS = (
    "date",
    "sessionDefaultChannelGroup",
    "sessionSource",
    "sessionMedium",
    "sessionCampaignName",
)
_METRICS = ("sessions", "totalUsers", "keyEvents", "totalRevenue")


class Ga4Settings(GoogleAccess, SystemSettings):
    """One property, read by a service account or by a person's consent."""

    base_url: str = "https://analyticsdata.googleapis.com"
    property_id: str
    rows_per_page: int = Field(default=100_000, ge=1, le=250_000)
    look_back_days: int = Field(default=_RESTATED_DAYS, ge=1, le=365)

    @field_validator("property_id", mode="before")
    @classmethod
    def _digits(cls, written: Any) -> str:
        """A property as Google writes it, `properties/123`, without the prefix."""
        digits = str(written).removeprefix("properties/")
        if not digits.isdecimal():
            raise ValueError("not a GA4 property like 123456789 (G-... is a measurement id)")
        return digits


def _api(settings: Ga4Settings) -> Api:
    return Api(settings.base_url, auth=settings.auth(_SCOPE))


def _probe(client: Client, settings: Ga4Settings) -> str:
    body = {
        "dateRanges": [{"startDate": "yesterday", "endDate": "yesterday"}],
        "metrics": [{"name": "sessions"}],
        "limit": "1",
    }
    property_ = find(client.send(_report(settings, body)).body, "$.metadata") or {}
    return ", ".join(
        str(property_[key]) for key in ("currencyCode", "timeZone") if property_.get(key)
    )


def _report(settings: Ga4Settings, body: Mapping[str, Any]) -> Request:
    path = f"/v1beta/properties/{settings.property_id}:runReport"
    return Request(path, method="POST", json=body)


def _first(settings: Ga4Settings, window: Window) -> Request:
    days = {"startDate": window.first_date.isoformat(), "endDate": window.last_date.isoformat()}
    return _report(
        settings,
        {
            "dateRanges": [days],
            "dimensions": [{"name": name} for name in _DIMENSIONS],
            "metrics": [{"name": name} for name in _METRICS],
            # Pages are counted by rows, so rows must keep their places.
            "orderBys": [{"dimension": {"dimensionName": name}} for name in _DIMENSIONS],
            "limit": str(settings.rows_per_page),
            "offset": "0",
            "returnPropertyQuota": True,
        },
    )


@dataclass(frozen=True)
class _RowCount(Paging):
    """Pages are counted by rows, until all that the answer speaks of are read."""

    def following(self, request: Request, answer: Answer, records: Records) -> Request | None:
        """The same request, further on."""
        offset = int(request.json["offset"]) + int(request.json["limit"])
        if offset >= int(find(answer.body, "$.rowCount") or 0):
            return None
        return dataclasses.replace(request, json={**request.json, "offset": str(offset)})


def _facts(answer: Answer) -> Mapping[str, Any]:
    """What the answer says once for all of its rows."""
    return {"currency_code": find(answer.body, "$.metadata.currencyCode")}


def _dimension(name: str) -> str:
    return f"$.dimensionValues[{_DIMENSIONS.index(name)}].value"


def _metric(name: str) -> str:
    return f"$.metricValues[{_METRICS.index(name)}].value"


_STREAMS = (
    Stream(
        "traffic",
        Rest(_first, "$.rows", _RowCount(), _facts),
        updated_at=date("traffic_date", _dimension("date")),
        record_keys=tuple(_dimension(name) for name in _DIMENSIONS),
        fields=(
            date("traffic_date", _dimension("date")),
            text("channel_group", _dimension("sessionDefaultChannelGroup")),
            text("session_source", _dimension("sessionSource")),
            text("session_medium", _dimension("sessionMedium")),
            text("session_campaign", _dimension("sessionCampaignName")),
            integer("sessions", _metric("sessions")),
            integer("users", _metric("totalUsers")),
            number("key_events", _metric("keyEvents")),
            number("revenue", _metric("totalRevenue")),
            text("currency", "$._page.currency_code"),
        ),
        reads="report",
        look_back_days=_RESTATED_DAYS,
    ),
)

SYSTEM = System(
    "ga4",
    "Google Analytics 4",
    Ga4Settings,
    streams=_STREAMS,
    streams_of=restated(_STREAMS),
    api=_api,
    probe=_probe,
)
