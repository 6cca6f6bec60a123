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
    cast(round(cast(cart_amount as double) * r.rate, 2) as decimal(18, 2))
        as cart_reporting_amount,
    c.currency,
    item_count,
    recovery_url
from staging.carts as c
left join core.exchange_rates as r on c.currency = r.currency and c.cart_date = r.rate_date
where is_deleted is not true
