-- A line given back, with its tax unless the prices have it in them.
with
orders_by_id as (
    select
        id,
        any_value(coalesce(customer ->> '$.id', customer__id)) as customer_id,
        any_value(email) as email,
        any_value(currency) as currency,
        bool_or(try_cast(taxes_included as boolean)) as has_taxes_included
    from orders
    group by id
),
lines as (
    select
        order_id,
        coalesce(processed_at, created_at) as refunded_at,
        unnest(try_cast(refund_line_items as json[])) as line
    from order_refunds
)
select
    l.line ->> '$.id' as source_refund_id,
    l.order_id as source_order_id,
    l.line ->> '$.line_item_id' as source_order_item_id,
    o.customer_id as source_contact_id,
    o.email,
    l.refunded_at,
    l.line ->> '$.line_item.product_id' as source_product_id,
    l.line ->> '$.quantity' as quantity,
    cast(
        -- Older versions tell no subtotal.
        coalesce(
            try_cast(l.line ->> '$.subtotal' as decimal(18, 2)),
            try_cast(l.line ->> '$.line_item.price' as decimal(18, 2))
            * try_cast(l.line ->> '$.quantity' as bigint)
        )
        + case
            when o.has_taxes_included then 0
            else coalesce(try_cast(l.line ->> '$.total_tax' as decimal(18, 2)), 0)
        end as decimal(18, 2)
    ) as refund_amount,
    case when not coalesce(o.has_taxes_included, false) then l.line ->> '$.total_tax' end
        as tax_amount,
    o.currency
from lines as l
left join orders_by_id as o on cast(l.order_id as varchar) = cast(o.id as varchar)
