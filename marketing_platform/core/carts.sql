-- One row is a cart or checkout, left or completed.
select
    concat(source, ':', source_cart_id) as cart_id,
    source,
    contact_id,
    created_at,
    cart_date,
    updated_at,
    completed_at,
    cart_amount,
    currency,
    item_count,
    recovery_url
from staging.carts
where is_deleted is not true
