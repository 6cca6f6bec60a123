"""Suppressions as SendGrid's API gives them, and events as its webhook sends them."""

from __future__ import annotations

from typing import Any

_EVENT = {
    "email": "peter@example.com",
    "timestamp": 1767607200,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "category": ["sale"],
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
}

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "suppressions": [
        {
            "created": 1767607200,
            "email": "peter@example.com",
            "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
            "status": "5.1.1",
            "_page": {"list": "bounces"},
        },
        {
            "created": 1767610800,
            "email": "milton@example.com",
            "reason": "unable to resolve MX record for example.com: servfail",
            "status": "4.0.0",
            "_page": {"list": "blocks"},
        },
        {
            "created": 1767614400,
            "email": "milton@example.com",
            "ip": "10.63.202.100",
            "_page": {"list": "spam_reports"},
        },
    ],
    "group_suppressions": [
        {
            "email": "ada@example.com",
            "group_id": 7,
            "group_name": "Weekly news",
            "created_at": 1767607200,
        },
    ],
    "events": [
        {
            **_EVENT,
            "event": "click",
            "url": "https://shop.example.com/sale",
            "sg_event_id": "click-1",
            "singlesend_id": "27c21bbf-a12c-440b-b8bf-c526975328ca",
            "singlesend_name": "Winter sale",
        },
        {
            **_EVENT,
            "event": "bounce",
            "type": "blocked",
            "status": "5.7.1",
            "reason": "550 5.7.1 blocked",
            "sg_event_id": "bounce-1",
        },
        {**_EVENT, "event": "account_status_change", "sg_event_id": "account-1"},
    ],
}
