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
    -- At the rate of the day on which it was written.
    cast(round(cast(due_amount as double) * r.rate, 2) as decimal(18, 2)) as due_reporting_amount,
    cast(round(cast(paid_amount as double) * r.rate, 2) as decimal(18, 2))
        as paid_reporting_amount,
    i.currency,
    updated_at
from staging.invoices as i
left join core.exchange_rates as r
    on i.currency = r.currency and cast(i.invoiced_at as date) = r.rate_date
