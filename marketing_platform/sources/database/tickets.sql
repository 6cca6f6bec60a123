-- One row is a ticket, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_ticket_id is null then 'no key'
    end as quarantine_reason,
    source_ticket_id,
    source_contact_id,
    source_owner_id,
    subject,
    status,
    priority,
    is_closed,
    created_at,
    closed_at,
    updated_at,
    is_deleted
from raw.database_tickets
