-- One row is a line of a cart, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_cart_item_id is null then 'no key'
        when source_cart_id is null then 'no cart'
        when quantity < 0 then 'negative quantity'
        when unit_price_amount < 0 then 'negative price'
        when
            abs(unit_price_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_cart_item_id,
    source_cart_id,
    source_product_id,
    sku,
    product_title,
    quantity,
    cast(
        case when abs(unit_price_amount) < 100000000000000 then unit_price_amount end as decimal(18, 4)
    ) as unit_price_amount,
    upper(currency) as currency
from raw.database_cart_items
