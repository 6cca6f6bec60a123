-- A profile.
select
    id as source_contact_id,
    coalesce(email, attributes ->> '$.email') as email,
    coalesce(phone_number, attributes ->> '$.phone_number') as phone,
    coalesce(first_name, attributes ->> '$.first_name') as first_name,
    coalesce(last_name, attributes ->> '$.last_name') as last_name,
    coalesce(location ->> '$.country', location__country, attributes ->> '$.location.country')
        as country,
    coalesce(location ->> '$.address1', location__address1, attributes ->> '$.location.address1')
        as street,
    coalesce(location ->> '$.city', location__city, attributes ->> '$.location.city')
        as city,
    coalesce(location ->> '$.zip', location__zip, attributes ->> '$.location.zip')
        as postcode,
    coalesce(location ->> '$.region', location__region, attributes ->> '$.location.region')
        as region,
    coalesce(created, attributes ->> '$.created') as created_at,
    coalesce(updated, attributes ->> '$.updated') as updated_at
from profiles
