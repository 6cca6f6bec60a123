"""Rows of `googleAds:search` by day: whole numbers are texts."""

from __future__ import annotations

from typing import Any

_CAMPAIGN: dict[str, Any] = {
    "campaign": {
        "resourceName": "customers/1234567890/campaigns/10001",
        "id": "10001",
        "name": "Search Brand",
    },
    "customer": {"resourceName": "customers/1234567890", "currencyCode": "EUR"},
}
_AD_GROUP = {"resourceName": "customers/1234567890/adGroups/100010", "id": "100010", "name": "All"}


def _metrics(impressions: str, clicks: str, micros: str, **more: float) -> dict[str, Any]:
    return {"impressions": impressions, "clicks": clicks, "costMicros": micros, **more}


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "campaigns": [
        {
            **_CAMPAIGN,
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("1200", "40", "12345678", conversions=2.5, conversionsValue=99.9),
        },
        {
            **_CAMPAIGN,
            "segments": {"date": "2026-01-06"},
            "metrics": _metrics("0", "0", "0", conversions=0, conversionsValue=0),
        },
    ],
    "ad_groups": [
        {
            **_CAMPAIGN,
            "adGroup": _AD_GROUP,
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("1200", "40", "12345678", conversions=2.5, conversionsValue=99.9),
        },
        {
            **_CAMPAIGN,
            "adGroup": {**_AD_GROUP, "id": None},
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("1", "0", "0"),
        },
    ],
    "ads": [
        {
            **_CAMPAIGN,
            "adGroup": _AD_GROUP,
            "adGroupAd": {"ad": {"id": "1000100", "name": "Winter"}},
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("800", "30", "10005000", conversions=1.5, conversionsValue=59.904),
        },
        {
            **_CAMPAIGN,
            "adGroup": _AD_GROUP,
            "adGroupAd": {"ad": {"id": "1000101"}},
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("400", "10", "2340678", conversions=1, conversionsValue=39.99),
        },
        {
            **_CAMPAIGN,
            "adGroup": _AD_GROUP,
            "adGroupAd": {"ad": {"id": "1000102"}},
            "segments": {"date": "2026-01-05"},
            "metrics": _metrics("many", "10", "2340678"),
        },
    ],
}
