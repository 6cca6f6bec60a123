"""Shopify Admin GraphQL: customers, orders, products, variants and abandoned checkouts of one shop.

Each field is read from Shopify's GraphQL payload first, then from its REST payload.
"""

from __future__ import annotations

from marketing_platform.errors import SourceError
from marketing_platform.sources.client import Client, Request
from marketing_platform.sources.fields import (
    Field,
    flag,
    ident,
    integer,
    json_text,
    number,
    text,
    timestamp,
)
from marketing_platform.sources.shopify import queries
from marketing_platform.sources.shopify.walk import (
    PATH,
    Connection,
    Connections,
    Lines,
    ShopifySettings,
    pause,
    refuse_errors,
)
from marketing_platform.sources.stream import Items, Stream
from marketing_platform.sources.system import Api, System

SCOPES = ("read_customers", "read_orders", "read_products")


def _api(settings: ShopifySettings) -> Api:
    return Api(
        f"{settings.url}/admin/api/{queries.API_VERSION}",
        auth=settings.token_auth(settings.url),
        headers=settings.headers(),
        pause=pause,
    )


def _probe(client: Client, settings: ShopifySettings) -> str:
    answer = client.send(Request(PATH, method="POST", json={"query": queries.SHOP}))
    refuse_errors(answer.body)
    data = answer.body["data"]
    granted = {scope["handle"] for scope in data["currentAppInstallation"]["accessScopes"]}
    # The right to write includes the right to read.
    granted |= {scope.replace("write_", "read_", 1) for scope in granted}
    missing = [scope for scope in SCOPES if scope not in granted]
    if missing:
        raise SourceError(
            f"the app lacks {', '.join(missing)}",
            mend="Grant these scopes to the app and install it anew",
        )
    name = str(data["shop"]["name"])
    if "read_all_orders" in granted:
        return name
    return f"{name}, orders of the last 60 days alone: the app lacks read_all_orders"


def _amount(name: str, bag: str, *rest: str, level: int = -1) -> Field:
    """An amount in the shop's own currency."""
    return number(name, f"$.{bag}.shopMoney.amount", *rest, level=level)


_UPDATED = timestamp("updated_at", "$.updatedAt", "$.updated_at")
_CREATED = timestamp("created_at", "$.createdAt", "$.created_at")

_CUSTOMERS = Stream(
    "customers",
    Connections((Connection("customers", queries.CUSTOMERS, has_whole_days=True),)),
    _UPDATED,
    (
        ident("customer_id", "$.id"),
        text("email", "$.defaultEmailAddress.emailAddress", "$.email"),
        text("phone", "$.defaultPhoneNumber.phoneNumber", "$.phone"),
        text("address_phone", "$.defaultAddress.phone", "$.default_address.phone"),
        text("first_name", "$.firstName", "$.first_name"),
        text("last_name", "$.lastName", "$.last_name"),
        text("country", "$.defaultAddress.countryCodeV2", "$.default_address.country_code"),
        text("street", "$.defaultAddress.address1", "$.default_address.address1"),
        text("city", "$.defaultAddress.city", "$.default_address.city"),
        text("postcode", "$.defaultAddress.zip", "$.default_address.zip"),
        text("region", "$.defaultAddress.provinceCode", "$.default_address.province_code"),
        text("locale", "$.locale"),
        text(
            "email_marketing_state",
            "$.defaultEmailAddress.marketingState",
            "$.email_marketing_consent.state",
        ),
        text(
            "sms_marketing_state",
            "$.defaultPhoneNumber.smsMarketingConsent.state",
            "$.sms_marketing_consent.state",
        ),
        # Shopify's older REST payloads know only this.
        flag("accepts_marketing", "$.accepts_marketing"),
        _CREATED,
        _UPDATED,
    ),
    is_state=True,
)


# An order taken over from another system was created later than it was made.
def _ordered(level: int = -1) -> Field:
    return timestamp(
        "ordered_at",
        "$.processedAt",
        "$.processed_at",
        "$.createdAt",
        "$.created_at",
        local_date="order_date",
        level=level,
    )


_CURRENCY_PATHS = ("$.totalPriceSet.shopMoney.currencyCode", "$.currencyCode", "$.currency")

_ORDER_ITEMS = (
    ident("line_id", "$.id"),
    ident("order_id", "$.id", level=0),
    _ordered(level=0),
    ident("product_id", "$.product.id", "$.product_id"),
    text("sku", "$.sku"),
    text("title", "$.title"),
    integer("quantity", "$.quantity"),
    _amount("unit_price", "originalUnitPriceSet", "$.price"),
    text("currency", "$.originalUnitPriceSet.shopMoney.currencyCode"),
    text("order_currency", *_CURRENCY_PATHS, level=0),
)


def _refunded(level: int = -1) -> Field:
    return timestamp(
        "refunded_at",
        "$.createdAt",
        "$.created_at",
        "$.processedAt",
        "$.processed_at",
        local_date="refund_date",
        level=level,
    )


_REFUNDS = (
    ident("refund_id", "$.id"),
    ident("order_id", "$.id", level=0),
    _refunded(),
    _amount("amount", "totalRefundedSet"),
    # Another amount than that of the lines was given back on purpose.
    json_text("adjustments", "$.orderAdjustments.nodes", "$.order_adjustments"),
    text("currency", "$.totalRefundedSet.shopMoney.currencyCode"),
    text("order_currency", *_CURRENCY_PATHS, level=0),
    ident("customer_id", "$.customer.id", level=0),
    text("email", "$.email", level=0),
)

_REFUND_ITEMS = (
    ident("refund_line_id", "$.id"),
    ident("refund_id", "$.id", level=1),
    ident("order_id", "$.id", level=0),
    ident("line_id", "$.lineItem.id", "$.line_item_id", "$.line_item.id"),
    ident("product_id", "$.lineItem.product.id", "$.line_item.product_id"),
    _refunded(level=1),
    integer("quantity", "$.quantity"),
    _amount("unit_price", "priceSet", "$.line_item.price"),
    _amount("subtotal", "subtotalSet", "$.subtotal"),
    _amount("total_tax", "totalTaxSet", "$.total_tax"),
    flag("has_tax_in_price", "$.taxesIncluded", "$.taxes_included", level=0),
    text("currency", "$.subtotalSet.shopMoney.currencyCode"),
    text("order_currency", *_CURRENCY_PATHS, level=0),
    ident("customer_id", "$.customer.id", level=0),
    text("email", "$.email", level=0),
)

_REFUND_SHIPPING = (
    ident("refund_id", "$.id", level=1),
    _amount("subtotal", "subtotalAmountSet"),
    _amount("total_tax", "taxAmountSet"),
    flag("has_tax_in_price", "$.taxesIncluded", "$.taxes_included", level=0),
)

_ORDERS = Stream(
    "orders",
    Connections(
        (
            Connection(
                "orders",
                queries.ORDERS,
                page_size=50,
                lines=(
                    Lines("lineItems", queries.MORE_ORDER_LINES),
                    Lines("refundLineItems", queries.MORE_REFUND_LINES, holders="refunds"),
                ),
            ),
        )
    ),
    _UPDATED,
    (
        ident("order_id", "$.id"),
        ident("customer_id", "$.customer.id"),
        text("email", "$.email", "$.contact_email", "$.customer.email"),
        text(
            "phone",
            "$.phone",
            "$.billingAddress.phone",
            "$.shippingAddress.phone",
            "$.billing_address.phone",
            "$.shipping_address.phone",
        ),
        text("first_name", "$.billingAddress.firstName", "$.billing_address.first_name"),
        text("last_name", "$.billingAddress.lastName", "$.billing_address.last_name"),
        text("street", "$.billingAddress.address1", "$.billing_address.address1"),
        text("city", "$.billingAddress.city", "$.billing_address.city"),
        text("postcode", "$.billingAddress.zip", "$.billing_address.zip"),
        text("region", "$.billingAddress.provinceCode", "$.billing_address.province_code"),
        text(
            "country",
            "$.billingAddress.countryCodeV2",
            "$.shippingAddress.countryCodeV2",
            "$.billing_address.country_code",
            "$.shipping_address.country_code",
        ),
        _ordered(),
        timestamp("cancelled_at", "$.cancelledAt", "$.cancelled_at"),
        flag("is_test", "$.test"),
        # Lines are read from GraphQL only.
        number("total_lines", "$.total_line_items_price"),
        _amount("total_discounts", "totalDiscountsSet", "$.total_discounts"),
        _amount(
            "total_shipping",
            "totalShippingPriceSet",
            "$.total_shipping_price_set.shop_money.amount",
            "$.shipping_lines[0].price",
        ),
        _amount("total_tax", "totalTaxSet", "$.total_tax"),
        _amount("total_price", "totalPriceSet", "$.total_price"),
        text("currency", *_CURRENCY_PATHS),
        text("fulfilment_status", "$.displayFulfillmentStatus", "$.fulfillment_status"),
        _UPDATED,
    ),
    items=(
        Items("order_items", ("$.lineItems.nodes",), _ORDER_ITEMS, "$.id"),
        Items("order_discounts", ("$.discountCodes",), (text("code", "$.code", "$"),)),
        Items("refunds", ("$.refunds",), _REFUNDS, "$.id"),
        Items("refund_items", ("$.refunds", "$.refundLineItems.nodes"), _REFUND_ITEMS),
        Items("refund_shipping", ("$.refunds", "$.refundShippingLines.nodes"), _REFUND_SHIPPING),
    ),
)

_PRODUCTS = Stream(
    "products",
    Connections(
        (
            Connection("products", queries.PRODUCTS),
            Connection(
                "deletionEvents", queries.DELETED_PRODUCTS, time="occurred_at", is_keyed=False
            ),
        )
    ),
    _UPDATED,
    (
        ident("product_id", "$.id"),
        text("title", "$.title"),
        text("category", "$.productType", "$.category.name", "$.product_type"),
        text("brand", "$.vendor"),
        number("price", "$.priceRangeV2.minVariantPrice.amount", "$.variants[0].price"),
        text("currency", "$.priceRangeV2.minVariantPrice.currencyCode"),
        integer("inventory_quantity", "$.totalInventory"),
        flag("tracks_inventory", "$.tracksInventory"),
        text("status", "$.status"),
        timestamp("published_at", "$.publishedAt", "$.published_at"),
        timestamp("deleted_at", "$.deletedAt"),
        text("description", "$.description", "$.body_html"),
        text("url", "$.onlineStoreUrl"),
        text("image_url", "$.featuredMedia.preview.image.url", "$.image.src"),
        _UPDATED,
    ),
    is_state=True,
)

_VARIANTS = Stream(
    "variants",
    Connections((Connection("productVariants", queries.VARIANTS),)),
    _UPDATED,
    (
        ident("variant_id", "$.id"),
        ident("product_id", "$.product.id", "$.product_id"),
        text("sku", "$.sku"),
        text("title", "$.title"),
        number("price", "$.price"),
        text("currency", "$.product.priceRangeV2.minVariantPrice.currencyCode"),
        integer("inventory_quantity", "$.inventoryQuantity", "$.inventory_quantity"),
        flag("tracks_inventory", "$.inventoryItem.tracked"),
        text("barcode", "$.barcode"),
        _UPDATED,
    ),
    is_state=True,
)

_CHECKOUTS = Stream(
    "checkouts",
    Connections(
        (
            Connection(
                "abandonedCheckouts",
                queries.CHECKOUTS,
                page_size=100,
                lines=(Lines("lineItems", queries.MORE_CHECKOUT_LINES),),
            ),
        )
    ),
    _UPDATED,
    (
        ident("checkout_id", "$.id"),
        ident("customer_id", "$.customer.id"),
        text("email", "$.customer.defaultEmailAddress.emailAddress", "$.email", "$.customer.email"),
        text(
            "phone",
            "$.customer.defaultPhoneNumber.phoneNumber",
            "$.billingAddress.phone",
            "$.shippingAddress.phone",
            "$.phone",
            "$.billing_address.phone",
        ),
        timestamp("created_at", "$.createdAt", "$.created_at", local_date="cart_date"),
        timestamp("completed_at", "$.completedAt", "$.completed_at"),
        _amount("subtotal", "subtotalPriceSet", "$.subtotal_price"),
        text("currency", "$.subtotalPriceSet.shopMoney.currencyCode", "$.currency"),
        text("recovery_url", "$.abandonedCheckoutUrl", "$.abandoned_checkout_url"),
        _UPDATED,
    ),
    items=(
        Items(
            "checkout_items",
            ("$.lineItems.nodes",),
            (
                ident("checkout_id", "$.id", level=0),
                ident("line_id", "$.id"),
                ident("product_id", "$.product.id"),
                text("sku", "$.sku"),
                text("title", "$.title"),
                integer("quantity", "$.quantity"),
                _amount("unit_price", "originalUnitPriceSet"),
                text("currency", "$.originalUnitPriceSet.shopMoney.currencyCode"),
                text("checkout_currency", "$.subtotalPriceSet.shopMoney.currencyCode", level=0),
            ),
            "$.id",
        ),
    ),
)

SYSTEM = System(
    "shopify",
    "Shopify",
    ShopifySettings,
    (_CUSTOMERS, _ORDERS, _PRODUCTS, _VARIANTS, _CHECKOUTS),
    api=_api,
    probe=_probe,
)
