-- One row is an order with something sold in it. What was given back is in core.refunds; a guest's
-- order has no contact.
select
    'files:' || source_order_id as order_id,
    'files' as source,
    source_order_id,
    max(
        case
            when source_contact_id is not null then 'files:' || source_contact_id
            when nullif(trim(email), '') is not null
                then 'files:email:' || lower(trim(email))
        end
    ) as contact_id,
    min(ordered_at) as ordered_at,
    min(order_date) as order_date,
    count(*) as item_count,
    cast(sum(quantity) as bigint) as quantity,
    cast(sum(line_amount) as decimal(18, 2)) as gross_amount,
    max(currency) as currency,
    max(country) as country
from staging.files_orders
where outcome = 'accepted' and line_status = 'sold'
group by source_order_id
