-- One row is an invoice, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_invoice_id is null then 'no key'
        when
            abs(due_amount) >= 100000000000000
            or abs(paid_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_invoice_id,
    source_contact_id,
    source_subscription_id,
    email,
    status,
    invoiced_at,
    due_at,
    paid_at,
    cast(
        case when abs(due_amount) < 100000000000000 then due_amount end as decimal(18, 2)
    ) as due_amount,
    cast(
        case when abs(paid_amount) < 100000000000000 then paid_amount end as decimal(18, 2)
    ) as paid_amount,
    upper(currency) as currency,
    updated_at
from raw.database_invoices
