-- One row is something that a visitor did.
select
    'files:' || coalesce(source_event_id, record_id) as event_id,
    'files' as source,
    event,
    occurred_at,
    event_date,
    case
        when source_contact_id is not null then 'files:' || source_contact_id
        when nullif(trim(email), '') is not null then 'files:email:' || lower(trim(email))
    end as contact_id,
    anonymous_id,
    'files:' || source_product_id as product_id,
    'files:' || source_order_id as order_id
from staging.files_events
where outcome = 'accepted'
