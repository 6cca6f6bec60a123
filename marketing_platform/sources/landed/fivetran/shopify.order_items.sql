-- A line of an order, before discounts. Its day is that in UTC.
select
    l.id as source_order_item_id,
    l.order_id as source_order_id,
    cast(cast(coalesce(o.processed_at, o.created_at) as timestamp) as date) as order_date,
    l.product_id as source_product_id,
    l.sku,
    coalesce(l.title, l.name) as product_title,
    l.quantity,
    l.price as unit_price_amount,
    cast(cast(l.price as decimal(18, 4)) * cast(l.quantity as bigint) as decimal(18, 2))
        as line_amount,
    o.currency
from order_line as l
left join "order" as o on l.order_id = o.id
