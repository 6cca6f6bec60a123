-- One row is a line of an order, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_order_item_id is null then 'no key'
        when source_order_id is null then 'no order'
        when quantity is null then 'no quantity'
        when quantity < 0 then 'negative quantity'
        when coalesce(unit_price_amount, line_amount) is null then 'no price'
        when unit_price_amount < 0 or line_amount < 0 then 'negative price'
        when currency is null then 'no currency'
        when
            abs(unit_price_amount) >= 100000000000000
            or abs(line_amount) >= 100000000000000
            or abs(unit_price_amount * quantity) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_order_item_id,
    source_order_id,
    order_date,
    source_product_id,
    sku,
    product_title,
    quantity,
    -- Of price and amount one is enough.
    cast(
        case
            when abs(unit_price_amount) < 100000000000000 then unit_price_amount
            when abs(line_amount) < 100000000000000 then line_amount / greatest(quantity, 1)
        end as decimal(18, 4)
    ) as unit_price_amount,
    cast(
        case
            when abs(line_amount) < 100000000000000 then line_amount
            when abs(unit_price_amount * quantity) < 100000000000000
                then unit_price_amount * quantity
        end as decimal(18, 2)
    ) as line_amount,
    upper(currency) as currency
from raw.database_order_items
