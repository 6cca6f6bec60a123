"""Calls as the Segment spec has them."""

from __future__ import annotations

from typing import Any

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "events": [
        {
            "type": "track",
            "messageId": "m-1",
            "userId": "u-1",
            "anonymousId": "a-1",
            "event": "Order Completed",
            "properties": {"order_id": "o-1", "revenue": 25.0, "currency": "USD"},
            "context": {
                "campaign": {"name": "Spring", "source": "google", "medium": "cpc"},
                "page": {"url": "https://shop.example.com/thanks"},
            },
            "timestamp": "2026-01-05T10:00:00.000Z",
        },
        {
            "type": "page",
            "messageId": "m-2",
            "anonymousId": "a-2",
            "name": "Home",
            "properties": {"url": "https://shop.example.com/"},
            "timestamp": "2026-01-05T11:30:00+02:00",
        },
    ],
    "identifies": [
        {
            "type": "identify",
            "messageId": "m-3",
            "userId": "u-1",
            "traits": {
                "email": "peter@example.com",
                "phone": "+4930901820",
                "firstName": "Peter",
                "lastName": "Gibbons",
                "address": {"street": "Mill Street 1", "city": "Berlin", "country": "Germany"},
            },
            "context": {"locale": "de-DE"},
            "timestamp": "2026-01-05T09:59:00.000Z",
        }
    ],
}
