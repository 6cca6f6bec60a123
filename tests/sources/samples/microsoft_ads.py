"""Rows of a report's CSV: everything is text."""

from __future__ import annotations

from typing import Any

_CAMPAIGN = {
    "TimePeriod": "2026-01-05",
    "AccountId": "150175881",
    "CurrencyCode": "USD",
    "CampaignId": "30001",
    "CampaignName": "Audience",
}
_AD_GROUP = {**_CAMPAIGN, "AdGroupId": "300010", "AdGroupName": "Group 1"}
_FIGURES = {"Impressions": "300", "Clicks": "12", "Spend": "6.50", "Conversions": "1.5"}

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "campaigns": [
        {**_CAMPAIGN, **_FIGURES, "Revenue": "45.01"},
        {**_CAMPAIGN, **_FIGURES, "TimePeriod": "", "Revenue": "45.01"},
    ],
    "ad_groups": [{**_AD_GROUP, **_FIGURES, "Revenue": "45.01"}],
    "ads": [
        {**_AD_GROUP, **_FIGURES, "AdId": "3000100", "AdTitle": "Shoes, red", "Revenue": "45.01"},
        {**_AD_GROUP, **_FIGURES, "AdId": "3000101", "AdTitle": "", "Revenue": "", "Clicks": "x"},
    ],
}
