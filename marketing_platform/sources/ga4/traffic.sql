-- One row is a day's visits of one channel, source, medium and campaign, as GA4 counts them.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when traffic_date is null then 'no date'
        when least(sessions, users) < 0 then 'negative figure'
    end as quarantine_reason,
    traffic_date,
    nullif(channel_group, '(not set)') as channel_group,
    nullif(session_source, '(not set)') as utm_source,
    nullif(session_medium, '(not set)') as utm_medium,
    nullif(session_campaign, '(not set)') as utm_campaign,
    sessions as session_count,
    users as visitor_count,
    key_events as conversions,
    cast(revenue as decimal(18, 2)) as revenue_amount,
    upper(currency) as currency
from raw.ga4_traffic
