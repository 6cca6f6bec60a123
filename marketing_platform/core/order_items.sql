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
    -- In the shop's own currency, at the rate of the day; null where none is known.
    cast(round(cast(i.line_amount as double) * r.rate, 2) as decimal(18, 2))
        as line_reporting_amount,
    i.currency
from staging.order_items as i
inner join core.orders as o on concat(i.source, ':', i.source_order_id) = o.order_id
left join core.exchange_rates as r on i.currency = r.currency and o.order_date = r.rate_date
