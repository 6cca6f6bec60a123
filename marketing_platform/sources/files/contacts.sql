-- One row is a record of a person as it came, typed, with its outcome. Of several versions of one
-- record the latest that can be used is accepted and the others are duplicates.
with
judged as (
    select
        *,
        coalesce(customer_id, lower(trim(email)), phone) as source_contact_id,
        lower(trim(list_status)) as standing,
        case
            when unreadable is not null then concat('unreadable: ', unreadable)
            when coalesce(customer_id, email, phone) is null then 'no key, e-mail or phone'
        end as reason
    from raw.files_contacts
),
ranked as (
    select
        *,
        row_number() over (
            partition by source_contact_id, occurrence > 1 or reason is not null
            -- Without a date of change it is of the moment when its export came.
            order by
                coalesce(updated_at, received_at) desc, received_at desc, line_number desc
        ) as version
    from judged
)
select
    record_id,
    received_date,
    case
        when occurrence > 1 then 'duplicate'
        when reason is not null then 'quarantined'
        when version > 1 then 'duplicate'
        else 'accepted'
    end as outcome,
    case when occurrence = 1 then reason end as quarantine_reason,
    source_contact_id,
    email,
    phone,
    first_name,
    last_name,
    country,
    birth_date,
    street,
    city,
    postcode,
    region,
    loyalty_number,
    push_token,
    case
        when email_refusal or standing in ('unsubscribed', 'cleaned', 'bounced', 'opted out')
            then false
        when email_consent is not null then email_consent
        when standing = 'subscribed' then true
    end as has_email_consent,
    case when sms_refusal then false else sms_consent end as has_sms_consent,
    created_at,
    updated_at
from ranked
