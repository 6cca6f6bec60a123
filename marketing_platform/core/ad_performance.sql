-- One row is an ad on a day, or the ad group or campaign where its platform tells nothing finer.
with
figures as (
    select
        *,
        coalesce(platform, 'unknown') as ad_platform,
        case
            when source_ad_id is not null then 3
            when source_ad_group_id is not null then 2
            else 1
        end as fineness
    from staging.ad_performance
),
-- A campaign pulled at several levels counts once: by its finest figures of the day.
finest as (
    select
        *,
        max(fineness) over (
            partition by source, ad_platform, source_campaign_id, performance_date
        ) as finest
    from figures
)
select
    concat(
        source, ':', ad_platform, ':', source_campaign_id, ':',
        coalesce(source_ad_group_id, ''), ':', coalesce(source_ad_id, '')
    ) as ad_id,
    source,
    performance_date,
    ad_platform as platform,
    ad_platform || ':' || source_campaign_id as campaign_id,
    campaign_name,
    ad_platform || ':' || source_ad_group_id as ad_group_id,
    ad_group_name,
    ad_name,
    coalesce(impression_count, 0) as impression_count,
    coalesce(click_count, 0) as click_count,
    coalesce(cost_amount, 0) as cost_amount,
    coalesce(conversions, 0) as conversions,
    coalesce(conversion_value_amount, 0) as conversion_value_amount,
    -- In the shop's own currency, at the rate of the day; null where none is known.
    cast(round(cast(coalesce(cost_amount, 0) as double) * r.rate, 2) as decimal(18, 2))
        as cost_reporting_amount,
    cast(round(cast(coalesce(conversion_value_amount, 0) as double) * r.rate, 2) as decimal(18, 2))
        as conversion_value_reporting_amount,
    f.currency
from finest as f
left join core.exchange_rates as r on f.currency = r.currency and f.performance_date = r.rate_date
where fineness = finest
