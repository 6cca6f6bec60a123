-- One row is a buyer: what their purchases up to the clock say beyond recency, frequency and value.
with
gaps as (
    select
        o.*,
        date_diff(
            'day',
            lag(o.order_date) over (partition by o.customer_id order by o.order_date, o.order_id),
            o.order_date
        ) as gap_days,
        date_diff('day', o.order_date, k.as_of_date) as age_days
    from profiles.orders as o
    cross join core.clock as k
),
facts as (
    select
        customer_id,
        stddev_samp(gap_days) filter (where gap_days > 0) as gap_spread_days,
        sum(refund_amount) as refund_amount,
        sum(net_amount) filter (where age_days < 90) as net_90d_amount,
        sum(net_amount) filter (where age_days >= 90 and age_days < 180) as net_before_amount,
        sum(net_amount) filter (where age_days < 365) as net_365d_amount,
        count(*) filter (where age_days < 90) as order_90d_count,
        count(*) filter (where age_days < 365) as order_365d_count,
        cast(sum(gross_amount * discount_share) as double) / cast(sum(gross_amount) as double)
            as discount_share,
        cast(count(*) filter (where is_discounted) as double) / count(*) as discounted_order_share,
        sum(quantity) as quantity,
        arg_min(net_amount, concat(cast(ordered_at as varchar), order_id)) as first_order_amount,
        arg_max(net_amount, concat(cast(ordered_at as varchar), order_id)) as last_order_amount,
        max(age_days) as tenure_days
    from gaps
    group by customer_id
)
select
    customer_id,
    -- Sample standard deviation of the days between purchases; null before three.
    gap_spread_days as days_between_orders_spread,
    -- Refunded, in all.
    cast(refund_amount as decimal(18, 2)) as refund_amount,
    -- Spent in the last 90 days, less what was refunded of that.
    cast(coalesce(net_90d_amount, 0) as decimal(18, 2)) as net_90d_amount,
    -- Spent in the last 365 days, less what was refunded of that.
    cast(coalesce(net_365d_amount, 0) as decimal(18, 2)) as net_365d_amount,
    -- Purchases in the last 90 days.
    order_90d_count,
    -- Purchases in the last 365 days.
    order_365d_count,
    -- Taken off by discounts, as a share of the gross amount.
    discount_share,
    -- Share of the purchases with a discount or a code.
    discounted_order_share,
    -- Pieces bought.
    cast(quantity as bigint) as quantity,
    -- Value of the first purchase, less what was refunded of it.
    cast(first_order_amount as decimal(18, 2)) as first_order_amount,
    -- Value of the last purchase, less what was refunded of it.
    cast(last_order_amount as decimal(18, 2)) as last_order_amount,
    -- Spent a day in the last 90 days less that in the 90 days before; null for who bought first
    -- less than 180 days ago.
    case
        when tenure_days >= 180
            then cast(coalesce(net_90d_amount, 0) - coalesce(net_before_amount, 0) as double) / 90
    end as value_slope,
    -- Bought first 180 days ago or earlier, still buys, and spent within a tenth as much in the
    -- last 90 days as in the 90 days before.
    coalesce(
        tenure_days >= 180
        and net_90d_amount > 0
        and net_before_amount > 0
        and abs(net_90d_amount / net_before_amount - 1) <= 0.1,
        false
    ) as is_value_plateau
from facts
