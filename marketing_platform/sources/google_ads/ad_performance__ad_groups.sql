-- One row is an ad group on a day, as Google Ads reported it.
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
        when ad_group_id is null then 'no ad group'
        when least(impressions, clicks, cost_micros) < 0 then 'negative figure'
    end as quarantine_reason,
    performance_date,
    'Google Ads' as platform,
    campaign_id as source_campaign_id,
    campaign_name,
    ad_group_id as source_ad_group_id,
    ad_group_name,
    impressions as impression_count,
    clicks as click_count,
    cast(cost_micros * 0.000001 as decimal(18, 2)) as cost_amount,
    conversions,
    cast(conversions_value as decimal(18, 2)) as conversion_value_amount,
    upper(currency) as currency
from raw.google_ads_ad_groups
