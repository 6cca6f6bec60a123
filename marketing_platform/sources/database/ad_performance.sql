-- One row is the figures of a campaign's day, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when performance_date is null then 'no date'
        when source_campaign_id is null then 'no campaign'
        when cost_amount < 0 then 'negative cost'
        when currency is null then 'no currency'
        when
            abs(cost_amount) >= 100000000000000
            or abs(conversion_value_amount) >= 100000000000000
            then 'amount out of range'
    end as quarantine_reason,
    performance_date,
    platform,
    source_campaign_id,
    campaign_name,
    source_ad_group_id,
    ad_group_name,
    source_ad_id,
    ad_name,
    impression_count,
    click_count,
    cast(
        case when abs(cost_amount) < 100000000000000 then cost_amount end as decimal(18, 2)
    ) as cost_amount,
    cast(conversions as double) as conversions,
    cast(
        case when abs(conversion_value_amount) < 100000000000000 then conversion_value_amount end as decimal(18, 2)
    ) as conversion_value_amount,
    upper(currency) as currency
from raw.database_ad_performance
