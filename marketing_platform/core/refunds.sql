-- One row is a line that was given back. It belongs to the order whose number it carries, or else
-- to the latest earlier line of the same buyer, product and price that is not given back already;
-- where none matches, or its order was cancelled, it stands alone.
with
returned as (
    select
        source || ':' || source_refund_id as refund_id,
        source || ':' || source_order_id as order_number,
        source || ':' || source_order_item_id as order_item_number,
        contact_id,
        refunded_at,
        refund_date,
        source || ':' || source_product_id as product_id,
        coalesce(quantity, 0) as quantity,
        unit_price_amount,
        refund_amount,
        least(greatest(coalesce(tax_amount, 0), 0), refund_amount) as tax_amount,
        currency,
        cast(
            least(
                greatest(coalesce(shipping_amount, 0), 0),
                refund_amount - least(greatest(coalesce(tax_amount, 0), 0), refund_amount)
            ) as decimal(18, 2)
        ) as shipping_amount,
        source
    from staging.refunds
    -- What gives back neither a piece nor money is a note in the shop's books.
    where quantity > 0 or refund_amount > 0
),
cancelled as (
    select concat(source, ':', source_order_id) as order_number
    from staging.orders
    where order_status = 'cancelled' or is_deleted
),
sold as (
    select
        i.order_item_id, i.order_id, o.contact_id, o.ordered_at, i.product_id, i.quantity,
        i.unit_price_amount, i.line_amount
    from core.order_items as i
    inner join core.orders as o on i.order_id = o.order_id
),
candidates as (
    select r.refund_id, s.order_item_id, s.order_id, s.ordered_at, s.quantity, 1 as certainty
    from returned as r
    inner join sold as s
        on
            r.contact_id = s.contact_id
            and r.product_id = s.product_id
            and r.unit_price_amount = s.unit_price_amount
    where
        r.refunded_at >= s.ordered_at
        and r.quantity <= s.quantity
        -- What was given back of an order that was cancelled is of no other one.
        and (r.order_number is null or r.order_number not in (select order_number from cancelled))
    union all
    select r.refund_id, s.order_item_id, s.order_id, s.ordered_at, s.quantity, 2 as certainty
    from returned as r
    inner join sold as s on r.order_number = s.order_id and r.product_id = s.product_id
    where
        r.refunded_at >= s.ordered_at
        and r.quantity <= s.quantity
        -- Prices that tax comes on top of are without it.
        and r.refund_amount - r.tax_amount <= s.line_amount
    union all
    -- A refund that names its line or its order is of it, also where it names no product.
    select r.refund_id, null, o.order_id, o.ordered_at, null, 2 as certainty
    from returned as r
    inner join core.orders as o on r.order_number = o.order_id
    where r.product_id is null and r.refunded_at >= o.ordered_at
    union all
    select r.refund_id, s.order_item_id, s.order_id, s.ordered_at, s.quantity, 3 as certainty
    from returned as r
    inner join sold as s on r.order_item_number = s.order_item_id
),
preferred as (
    select
        *,
        row_number() over (
            partition by refund_id
            order by certainty desc, ordered_at desc, order_item_id asc nulls last
        ) as preference
    from candidates
),
-- A line is not given back more often than it was sold, nor an order for more than it cost.
matched as (
    select
        p.refund_id,
        p.order_item_id,
        p.order_id,
        o.contact_id,
        p.quantity as sold_quantity,
        -- What was paid may be more than the lines: shipping and taxes are given back too.
        greatest(coalesce(o.total_amount, 0), o.gross_amount) as most_amount,
        sum(r.quantity) over (
            partition by p.order_id, p.order_item_id
            order by r.refunded_at asc nulls first, p.refund_id asc nulls first
            rows between unbounded preceding and current row
        ) as given_back,
        -- Without the tax of pieces that were taken out: the total has it of the others alone.
        sum(r.refund_amount - r.tax_amount) over (
            partition by p.order_id
            order by r.refunded_at asc nulls first, p.refund_id asc nulls first
            rows between unbounded preceding and current row
        ) as paid_back
    from preferred as p
    inner join returned as r on p.refund_id = r.refund_id
    inner join core.orders as o on p.order_id = o.order_id
    where p.preference = 1
)
select
    r.refund_id,
    r.source,
    m.order_id,
    m.order_item_id,
    -- Most systems say whose it is by its order alone.
    coalesce(r.contact_id, m.contact_id) as contact_id,
    r.refunded_at,
    r.refund_date,
    r.product_id,
    r.quantity,
    r.refund_amount,
    r.tax_amount,
    r.shipping_amount,
    -- In the shop's own currency, at the rate of the day; null where none is known.
    cast(round(cast(r.refund_amount as double) * x.rate, 2) as decimal(18, 2))
        as refund_reporting_amount,
    r.currency
from returned as r
left join core.exchange_rates as x on r.currency = x.currency and r.refund_date = x.rate_date
left join matched as m
    on
        r.refund_id = m.refund_id
        and (m.order_item_id is null or m.given_back <= m.sold_quantity)
        and m.paid_back <= m.most_amount
