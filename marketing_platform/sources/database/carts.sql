-- One row is a cart, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_cart_id is null then 'no key'
        when created_at is null then 'no date'
        when
            abs(cart_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_cart_id,
    source_contact_id,
    email,
    phone,
    created_at,
    cart_date,
    updated_at,
    completed_at,
    cast(
        case when abs(cart_amount) < 100000000000000 then cart_amount end as decimal(18, 2)
    ) as cart_amount,
    upper(currency) as currency,
    item_count,
    recovery_url,
    is_deleted
from raw.database_carts
