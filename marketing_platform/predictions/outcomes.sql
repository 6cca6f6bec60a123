-- One row per task, buyer and past as-of date: whether it came true in the horizon_days after it, with
-- the days of purchase and the amount spent in them. value: whether something was bought.
-- purchase: bought on at least one day. churn: bought on none, asked only of buyers who were active,
-- that is, whose last day of purchase lay at most active_days, or active_gaps typical gaps, back.
with order_days as (
    select
        customer_id,
        order_date,
        sum(spent_amount) as gross_amount
    from profiles.orders
    where spent_amount > 0
    group by customer_id, order_date
),

candidates as (
    select
        as_of_dates.task,
        as_of_dates.as_of_date,
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

-- Those who bought only: of all others there are many more.
bought as (
    select
        as_of_dates.task,
        as_of_dates.as_of_date,
        order_days.customer_id,
        count(*) as order_count,
        sum(order_days.gross_amount) as gross_amount
    from predictions.as_of_dates
    inner join order_days
        on
            date_diff('day', as_of_dates.as_of_date, order_days.order_date)
            between 1 and as_of_dates.horizon_days
    where as_of_dates.role in ('train', 'test')
    group by as_of_dates.task, as_of_dates.as_of_date, order_days.customer_id
)

select
    candidates.task,
    candidates.customer_id,
    candidates.as_of_date,
    case
        when candidates.task = 'churn' then bought.order_count is null
        else bought.order_count is not null
    end as is_positive,
    coalesce(bought.order_count, 0) as order_count,
    cast(coalesce(bought.gross_amount, 0) as double) as gross_amount
from candidates
left join bought
    on
        candidates.task = bought.task
        and candidates.customer_id = bought.customer_id
        and candidates.as_of_date = bought.as_of_date
