-- An ad on a day; a campaign's day where its ads have no figures, as with Performance Max.
with
figures as (
    select
        segments_date as day, campaign_id, campaign_name, ad_group_id, ad_group_name,
        ad_group_ad_ad_id as ad_id, ad_group_ad_ad_name as ad_name,
        customer_currency_code as currency, metrics_impressions as impressions,
        metrics_clicks as clicks, metrics_cost_micros as cost_micros,
        metrics_conversions as conversions, metrics_conversions_value as conversions_value
    from ad_group_ad_legacy
    union all
    select
        segments_date, campaign_id, campaign_name, null, null, null, null, null,
        metrics_impressions, metrics_clicks, metrics_cost_micros, metrics_conversions,
        metrics_conversions_value
    from campaign
),
accounts as (
    select any_value(customer_currency_code) as currency from customer
)
select
    cast(f.day as date) as performance_date,
    'Google Ads' as platform,
    f.campaign_id as source_campaign_id,
    any_value(f.campaign_name) as campaign_name,
    f.ad_group_id as source_ad_group_id,
    any_value(f.ad_group_name) as ad_group_name,
    f.ad_id as source_ad_id,
    any_value(f.ad_name) as ad_name,
    sum(cast(f.impressions as bigint)) as impression_count,
    sum(cast(f.clicks as bigint)) as click_count,
    cast(sum(cast(f.cost_micros as decimal(28, 0))) / 1000000 as decimal(18, 2)) as cost_amount,
    sum(cast(f.conversions as double)) as conversions,
    cast(sum(cast(f.conversions_value as double)) as decimal(18, 2)) as conversion_value_amount,
    any_value(coalesce(f.currency, a.currency)) as currency
from figures as f
cross join accounts as a
group by f.day, f.campaign_id, f.ad_group_id, f.ad_id
