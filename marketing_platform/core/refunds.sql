-- One row is a line that was given back. It belongs to the latest earlier line of the same buyer,
-- product and price that is not given back already; where none matches it stands alone.
with
returned as (
    select
        'files:' || record_id as refund_id,
        source_order_id as refund_number,
        case
            when source_contact_id is not null then 'files:' || source_contact_id
            when nullif(trim(email), '') is not null
                then 'files:email:' || lower(trim(email))
        end as contact_id,
        ordered_at as refunded_at,
        order_date as refund_date,
        'files:' || source_product_id as product_id,
        abs(quantity) as quantity,
        abs(unit_price_amount) as unit_price_amount,
        abs(line_amount) as refund_amount,
        currency
    from staging.files_orders
    where outcome = 'accepted' and line_status = 'returned'
),
sold as (
    select
        i.order_item_id, i.order_id, o.contact_id, o.ordered_at, i.product_id, i.quantity,
        i.unit_price_amount
    from core.order_items as i
    inner join core.orders as o on i.order_id = o.order_id
    where o.contact_id is not null
),
candidates as (
    select
        r.refund_id,
        s.order_item_id,
        s.order_id,
        s.quantity as sold_quantity,
        row_number() over (
            partition by r.refund_id order by s.ordered_at desc, s.order_item_id asc
        ) as preference
    from returned as r
    inner join sold as s
        on
            r.contact_id = s.contact_id
            and r.product_id = s.product_id
            and r.unit_price_amount = s.unit_price_amount
            and r.refunded_at >= s.ordered_at
            and r.quantity <= s.quantity
),
-- A line is not given back more often than it was sold: what exceeds it stands alone.
matched as (
    select
        c.refund_id,
        c.order_item_id,
        c.order_id,
        c.sold_quantity,
        sum(r.quantity) over (
            partition by c.order_item_id
            order by r.refunded_at asc nulls first, c.refund_id asc nulls first
            rows between unbounded preceding and current row
        ) as given_back
    from candidates as c
    inner join returned as r on c.refund_id = r.refund_id
    where c.preference = 1
)
select
    r.refund_id,
    m.order_id,
    m.order_item_id,
    r.contact_id,
    r.refunded_at,
    r.refund_date,
    r.product_id,
    r.quantity,
    r.refund_amount,
    r.currency
from returned as r
left join matched as m on r.refund_id = m.refund_id and m.given_back <= m.sold_quantity
