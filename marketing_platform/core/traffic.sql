-- One row is a day's visits of one channel, source, medium and campaign, as analytics counts them.
select
    source,
    traffic_date,
    coalesce(channel_group, '') as channel_group,
    coalesce(utm_source, '') as utm_source,
    coalesce(utm_medium, '') as utm_medium,
    coalesce(utm_campaign, '') as utm_campaign,
    session_count,
    visitor_count,
    conversions,
    revenue_amount,
    cast(round(cast(revenue_amount as double) * r.rate, 2) as decimal(18, 2))
        as revenue_reporting_amount,
    t.currency
from staging.traffic as t
left join core.exchange_rates as r on t.currency = r.currency and t.traffic_date = r.rate_date
