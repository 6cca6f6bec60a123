-- One row is a record of a person as it came, typed, with its outcome. Of several versions of one
-- record the latest that can be used is accepted and the others are duplicates.
with
judged as (
    select
        *,
        coalesce(customer_id, lower(trim(email)), phone) as source_contact_id,
        case
            when email_refusal then false
            when lower(trim(list_status)) in ('unsubscribed', 'cleaned', 'bounced', 'opted out')
                then false
            when email_consent is not null then email_consent
            when lower(trim(list_status)) = 'subscribed' then true
        end as agreed_to_email,
        case when sms_refusal then false else sms_consent end as agreed_to_sms,
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
        ) as version,
        -- Of two lines of one moment neither is later: who refused in one of them has refused.
        bool_and(agreed_to_email) over (
            partition by
                source_contact_id, coalesce(updated_at, received_at), received_at, reason is not null
        ) as has_email_consent,
        bool_and(agreed_to_sms) over (
            partition by
                source_contact_id, coalesce(updated_at, received_at), received_at, reason is not null
        ) as has_sms_consent
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
    has_email_consent,
    has_sms_consent,
    created_at,
    updated_at
from ranked
