"""Rows of a database, as a query gives them."""

from __future__ import annotations

from typing import Any

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "contacts": [
        {
            "source_contact_id": 7,
            "email": "peter@example.com",
            "has_email_consent": 1,
            "updated_at": "2026-01-05T10:00:00",
        }
    ],
    "orders": [
        {
            "source_order_id": 12,
            "source_contact_id": 7,
            "ordered_at": "2026-01-05T10:00:00",
            "order_status": "placed",
            "gross_amount": "25.00",
            "currency": "EUR",
        }
    ],
    "deals": [
        {"source_deal_id": "d-1", "title": "Rollout", "deal_amount": "1200.00", "is_won": True}
    ],
}
