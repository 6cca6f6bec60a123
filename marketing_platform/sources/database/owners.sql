-- One row is a member of staff, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when source_owner_id is null then 'no key'
    end as quarantine_reason,
    source_owner_id,
    email,
    first_name,
    last_name,
    updated_at,
    is_deleted
from raw.database_owners
