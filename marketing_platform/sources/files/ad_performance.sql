-- One row is a campaign's day as an ad platform reported it, typed, with its outcome. A day that is
-- reported again replaces its earlier report.
with
typed as (
    select
        *,
        row_number() over (
            partition by performance_date, platform, coalesce(campaign_id, campaign_name)
            order by received_at desc, line_number desc
        ) as version
    from raw.files_ad_performance
)
select
    record_id,
    received_date,
    case
        when occurrence > 1 then 'duplicate'
        when
            unreadable is not null or performance_date is null
            or coalesce(campaign_id, campaign_name) is null
            or least(impressions, clicks, cost, conversions) < 0
            then 'quarantined'
        when version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case
        when occurrence > 1 then null
        when unreadable is not null then concat('unreadable: ', unreadable)
        when performance_date is null then 'no date'
        when coalesce(campaign_id, campaign_name) is null then 'no campaign'
        when least(impressions, clicks, cost, conversions) < 0 then 'negative figure'
    end as quarantine_reason,
    performance_date,
    platform,
    coalesce(campaign_id, campaign_name) as source_campaign_id,
    campaign_name,
    impressions as impression_count,
    clicks as click_count,
    cast(cost as decimal(18, 2)) as cost_amount,
    conversions as conversion_count,
    cast(conversion_value as decimal(18, 2)) as conversion_value_amount,
    currency
from typed
