-- A line of an order, before discounts. Its day is that in UTC.
with
lines as (
    select
        id as order_id,
        coalesce(processed_at, created_at) as ordered_at,
        currency,
        unnest(try_cast(line_items as json[])) as line
    from orders
)
select
    line ->> '$.id' as source_order_item_id,
    order_id as source_order_id,
    cast(try_cast(ordered_at as timestamptz) as date) as order_date,
    line ->> '$.product_id' as source_product_id,
    line ->> '$.sku' as sku,
    coalesce(line ->> '$.title', line ->> '$.name') as product_title,
    line ->> '$.quantity' as quantity,
    line ->> '$.price' as unit_price_amount,
    cast(
        try_cast(line ->> '$.price' as decimal(18, 4)) * try_cast(line ->> '$.quantity' as bigint)
        as decimal(18, 2)
    ) as line_amount,
    currency
from lines
