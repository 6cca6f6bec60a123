-- An ad on a day; a campaign's day where its ads have no figures. Airbyte adds to the names of tables
-- how long their rows are.
with
ads as (
    select
        timeperiod, gregoriandate, campaignid, campaignname, adgroupid, adgroupname, adid, adtitle,
        currencycode, impressions, clicks, spend, conversionsqualified, conversions, revenue
    from ad_performance_report_daily
    union all
    select
        timeperiod, gregoriandate, campaignid, campaignname, adgroupid, adgroupname, adid, adtitle,
        currencycode, impressions, clicks, spend, conversionsqualified, conversions, revenue
    from ad_performance_report
),
campaigns as (
    select
        timeperiod, gregoriandate, campaignid, campaignname, currencycode, impressions, clicks,
        spend, conversionsqualified, conversions, revenue
    from campaign_performance_report_daily
    union all
    select
        timeperiod, gregoriandate, campaignid, campaignname, currencycode, impressions, clicks,
        spend, conversionsqualified, conversions, revenue
    from campaign_performance_report
),
figures as (
    select
        coalesce(timeperiod, gregoriandate) as day, campaignid, campaignname, adgroupid,
        adgroupname, adid, adtitle, currencycode, impressions, clicks, spend,
        coalesce(conversionsqualified, conversions) as conversions, revenue
    from ads
    union all
    select
        coalesce(timeperiod, gregoriandate), campaignid, campaignname, null, null, null, null,
        currencycode, impressions, clicks, spend, coalesce(conversionsqualified, conversions),
        revenue
    from campaigns
)
select
    cast(cast(f.day as timestamp) as date) as performance_date,
    'Microsoft Ads' as platform,
    f.campaignid as source_campaign_id,
    any_value(f.campaignname) as campaign_name,
    f.adgroupid as source_ad_group_id,
    any_value(f.adgroupname) as ad_group_name,
    f.adid as source_ad_id,
    any_value(f.adtitle) as ad_name,
    sum(cast(f.impressions as bigint)) as impression_count,
    sum(cast(f.clicks as bigint)) as click_count,
    cast(sum(cast(f.spend as double)) as decimal(18, 2)) as cost_amount,
    sum(cast(f.conversions as double)) as conversions,
    cast(sum(cast(f.revenue as double)) as decimal(18, 2)) as conversion_value_amount,
    any_value(f.currencycode) as currency
from figures as f
group by 1, f.campaignid, f.adgroupid, f.adid
