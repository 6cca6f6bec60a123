-- One row is something that a visitor did.
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
    utm_source,
    utm_medium,
    utm_campaign,
    case
        when lower(device_type) in ('mobile', 'tablet', 'desktop', 'tv') then lower(device_type)
    end as device_type
from staging.events
