"""Events of the BigQuery export as the source reads them from its files."""

from __future__ import annotations

from typing import Any

_PERSON = {"user_pseudo_id": "1166526666.1617691776", "user_id": None}


def _event(key: str, name: str, micros: str, **more: Any) -> dict[str, Any]:
    head = {"_key": key, "_day": "2026-01-05", "_params": more.pop("params", {})}
    return {**head, "event_name": name, "event_timestamp": micros, **_PERSON, **more}


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "events": [
        _event(
            "k1",
            "view_item",
            "1767607200000000",
            params={"page_location": "https://shop.example.com/a", "source": "news"},
            items=[{"item_id": "SKU-1"}, {"item_id": "SKU-2"}],
            traffic_source={"source": "first-ever", "medium": "organic", "name": "x"},
            device={"category": "smart tv"},
        ),
        _event(
            "k2",
            "purchase",
            "1767607260000000",
            user_id="u-1",
            ecommerce={"transaction_id": "T-9"},
            collected_traffic_source={"manual_source": "google", "manual_medium": "cpc"},
            session_traffic_source_last_click={
                "manual_campaign": {"source": "bing", "medium": "cpc", "campaign_name": "Brand"}
            },
        ),
        _event("k3", "my_event", "1767607260000001", ecommerce={"transaction_id": "(not set)"}),
        _event("k4", "page_view", "soon"),
        _event("k5", "page_view", "1767607260000002", user_pseudo_id=None),
    ]
}
