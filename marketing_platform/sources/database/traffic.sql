-- One row is the visits of a day from one place, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when traffic_date is null then 'no date'
        when
            abs(revenue_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    traffic_date,
    channel_group,
    utm_source,
    utm_medium,
    utm_campaign,
    session_count,
    visitor_count,
    cast(conversions as double) as conversions,
    cast(
        case when abs(revenue_amount) < 100000000000000 then revenue_amount end as decimal(18, 2)
    ) as revenue_amount,
    upper(currency) as currency
from raw.database_traffic
