-- A profile.
select
    id as source_contact_id,
    coalesce(email, attributes ->> '$.email') as email,
    coalesce(phone_number, attributes ->> '$.phone_number') as phone,
    coalesce(first_name, attributes ->> '$.first_name') as first_name,
    coalesce(last_name, attributes ->> '$.last_name') as last_name,
    coalesce(location ->> '$.country', location__country, attributes ->> '$.location.country')
        as country,
    coalesce(created, attributes ->> '$.created') as created_at,
    coalesce(updated, attributes ->> '$.updated') as updated_at
from profiles
