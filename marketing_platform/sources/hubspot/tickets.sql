-- One version of a ticket; one with a date of closing is closed. One that was merged into another is
-- gone.
with
merged as (
  select distinct m.merged_id
  from raw.hubspot_tickets as s
  cross join unnest(string_split(s.merged_ids, ';')) as m(merged_id)
  where m.merged_id <> s.id
)
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when created_at is null then 'no date'
  end as quarantine_reason,
  id as source_ticket_id,
  contact_id as source_contact_id,
  owner_id as source_owner_id,
  subject, status, priority,
  closed_at is not null as is_closed,
  created_at, closed_at, updated_at,
  coalesce(is_archived, false) or merged_id is not null as is_deleted
from raw.hubspot_tickets
left join merged on id = merged_id
