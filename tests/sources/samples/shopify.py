"""Records as Shopify's GraphQL answers have them, one of them as its REST answers do."""

from __future__ import annotations

from typing import Any


def money(amount: str, currency: str = "EUR") -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": currency}}


def listed(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}}


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def line(number: int, quantity: int, price: str, product: int = 1) -> dict[str, Any]:
    return {
        "id": gid("LineItem", number),
        "sku": f"SKU-{product}",
        "title": f"Mug {product}",
        "variantTitle": "Blue",
        "quantity": quantity,
        "isGiftCard": False,
        "originalUnitPriceSet": money(price),
        "product": {"id": gid("Product", product)},
        "variant": {"id": gid("ProductVariant", product * 10)},
    }


def refund_line(number: int, of_line: int, subtotal: str, tax: str) -> dict[str, Any]:
    return {
        "id": gid("RefundLineItem", number),
        "quantity": 1,
        "restockType": "RETURN",
        "lineItem": {"id": gid("LineItem", of_line), "product": {"id": gid("Product", 1)}},
        "priceSet": money(subtotal),
        "subtotalSet": money(subtotal),
        "totalTaxSet": money(tax),
    }


_ADDRESS = {"firstName": "Peter", "lastName": "Gibbons", "phone": None, "countryCodeV2": "DE"}

_ORDER = {
    "id": gid("Order", 1001),
    "name": "#1001",
    "email": "peter@example.com",
    "phone": None,
    "createdAt": "2026-01-05T10:00:00Z",
    "processedAt": "2026-01-05T10:00:00Z",
    "updatedAt": "2026-01-07T09:00:00Z",
    "cancelledAt": None,
    "cancelReason": None,
    "closedAt": None,
    "test": False,
    "sourceName": "web",
    "currencyCode": "EUR",
    "displayFinancialStatus": "PARTIALLY_REFUNDED",
    "displayFulfillmentStatus": "FULFILLED",
    "discountCodes": ["WELCOME", "FRIENDS"],
    "tags": [],
    "taxesIncluded": False,
    "customer": {"id": gid("Customer", 501)},
    "billingAddress": {**_ADDRESS, "countryCodeV2": "AT"},
    "shippingAddress": {**_ADDRESS, "phone": "+4930901820"},
    "totalDiscountsSet": money("5.00"),
    "totalShippingPriceSet": money("4.90"),
    "totalTaxSet": money("6.65"),
    "totalPriceSet": money("46.55"),
    "fulfillments": [
        {
            "id": gid("Fulfillment", 1),
            "status": "SUCCESS",
            "createdAt": "2026-01-06T10:00:00Z",
            "updatedAt": "2026-01-06T10:00:00Z",
            "deliveredAt": None,
        }
    ],
    "refunds": [
        {
            "id": gid("Refund", 7),
            "createdAt": "2026-01-07T09:00:00Z",
            "processedAt": "2026-01-07T09:00:00Z",
            "updatedAt": "2026-01-07T09:00:00Z",
            "totalRefundedSet": money("16.80"),
            "orderAdjustments": {"nodes": []},
            "refundLineItems": listed(refund_line(71, 11, "10.00", "1.90")),
        }
    ],
    "lineItems": listed(line(11, 2, "12.50"), line(12, 1, "14.95", product=2)),
}

_CANCELLED = {
    **_ORDER,
    "id": gid("Order", 1002),
    "email": None,
    "customer": None,
    "cancelledAt": "2026-01-08T10:00:00Z",
    "updatedAt": "2026-01-08T10:00:00Z",
    "discountCodes": [],
    "refunds": [
        {
            "id": gid("Refund", 8),
            "createdAt": "2026-01-08T10:00:00Z",
            "processedAt": "2026-01-08T10:00:00Z",
            "updatedAt": "2026-01-08T10:00:00Z",
            # Nothing was paid yet, so that nothing goes back.
            "totalRefundedSet": money("0.00"),
            "orderAdjustments": {"nodes": [{"id": gid("OrderAdjustment", 80)}]},
            "refundLineItems": listed(refund_line(81, 13, "12.50", "2.38")),
        }
    ],
    "lineItems": listed(line(13, 1, "12.50")),
}

_CUSTOMER = {
    "id": gid("Customer", 501),
    "createdAt": "2025-11-01T08:00:00Z",
    "updatedAt": "2026-01-05T10:00:01Z",
    "firstName": "Peter",
    "lastName": "Gibbons",
    "locale": "de-DE",
    "tags": ["vip"],
    "state": "ENABLED",
    "defaultEmailAddress": {
        "emailAddress": "peter@example.com",
        "marketingState": "SUBSCRIBED",
        "marketingUpdatedAt": "2025-11-01T08:00:00Z",
    },
    "defaultPhoneNumber": {
        "phoneNumber": "+4930901820",
        "smsMarketingConsent": {"state": "UNSUBSCRIBED", "updatedAt": None},
    },
    "defaultAddress": _ADDRESS,
}

_CHECKOUT = {
    "id": gid("AbandonedCheckout", 901),
    "createdAt": "2026-01-09T23:30:00Z",
    "updatedAt": "2026-01-09T23:40:00Z",
    "completedAt": None,
    "abandonedCheckoutUrl": "https://shop.example.com/checkouts/901/recover",
    "discountCodes": [],
    "customer": {
        "id": gid("Customer", 501),
        "defaultEmailAddress": {"emailAddress": "peter@example.com"},
        "defaultPhoneNumber": {"phoneNumber": "+4930901820"},
    },
    "billingAddress": None,
    "shippingAddress": None,
    "subtotalPriceSet": money("25.00"),
    "totalPriceSet": money("29.90"),
    "lineItems": listed(
        {
            "id": gid("AbandonedCheckoutLineItem", 1),
            "sku": "SKU-1",
            "title": "Mug 1",
            "quantity": 2,
            "originalUnitPriceSet": money("12.50"),
            "product": {"id": gid("Product", 1)},
            "variant": {"id": gid("ProductVariant", 10)},
        }
    ),
}

_PRODUCT = {
    "id": gid("Product", 1),
    "title": "Mug 1",
    "handle": "mug-1",
    "vendor": "Initech",
    "productType": "Mugs",
    "status": "ACTIVE",
    "tags": [],
    "totalInventory": 40,
    "tracksInventory": True,
    "createdAt": "2025-10-01T08:00:00Z",
    "updatedAt": "2026-01-02T08:00:00Z",
    "publishedAt": "2025-10-01T08:00:00Z",
    "category": None,
    "priceRangeV2": {"minVariantPrice": {"amount": "12.50", "currencyCode": "EUR"}},
}

_VARIANT = {
    "id": gid("ProductVariant", 10),
    "sku": "SKU-1",
    "title": "Blue",
    "price": "12.50",
    "compareAtPrice": None,
    "inventoryQuantity": 40,
    "availableForSale": True,
    "createdAt": "2025-10-01T08:00:00Z",
    "updatedAt": "2026-01-02T08:00:00Z",
    "inventoryItem": {"id": gid("InventoryItem", 1), "tracked": True},
    "product": {
        "id": gid("Product", 1),
        "priceRangeV2": {"minVariantPrice": {"currencyCode": "EUR"}},
    },
}

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "customers": [
        _CUSTOMER,
        {
            "id": 502,
            "created_at": "2025-12-01T09:00:00+01:00",
            "updated_at": "2026-01-03T09:00:00+01:00",
            "first_name": "Milton",
            "last_name": "Waddams",
            "email": "milton@example.com",
            "phone": None,
            "accepts_marketing": False,
            "default_address": {"country_code": "US", "phone": "+12025550123"},
        },
    ],
    "orders": [_ORDER, _CANCELLED],
    "products": [
        _PRODUCT,
        {
            "id": gid("Product", 2),
            "updatedAt": "2026-01-06T08:00:00Z",
            "deletedAt": "2026-01-06T08:00:00Z",
        },
    ],
    "variants": [_VARIANT, {**_VARIANT, "id": gid("ProductVariant", 11), "price": "-1.00"}],
    "checkouts": [
        _CHECKOUT,
        {
            **_CHECKOUT,
            "id": gid("AbandonedCheckout", 902),
            "customer": None,
            "completedAt": "2026-01-10T08:00:00Z",
            "updatedAt": "2026-01-10T08:00:00Z",
            "lineItems": listed(),
        },
    ],
}
