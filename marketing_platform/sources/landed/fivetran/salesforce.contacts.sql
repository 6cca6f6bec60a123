-- A contact, or a lead.
select
    id as source_contact_id,
    email,
    coalesce(mobile_phone, phone) as phone,
    first_name,
    last_name,
    coalesce(mailing_country_code, mailing_country) as country,
    mailing_street as street,
    mailing_city as city,
    mailing_postal_code as postcode,
    coalesce(mailing_state_code, mailing_state) as region,
    case when cast(has_opted_out_of_email as boolean) then false end as has_email_consent,
    created_date as created_at,
    coalesce(system_modstamp, last_modified_date, _fivetran_synced) as updated_at,
    coalesce(cast(is_deleted as boolean), false) as is_deleted
from contact
union all
select
    id,
    email,
    coalesce(mobile_phone, phone),
    first_name,
    last_name,
    coalesce(country_code, country),
    street,
    city,
    postal_code,
    coalesce(state_code, state),
    case when cast(has_opted_out_of_email as boolean) then false end,
    created_date,
    coalesce(system_modstamp, last_modified_date, _fivetran_synced),
    coalesce(cast(is_deleted as boolean), false)
from lead
