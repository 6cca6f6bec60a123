"""Events and profiles as Klaviyo's API gives them."""

from __future__ import annotations

from typing import Any


def _event(key: str, metric: str, moment: str, profile: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "id": key,
        "attributes": {
            "timestamp": 1767607200,
            "event_properties": properties,
            "datetime": moment,
            "uuid": f"{key}-uuid",
        },
        "relationships": {
            "profile": {"data": {"type": "profile", "id": profile}},
            "metric": {"data": {"type": "metric", "id": f"{metric[:3]}123"}},
        },
        "links": {"self": f"https://a.klaviyo.com/api/events/{key}/"},
        "_page": {"metric": metric},
    }


def _review(
    key: str, moment: str, rating: int | None, status: str, email: str | None = None, **more: Any
) -> dict[str, Any]:
    product = {
        "url": "https://shop.example.com/products/9301",
        "name": "Stapler",
        "image_url": "https://shop.example.com/pictures/9301.jpg",
        "external_id": "9301",
    }
    attributes = {
        "email": email,
        "status": {"value": status},
        "verified": True,
        "review_type": "review",
        "created": moment,
        "updated": moment,
        "images": [],
        "product": product,
        "rating": rating,
        "author": "Peter G",
        "content": "Staples well",
        "title": "Red",
        "public_reply": None,
    }
    return {
        "type": "review",
        "id": key,
        "attributes": attributes | more,
        "links": {"self": f"https://a.klaviyo.com/api/reviews/{key}/"},
    }


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "events": [
        _event(
            "3gBNHPGp",
            "Clicked Email",
            "2026-01-05T10:00:00+00:00",
            "01GDDKASAP8TKDDA2GRZDSVP4H",
            **{
                "Recipient Email Address": "peter@example.com",
                "Campaign Name": "Winter sale",
                "$message": "LyZ7re",
                "$flow": None,
                "URL": "https://shop.example.com/sale",
            },
        ),
        _event(
            "3gBNHPGq",
            "Bounced Email",
            "2026-01-05T11:00:00+01:00",
            "01GDDKASAP8TKDDA2GRZDSVP4J",
            **{"Bounce Type": "Soft", "$flow": "XhBwPe", "$message": "RjPuxb"},
        ),
        _event(
            "3gBNHPGr",
            "Unsubscribed from SMS Marketing",
            "2026-01-06T09:00:00+00:00",
            "01GDDKASAP8TKDDA2GRZDSVP4H",
        ),
        _event("3gBNHPGs", "Placed Order", "2026-01-06T10:00:00+00:00", "01GDDKASAP8T"),
    ],
    "profiles": [
        {
            "type": "profile",
            "id": "01GDDKASAP8TKDDA2GRZDSVP4H",
            "attributes": {
                "email": "peter@example.com",
                "phone_number": "+15005550006",
                "external_id": None,
                "first_name": "Peter",
                "last_name": "Gibbons",
                "locale": "en-US",
                "created": "2025-11-08T00:00:00+00:00",
                "updated": "2026-01-05T00:00:00+00:00",
                "location": {"country": "United States", "city": "Austin"},
                "properties": {"pseudonym": "Dr. Octopus"},
                "subscriptions": {
                    "email": {
                        "marketing": {
                            "can_receive_email_marketing": True,
                            "consent": "SUBSCRIBED",
                            "consent_timestamp": "2025-11-08T00:00:00+00:00",
                        }
                    },
                    "sms": {
                        "marketing": {
                            "can_receive_sms_marketing": False,
                            "consent": "UNSUBSCRIBED",
                        }
                    },
                },
            },
        },
        {
            "type": "profile",
            "id": "01GDDKASAP8TKDDA2GRZDSVP4J",
            "attributes": {
                "email": "milton@example.com",
                "created": "2025-11-09T00:00:00+00:00",
                "updated": "2026-01-05T10:00:00+00:00",
                "location": {},
                "subscriptions": {
                    "email": {
                        "marketing": {
                            "can_receive_email_marketing": False,
                            "consent": "SUBSCRIBED",
                            "suppression": [
                                {"reason": "HARD_BOUNCE", "timestamp": "2026-01-05T10:00:00+00:00"}
                            ],
                        }
                    }
                },
            },
        },
    ],
    "reviews": [
        _review("2134228", "2026-01-05T10:00:00+00:00", 2, "featured", "peter@example.com"),
        _review(
            "2134229",
            "2026-01-06T10:00:00+00:00",
            5,
            "pending",
            verified=False,
            product=None,
            review_type="store",
        ),
        _review(
            "2134230",
            "2026-01-06T11:00:00+00:00",
            None,
            "published",
            "milton@example.com",
            verified=False,
            review_type="question",
        ),
        _review("2134231", "2026-01-06T12:00:00+00:00", 7, "published", "peter@example.com"),
        _review("2134232", "2026-01-06T13:00:00+00:00", 1, "rejected", "peter@example.com"),
    ],
}
