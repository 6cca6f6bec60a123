-- One row per buyer and as-of date: what was known of the buyer at the end of that day. Orders are
-- counted per day, and an order of nothing is none. Refunds are left out: which of them are known
-- depends on the clock, not on the as-of date. Sums of fractions are rounded, because the order in
-- which a parallel sum adds is not fixed and the same data must give the same features.
with dates as (
    select distinct as_of_date from predictions.as_of_dates
),

order_days as (
    select
        customer_id,
        order_date,
        sum(spent_amount) as gross_amount
    from profiles.orders
    where spent_amount > 0
    group by customer_id, order_date
),

-- The gap looks back only, so a later order changes no earlier row.
gaps as (
    select
        customer_id,
        order_date,
        gross_amount,
        date_diff(
            'day',
            lag(order_date) over (partition by customer_id order by order_date),
            order_date
        ) as gap_days
    from order_days
),

known_orders as (
    select
        dates.as_of_date,
        gaps.customer_id,
        gaps.order_date,
        gaps.gross_amount,
        gaps.gap_days,
        date_diff('day', gaps.order_date, dates.as_of_date) as age_days
    from dates
    inner join gaps on gaps.order_date <= dates.as_of_date
),

-- A buyer's typical gap is drawn towards that of the shop: its mean gap counts as one more of
-- theirs. A month where nobody has bought twice.
shop as (
    select as_of_date, coalesce(avg(gap_days), 30) as gap_days
    from known_orders
    group by as_of_date
),

bought as (
    select
        customer_id,
        as_of_date,
        min(age_days) as recency_days,
        max(age_days) as tenure_days,
        count(*) as order_days_count,
        count(*) filter (where age_days < 30) as order_days_30d_count,
        count(*) filter (where age_days < 90) as order_days_90d_count,
        count(*) filter (where age_days < 180) as order_days_180d_count,
        round(sum(exp(-age_days / 15.0)), 6) as order_days_fading_15d,
        round(sum(exp(-age_days / 60.0)), 6) as order_days_fading_60d,
        round(avg(gap_days), 6) as gap_mean_days,
        round(stddev_samp(gap_days), 6) as gap_std_days,
        arg_max(gap_days, order_date) as gap_last_days,
        cast(sum(gross_amount) as double) as gross_amount_sum,
        cast(sum(gross_amount) as double) / count(*) as gross_amount_mean,
        cast(arg_max(gross_amount, order_date) as double) as gross_amount_last,
        cast(
            coalesce(sum(gross_amount) filter (where age_days < 90), 0) as double
        ) as gross_amount_90d_sum
    from known_orders
    group by customer_id, as_of_date
),

known_activity as (
    select
        dates.as_of_date,
        active_days.customer_id,
        active_days.viewed_count,
        active_days.added_count,
        date_diff('day', active_days.activity_date, dates.as_of_date) as age_days
    from dates
    inner join profiles.active_days
        on
            active_days.known_date <= dates.as_of_date
            and active_days.shared_date > dates.as_of_date
),

-- Whatever the contacts and devices, a customer is active once a day.
recent_days as (
    select
        customer_id,
        as_of_date,
        age_days,
        sum(viewed_count) as viewed_count,
        sum(added_count) as added_count
    from known_activity
    where age_days < 30
    group by customer_id, as_of_date, age_days
),

recent as (
    select
        customer_id,
        as_of_date,
        count(*) filter (where age_days < 7) as active_7d_days,
        count(*) as active_30d_days,
        sum(viewed_count) filter (where age_days < 7) as product_viewed_7d_count,
        sum(viewed_count) as product_viewed_30d_count,
        sum(added_count) filter (where age_days < 7) as product_added_7d_count,
        sum(added_count) as product_added_30d_count
    from recent_days
    group by customer_id, as_of_date
),

seen as (
    select customer_id, as_of_date, min(age_days) as last_seen_days
    from known_activity
    group by customer_id, as_of_date
),

engaged_days as (
    select
        contact_customers.customer_id,
        engagements.engagement_date,
        count(*) filter (where engagements.engagement = 'opened') as opened_count,
        count(*) filter (where engagements.engagement = 'clicked') as clicked_count
    from core.engagements
    inner join identity.contact_customers
        on engagements.contact_id = contact_customers.contact_id
    where engagements.engagement in ('opened', 'clicked')
    group by contact_customers.customer_id, engagements.engagement_date
),

known_engaged as (
    select
        dates.as_of_date,
        engaged_days.customer_id,
        engaged_days.opened_count,
        engaged_days.clicked_count,
        date_diff('day', engaged_days.engagement_date, dates.as_of_date) as age_days
    from dates
    inner join engaged_days
        on
            engaged_days.engagement_date <= dates.as_of_date
            and date_diff('day', engaged_days.engagement_date, dates.as_of_date) < 90
),

engaged as (
    select
        customer_id,
        as_of_date,
        min(age_days) as last_engaged_days,
        sum(opened_count) filter (where age_days < 30) as opened_30d_count,
        sum(opened_count) as opened_90d_count,
        sum(clicked_count) as clicked_90d_count
    from known_engaged
    group by customer_id, as_of_date
)

select
    bought.customer_id,
    bought.as_of_date,
    bought.recency_days,
    bought.tenure_days,
    bought.order_days_count,
    bought.order_days_30d_count,
    bought.order_days_90d_count,
    bought.order_days_180d_count,
    bought.order_days_fading_15d,
    bought.order_days_fading_60d,
    bought.gap_mean_days,
    bought.gap_std_days,
    bought.gap_last_days,
    round(
        (coalesce(bought.gap_mean_days, 0) * (bought.order_days_count - 1) + shop.gap_days)
        / bought.order_days_count,
        4
    ) as typical_gap_days,
    bought.gross_amount_sum,
    bought.gross_amount_mean,
    bought.gross_amount_last,
    bought.gross_amount_90d_sum,
    seen.last_seen_days,
    coalesce(recent.active_7d_days, 0) as active_7d_days,
    coalesce(recent.active_30d_days, 0) as active_30d_days,
    cast(coalesce(recent.product_viewed_7d_count, 0) as bigint) as product_viewed_7d_count,
    cast(coalesce(recent.product_viewed_30d_count, 0) as bigint) as product_viewed_30d_count,
    cast(coalesce(recent.product_added_7d_count, 0) as bigint) as product_added_7d_count,
    cast(coalesce(recent.product_added_30d_count, 0) as bigint) as product_added_30d_count,
    engaged.last_engaged_days,
    cast(coalesce(engaged.opened_30d_count, 0) as bigint) as opened_30d_count,
    cast(coalesce(engaged.opened_90d_count, 0) as bigint) as opened_90d_count,
    cast(coalesce(engaged.clicked_90d_count, 0) as bigint) as clicked_90d_count
from bought
inner join shop on bought.as_of_date = shop.as_of_date
left join seen
    on bought.customer_id = seen.customer_id and bought.as_of_date = seen.as_of_date
left join recent
    on bought.customer_id = recent.customer_id and bought.as_of_date = recent.as_of_date
left join engaged
    on bought.customer_id = engaged.customer_id and bought.as_of_date = engaged.as_of_date
