-- One row is an identify call: what was told of a person at one moment. Later calls leave out what
-- did not change, so each is kept.
select
    record_id,
    record_key,
    received_date,
    record_updated_at,
    received_at,
    case
        when unreadable is not null then concat('unreadable: ', unreadable)
        when message_id is null then 'no key'
        when updated_at is null then 'no date'
        when coalesce(user_id, email) is null then 'nobody is named'
    end as quarantine_reason,
    user_id as source_contact_id,
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
    push_token,
    cast(null as boolean) as has_email_consent,
    cast(null as boolean) as has_sms_consent,
    -- Many a site tells it in seconds or milliseconds; of what else it writes nothing is known.
    coalesce(
        created_at,
        case when created_seconds_at >= timestamp '1990-01-01 00:00:00' then created_seconds_at end,
        case
            when created_milliseconds_at >= timestamp '1990-01-01 00:00:00'
                then created_milliseconds_at
        end,
        updated_at
    ) as created_at,
    updated_at,
    cast(null as boolean) as is_deleted
from raw.segment_events_identifies
