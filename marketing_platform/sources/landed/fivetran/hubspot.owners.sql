-- A member of staff.
select
    owner_id as source_owner_id, email, first_name, last_name,
    coalesce(updated_at, created_at) as updated_at
from owner
