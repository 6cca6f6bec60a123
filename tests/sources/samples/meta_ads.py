"""Rows of insights: figures are texts, and those that are zero are left out."""

from __future__ import annotations

from typing import Any

_DAY = {"date_start": "2026-01-05", "date_stop": "2026-01-05"}
_CAMPAIGN = {"account_currency": "eur", "campaign_id": "20001", "campaign_name": "Prospecting"}
_AD_SET = {**_CAMPAIGN, "adset_id": "200010", "adset_name": "Broad"}


def _list(**values: str) -> list[dict[str, str]]:
    return [
        {"action_type": name.replace("__", "."), "value": value} for name, value in values.items()
    ]


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "campaigns": [
        {
            **_CAMPAIGN,
            **_DAY,
            "impressions": "5000",
            "inline_link_clicks": "60",
            "spend": "31.5",
            "actions": _list(view_content="80", purchase="3", omni_purchase="4"),
            "action_values": _list(purchase="120.5", omni_purchase="150.25"),
        },
        {**_CAMPAIGN, "date_start": "2026-01-06", "date_stop": "2026-01-06", "impressions": "10"},
    ],
    "ad_sets": [
        {
            **_AD_SET,
            **_DAY,
            "impressions": "5000",
            "spend": "31.5",
            "actions": _list(purchase="3"),
            "action_values": _list(purchase="120.5"),
        },
    ],
    "ads": [
        {
            **_AD_SET,
            **_DAY,
            "ad_id": "2000100",
            "ad_name": "Video",
            "impressions": "5000",
            "inline_link_clicks": "60",
            "spend": "31.5",
            "actions": _list(offsite_conversion__fb_pixel_purchase="2", link_click="60"),
            "action_values": _list(offsite_conversion__fb_pixel_purchase="80"),
        },
        {**_AD_SET, **_DAY, "ad_id": "2000101", "impressions": "7", "spend": "-1"},
        {
            **_AD_SET,
            **_DAY,
            "ad_id": "2000102",
            "impressions": "7",
            "actions": _list(purchase="some"),
        },
    ],
}
