-- One row is a version of a profile.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when profile_id is null then 'no key'
        when updated_at is null then 'no date'
    end as quarantine_reason,
    profile_id as source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    country,
    street,
    city,
    postcode,
    region,
    language,
    -- Who is suppressed keeps the consent once given, and may not be written to.
    upper(email_consent) = 'SUBSCRIBED' and coalesce(can_receive_email, true)
        as has_email_consent,
    upper(sms_consent) = 'SUBSCRIBED' and coalesce(can_receive_sms, true) as has_sms_consent,
    created_at,
    updated_at
from raw.klaviyo_profiles
