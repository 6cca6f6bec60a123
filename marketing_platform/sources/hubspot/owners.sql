-- One member of staff.
select
  record_id, record_key, received_date, record_updated_at, received_at,
  case
    when unreadable is not null then concat('unreadable: ', unreadable)
    when id is null then 'no key'
    when updated_at is null then 'no date'
  end as quarantine_reason,
  id as source_owner_id,
  email, first_name, last_name, updated_at,
  coalesce(is_archived, false) as is_deleted
from raw.hubspot_owners
