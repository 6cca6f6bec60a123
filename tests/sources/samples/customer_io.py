"""Messages as Customer.io's App API gives them, once for each metric."""

from __future__ import annotations

from typing import Any

_MESSAGE = {
    "id": "dgOq6QWq6QUBAAF4",
    "deduplicate_id": "dgOq6QWq6QUBAAF4:1767607260",
    "customer_id": "7",
    "customer_identifiers": {"id": "7", "email": "peter@example.com", "cio_id": "d9c106000001"},
    "recipient": "peter@example.com",
    "subject": "Our sale is on",
    "metrics": {"sent": 1767607200, "delivered": 1767607205, "opened": 1767610800},
    "created": 1767607199,
    "failure_message": None,
    "newsletter_id": None,
    "campaign_id": 23,
    "type": "email",
    "forgotten": False,
}

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "messages": [
        {**_MESSAGE, "_page": {"metric": "sent"}},
        {**_MESSAGE, "_page": {"metric": "opened"}},
        {
            **_MESSAGE,
            "id": "dgOq6QWq6QUBAAF5",
            "recipient": "+15125550101",
            "campaign_id": None,
            "newsletter_id": 4,
            "metrics": {"sent": 1767607200, "undeliverable": 1767607300},
            "type": "twilio",
            "_page": {"metric": "undeliverable"},
        },
        {**_MESSAGE, "type": "slack", "_page": {"metric": "sent"}, "id": "dgOq6QWq6QUBAAF6"},
    ]
}
