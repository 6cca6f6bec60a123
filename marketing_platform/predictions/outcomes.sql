-- One row per task, buyer and past as-of date: whether it came true in the horizon_days after it.
-- purchase: bought on at least one day. churn: bought on none, asked only of buyers who were active,
-- that is, whose last day of purchase lay at most active_days back.
with order_days as (
    select distinct
        customer_id,
        order_date
    from profiles.orders
    where gross_amount > 0
),

candidates as (
    select
        as_of_dates.task,
        as_of_dates.as_of_date,
        as_of_dates.horizon_days,
        features.customer_id
    from predictions.as_of_dates
    inner join predictions.features on as_of_dates.as_of_date = features.as_of_date
    where
        as_of_dates.role in ('train', 'test')
        and (as_of_dates.task = 'purchase' or features.recency_days <= as_of_dates.active_days)
),

bought as (
    select
        candidates.task,
        candidates.customer_id,
        candidates.as_of_date,
        count(order_days.order_date) as order_days_count
    from candidates
    left join order_days
        on
            candidates.customer_id = order_days.customer_id
            and date_diff('day', candidates.as_of_date, order_days.order_date)
            between 1 and candidates.horizon_days
    group by candidates.task, candidates.customer_id, candidates.as_of_date
)

select
    task,
    customer_id,
    as_of_date,
    case when task = 'churn' then order_days_count = 0 else order_days_count > 0 end as is_positive
from bought
