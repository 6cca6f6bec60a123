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
    billing_period,
    currency,
    updated_at
from staging.subscriptions
