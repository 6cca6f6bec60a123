-- One row is a charge or a refund, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_payment_id is null then 'no key'
        when paid_at is null then 'no date'
        when payment_amount is null then 'no amount'
        when payment_amount < 0 then 'negative amount'
        when
            lower(payment_kind) not in ('charge', 'refund')
            then 'not a payment kind that we know'
        when
            lower(payment_status) not in ('succeeded', 'pending', 'failed', 'cancelled')
            then 'not a payment status that we know'
        when
            abs(payment_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_payment_id,
    lower(payment_kind) as payment_kind,
    source_charge_id,
    source_contact_id,
    email,
    source_order_id,
    lower(payment_status) as payment_status,
    paid_at,
    payment_date,
    cast(
        case when abs(payment_amount) < 100000000000000 then payment_amount end as decimal(18, 2)
    ) as payment_amount,
    upper(currency) as currency,
    card_fingerprint,
    updated_at
from raw.database_payments
