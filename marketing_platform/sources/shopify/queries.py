"""The questions that are put to Shopify's Admin API, version 2026-10.

All lists are sorted by key, so that a record that changes meanwhile moves no other one.
"""

from __future__ import annotations

API_VERSION = "2026-10"

SHOP = "query Shop { shop { name } currentAppInstallation { accessScopes { handle } } }"

_PAGE = "pageInfo { hasNextPage endCursor }"
_MONEY = "{ shopMoney { amount currencyCode } }"
_ADDRESS = "{ firstName lastName phone countryCodeV2 }"
_HOME = "{ firstName lastName phone countryCodeV2 address1 city zip provinceCode }"

CUSTOMERS = f"""
query Customers($first: Int!, $after: String, $query: String!) {{
  customers(first: $first, after: $after, query: $query, sortKey: ID) {{
    nodes {{
      id createdAt updatedAt firstName lastName locale tags state
      defaultEmailAddress {{ emailAddress marketingState marketingUpdatedAt }}
      defaultPhoneNumber {{ phoneNumber smsMarketingConsent {{ state updatedAt }} }}
      defaultAddress {_HOME}
    }}
    {_PAGE}
  }}
}}
"""

_LINE_FIELDS = f"""
      id sku title variantTitle quantity isGiftCard
      originalUnitPriceSet {_MONEY}
      product {{ id }}
      variant {{ id }}
"""

_REFUND_LINE_FIELDS = f"""
      id quantity restockType
      lineItem {{ id product {{ id }} }}
      priceSet {_MONEY}
      subtotalSet {_MONEY}
      totalTaxSet {_MONEY}
"""

ORDERS = f"""
query Orders($first: Int!, $after: String, $query: String!, $lines: Int!) {{
  orders(first: $first, after: $after, query: $query, sortKey: ID) {{
    nodes {{
      id name email phone createdAt processedAt updatedAt cancelledAt cancelReason closedAt test
      sourceName currencyCode displayFinancialStatus displayFulfillmentStatus
      discountCodes tags taxesIncluded
      customer {{ id }}
      billingAddress {_HOME}
      shippingAddress {_ADDRESS}
      totalDiscountsSet {_MONEY}
      totalShippingPriceSet {_MONEY}
      totalTaxSet {_MONEY}
      totalPriceSet {_MONEY}
      fulfillments {{ id status createdAt updatedAt deliveredAt }}
      refunds {{
        id createdAt processedAt updatedAt
        totalRefundedSet {_MONEY}
        orderAdjustments(first: 1) {{ nodes {{ id }} }}
        refundShippingLines(first: 5) {{
          nodes {{ subtotalAmountSet {_MONEY} taxAmountSet {_MONEY} }}
        }}
        refundLineItems(first: $lines) {{ nodes {{ {_REFUND_LINE_FIELDS} }} {_PAGE} }}
      }}
      lineItems(first: $lines) {{ nodes {{ {_LINE_FIELDS} }} {_PAGE} }}
    }}
    {_PAGE}
  }}
}}
"""

MORE_ORDER_LINES = f"""
query MoreOrderLines($id: ID!, $after: String!, $lines: Int!) {{
  node(id: $id) {{
    id
    ... on Order {{
      lineItems(first: $lines, after: $after) {{ nodes {{ {_LINE_FIELDS} }} {_PAGE} }}
    }}
  }}
}}
"""

MORE_REFUND_LINES = f"""
query MoreRefundLines($id: ID!, $after: String!, $lines: Int!) {{
  node(id: $id) {{
    id
    ... on Refund {{
      refundLineItems(first: $lines, after: $after) {{ nodes {{ {_REFUND_LINE_FIELDS} }} {_PAGE} }}
    }}
  }}
}}
"""

PRODUCTS = f"""
query Products($first: Int!, $after: String, $query: String!) {{
  products(first: $first, after: $after, query: $query, sortKey: ID) {{
    nodes {{
      id title handle vendor productType status tags totalInventory tracksInventory
      createdAt updatedAt publishedAt onlineStoreUrl description
      featuredMedia {{ preview {{ image {{ url }} }} }}
      category {{ name fullName }}
      priceRangeV2 {{ minVariantPrice {{ amount currencyCode }} }}
    }}
    {_PAGE}
  }}
}}
"""

# Named as a product's, so that a deletion is a last version of the product.
DELETED_PRODUCTS = f"""
query DeletedProducts($first: Int!, $after: String, $query: String!) {{
  deletionEvents(
    first: $first, after: $after, query: $query, sortKey: ID, subjectTypes: [PRODUCT]
  ) {{
    nodes {{ id: subjectId updatedAt: occurredAt deletedAt: occurredAt }}
    {_PAGE}
  }}
}}
"""

# A variant says no currency: its product's prices do.
VARIANTS = f"""
query Variants($first: Int!, $after: String, $query: String!) {{
  productVariants(first: $first, after: $after, query: $query, sortKey: ID) {{
    nodes {{
      id sku title price compareAtPrice barcode inventoryQuantity availableForSale
      createdAt updatedAt
      inventoryItem {{ id tracked }}
      product {{ id priceRangeV2 {{ minVariantPrice {{ currencyCode }} }} }}
    }}
    {_PAGE}
  }}
}}
"""

_CHECKOUT_LINE_FIELDS = f"""
      id sku title quantity
      originalUnitPriceSet {_MONEY}
      product {{ id }}
      variant {{ id }}
"""

CHECKOUTS = f"""
query Checkouts($first: Int!, $after: String, $query: String!, $lines: Int!) {{
  abandonedCheckouts(first: $first, after: $after, query: $query, sortKey: ID) {{
    nodes {{
      id createdAt updatedAt completedAt abandonedCheckoutUrl discountCodes
      customer {{
        id defaultEmailAddress {{ emailAddress }} defaultPhoneNumber {{ phoneNumber }}
      }}
      billingAddress {_ADDRESS}
      shippingAddress {_ADDRESS}
      subtotalPriceSet {_MONEY}
      totalPriceSet {_MONEY}
      lineItems(first: $lines) {{ nodes {{ {_CHECKOUT_LINE_FIELDS} }} {_PAGE} }}
    }}
    {_PAGE}
  }}
}}
"""

MORE_CHECKOUT_LINES = f"""
query MoreCheckoutLines($id: ID!, $after: String!, $lines: Int!) {{
  node(id: $id) {{
    id
    ... on AbandonedCheckout {{
      lineItems(first: $lines, after: $after) {{ nodes {{ {_CHECKOUT_LINE_FIELDS} }} {_PAGE} }}
    }}
  }}
}}
"""

ALL = (
    SHOP,
    CUSTOMERS,
    ORDERS,
    MORE_ORDER_LINES,
    MORE_REFUND_LINES,
    PRODUCTS,
    DELETED_PRODUCTS,
    VARIANTS,
    CHECKOUTS,
    MORE_CHECKOUT_LINES,
)
