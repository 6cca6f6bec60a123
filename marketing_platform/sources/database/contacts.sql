-- One row is a person as the database has them, as the shop's query gives it.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when
            source_contact_id is null and email is null and phone is null
            then 'nobody is named'
    end as quarantine_reason,
    source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    country,
    language,
    birth_date,
    street,
    city,
    postcode,
    region,
    loyalty_number,
    push_token,
    has_email_consent,
    has_sms_consent,
    created_at,
    updated_at,
    is_deleted
from raw.database_contacts
