-- One row is a customer with at least one event: what they did on the site up to the clock, signed in
-- or on a device of theirs.
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
    inner join profiles.visitors as m on a.identifier = m.identifier
    cross join core.clock as k
    where a.activity_date <= k.as_of_date and m.shared_date is null
),
counted as (
    select
        customer_id,
        max(last_at) as last_seen_at,
        min(activity_date) as first_seen_date,
        sum(case when event = 'product_viewed' and days_ago < 1 then event_count end) as viewed_1d,
        sum(case when event = 'product_viewed' and days_ago < 7 then event_count end) as viewed_7d,
        sum(case when event = 'product_viewed' and days_ago < 30 then event_count end)
            as viewed_30d,
        sum(case when event = 'product_viewed' and days_ago < 90 then event_count end)
            as viewed_90d,
        sum(case when event = 'product_added' and days_ago < 1 then event_count end) as added_1d,
        sum(case when event = 'product_added' and days_ago < 7 then event_count end) as added_7d,
        sum(case when event = 'product_added' and days_ago < 30 then event_count end) as added_30d,
        sum(case when event = 'product_added' and days_ago < 90 then event_count end) as added_90d,
        sum(case when event = 'products_searched' and days_ago < 1 then event_count end)
            as searched_1d,
        sum(case when event = 'products_searched' and days_ago < 7 then event_count end)
            as searched_7d,
        sum(case when event = 'products_searched' and days_ago < 30 then event_count end)
            as searched_30d,
        sum(case when event = 'products_searched' and days_ago < 90 then event_count end)
            as searched_90d,
        sum(
            case
                when
                    event in ('product_shared', 'cart_shared', 'product_reviewed')
                    and days_ago < 365
                    then event_count
            end
        ) as advocated_365d,
        count(distinct case when days_ago < 30 then activity_date end) as active_30d_days,
        max(case when event = 'product_added' then last_at end) as last_product_added_at,
        max(case when event = 'order_completed' then last_at end) as last_order_completed_at
    from days
    group by customer_id
),
visited as (
    select
        m.customer_id,
        sum(v.visit_count) as visits,
        sum(case when days_ago < 1 then v.visit_count end) as visit_1d,
        sum(case when days_ago < 7 then v.visit_count end) as visit_7d,
        sum(case when days_ago < 30 then v.visit_count end) as visit_30d,
        sum(case when days_ago < 90 then v.visit_count end) as visit_90d,
        sum(case when days_ago >= 30 and days_ago < 120 then v.visit_count end) as visit_before,
        sum(case when days_ago < 90 then v.dwell_seconds end) as dwell_90d,
        arg_max(v.device_type, concat(cast(v.activity_date as varchar), v.device_type))
            filter (where v.device_type is not null) as device_type,
        max(days_ago) as known_days
    from (
        select a.*, date_diff('day', a.activity_date, k.as_of_date) as days_ago
        from profiles.daily_visits as a
        cross join core.clock as k
        where a.activity_date <= k.as_of_date
    ) as v
    inner join profiles.visitors as m on v.identifier = m.identifier
    where m.shared_date is null
    group by m.customer_id
)
select
    c.customer_id,
    -- Last event on the site.
    c.last_seen_at,
    -- Products viewed in the last day.
    cast(coalesce(c.viewed_1d, 0) as bigint) as product_viewed_1d_count,
    -- Products viewed in the last 7 days.
    cast(coalesce(c.viewed_7d, 0) as bigint) as product_viewed_7d_count,
    -- Products viewed in the last 30 days.
    cast(coalesce(c.viewed_30d, 0) as bigint) as product_viewed_30d_count,
    -- Products viewed in the last 90 days.
    cast(coalesce(c.viewed_90d, 0) as bigint) as product_viewed_90d_count,
    -- Products put into the cart in the last day.
    cast(coalesce(c.added_1d, 0) as bigint) as product_added_1d_count,
    -- Products put into the cart in the last 7 days.
    cast(coalesce(c.added_7d, 0) as bigint) as product_added_7d_count,
    -- Products put into the cart in the last 30 days.
    cast(coalesce(c.added_30d, 0) as bigint) as product_added_30d_count,
    -- Products put into the cart in the last 90 days.
    cast(coalesce(c.added_90d, 0) as bigint) as product_added_90d_count,
    -- Searches in the last day.
    cast(coalesce(c.searched_1d, 0) as bigint) as searched_1d_count,
    -- Searches in the last 7 days.
    cast(coalesce(c.searched_7d, 0) as bigint) as searched_7d_count,
    -- Searches in the last 30 days.
    cast(coalesce(c.searched_30d, 0) as bigint) as searched_30d_count,
    -- Searches in the last 90 days.
    cast(coalesce(c.searched_90d, 0) as bigint) as searched_90d_count,
    -- Products shared or reviewed on the site in the last 365 days.
    cast(coalesce(c.advocated_365d, 0) as bigint) as advocated_365d_count,
    -- Visits in the last day; one ends where nothing happens for half an hour.
    cast(coalesce(v.visit_1d, 0) as bigint) as visit_1d_count,
    -- Visits in the last 7 days.
    cast(coalesce(v.visit_7d, 0) as bigint) as visit_7d_count,
    -- Visits in the last 30 days.
    cast(coalesce(v.visit_30d, 0) as bigint) as visit_30d_count,
    -- Visits in the last 90 days.
    cast(coalesce(v.visit_90d, 0) as bigint) as visit_90d_count,
    -- Mean length of the visits of the last 90 days, in seconds.
    case when v.visit_90d > 0 then cast(v.dwell_90d as double) / v.visit_90d end as dwell_seconds,
    -- Kind of device on which they were last seen: mobile, tablet, desktop or tv.
    v.device_type,
    -- Days with an event in the last 30 days.
    c.active_30d_days,
    -- Visits a day in the last 30 days, as a ratio to those in the 90 days before; null for who was
    -- first seen less than 60 days ago, or had fewer than 3 visits in those 90 days.
    case
        when v.known_days >= 60 and v.visit_before >= 3
            then
                (cast(coalesce(v.visit_30d, 0) as double) / 30)
                / (cast(v.visit_before as double) / least(v.known_days - 29, 90))
    end as visit_velocity,
    -- The rate of visits fell by 60 % or more against the person's own past.
    coalesce(
        v.known_days >= 60
        and v.visit_before >= 3
        and (cast(coalesce(v.visit_30d, 0) as double) / 30)
        / (cast(v.visit_before as double) / least(v.known_days - 29, 90)) <= 0.4,
        false
    ) as is_velocity_decay,
    -- Last time something went into the cart.
    c.last_product_added_at,
    -- Last time an order was completed on the site.
    c.last_order_completed_at
from counted as c
left join visited as v on c.customer_id = v.customer_id
