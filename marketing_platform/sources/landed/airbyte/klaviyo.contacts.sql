-- A profile.
select
    id as source_contact_id,
    attributes ->> '$.email' as email,
    attributes ->> '$.phone_number' as phone,
    attributes ->> '$.first_name' as first_name,
    attributes ->> '$.last_name' as last_name,
    attributes ->> '$.location.country' as country,
    attributes ->> '$.location.address1' as street,
    attributes ->> '$.location.city' as city,
    attributes ->> '$.location.zip' as postcode,
    attributes ->> '$.location.region' as region,
    -- Who is suppressed keeps the consent once given, and may not be written to. Who never subscribed
    -- has not refused.
    case
        when
            not try_cast(
                attributes ->> '$.subscriptions.email.marketing.can_receive_email_marketing'
                as boolean
            )
            then false
        else nullif(
            upper(attributes ->> '$.subscriptions.email.marketing.consent'), 'NEVER_SUBSCRIBED'
        ) = 'SUBSCRIBED'
    end as has_email_consent,
    case
        when upper(attributes ->> '$.subscriptions.sms.marketing.consent') <> 'NEVER_SUBSCRIBED'
            then upper(attributes ->> '$.subscriptions.sms.marketing.consent') = 'SUBSCRIBED'
            and coalesce(
                try_cast(
                    attributes ->> '$.subscriptions.sms.marketing.can_receive_sms_marketing'
                    as boolean
                ), true
            )
    end as has_sms_consent,
    attributes ->> '$.created' as created_at,
    coalesce(updated, attributes ->> '$.updated') as updated_at
from profiles
