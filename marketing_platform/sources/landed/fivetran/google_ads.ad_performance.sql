-- An ad on a day; a campaign's day where its ads have no figures, as with Performance Max.
with
campaigns as (
    select id, arg_max(name, updated_at) as name, arg_max(customer_id, updated_at) as customer_id
    from campaign_history
    group by id
),
ad_groups as (
    select id, arg_max(name, updated_at) as name from ad_group_history group by id
),
ads as (
    select id, arg_max(name, updated_at) as name from ad_history group by id
),
accounts as (
    select id, arg_max(currency_code, updated_at) as currency from account_history group by id
),
figures as (
    select
        "date" as day, campaign_id, ad_group_id, ad_id, customer_id, impressions, clicks,
        cost_micros, conversions, conversions_value
    from ad_stats
    union all
    select
        "date", id, null, null, customer_id, impressions, clicks, cost_micros, conversions,
        conversions_value
    from campaign_stats
)
select
    cast(f.day as date) as performance_date,
    'Google Ads' as platform,
    f.campaign_id as source_campaign_id,
    any_value(c.name) as campaign_name,
    f.ad_group_id as source_ad_group_id,
    any_value(g.name) as ad_group_name,
    f.ad_id as source_ad_id,
    any_value(a.name) as ad_name,
    sum(cast(f.impressions as bigint)) as impression_count,
    sum(cast(f.clicks as bigint)) as click_count,
    cast(sum(cast(f.cost_micros as decimal(28, 0))) / 1000000 as decimal(18, 2)) as cost_amount,
    sum(cast(f.conversions as double)) as conversions,
    cast(sum(cast(f.conversions_value as double)) as decimal(18, 2)) as conversion_value_amount,
    any_value(n.currency) as currency
from figures as f
left join campaigns as c on f.campaign_id = c.id
left join ad_groups as g on f.ad_group_id = g.id
left join ads as a on f.ad_id = a.id
left join accounts as n on f.customer_id = n.id
group by f.day, f.campaign_id, f.ad_group_id, f.ad_id
