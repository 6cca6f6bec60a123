-- An ad on a day; a campaign's day where its ads have no figures, as with Performance Max.
with
figures as (
    select
        "date" as day, campaign_id, campaign_name, ad_group_id, ad_group_name, id as ad_id,
        name as ad_name, customer_currency_code as currency, impressions, clicks, cost_micros,
        conversions, conversions_value
    from ad_performance_report
    union all
    select
        "date", id, name, null, null, null, null, customer_currency_code, impressions, clicks,
        cost_micros, conversions, conversions_value
    from campaign_performance_report
)
select
    cast(cast(f.day as timestamp) as date) as performance_date,
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
    any_value(f.currency) as currency
from figures as f
group by 1, f.campaign_id, f.ad_group_id, f.ad_id
