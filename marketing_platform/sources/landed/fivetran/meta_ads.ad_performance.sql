-- An ad on a day. A purchase has several names, of which the first that there is counts.
with
ads as (
    select
        id,
        arg_max(name, updated_time) as name,
        arg_max(ad_set_id, updated_time) as ad_set_id,
        arg_max(campaign_id, updated_time) as campaign_id
    from ad_history
    group by id
),
ad_sets as (
    select id, arg_max(name, updated_time) as name from ad_set_history group by id
),
campaigns as (
    select id, arg_max(name, updated_time) as name from campaign_history group by id
),
accounts as (
    select id, arg_max(currency, _fivetran_synced) as currency from account_history group by id
),
bought as (
    select ad_id, day, first(amount order by place) as amount, 'count' as what
    from (
        select
            ad_id,
            "date" as day,
            case action_type when 'omni_purchase' then 1 when 'purchase' then 2 else 3 end as place,
            sum(cast(value as double)) as amount
        from basic_ad_actions
        where action_type in ('omni_purchase', 'purchase', 'offsite_conversion.fb_pixel_purchase')
        group by 1, 2, 3
    )
    group by ad_id, day
    union all
    select ad_id, day, first(amount order by place) as amount, 'value' as what
    from (
        select
            ad_id,
            "date" as day,
            case action_type when 'omni_purchase' then 1 when 'purchase' then 2 else 3 end as place,
            sum(cast(value as double)) as amount
        from basic_ad_action_values
        where action_type in ('omni_purchase', 'purchase', 'offsite_conversion.fb_pixel_purchase')
        group by 1, 2, 3
    )
    group by ad_id, day
)
select
    cast(f."date" as date) as performance_date,
    'Meta Ads' as platform,
    a.campaign_id as source_campaign_id,
    c.name as campaign_name,
    a.ad_set_id as source_ad_group_id,
    s.name as ad_group_name,
    f.ad_id as source_ad_id,
    a.name as ad_name,
    cast(f.impressions as bigint) as impression_count,
    cast(f.inline_link_clicks as bigint) as click_count,
    cast(cast(f.spend as double) as decimal(18, 2)) as cost_amount,
    coalesce(b.amount, 0) as conversions,
    cast(coalesce(v.amount, 0) as decimal(18, 2)) as conversion_value_amount,
    n.currency
from basic_ad as f
left join ads as a on f.ad_id = a.id
left join ad_sets as s on a.ad_set_id = s.id
left join campaigns as c on a.campaign_id = c.id
left join accounts as n on f.account_id = n.id
left join bought as b on f.ad_id = b.ad_id and f."date" = b.day and b.what = 'count'
left join bought as v on f.ad_id = v.ad_id and f."date" = v.day and v.what = 'value'
