-- One row is a campaign on a day.
select
    performance_date,
    coalesce(platform, 'unknown') as platform,
    coalesce(platform, 'unknown') || ':' || source_campaign_id as campaign_id,
    campaign_name,
    coalesce(impression_count, 0) as impression_count,
    coalesce(click_count, 0) as click_count,
    coalesce(cost_amount, 0) as cost_amount,
    coalesce(conversion_count, 0) as conversion_count,
    coalesce(conversion_value_amount, 0) as conversion_value_amount,
    currency
from staging.files_ad_performance
where outcome = 'accepted'
