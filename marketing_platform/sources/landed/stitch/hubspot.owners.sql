-- A member of staff.
select
    ownerid as source_owner_id, email, firstname as first_name, lastname as last_name,
    coalesce(updatedat, createdat) as updated_at
from owners
