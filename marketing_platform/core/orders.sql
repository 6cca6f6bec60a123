-- One row is an order with something sold in it. What was given back is in core.refunds; a guest's
-- order without an e-mail has no contact.
with
items as (
    select
        source,
        source_order_id,
        count(*) as item_count,
        cast(sum(quantity) as bigint) as quantity,
        sum(line_amount) as line_amount
    from staging.order_items
    group by source, source_order_id
),
orders as (
    select
        o.*,
        coalesce(i.item_count, 0) as item_count,
        coalesce(i.quantity, 0) as quantity,
        -- Where only the total is told, what it has besides shipping and discounts.
        cast(
            coalesce(
                o.gross_amount,
                i.line_amount,
                greatest(
                    o.total_amount
                    - coalesce(o.shipping_amount, 0)
                    + greatest(coalesce(o.discount_amount, 0), 0),
                    0
                ),
                0
            ) as decimal(18, 2)
        ) as lines_amount,
        greatest(coalesce(o.discount_amount, 0), 0) as taken_off_amount,
        coalesce(o.shipping_amount, 0) as extra_amount,
        coalesce(o.tax_amount, 0) as taxed_amount
    from staging.orders as o
    left join items as i on o.source = i.source and o.source_order_id = i.source_order_id
    where o.order_status = 'placed' and o.is_deleted is not true
),
-- Some tell prices from which the discount is taken off already: then what was to pay is the lines as
-- they are, to a few cents, and not the lines less the discount. Tax is within the prices or on top.
priced as (
    select
        *,
        case
            when
                least(
                    abs(total_amount - (lines_amount + extra_amount)),
                    abs(total_amount - (lines_amount + extra_amount + taxed_amount))
                ) <= 0.05
                and least(
                    abs(total_amount - (lines_amount - taken_off_amount + extra_amount)),
                    abs(total_amount - (lines_amount - taken_off_amount + extra_amount + taxed_amount))
                ) > 0.05
                then lines_amount
            else greatest(lines_amount - taken_off_amount, 0)
        end as spent_amount
    from orders
)
select
    concat(o.source, ':', o.source_order_id) as order_id,
    o.source,
    o.source_order_id,
    o.contact_id,
    o.ordered_at,
    o.order_date,
    o.item_count,
    o.quantity,
    o.lines_amount as gross_amount,
    -- In the shop's own currency, at the rate of the day; null where none is known.
    cast(round(cast(o.lines_amount as double) * r.rate, 2) as decimal(18, 2))
        as gross_reporting_amount,
    cast(o.spent_amount as decimal(18, 2)) as spent_amount,
    cast(round(cast(o.spent_amount as double) * r.rate, 2) as decimal(18, 2))
        as spent_reporting_amount,
    o.discount_amount,
    o.shipping_amount,
    o.tax_amount,
    o.total_amount,
    o.currency,
    o.country,
    o.discount_codes,
    o.fulfilment_status,
    o.utm_source,
    o.utm_medium,
    o.utm_campaign
from priced as o
left join core.exchange_rates as r on o.currency = r.currency and o.order_date = r.rate_date
