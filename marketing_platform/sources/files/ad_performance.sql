-- One row is the day of a campaign, or of its ad groups or ads, as an ad platform reported it, typed,
-- with its outcome. A day that is reported again replaces its earlier report, unless the later one cannot be used.
with
judged as (
    select
        *,
        coalesce(campaign_id, campaign_name) as source_campaign_id,
        coalesce(ad_group_id, ad_group_name) as source_ad_group_id,
        coalesce(ad_id, ad_name) as source_ad_id,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when performance_date is null then 'no date'
            when performance_date < date '1990-01-01' then 'date before 1990'
            when last_date > performance_date then 'of more than a day: export it by day'
            when coalesce(campaign_id, campaign_name) is null then 'no campaign'
            when least(impressions, clicks, cost, conversions) < 0 then 'negative figure'
        end as reason
    from raw.files_ad_performance
),
ranked as (
    select
        *,
        row_number() over (
            partition by
                performance_date, platform, source_campaign_id, source_ad_group_id, source_ad_id,
                occurrence > 1 or reason is not null
            order by received_at desc, line_number desc
        ) as version
    from judged
)
select
    record_id,
    received_date,
    case
        when occurrence > 1 then 'duplicate'
        when reason is not null then 'quarantined'
        when version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case when occurrence = 1 then reason end as quarantine_reason,
    performance_date,
    platform,
    source_campaign_id,
    campaign_name,
    source_ad_group_id,
    ad_group_name,
    source_ad_id,
    ad_name,
    impressions as impression_count,
    clicks as click_count,
    cast(cost as decimal(18, 2)) as cost_amount,
    conversions,
    cast(conversion_value as decimal(18, 2)) as conversion_value_amount,
    currency
from ranked
