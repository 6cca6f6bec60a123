-- One row per task, buyer and past as-of date: whether it came true in the horizon_days after it, with
-- the days of purchase and the amount spent in them. value: whether something was bought.
-- purchase: bought on at least one day. churn: bought on none, asked only of buyers who were active,
-- that is, whose last day of purchase lay at most active_days, or active_gaps typical gaps, back.
with order_days as (
    select
        customer_id,
        order_date,
        sum(gross_amount) as gross_amount
    from profiles.orders
    where gross_amount > 0
    group by customer_id, order_date
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
        and (
            as_of_dates.task <> 'churn'
            or features.recency_days <= coalesce(
                as_of_dates.active_gaps * features.typical_gap_days, as_of_dates.active_days
            )
        )
),

bought as (
    select
        candidates.task,
        candidates.customer_id,
        candidates.as_of_date,
        count(order_days.order_date) as order_count,
        coalesce(sum(order_days.gross_amount), 0) as gross_amount
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
    case when task = 'churn' then order_count = 0 else order_count > 0 end as is_positive,
    order_count,
    cast(gross_amount as double) as gross_amount
from bought
