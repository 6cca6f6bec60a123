-- One row is a ticket of the help desk.
select
    concat(source, ':', source_ticket_id) as ticket_id,
    source,
    contact_id,
    source || ':' || source_owner_id as owner_id,
    subject,
    status,
    priority,
    is_closed,
    created_at,
    closed_at,
    updated_at
from staging.tickets
where is_deleted is not true
