"""What Shopify's sandbox answers with: the simulated shop's records, shaped as its API does."""

from __future__ import annotations

import polars as pl
from polars.expr.whenthen import Then

from marketing_platform.demo.sandbox.facts import Facts
from marketing_platform.demo.sandbox.shelf import encode


def _gid(kind: str, column: str) -> pl.Expr:
    return f"gid://shopify/{kind}/" + pl.col(column).cast(pl.String)


def _time(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bag(column: str) -> pl.Expr:
    """An amount in the shop's currency."""
    amount = pl.col(column).cast(pl.String)
    return pl.struct(shopMoney=pl.struct(amount=amount, currencyCode=pl.lit("EUR")))


def _where(condition: pl.Expr, value: pl.Expr) -> Then:
    return pl.when(condition).then(value)


def _there(column: str, value: pl.Expr) -> Then:
    return _where(pl.col(column).is_not_null(), value)


def _rows(frame: pl.DataFrame, key: str, created_at: str, **payload: pl.Expr) -> pl.DataFrame:
    record = pl.struct([value.alias(name) for name, value in payload.items()])
    return encode(
        frame.select(key=key, updated_at="updated_at", created_at=created_at, payload=record)
    )


def customers(facts: Facts) -> pl.DataFrame:
    return _rows(
        facts.accounts,
        "account_id",
        "created_at",
        id=_gid("Customer", "account_id"),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        firstName=pl.col("first_name"),
        lastName=pl.col("last_name"),
        locale=pl.col("language"),
        tags=pl.lit([], pl.List(pl.String)),
        state=pl.lit("ENABLED"),
        email=pl.col("email"),
        phone=pl.col("phone"),
        defaultEmailAddress=_there(
            "email",
            pl.struct(
                emailAddress=pl.col("email"),
                marketingState=_consent("has_email_consent"),
                marketingUpdatedAt=_time("updated_at"),
            ),
        ),
        defaultPhoneNumber=_there(
            "phone",
            pl.struct(
                phoneNumber=pl.col("phone").str.replace_all(" ", ""),
                marketingState=_consent("has_sms_consent"),
                smsMarketingConsent=pl.struct(
                    state=_consent("has_sms_consent"), updatedAt=_time("updated_at")
                ),
            ),
        ),
        defaultAddress=_home(),
    )


def _home() -> pl.Expr:
    """An address, whole."""
    known = {"address1": "street", "city": "city", "zip": "postcode", "provinceCode": "region"}
    return _address().struct.with_fields(
        pl.col(column).alias(name) for name, column in known.items()
    )


def _address() -> pl.Expr:
    return pl.struct(
        firstName=pl.col("first_name"),
        lastName=pl.col("last_name"),
        phone=pl.col("phone"),
        countryCodeV2=pl.col("country"),
    )


def _consent(column: str) -> pl.Expr:
    known = _where(pl.col(column), pl.lit("SUBSCRIBED")).otherwise(pl.lit("UNSUBSCRIBED"))
    return _where(pl.col(column).is_null(), pl.lit("NOT_SUBSCRIBED")).otherwise(known)


def orders(facts: Facts) -> pl.DataFrame:
    lines = facts.order_lines.group_by("order_id").agg(lineItems=_line())
    orders = facts.orders.join(lines, on="order_id", how="left", maintain_order="left")
    orders = orders.join(
        _refunds(facts), on=["order_id", "updated_at"], how="left", maintain_order="left"
    )
    is_cancelled = pl.col("cancelled_at").is_not_null()
    delivery = pl.struct(
        id=_gid("Fulfillment", "order_id"),
        status=pl.lit("SUCCESS"),
        createdAt=_time("fulfilled_at"),
        updatedAt=_time("fulfilled_at"),
        deliveredAt=pl.lit(None, pl.String),
    )
    return _rows(
        orders,
        "order_id",
        "ordered_at",
        id=_gid("Order", "order_id"),
        name="#" + pl.col("number"),
        email=pl.col("email"),
        phone=pl.col("phone"),
        createdAt=_time("ordered_at"),
        processedAt=_time("ordered_at"),
        updatedAt=_time("updated_at"),
        cancelledAt=_time("cancelled_at"),
        cancelReason=_where(is_cancelled, pl.lit("CUSTOMER")),
        closedAt=_time("fulfilled_at"),
        test=pl.lit(False),
        sourceName=_where(pl.col("is_web"), pl.lit("web")).otherwise(pl.lit("phone")),
        currencyCode=pl.col("currency"),
        displayFinancialStatus=_financial_status(),
        displayFulfillmentStatus=_there("fulfilled_at", pl.lit("FULFILLED")).otherwise(
            pl.lit("UNFULFILLED")
        ),
        discountCodes=pl.concat_list("discount_code").list.drop_nulls(),
        tags=pl.lit([], pl.List(pl.String)),
        taxesIncluded=pl.lit(True),
        customer=_there("account_id", pl.struct(id=_gid("Customer", "account_id"))),
        billingAddress=_home(),
        shippingAddress=_address(),
        subtotalPriceSet=_bag("gross_amount"),
        totalDiscountsSet=_bag("discount_amount"),
        totalShippingPriceSet=_bag("shipping_amount"),
        totalTaxSet=_bag("tax_amount"),
        totalPriceSet=_bag("total_amount"),
        totalRefundedSet=_bag("refunded_amount"),
        fulfillments=pl.concat_list(_there("fulfilled_at", delivery)).list.drop_nulls(),
        refunds=pl.col("refunds").fill_null(pl.lit([], orders.schema["refunds"])),
        lineItems=pl.col("lineItems"),
    )


def _line() -> pl.Expr:
    return pl.struct(
        id=_gid("LineItem", "line_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        variantTitle=pl.lit(None, pl.String),
        quantity=pl.col("quantity"),
        isGiftCard=pl.lit(False),
        originalUnitPriceSet=_bag("price"),
        product=pl.struct(id=_gid("Product", "product_id")),
        variant=pl.struct(id=_gid("ProductVariant", "variant_id")),
    )


def _financial_status() -> pl.Expr:
    return (
        _where(pl.col("refunded_amount") >= pl.col("total_amount"), pl.lit("REFUNDED"))
        .when(pl.col("refunded_amount") > 0)
        .then(pl.lit("PARTIALLY_REFUNDED"))
        .when(pl.col("cancelled_at").is_not_null())
        .then(pl.lit("VOIDED"))
        .otherwise(pl.lit("PAID"))
    )


def _refunds(facts: Facts) -> pl.DataFrame:
    """The refunds of each version of an order."""
    versions = facts.orders.filter(pl.col("refunded_amount") > 0).select("order_id", "updated_at")
    lines = facts.order_lines.select("line_id", "product_id", "price")
    known = (
        versions.join(facts.refunds, on="order_id")
        .filter(pl.col("refunded_at") <= pl.col("updated_at"))
        .join(lines, on="line_id")
        .with_columns(pl.lit(0).cast(pl.Decimal(18, 2)).alias("no_tax"))
        .sort("order_id", "updated_at", "refund_id")
    )
    line = pl.struct(
        id=_gid("RefundLineItem", "refund_id"),
        quantity=pl.col("quantity"),
        restockType=pl.lit("RETURN"),
        lineItem=pl.struct(
            id=_gid("LineItem", "line_id"),
            product=pl.struct(id=_gid("Product", "product_id")),
        ),
        priceSet=_bag("price"),
        subtotalSet=_bag("amount"),
        totalTaxSet=_bag("no_tax"),
    )
    refund = pl.struct(
        id=_gid("Refund", "refund_id"),
        createdAt=_time("refunded_at"),
        processedAt=_time("refunded_at"),
        updatedAt=_time("refunded_at"),
        totalRefundedSet=_bag("amount"),
        orderAdjustments=pl.lit([], pl.List(pl.Struct({"id": pl.String}))),
        refundLineItems=pl.concat_list(line),
    )
    return known.group_by("order_id", "updated_at", maintain_order=True).agg(refunds=refund)


def products(facts: Facts) -> pl.DataFrame:
    stock = facts.variants.group_by("product_id").agg(pl.sum("inventory_quantity").alias("stock"))
    price = pl.struct(amount=pl.col("price").cast(pl.String), currencyCode=pl.col("currency"))
    return _rows(
        facts.products.join(stock, on="product_id", maintain_order="left"),
        "product_id",
        "created_at",
        id=_gid("Product", "product_id"),
        title=pl.col("title"),
        handle=pl.col("title").str.to_lowercase().str.replace_all(" ", "-"),
        vendor=pl.col("brand"),
        productType=pl.col("category"),
        status=_where(pl.col("is_active"), pl.lit("ACTIVE")).otherwise(pl.lit("ARCHIVED")),
        tags=pl.lit([], pl.List(pl.String)),
        totalInventory=pl.col("stock"),
        tracksInventory=pl.lit(True),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        publishedAt=_time("created_at"),
        onlineStoreUrl=pl.format("https://shop.example/products/{}", pl.col("product_id")),
        description=pl.format("{} by {}.", "title", "brand"),
        featuredMedia=pl.struct(preview=pl.struct(image=pl.struct(url=_picture()))),
        category=pl.struct(name=pl.col("category"), fullName=pl.col("category")),
        priceRangeV2=pl.struct(minVariantPrice=price, maxVariantPrice=price),
    )


def _picture() -> pl.Expr:
    return pl.format("https://shop.example/pictures/{}.jpg", pl.col("product_id"))


def variants(facts: Facts) -> pl.DataFrame:
    price = pl.struct(amount=pl.col("price").cast(pl.String), currencyCode=pl.lit("EUR"))
    product = pl.struct(
        id=_gid("Product", "product_id"), priceRangeV2=pl.struct(minVariantPrice=price)
    )
    return _rows(
        facts.variants,
        "variant_id",
        "created_at",
        id=_gid("ProductVariant", "variant_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        price=pl.col("price").cast(pl.String),
        compareAtPrice=pl.lit(None, pl.String),
        barcode=pl.lit(None, pl.String),
        inventoryQuantity=pl.col("inventory_quantity"),
        availableForSale=pl.lit(True),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        inventoryItem=pl.struct(id=_gid("InventoryItem", "variant_id"), tracked=pl.lit(True)),
        product=product,
    )


def checkouts(facts: Facts) -> pl.DataFrame:
    customer = pl.struct(
        id=_gid("Customer", "account_id"),
        defaultEmailAddress=pl.struct(emailAddress=pl.col("email")),
        defaultPhoneNumber=_there("phone", pl.struct(phoneNumber=pl.col("phone"))),
    )
    address = pl.struct(
        firstName=pl.lit(None, pl.String),
        lastName=pl.lit(None, pl.String),
        phone=pl.col("phone"),
        countryCodeV2=pl.col("country"),
    )
    line = pl.struct(
        id=_gid("AbandonedCheckoutLineItem", "cart_line_id"),
        sku=pl.col("sku"),
        title=pl.col("title"),
        quantity=pl.col("quantity"),
        originalUnitPriceSet=_bag("price"),
        product=pl.struct(id=_gid("Product", "product_id")),
        variant=pl.struct(id=_gid("ProductVariant", "variant_id")),
    )
    lines = facts.cart_lines.group_by("cart_id").agg(lineItems=line)
    return _rows(
        facts.carts.join(lines, on="cart_id", how="left", maintain_order="left"),
        "cart_id",
        "created_at",
        id=_gid("AbandonedCheckout", "cart_id"),
        createdAt=_time("created_at"),
        updatedAt=_time("updated_at"),
        completedAt=_time("completed_at"),
        abandonedCheckoutUrl=pl.col("url"),
        discountCodes=pl.lit([], pl.List(pl.String)),
        lineItemsQuantity=pl.col("item_count"),
        customer=_there("account_id", customer),
        billingAddress=address,
        shippingAddress=address,
        subtotalPriceSet=_bag("amount"),
        totalPriceSet=_bag("amount"),
        lineItems=pl.col("lineItems"),
    )


def deletions(facts: Facts) -> pl.DataFrame:
    """Nothing is ever deleted in this shop."""
    return _rows(
        facts.products.clear(),
        "product_id",
        "created_at",
        subjectId=_gid("Product", "product_id"),
        subjectType=pl.lit("PRODUCT"),
        occurredAt=_time("updated_at"),
    )
