-- One row is a line of an export in which something was sold.
select
    record_id,
    received_date,
    outcome,
    quarantine_reason,
    record_id as source_order_item_id,
    source_order_id,
    order_date,
    source_product_id,
    product_title,
    quantity,
    unit_price_amount,
    line_amount,
    currency
from staging.files_order_lines
where outcome = 'accepted' and line_status = 'sold'
