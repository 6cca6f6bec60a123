-- One row is a purchase of a known customer up to the clock, with the refunds known by then, in the
-- shop's own currency. An order that cost nothing, by its discounts or without, is no purchase.
with
refunded as (
    -- What was spent is without shipping, and without tax that comes on top of the prices: so is what
    -- is given back of it. It is a part of what was spent, whatever the currency is worth by then.
    select
        r.order_id,
        sum(cast(r.refund_amount - r.tax_amount - r.shipping_amount as double) * x.rate)
            as refund_amount
    from core.refunds as r
    inner join core.orders as o on r.order_id = o.order_id
    left join core.exchange_rates as x on r.currency = x.currency and o.order_date = x.rate_date
    cross join core.clock as k
    where r.refunded_at <= k.as_of
    group by r.order_id
),
orders as (
    select
        *,
        coalesce(spent_reporting_amount, gross_reporting_amount) as spent
    from core.orders
)
select
    o.order_id,
    m.customer_id,
    o.ordered_at,
    o.order_date,
    o.gross_reporting_amount as gross_amount,
    o.spent as spent_amount,
    -- What is given back beyond it is of shipping.
    least(cast(coalesce(r.refund_amount, 0) as decimal(18, 2)), o.spent) as refund_amount,
    cast(o.spent - least(cast(coalesce(r.refund_amount, 0) as decimal(18, 2)), o.spent) as decimal(18, 2))
        as net_amount,
    least(
        greatest(cast(coalesce(o.discount_amount, 0) / o.gross_amount as double), 0), 1
    ) as discount_share,
    coalesce(o.discount_amount > 0, false) or o.discount_codes is not null as is_discounted,
    o.quantity
from orders as o
cross join core.clock as k
inner join identity.contact_customers as m on o.contact_id = m.contact_id
left join refunded as r on o.order_id = r.order_id
where o.spent > 0 and o.ordered_at <= k.as_of
