-- One row is a campaign on a day, as Microsoft Advertising reported it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when performance_date is null then 'no date'
        when campaign_id is null then 'no campaign'
        when least(impressions, clicks, spend) < 0 then 'negative figure'
    end as quarantine_reason,
    performance_date,
    'Microsoft Ads' as platform,
    campaign_id as source_campaign_id,
    campaign_name,
    impressions as impression_count,
    clicks as click_count,
    cast(spend as decimal(18, 2)) as cost_amount,
    conversions,
    cast(revenue as decimal(18, 2)) as conversion_value_amount,
    upper(currency) as currency
from raw.microsoft_ads_campaigns
