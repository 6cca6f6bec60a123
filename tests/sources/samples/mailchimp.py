"""Members and reports as Mailchimp's Marketing API gives them."""

from __future__ import annotations

from typing import Any

_MEMBER: dict[str, Any] = {
    "id": "62eeb292278cc15f5817cb78f7790b08",
    "email_address": "peter@example.com",
    "unique_email_id": "52f2e5bcf4",
    "contact_id": "a2cc76f0ac73ac72b57dd5e6e2b1cbd4",
    "full_name": "Peter Gibbons",
    "web_id": 418928,
    "email_type": "html",
    "status": "subscribed",
    "merge_fields": {
        "FNAME": "Peter",
        "LNAME": "Gibbons",
        "ADDRESS": {
            "addr1": "4120 Freidrich Lane",
            "addr2": "",
            "city": "Austin",
            "state": "TX",
            "zip": "78744",
            "country": "US",
        },
        "PHONE": "",
        "BIRTHDAY": "02/19",
    },
    "stats": {"avg_open_rate": 0.5, "avg_click_rate": 0},
    "ip_signup": "",
    "timestamp_signup": "",
    "ip_opt": "198.51.100.7",
    "timestamp_opt": "2024-02-19T09:00:00+00:00",
    "member_rating": 2,
    "last_changed": "2026-01-05T10:00:00+00:00",
    "language": "en",
    "vip": False,
    "email_client": "",
    "location": {"latitude": 0, "longitude": 0, "country_code": "DE", "timezone": "Europe/Berlin"},
    "sms_phone_number": "+15125550101",
    "sms_subscription_status": "subscribed",
    "list_id": "a1b2c3d4e5",
}


def member(key: str, status: str, **more: Any) -> dict[str, Any]:
    """Another member, with nothing said of texts."""
    no_texts = {"sms_phone_number": "", "sms_subscription_status": ""}
    whom = {"contact_id": key, "id": f"hash-{key}", "email_address": f"{key}@example.com"}
    # A required address of an older form is a text.
    fields = {"FNAME": "", "LNAME": "", "ADDRESS": "1 Main Street  Austin  TX", "PHONE": ""}
    return {**_MEMBER, **no_texts, **whom, "status": status, "merge_fields": fields, **more}


_CAMPAIGN = {
    "campaign_id": "42694e9e57",
    "campaign_name": "Winter sale",
    "sent_at": "2026-01-05T09:00:00+00:00",
}


def recipient(name: str, *activity: dict[str, Any]) -> dict[str, Any]:
    """What a person did with a campaign's mail."""
    return {
        "campaign_id": "42694e9e57",
        "list_id": "a1b2c3d4e5",
        "list_is_active": True,
        "email_id": f"hash-{name}",
        "email_address": f"{name}@example.com",
        "activity": list(activity),
        "_page": _CAMPAIGN,
    }


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "members": [
        _MEMBER,
        member("left", "unsubscribed", last_changed="2026-01-05T11:00:00+00:00"),
        member("gone", "cleaned", last_changed="2026-01-05T12:00:00+00:00"),
        member("asked", "pending", last_changed="2026-01-05T13:00:00+00:00"),
        member("buyer", "transactional", last_changed="2026-01-05T14:00:00+00:00"),
        member("away", "archived", last_changed="2026-01-05T15:00:00+00:00"),
    ],
    "email_activity": [
        recipient(
            "peter",
            {"action": "open", "timestamp": "2026-01-05T10:00:00+00:00", "ip": "198.51.100.7"},
            {
                "action": "click",
                "timestamp": "2026-01-05T10:01:00+00:00",
                "url": "https://shop.example.com/sale",
                "ip": "198.51.100.7",
            },
        ),
        recipient("quiet"),
        recipient(
            "gone", {"action": "bounce", "type": "hard", "timestamp": "2026-01-05T09:00:10+00:00"}
        ),
        recipient(
            "full", {"action": "bounce", "type": "soft", "timestamp": "2026-01-05T09:00:11+00:00"}
        ),
        recipient("odd", {"action": "forward", "timestamp": "2026-01-05T09:00:12+00:00"}),
    ],
    "unsubscribes": [
        {
            "email_id": "hash-left",
            "email_address": "left@example.com",
            "vip": False,
            "timestamp": "2026-01-08T11:00:00+00:00",
            "reason": "None given",
            "campaign_id": "42694e9e57",
            "list_id": "a1b2c3d4e5",
            "_page": _CAMPAIGN,
        }
    ],
    "abuse_reports": [
        {
            "id": 42,
            "campaign_id": "42694e9e57",
            "list_id": "a1b2c3d4e5",
            "email_id": "hash-cross",
            "email_address": "cross@example.com",
            "vip": False,
            "date": "2026-01-06T11:00:00+00:00",
        }
    ],
}
