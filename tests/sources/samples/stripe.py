"""Objects as Stripe has them, cut down to what is read."""

from __future__ import annotations

from typing import Any

# 2026-01-05 10:00, 11:00 and 12:00 UTC.
TEN, ELEVEN, NOON = 1767607200, 1767610800, 1767614400

_CUSTOMER: dict[str, Any] = {
    "id": "cus_1",
    "object": "customer",
    "created": TEN,
    "email": "peter@example.com",
    "name": "Peter van Gibbons",
    "phone": "+4930901820",
    "address": {"city": "Berlin", "country": "DE"},
    "preferred_locales": ["de"],
}
_CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "created": TEN,
    "amount": 2550,
    "currency": "eur",
    "customer": "cus_1",
    "billing_details": {"email": "peter@example.com"},
    "metadata": {"order_id": "o-1"},
    "status": "pending",
}
_DRAFT: dict[str, Any] = {
    "id": "in_2",
    "object": "invoice",
    "created": TEN,
    "amount_due": 500,
    "amount_paid": 0,
    "currency": "usd",
    "customer": "cus_1",
    "customer_email": None,
    "status": "draft",
    "status_transitions": {"finalized_at": None, "paid_at": None},
    "parent": None,
}


def _event(key: str, kind: str, created: int, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": key,
        "object": "event",
        "created": created,
        "type": kind,
        "data": {"object": content},
    }


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "customers": [
        _CUSTOMER,
        {"id": "cus_2", "object": "customer", "created": ELEVEN, "email": None, "name": "Cher"},
    ],
    "charges": [
        _CHARGE,
        {**_CHARGE, "id": "ch_2", "amount": 500, "currency": "jpy", "status": "succeeded"},
        {**_CHARGE, "id": "ch_3", "amount": 5120, "currency": "kwd", "status": "failed"},
        {**_CHARGE, "id": "ch_4", "amount": 500, "currency": "ugx", "status": "succeeded"},
        {**_CHARGE, "id": "ch_5", "amount": None},
    ],
    "refunds": [
        {
            "id": "re_1",
            "object": "refund",
            "created": ELEVEN,
            "amount": 1000,
            "currency": "eur",
            "charge": "ch_1",
            "status": "succeeded",
            "metadata": {},
        },
        {
            "id": "re_2",
            "object": "refund",
            "created": NOON,
            "amount": 100,
            "currency": "eur",
            "charge": "ch_1",
            "status": "canceled",
            "metadata": {},
        },
    ],
    "subscriptions": [
        {
            "id": "sub_1",
            "object": "subscription",
            "created": TEN,
            "start_date": TEN,
            "customer": "cus_1",
            "currency": "eur",
            "status": "active",
            "canceled_at": None,
            "ended_at": None,
            "items": {
                "data": [
                    {
                        "id": "si_1",
                        "quantity": 2,
                        "current_period_end": NOON,
                        "price": {
                            "unit_amount": 1500,
                            "unit_amount_decimal": "1500",
                            "recurring": {"interval": "month", "interval_count": 3},
                        },
                    },
                    {
                        "id": "si_2",
                        "quantity": 1,
                        "current_period_end": NOON,
                        "price": {
                            "unit_amount": 300,
                            "unit_amount_decimal": "300",
                            "recurring": {"interval": "month", "interval_count": 3},
                        },
                    },
                ]
            },
        },
        {
            "id": "sub_2",
            "object": "subscription",
            "created": TEN,
            "start_date": TEN,
            "customer": {"id": "cus_2", "object": "customer"},
            "currency": "usd",
            "status": "canceled",
            "current_period_end": NOON,
            "canceled_at": ELEVEN,
            "ended_at": NOON,
            "items": {"data": []},
        },
    ],
    "invoices": [
        {
            **_DRAFT,
            "id": "in_1",
            "amount_due": 3300,
            "amount_paid": 3300,
            "currency": "eur",
            "customer_email": "peter@example.com",
            "status": "paid",
            "due_date": NOON,
            "status_transitions": {"finalized_at": ELEVEN, "paid_at": NOON},
            "parent": {"subscription_details": {"subscription": "sub_1"}},
        },
        _DRAFT,
    ],
    "events": [
        _event("evt_1", "charge.succeeded", ELEVEN, {**_CHARGE, "status": "succeeded"}),
        _event("evt_2", "customer.deleted", NOON, _CUSTOMER),
        _event("evt_3", "invoice.deleted", NOON, _DRAFT),
    ],
}
