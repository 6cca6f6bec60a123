-- One row is a day's visits of one channel, source, medium and campaign, as analytics counts them.
with
-- Names that analytics tells apart by blanks alone, or of which it knows none, are the same here.
visits as (
    select
        source,
        traffic_date,
        coalesce(channel_group, '') as channel_group,
        coalesce(utm_source, '') as utm_source,
        coalesce(utm_medium, '') as utm_medium,
        coalesce(utm_campaign, '') as utm_campaign,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(visitor_count) as bigint) as visitor_count,
        sum(conversions) as conversions,
        cast(sum(revenue_amount) as decimal(18, 2)) as revenue_amount,
        currency
    from staging.traffic
    group by 1, 2, 3, 4, 5, 6, 11
)
select
    source,
    traffic_date,
    channel_group,
    utm_source,
    utm_medium,
    utm_campaign,
    session_count,
    visitor_count,
    conversions,
    revenue_amount,
    cast(round(cast(revenue_amount as double) * r.rate, 2) as decimal(18, 2))
        as revenue_reporting_amount,
    t.currency
from visits as t
left join core.exchange_rates as r on t.currency = r.currency and t.traffic_date = r.rate_date
