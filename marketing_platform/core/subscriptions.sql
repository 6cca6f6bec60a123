-- One row is a subscription.
select
    concat(source, ':', source_subscription_id) as subscription_id,
    source,
    contact_id,
    status,
    started_at,
    current_period_end_at,
    cancelled_at,
    ended_at,
    period_amount,
    -- At the rate of the day on which it began.
    cast(round(cast(period_amount as double) * r.rate, 2) as decimal(18, 2))
        as period_reporting_amount,
    billing_period,
    s.currency,
    updated_at
from staging.subscriptions as s
left join core.exchange_rates as r
    on s.currency = r.currency and cast(s.started_at as date) = r.rate_date
