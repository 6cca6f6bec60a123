-- One row is a line of an order.
select
    'files:' || record_id as order_item_id,
    'files:' || source_order_id as order_id,
    order_date,
    'files:' || source_product_id as product_id,
    quantity,
    unit_price_amount,
    line_amount,
    currency
from staging.files_orders
where outcome = 'accepted' and line_status = 'sold'
