-- One row is something that a visitor did. Where the source tells no campaign, the address of the page
-- may.
with
events as (
    select
        *,
        case
            when coalesce(utm_source, utm_medium, utm_campaign) is null
                and page_url like '%utm%'
                then replace(replace(page_url, '+', ' '), '%20', ' ')
        end as told_by_page
    from staging.events
)
select
    source || ':' || coalesce(source_event_id, record_id) as event_id,
    source,
    event,
    occurred_at,
    event_date,
    contact_id,
    anonymous_id,
    source || ':' || source_product_id as product_id,
    source || ':' || source_order_id as order_id,
    page_url,
    coalesce(
        utm_source, nullif(regexp_extract(told_by_page, '[?&]utm_source=([^&#]*)', 1), '')
    ) as utm_source,
    coalesce(
        utm_medium, nullif(regexp_extract(told_by_page, '[?&]utm_medium=([^&#]*)', 1), '')
    ) as utm_medium,
    coalesce(
        utm_campaign, nullif(regexp_extract(told_by_page, '[?&]utm_campaign=([^&#]*)', 1), '')
    ) as utm_campaign,
    case
        when lower(device_type) in ('mobile', 'tablet', 'desktop', 'tv') then lower(device_type)
    end as device_type
from events
