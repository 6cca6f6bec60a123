-- A checkout that was begun and left.
select
    id as source_cart_id,
    customer_id as source_contact_id,
    email,
    phone,
    created_at,
    updated_at,
    completed_at,
    coalesce(subtotal_price, total_price) as cart_amount,
    coalesce(presentment_currency, currency) as currency,
    abandoned_checkout_url as recovery_url,
    coalesce(cast(_fivetran_deleted as boolean), false) as is_deleted
from abandoned_checkout
