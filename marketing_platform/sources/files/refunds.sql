-- One row is a line of an export in which something was given back, or what an order says that was
-- given back of it, at the moment of the order: exports tell no other.
with
told as (
    select
        source_order_id,
        -- What several lines say alike is that of the whole order.
        case
            when count(distinct refunded_amount) = 1 then max(refunded_amount)
            else sum(refunded_amount)
        end as refunded_amount
    from staging.files_order_lines
    where outcome = 'accepted'
    group by source_order_id
    -- Where lines say what was given back the order says it once more.
    having count(*) filter (where line_status = 'returned') = 0
)
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
union all
select
    concat(o.source_order_id, '/refunded') as record_id,
    o.received_date,
    o.outcome,
    o.quarantine_reason,
    concat(o.source_order_id, '/refunded') as source_refund_id,
    o.source_order_id,
    o.source_contact_id,
    o.email,
    o.ordered_at as refunded_at,
    o.order_date as refund_date,
    cast(null as varchar) as source_product_id,
    cast(null as bigint) as quantity,
    cast(null as decimal(18, 4)) as unit_price_amount,
    -- Shipping is given back too, and is not among the lines.
    cast(
        least(
            t.refunded_amount, greatest(o.gross_amount - coalesce(o.discount_amount, 0), 0)
        ) as decimal(18, 2)
    ) as refund_amount,
    o.currency
from staging.files_orders as o
inner join told as t on o.source_order_id = t.source_order_id
where o.order_status = 'placed' and t.refunded_amount > 0
