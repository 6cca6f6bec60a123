-- One row is something that a visitor did, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_event_id is null then 'no key'
        when event is null then 'no name of the event'
        when occurred_at is null then 'no date'
        when coalesce(source_contact_id, anonymous_id, email) is null then 'nobody did it'
    end as quarantine_reason,
    source_event_id,
    event,
    occurred_at,
    event_date,
    source_contact_id,
    anonymous_id,
    email,
    source_product_id,
    source_order_id,
    page_url,
    utm_source,
    utm_medium,
    utm_campaign,
    device_type
from raw.database_events
