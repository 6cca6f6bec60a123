-- One row is a campaign on a day, as Meta reported it. Meta leaves out figures that are zero.
select
    reports.record_id,
    reports.record_key,
    reports.received_date,
    reports.record_updated_at,
    reports.received_at,
    case
        when reports.unreadable is not null then concat('unreadable: ', reports.unreadable)
        when purchases.unreadable is not null then 'unreadable: actions'
        when purchase_values.unreadable is not null then 'unreadable: action_values'
        when reports.performance_date is null then 'no date'
        when reports.campaign_id is null then 'no campaign'
        when least(reports.impressions, reports.clicks, reports.spend) < 0 then 'negative figure'
    end as quarantine_reason,
    reports.performance_date,
    'Meta Ads' as platform,
    reports.campaign_id as source_campaign_id,
    reports.campaign_name,
    coalesce(reports.impressions, 0) as impression_count,
    coalesce(reports.clicks, 0) as click_count,
    cast(coalesce(reports.spend, 0) as decimal(18, 2)) as cost_amount,
    coalesce(purchases.value, 0) as conversions,
    cast(coalesce(purchase_values.value, 0) as decimal(18, 2)) as conversion_value_amount,
    upper(reports.currency) as currency
from raw.meta_ads_campaigns as reports
left join (
    select
        parent_record_id,
        -- Across all of Meta's channels; else of site, app and shop; else of the site alone.
        coalesce(
            max(case when action_type = 'omni_purchase' then value end),
            max(case when action_type = 'purchase' then value end),
            max(case when action_type = 'offsite_conversion.fb_pixel_purchase' then value end)
        ) as value,
        max(unreadable) as unreadable
    from raw.meta_ads_campaign_actions
    group by parent_record_id
) as purchases
    on purchases.parent_record_id = reports.record_id
left join (
    select
        parent_record_id,
        -- Across all of Meta's channels; else of site, app and shop; else of the site alone.
        coalesce(
            max(case when action_type = 'omni_purchase' then value end),
            max(case when action_type = 'purchase' then value end),
            max(case when action_type = 'offsite_conversion.fb_pixel_purchase' then value end)
        ) as value,
        max(unreadable) as unreadable
    from raw.meta_ads_campaign_action_values
    group by parent_record_id
) as purchase_values
    on purchase_values.parent_record_id = reports.record_id
