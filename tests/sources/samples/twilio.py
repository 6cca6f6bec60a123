"""Messages as Twilio's API gives them."""

from __future__ import annotations

from typing import Any

_ACCOUNT = "AC" + "a" * 32


def _message(key: str, direction: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "account_sid": _ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Our sale is on",
        "date_created": "Mon, 05 Jan 2026 09:59:58 +0000",
        "date_sent": "Mon, 05 Jan 2026 10:00:00 +0000",
        "date_updated": "Mon, 05 Jan 2026 10:00:05 +0000",
        "direction": direction,
        "error_code": None,
        "error_message": None,
        "from": "+15005550006",
        "messaging_service_sid": "MG" + "b" * 32,
        "num_media": "0",
        "num_segments": "1",
        "price": "-0.00750",
        "price_unit": "USD",
        "sid": key,
        "status": status,
        "to": "+15125550101",
        **more,
    }


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "messages": [
        _message("SM" + "1" * 32, "outbound-api", "delivered"),
        _message("SM" + "2" * 32, "outbound-api", "undelivered", error_code=30005),
        _message(
            "SM" + "3" * 32,
            "inbound",
            "received",
            body=" Stop! ",
            messaging_service_sid=None,
            **{"from": "whatsapp:+15125550101", "to": "whatsapp:+15005550006"},
        ),
        _message("SM" + "4" * 32, "outbound-api", "queued", date_sent=None),
    ]
}
