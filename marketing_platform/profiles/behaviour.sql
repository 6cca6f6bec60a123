-- One row is a customer with at least one event: what they did on the site in the last days.
with
days as (
    select
        m.customer_id,
        a.event,
        a.event_count,
        a.last_at,
        a.activity_date,
        date_diff('day', a.activity_date, k.as_of_date) as days_ago
    from profiles.daily_activity as a
    inner join identity.contact_customers as m on a.identifier = m.contact_id
    cross join core.clock as k
)
select
    customer_id,
    max(last_at) as last_seen_at,
    cast(coalesce(
        sum(event_count) filter (where event = 'product_viewed' and days_ago < 7), 0
    ) as bigint) as product_viewed_7d_count,
    cast(coalesce(
        sum(event_count) filter (where event = 'product_viewed' and days_ago < 30), 0
    ) as bigint) as product_viewed_30d_count,
    cast(coalesce(
        sum(event_count) filter (where event = 'product_added' and days_ago < 7), 0
    ) as bigint) as product_added_7d_count,
    cast(coalesce(
        sum(event_count) filter (where event = 'product_added' and days_ago < 30), 0
    ) as bigint) as product_added_30d_count,
    count(distinct activity_date) filter (where days_ago < 30) as active_30d_days,
    max(last_at) filter (where event = 'product_added') as last_product_added_at,
    max(last_at) filter (where event = 'order_completed') as last_order_completed_at
from days
group by customer_id
