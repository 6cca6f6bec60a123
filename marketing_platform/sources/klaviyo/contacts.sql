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
    -- Who is suppressed keeps the consent once given, and may not be written to. Who never subscribed
    -- has not refused; for text messages Klaviyo says of them, too, that they cannot receive any.
    case
        when not can_receive_email then false
        else nullif(upper(email_consent), 'NEVER_SUBSCRIBED') = 'SUBSCRIBED'
    end as has_email_consent,
    case
        when upper(sms_consent) <> 'NEVER_SUBSCRIBED'
            then upper(sms_consent) = 'SUBSCRIBED' and coalesce(can_receive_sms, true)
    end as has_sms_consent,
    created_at,
    updated_at
from raw.klaviyo_profiles
