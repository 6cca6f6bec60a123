-- A ticket, with one of its contacts.
select
    id as source_ticket_id,
    try_cast(contacts as json[])[1] ->> '$' as source_contact_id,
    coalesce(properties_hubspot_owner_id, properties ->> '$.hubspot_owner_id') as source_owner_id,
    coalesce(properties_subject, properties ->> '$.subject') as subject,
    coalesce(properties_hs_pipeline_stage, properties ->> '$.hs_pipeline_stage') as status,
    coalesce(properties_hs_ticket_priority, properties ->> '$.hs_ticket_priority') as priority,
    coalesce(properties_closed_date, properties ->> '$.closed_date') is not null as is_closed,
    createdat as created_at,
    coalesce(properties_closed_date, properties ->> '$.closed_date') as closed_at,
    updatedat as updated_at,
    coalesce(try_cast(archived as boolean), false) as is_deleted
from tickets
