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
    cast(round(cast(payment_amount as double) * r.rate, 2) as decimal(18, 2))
        as payment_reporting_amount,
    p.currency,
    card_fingerprint,
    updated_at
from staging.payments as p
left join core.exchange_rates as r on p.currency = r.currency and p.payment_date = r.rate_date
