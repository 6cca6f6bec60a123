-- One row is a charge or a refund of money.
select
    concat(source, ':', source_payment_id) as payment_id,
    source,
    contact_id,
    source || ':' || source_order_id as order_id,
    source || ':' || source_charge_id as charge_id,
    payment_kind,
    payment_status,
    paid_at,
    payment_date,
    payment_amount,
    currency,
    updated_at
from staging.payments
