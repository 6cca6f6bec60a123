-- One row is a line of an export in which something was given back.
select
    record_id,
    received_date,
    outcome,
    quarantine_reason,
    record_id as source_refund_id,
    source_order_id,
    source_contact_id,
    email,
    ordered_at as refunded_at,
    order_date as refund_date,
    source_product_id,
    abs(quantity) as quantity,
    abs(unit_price_amount) as unit_price_amount,
    abs(line_amount) as refund_amount,
    currency
from staging.files_order_lines
where outcome = 'accepted' and line_status = 'returned'
