-- A line given back, with its tax unless the prices have it in them.
select
    i.id as source_refund_id,
    r.order_id as source_order_id,
    i.order_line_id as source_order_item_id,
    o.customer_id as source_contact_id,
    o.email,
    coalesce(r.processed_at, r.created_at) as refunded_at,
    l.product_id as source_product_id,
    i.quantity,
    cast(
        cast(i.subtotal as decimal(18, 2))
        + case
            when cast(o.taxes_included as boolean) then 0
            else coalesce(cast(i.total_tax as decimal(18, 2)), 0)
        end as decimal(18, 2)
    ) as refund_amount,
    case when not cast(o.taxes_included as boolean) then i.total_tax end as tax_amount,
    o.currency
from order_line_refund as i
left join refund as r on i.refund_id = r.id
left join order_line as l on i.order_line_id = l.id
left join "order" as o on r.order_id = o.id
