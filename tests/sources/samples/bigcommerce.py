"""Records of BigCommerce, as its documentation shows them."""

from __future__ import annotations

from typing import Any

_ORDER: dict[str, Any] = {
    "id": 118,
    "customer_id": 11,
    "date_created": "Thu, 08 Jan 2026 10:00:00 +0000",
    "date_modified": "Thu, 08 Jan 2026 11:00:00 +0000",
    "status_id": 11,
    "status": "Awaiting Fulfillment",
    "subtotal_inc_tax": "50.0000",
    "discount_amount": "0.0000",
    "coupon_discount": "5.0000",
    "shipping_cost_inc_tax": "4.9000",
    "total_tax": "7.9700",
    "total_inc_tax": "49.9000",
    "currency_code": "EUR",
    "is_deleted": False,
    "billing_address": {"email": "ada@example.com", "phone": "030 1", "country_iso2": "DE"},
    "_products": [
        {
            "id": 1,
            "order_id": 118,
            "product_id": 77,
            "sku": "A-1",
            "name": "Beans",
            "quantity": 2,
            "price_inc_tax": "25.0000",
            "total_inc_tax": "50.0000",
        }
    ],
}

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "customers": [
        {
            "id": 11,
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Byron",
            "phone": "",
            "date_created": "2026-01-05T10:00:00Z",
            "date_modified": "2026-01-06T10:00:00Z",
            "addresses": [{"country_code": "DE", "phone": "030 1"}],
        }
    ],
    "orders": [_ORDER, {**_ORDER, "id": 119, "customer_id": 0, "status_id": 0, "_products": []}],
    "carts": [{**_ORDER, "id": 119, "status_id": 0, "status": "Incomplete"}],
    "refunds": [
        {
            "id": 5,
            "order_id": 118,
            "created": "2026-01-15T01:02:34-01:00",
            "total_amount": 10.5,
            "items": [{"item_type": "PRODUCT", "item_id": 1, "quantity": 1}],
        }
    ],
    "products": [
        {
            "id": 77,
            "sku": "A",
            "name": "Beans",
            "price": 25,
            "inventory_level": 4,
            "is_visible": True,
            "date_modified": "2026-01-06T10:00:00Z",
            "variants": [
                {
                    "id": 78,
                    "product_id": 77,
                    "sku": "A-1",
                    "price": None,
                    "calculated_price": 25,
                    "inventory_level": 4,
                    "option_values": [{"label": "1 kg"}],
                }
            ],
        }
    ],
}
