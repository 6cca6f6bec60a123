-- An ad on a day; a campaign's day where its ads have no figures.
with
campaigns as (
    select id, arg_max(name, modified_time) as name from campaign_history group by id
),
ad_groups as (
    select id, arg_max(name, modified_time) as name from ad_group_history group by id
),
ads as (
    select id, arg_max(coalesce(title, title_part_1), modified_time) as name
    from ad_history
    group by id
),
figures as (
    select
        "date" as day, campaign_id, ad_group_id, ad_id, currency_code, impressions, clicks, spend,
        coalesce(conversions_qualified, conversions) as conversions, revenue
    from ad_performance_daily_report
    union all
    select
        "date", campaign_id, null, null, currency_code, impressions, clicks, spend,
        coalesce(conversions_qualified, conversions), revenue
    from campaign_performance_daily_report
)
select
    cast(f.day as date) as performance_date,
    'Microsoft Ads' as platform,
    f.campaign_id as source_campaign_id,
    any_value(c.name) as campaign_name,
    f.ad_group_id as source_ad_group_id,
    any_value(g.name) as ad_group_name,
    f.ad_id as source_ad_id,
    any_value(a.name) as ad_name,
    sum(cast(f.impressions as bigint)) as impression_count,
    sum(cast(f.clicks as bigint)) as click_count,
    cast(sum(cast(f.spend as double)) as decimal(18, 2)) as cost_amount,
    sum(cast(f.conversions as double)) as conversions,
    cast(sum(cast(f.revenue as double)) as decimal(18, 2)) as conversion_value_amount,
    any_value(f.currency_code) as currency
from figures as f
left join campaigns as c on f.campaign_id = c.id
left join ad_groups as g on f.ad_group_id = g.id
left join ads as a on f.ad_id = a.id
group by f.day, f.campaign_id, f.ad_group_id, f.ad_id
