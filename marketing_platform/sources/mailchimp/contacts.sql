-- One version of a member of the audience.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when contact_id is null then 'no key'
        when updated_at is null then 'no date'
    end as quarantine_reason,
    contact_id as source_contact_id,
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
    -- Who was only written to about orders, or has not confirmed yet, has said nothing. An address
    -- that is cleaned has bounced.
    case
        when status = 'subscribed' then true
        when status in ('unsubscribed', 'cleaned') then false
    end as has_email_consent,
    case
        when sms_status = 'subscribed' then true
        when sms_status = 'unsubscribed' then false
    end as has_sms_consent,
    created_at,
    updated_at,
    -- What they had said before holds on.
    status = 'archived' as is_deleted
from raw.mailchimp_members
