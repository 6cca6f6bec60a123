-- A member of staff.
select
    id as source_owner_id, email, firstname as first_name, lastname as last_name,
    coalesce(updatedat, createdat) as updated_at,
    coalesce(try_cast(archived as boolean), false) as is_deleted
from owners
