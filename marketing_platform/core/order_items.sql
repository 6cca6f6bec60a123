-- One row is a line of an order in which something was sold.
select
    concat(i.source, ':', i.source_order_item_id) as order_item_id,
    concat(i.source, ':', i.source_order_id) as order_id,
    o.order_date,
    i.source || ':' || i.source_product_id as product_id,
    i.sku,
    i.quantity,
    i.unit_price_amount,
    i.line_amount,
    i.currency
from staging.order_items as i
inner join core.orders as o on concat(i.source, ':', i.source_order_id) = o.order_id
