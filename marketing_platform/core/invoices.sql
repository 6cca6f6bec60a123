-- One row is an invoice.
select
    concat(source, ':', source_invoice_id) as invoice_id,
    source,
    contact_id,
    source || ':' || source_subscription_id as subscription_id,
    status,
    invoiced_at,
    due_at,
    paid_at,
    due_amount,
    paid_amount,
    currency,
    updated_at
from staging.invoices
