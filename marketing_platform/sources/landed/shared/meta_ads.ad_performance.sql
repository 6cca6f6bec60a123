-- An ad on a day; Meta leaves out figures that are zero. A purchase has several names, of which the first
-- that there is counts.
with
figures as (
    select
        cast(cast(date_start as timestamp) as date) as day, campaign_id, campaign_name, adset_id,
        adset_name, ad_id, ad_name, account_currency, impressions, inline_link_clicks, spend,
        try_cast(actions as json[]) as actions, try_cast(action_values as json[]) as action_values
    from ads_insights
),
counted as (
    select day, ad_id, unnest(actions) as action, 'count' as what from figures
    union all
    select day, ad_id, unnest(action_values) as action, 'value' as what from figures
),
bought as (
    select day, ad_id, what, first(amount order by place) as amount
    from (
        select
            day,
            ad_id,
            what,
            case action ->> '$.action_type'
                when 'omni_purchase' then 1 when 'purchase' then 2 else 3
            end as place,
            sum(try_cast(action ->> '$.value' as double)) as amount
        from counted
        where action ->> '$.action_type' in (
            'omni_purchase', 'purchase', 'offsite_conversion.fb_pixel_purchase'
        )
        group by 1, 2, 3, 4
    )
    group by day, ad_id, what
)
select
    f.day as performance_date,
    'Meta Ads' as platform,
    f.campaign_id as source_campaign_id,
    f.campaign_name,
    f.adset_id as source_ad_group_id,
    f.adset_name as ad_group_name,
    f.ad_id as source_ad_id,
    f.ad_name,
    coalesce(cast(f.impressions as bigint), 0) as impression_count,
    coalesce(cast(f.inline_link_clicks as bigint), 0) as click_count,
    cast(coalesce(cast(f.spend as double), 0) as decimal(18, 2)) as cost_amount,
    coalesce(b.amount, 0) as conversions,
    cast(coalesce(v.amount, 0) as decimal(18, 2)) as conversion_value_amount,
    f.account_currency as currency
from figures as f
left join bought as b on f.ad_id = b.ad_id and f.day = b.day and b.what = 'count'
left join bought as v on f.ad_id = v.ad_id and f.day = v.day and v.what = 'value'
