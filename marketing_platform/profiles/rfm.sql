-- One row is a customer with at least one purchase: how recently, how often and how much, as quintile
-- scores (5 is best) and as figures, and whether the buyer keeps to the shop's rhythm.
with
facts as (
    select
        o.customer_id,
        max(k.as_of_date) as as_of_date,
        min(o.ordered_at) as first_ordered_at,
        max(o.ordered_at) as last_ordered_at,
        date_diff('day', max(o.order_date), max(k.as_of_date)) as recency_days,
        date_diff('day', min(o.order_date), max(k.as_of_date)) as tenure_days,
        count(*) as order_count,
        sum(o.net_amount) as lifetime_value_amount,
        avg(o.spent_amount) as average_order_value_amount,
        sum(o.refund_amount) / sum(o.spent_amount) as refund_share,
        case
            when count(distinct o.order_date) > 1
                then
                    cast(date_diff('day', min(o.order_date), max(o.order_date)) as double)
                    / (count(distinct o.order_date) - 1)
        end as days_between_orders
    from profiles.orders as o
    cross join core.clock as k
    group by o.customer_id
),
-- The shop's own rhythm: the typical gap between two purchases of those who bought again.
rhythm as (
    select greatest(coalesce(median(days_between_orders), 30), 7) as typical_gap_days
    from facts
)
select
    f.customer_id,
    -- First purchase.
    f.first_ordered_at,
    -- Last purchase.
    f.last_ordered_at,
    -- Days since the last purchase.
    f.recency_days,
    -- Days since the first purchase.
    f.tenure_days,
    -- Purchases.
    f.order_count,
    -- Spent, less what was refunded.
    cast(f.lifetime_value_amount as decimal(18, 2)) as lifetime_value_amount,
    -- Spent per purchase, before refunds.
    cast(f.average_order_value_amount as decimal(18, 2)) as average_order_value_amount,
    -- Share of what was spent that was refunded.
    cast(f.refund_share as double) as refund_share,
    -- Mean gap between days of purchase; null before two.
    f.days_between_orders,
    -- Quintile of recency, 5 is best.
    ntile(5) over (order by f.recency_days desc, f.last_ordered_at asc, f.customer_id asc)
        as recency_score,
    -- Quintile of the number of purchases, 5 is best; of equal ones the later buyer is better.
    ntile(5) over (order by f.order_count asc, f.last_ordered_at asc, f.customer_id asc)
        as frequency_score,
    -- Quintile of lifetime value, 5 is best.
    ntile(5) over (order by f.lifetime_value_amount asc, f.customer_id asc) as monetary_score,
    -- Share of buyers whose lifetime value is lower or equal.
    cume_dist() over (order by f.lifetime_value_amount asc) as value_percentile,
    -- Against the typical gap between purchases of those who bought again (7 days at least, 30 where
    -- unknown): lapsed after four gaps, cooling after two, new in the first 30 days, else active.
    case
        when f.recency_days > 4 * r.typical_gap_days then 'lapsed'
        when f.tenure_days <= 30 then 'new'
        when f.recency_days > 2 * r.typical_gap_days then 'cooling'
        else 'active'
    end as rhythm
from facts as f
cross join rhythm as r
