-- One row is a subscription, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_subscription_id is null then 'no key'
        when
            lower(billing_period) not in ('day', 'week', 'month', 'year')
            then 'not a billing period that we know'
        when
            abs(period_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    source_subscription_id,
    source_contact_id,
    status,
    started_at,
    current_period_end_at,
    cancelled_at,
    ended_at,
    cast(
        case when abs(period_amount) < 100000000000000 then period_amount end as decimal(18, 2)
    ) as period_amount,
    lower(billing_period) as billing_period,
    upper(currency) as currency,
    updated_at
from raw.database_subscriptions
