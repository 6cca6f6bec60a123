-- A profile.
select
    id as source_contact_id,
    email,
    phone_number as phone,
    first_name,
    last_name,
    country,
    address_1 as street,
    city,
    zip as postcode,
    region,
    created as created_at,
    updated as updated_at,
    coalesce(cast(_fivetran_deleted as boolean), false) as is_deleted
from person
