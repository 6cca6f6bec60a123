-- A checkout that was begun and left.
select
    id as source_cart_id,
    coalesce(customer ->> '$.id', customer__id) as source_contact_id,
    email,
    phone,
    created_at,
    updated_at,
    completed_at,
    coalesce(subtotal_price, total_price) as cart_amount,
    coalesce(presentment_currency, currency) as currency,
    len(try_cast(line_items as json[])) as item_count,
    abandoned_checkout_url as recovery_url
from abandoned_checkouts
