-- One row is a member of staff who looks after contacts, deals or tickets.
select
    concat(source, ':', source_owner_id) as owner_id,
    source,
    email,
    first_name,
    last_name,
    updated_at
from staging.owners
where is_deleted is not true
